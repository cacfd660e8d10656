"""Which driver serves which kind of device. A module is imported when its kind is configured, not before.

Adding a kind: one line here, see README.md.
"""

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Protocol, cast

from drivers.driver import Driver, Host, Settings
from drivers.errors import SettingsError
from drivers.settings import nearest

REGISTRY: Mapping[str, str] = MappingProxyType(
    {
        "badge.line": "drivers.badge_line:BadgeLine",
        "beacon.ble": "drivers.beacon_listener:BeaconListener",
        "face.efaa_xor16": "drivers.face_module:FaceModule",
        "finger.zfm": "drivers.fingerprint_reader:FingerprintReader",
        "idcard.sam": "drivers.idcard_reader:IdCardReader",
        "reader.osdp": "drivers.osdp_reader:OsdpReader",
        "terminal.zk_adms": "drivers.zk_terminal:ZkTerminal",
        "tracker.gt06": "drivers.tracker_line:GT06",
        "tracker.h02": "drivers.tracker_line:H02",
        "tracker.jt808": "drivers.tracker_line:JT808",
        "tracker.laipac": "drivers.tracker_line:LAIPAC",
        "tracker.minifinder2": "drivers.tracker_line:MINIFINDER2",
        "tracker.pt60": "drivers.tracker_line:PT60",
        "tracker.r16h": "drivers.tracker_line:R16H",
        "tracker.topin": "drivers.tracker_line:TOPIN",
        "tracker.trv": "drivers.tracker_line:TRV",
        "tracker.watch": "drivers.tracker_line:WATCH",
        "tracker.wristband-yx": "drivers.tracker_line:WRISTBAND_YX",
        "tracker.xexun2": "drivers.tracker_line:XEXUN2",
    }
)


class DriverType(Protocol):
    """What stands behind each line of the registry."""

    def build(self, device_id: str, settings: Settings, host: Host) -> Driver:
        """Make the driver from its configuration; raises `SettingsError`."""
        ...


def driver_type(kind: str) -> DriverType:
    """The class behind a kind; raises `SettingsError` for a kind that is not known."""
    entry = REGISTRY.get(kind)
    if entry is None:
        known = ", ".join(sorted(REGISTRY))
        raise SettingsError("unknown_kind", f"unknown kind '{kind}'{nearest(kind, REGISTRY)}; known: {known}")
    module, _, name = entry.partition(":")
    return cast("DriverType", getattr(import_module(module), name))


def build(kind: str, device_id: str, settings: Settings, host: Host) -> Driver:
    """The driver of one configured device. `settings` is its table without `id` and `kind`."""
    try:
        found = driver_type(kind)
    except SettingsError as exc:
        raise SettingsError(exc.code, f"device '{device_id}': {exc}") from exc
    return found.build(device_id, settings, host)
