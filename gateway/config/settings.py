"""A driver's complaint about its settings, told like every other mistake of the file.

Drivers know neither files nor lines; they name the setting.
"""

import re

from drivers.errors import DriverError
from gateway.config.lists import DeviceConfig
from gateway.config.locator import locate
from gateway.config.model import Config
from gateway.config.problems import ConfigFileError, Problem

_QUOTED = re.compile(r"'([^']+)'")


def setting_error(
    config: Config, device: DeviceConfig, error: DriverError, key: str | None = None
) -> ConfigFileError:
    """`error` with the line of the setting it names, else with the line of the device's table."""
    if key is None:
        key = next((word for word in _QUOTED.findall(str(error)) if word in device.settings), None)
    path = device.source or config.path
    try:
        line = locate(path, device.table_index, key or "")
    except OSError:
        line = None  # the file went away since it was read; the complaint stands
    where = f"[[device]] {key}" if key else "[[device]]"
    return ConfigFileError(path, [Problem(code=error.code, what=str(error), where=where, line=line)])
