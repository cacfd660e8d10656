"""A configured device gets its driver."""

from typing import cast

from drivers import registry
from drivers.driver import Driver, Host
from drivers.errors import SettingsError
from gateway.config import Config, DeviceConfig, setting_error
from gateway.supervisor import DeviceTask


def build_driver(config: Config, device: DeviceConfig, host: DeviceTask | None) -> Driver:
    """The driver of a configured device; raises `ConfigError` with file and line. `host` None: it is not run."""
    try:
        return registry.build(device.kind, device.id, device.settings, cast("Host", host))
    except SettingsError as exc:
        raise setting_error(config, device, exc) from exc
