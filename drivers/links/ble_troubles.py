"""Why Bluetooth cannot be used, in a technician's words. One table for opening and for losing.

The code is the same whether the trouble was met at opening (`LinkUnavailable`) or later (`LinkLost`).
"""

from collections.abc import Mapping
from types import MappingProxyType

from drivers.errors import LinkLost, LinkUnavailable

TROUBLES: Mapping[str, str] = MappingProxyType(
    {
        "no_adapter": "this machine has no Bluetooth LE adapter; plug one in, or take the rfkill block away",
        "powered_off": "the Bluetooth adapter is switched off; switch it on: bluetoothctl power on",
        "no_bluetooth_permission": "not permitted to speak with bluetoothd; add the gateway's user to group bluetooth: "
        "usermod -aG bluetooth zhijiao, restart",
        "no_bluetoothd": "bluetoothd is not running; start it: systemctl start bluetooth",
        "adapter_hangs": "bluetoothd does not answer; restart it: systemctl restart bluetooth, "
        "and if that does not help unplug the adapter",
        "adapter_in_use": "the Bluetooth adapter is busy with another program; end other programs that scan",
        "no_bluetooth_library": "the Python package bleak is not installed; install it to use Bluetooth",
    }
)
# Whoever asks a bluetoothd that is not there makes D-Bus start it: how that failed, D-Bus or systemd says.
NOT_STARTED = ("org.freedesktop.DBus.Error.Spawn.", "org.freedesktop.systemd1.")
# Troubles of the machine, not of one device: trying the device again does not help.
OF_THE_MACHINE = frozenset(TROUBLES)


def unavailable(name: str, code: str) -> LinkUnavailable:
    """The trouble as met while opening `name`."""
    return LinkUnavailable(code, f"{name}: {TROUBLES[code]}")


def lost(name: str, code: str) -> LinkLost:
    """The trouble as met by `name`, which was open."""
    return LinkLost(code, f"{name}: {TROUBLES[code]}")
