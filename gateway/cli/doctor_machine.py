"""What `zhijiao doctor` looks at on the machine: clock, disk, service, user."""

import grp
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from gateway.cli.answer import Line, Mark, mib
from gateway.clock import read_adjtimex
from gateway.config import Config, DeviceConfig
from gateway.store.lock import is_held
from gateway.store.reading import STORE_FILE

UNIT = "zhijiao.service"
SERIAL_GROUP = "dialout"
DISK_LOW = 256 << 20  # bytes
GOOD_ERROR_MS = 1_000
COMMAND_S = 5.0

Ask = Callable[[Sequence[str]], str | None]


def ask(command: Sequence[str]) -> str | None:
    """What a program of the system prints; None where there is none, or it fails."""
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_S, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    return told.stdout.strip()


def judge_machine(config: Config, *, ask: Ask = ask) -> Iterator[Line]:
    """Clock, disk, service."""
    yield _clock()
    yield _disk(config.gateway.state_dir)
    yield _service(config, ask)
    if any("port" in device.settings for device in config.devices):
        yield _group(ask)
    if any(_on_the_air(device) for device in config.devices):
        yield _bluetooth(ask)


def _clock() -> Line:
    kernel = read_adjtimex()
    if kernel is None:
        return Line(Mark.NOTE, "clock", "the kernel may not be asked here")
    if not kernel.synchronised:
        todo = "check-ins are taken all the same; set a time server (timedatectl), or let the center give the time"
        return Line(Mark.ATTENTION, "clock", "not synchronised", todo)
    error = "unknown" if kernel.error_ms is None else f"{kernel.error_ms} ms"
    good = kernel.error_ms is not None and kernel.error_ms <= GOOD_ERROR_MS
    todo = "" if good else "look at the time server and the line to it: timedatectl timesync-status"
    return Line(Mark.OK if good else Mark.ATTENTION, "clock", f"synchronised, error at most {error}", todo)


def _disk(folder: Path) -> Line:
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    free = shutil.disk_usage(place).free
    if os.statvfs(place).f_flag & os.ST_RDONLY:
        todo = "nothing can be recorded; the card may be worn out: dmesg, then replace it"
        return Line(Mark.ATTENTION, "disk", f"{place} is read-only", todo)
    if not folder.exists():
        todo = f"the service makes it; by hand: install -d -o zhijiao -m 700 {folder}"
        return Line(Mark.ATTENTION, "disk", f"{folder} is not there", todo)
    if not os.access(folder, os.W_OK):
        return Line(Mark.NOTE, "disk", f"{folder} is another user's; {mib(free)} free")
    if free < DISK_LOW:
        todo = "free space: journalctl --vacuum-size=200M; old copies of the store"
        return Line(Mark.ATTENTION, "disk", f"{mib(free)} free", todo)
    return Line(Mark.OK, "disk", f"{mib(free)} free")


def _service(config: Config, ask: Ask) -> Line:
    if is_held(config.gateway.state_dir / STORE_FILE):
        return Line(Mark.OK, "gateway", "running")
    state = ask(["systemctl", "is-active", UNIT])
    if state is None:
        return Line(
            Mark.ATTENTION, "gateway", "not running, and there is no systemd", "zhijiao run --config FILE"
        )
    if state == "failed":
        return Line(Mark.ATTENTION, "gateway", "its service failed", f"journalctl -u {UNIT} -n 50")
    return Line(Mark.ATTENTION, "gateway", "not running", f"systemctl enable --now {UNIT}")


def _group(ask: Ask) -> Line:
    try:
        members = grp.getgrnam(SERIAL_GROUP).gr_mem
    except KeyError:
        return Line(Mark.NOTE, "serial ports", f"there is no group {SERIAL_GROUP}")
    asked = ask(["systemctl", "show", "-p", "SupplementaryGroups", "--value", UNIT]) or ""
    if "zhijiao" in members or SERIAL_GROUP in asked.split():
        return Line(Mark.OK, "serial ports", f"the service may open them (group {SERIAL_GROUP})")
    todo = f"usermod -aG {SERIAL_GROUP} zhijiao, and restart the service"
    return Line(Mark.ATTENTION, "serial ports", f"user zhijiao is not in group {SERIAL_GROUP}", todo)


def _on_the_air(device: DeviceConfig) -> bool:
    return device.kind == "beacon.ble" or str(device.settings.get("port", "")).startswith("ble:")


def _bluetooth(ask: Ask) -> Line:
    version = ask(["bluetoothctl", "--version"])
    if version is None:
        todo = "apt-get install bluez, or take a wearable's dock"
        return Line(Mark.ATTENTION, "bluetooth", "BlueZ is not installed", todo)
    adapters = Path("/sys/class/bluetooth")
    if not adapters.is_dir() or not any(adapters.iterdir()):
        return Line(Mark.ATTENTION, "bluetooth", f"{version}, no adapter", "plug in a USB Bluetooth adapter")
    return Line(Mark.OK, "bluetooth", version)
