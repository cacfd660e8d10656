"""What `zhijiao doctor` looks at of each configured device: its port or its listener, without disturbing it."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from gateway.cli.answer import Line, Mark
from gateway.config import Config, DeviceConfig

STABLE = "/dev/serial/by-"


def judge_devices(config: Config, *, running: bool) -> Iterator[Line]:
    """A line for each device."""
    if not config.devices:
        yield Line(Mark.ATTENTION, "devices", "none is configured", "zhijiao probe shows what is plugged in")
    for device in config.devices:
        yield judge_device(device, running=running)
    bound = {name for kiosk in config.kiosks for name in kiosk.devices}
    for device in config.devices:
        if device.kind.startswith(("idcard.", "finger.", "face.")) and device.id not in bound:
            todo = f'write it into devices of a [[kiosk]]: devices = ["{device.id}"]'
            yield Line(Mark.NOTE, device.id, "stands at no kiosk: what it reads starts no check-in", todo)


def judge_device(device: DeviceConfig, *, running: bool) -> Line:
    """How its port stands."""
    port = device.settings.get("port")
    if not isinstance(port, str) or "://" in port or port.startswith("ble:"):
        return Line(Mark.NOTE, device.id, f"{device.kind}, looked at by the gateway itself")
    path = Path(port)
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        todo = "plug it in, or take its name from `zhijiao probe`"
        return Line(Mark.ATTENTION, device.id, f"{port} is not there", todo)
    except OSError as exc:
        return Line(Mark.ATTENTION, device.id, f"{port}: {exc.strerror}", "run this as root")
    if not stat.S_ISCHR(mode):
        return Line(
            Mark.ATTENTION, device.id, f"{port} is no serial port", "take a name of /dev/serial/by-id"
        )
    if not port.startswith(STABLE):
        todo = "take its name of /dev/serial/by-id: this one changes with the order of plugging in"
        return Line(Mark.NOTE, device.id, f"{device.kind} at {port}", todo)
    if not running and not os.access(path, os.R_OK | os.W_OK):
        return Line(Mark.NOTE, device.id, f"{device.kind} at {port}; not this user's to open")
    return Line(Mark.OK, device.id, f"{device.kind} at {port}")
