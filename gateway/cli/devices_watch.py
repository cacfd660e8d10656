"""`zhijiao devices watch`: says each port and USB device that comes and goes, and whose it is. Opens none of them."""

import argparse
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from drivers.links.serial_ports import FoundPort, UsbDevice, no_ports, serial_ports
from gateway.cli.answer import describe, print_json
from gateway.cli.place import add_json
from gateway.config import DeviceConfig, load_without_files
from gateway.config.model import DEFAULT_PATH

LOOK_S = 0.5
EXIT_CODES: Mapping[int, str] = {0: "ended by Ctrl-C, or after --seconds"}


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = describe(
        commands, "watch", summary="what is plugged in and out (插拔监视)", text=__doc__, codes=EXIT_CODES
    )
    parser.add_argument(
        "--config", type=Path, default=None, help=f"default: {DEFAULT_PATH}, where it is there"
    )
    parser.add_argument("--seconds", type=float, default=None, help="end by itself after so long")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Look until told to stop."""
    path = args.config if args.config is not None or not DEFAULT_PATH.exists() else DEFAULT_PATH
    devices = () if path is None else load_without_files(path).devices
    until = None if args.seconds is None else time.monotonic() + args.seconds
    before: Mapping[str, str] = {}
    first = True
    try:
        while until is None or time.monotonic() < until:
            now = dict(seen(serial_ports(), no_ports(), devices))
            for came, name, what in changes(before, now):
                _say(args, came="here" if first else "came" if came else "gone", name=name, what=what)
            before, first = now, False
            time.sleep(LOOK_S)
    except KeyboardInterrupt:
        pass
    return 0


def _say(args: argparse.Namespace, *, came: str, name: str, what: str) -> None:
    if args.json:
        print_json({"event": came, "name": name, "what": what})
    else:
        print(f"{time.strftime('%H:%M:%S')} {came}  {name}  {what}", flush=True)


def seen(
    ports: Sequence[FoundPort],
    others: Sequence[UsbDevice],
    devices: Sequence[DeviceConfig],
    real: Callable[[str], str] = os.path.realpath,
) -> Iterator[tuple[str, str]]:
    """What is there, and in a few words what it is."""
    owners: dict[str, list[str]] = {}  # several readers may stand on one line
    for device in devices:
        if "port" in device.settings:
            owners.setdefault(real(str(device.settings["port"])), []).append(f"{device.id} ({device.kind})")
    for port in ports:
        usb = " ".join(part for part in (port.usb_id, port.product) if part)
        whose = ", ".join(owners.get(real(port.name), ())) or "no device of the configuration"
        yield port.name, f"{whose}{f', USB {usb}' if usb else ''}"
    for other in others:
        what = other.known or {"hid": "USB-HID device", "vendor": "vendor-class USB device"}[other.kind]
        yield f"usb {other.usb_id}", f"{what}, not a serial model"


def changes(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[tuple[bool, str, str]]:
    """(came, name, what), those that went first: an adapter that changed its place is told in that order."""
    for name in before.keys() - now.keys():
        yield False, name, before[name]
    for name in now:
        if name not in before:
            yield True, name, now[name]
