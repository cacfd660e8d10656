"""What `zhijiao simulate` makes of its arguments: ports, addresses, devices."""

import argparse
from pathlib import Path

from drivers.aes import aes
from drivers.badge_line_settings import LINES
from drivers.simulators.badge_line import SimulatedConverter
from drivers.simulators.call import Call
from drivers.simulators.fingerprint import SimulatedModule
from drivers.simulators.kiosk import MODULE_SERIAL
from drivers.simulators.osdp import SimulatedOsdpReader
from drivers.simulators.pty_host import PtyHost
from drivers.simulators.terminal import SimulatedTerminal, TerminalFaults
from drivers.simulators.tracker import SimulatedTracker
from firmware_protocols.errors import LocalProtocolError
from firmware_protocols.osdp.secure_keys import KEY_SIZE
from firmware_protocols.wiegand.lines import Marks
from firmware_protocols.zfm.family import Family
from gateway.cli.simulate import TRACKER
from gateway.errors import StartError

TERMINAL_SERIAL = "TEST001"


def port_name(args: argparse.Namespace) -> Path:
    """The name that the port gets."""
    if args.port is None:
        raise StartError("simulate", f"{args.kind} needs --port, the name its port gets")
    return _with_folder(args.port)


def finger_port_name(args: argparse.Namespace) -> Path:
    """The same of a kiosk's fingerprint module."""
    if args.finger_port is None:
        raise StartError("simulate", "kiosk needs --finger-port, the name the module's port gets")
    return _with_folder(args.finger_port)


def _with_folder(name: Path) -> Path:
    try:
        name.parent.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise StartError("simulate", f"{name.parent}: {exc.strerror}; choose another place") from exc
    return name


def address(args: argparse.Namespace) -> tuple[str, int]:
    """Where the gateway listens."""
    host, _, port = (args.to or "").rpartition(":")
    if not host or not port.isdigit():
        raise StartError("simulate", f"{args.kind} needs --to ADDRESS:PORT, where the gateway listens for it")
    return host.strip("[]"), int(port)


def tracker_port(args: argparse.Namespace) -> "PtyHost | Call":
    """A dock where a port is named, else a call."""
    return Call(*address(args)) if args.port is None else PtyHost(port_name(args))


def made_tracker(args: argparse.Namespace) -> SimulatedTracker:
    """A wearable of the kind."""
    try:
        return SimulatedTracker(args.kind.removeprefix(TRACKER), args.serial)
    except LocalProtocolError as exc:
        raise StartError("simulate", f"--serial: {exc}") from exc


def made_terminal(args: argparse.Namespace) -> SimulatedTerminal:
    """A terminal with its faults."""
    faults = TerminalFaults(
        repeat=args.repeat,
        cut=args.cut,
        stale_stamp=args.stale_stamp,
        templates=args.templates,
        in_2000=args.in_2000,
    )
    return SimulatedTerminal(*address(args), args.serial or TERMINAL_SERIAL, faults=faults, seed=args.seed)


def made_module(args: argparse.Namespace) -> SimulatedModule:
    """A fingerprint module."""
    return SimulatedModule(Family(args.family), serial=MODULE_SERIAL % args.seed)


def made_converter(args: argparse.Namespace) -> SimulatedConverter:
    """A converter of the format that is named."""
    return SimulatedConverter(Marks(*LINES[args.line]))


def made_osdp_reader(args: argparse.Namespace) -> SimulatedOsdpReader:
    """A card reader, with secure channel where its key is given."""
    if args.key_file is None:
        return SimulatedOsdpReader()
    try:
        key = bytes.fromhex(args.key_file.read_text("ascii"))
    except OSError as exc:
        raise StartError("simulate", f"--key-file: {args.key_file} cannot be read ({exc.strerror})") from exc
    except ValueError:
        key = b""
    if len(key) != KEY_SIZE:
        raise StartError("simulate", f"--key-file: {args.key_file} must hold {2 * KEY_SIZE} hex digits")
    return SimulatedOsdpReader(scbk=key, aes=aes)
