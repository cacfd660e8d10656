"""`zhijiao devices key`: give an OSDP reader of the configuration its own key. The gateway must be stopped.

The key is the one in the device's `key_file`, or a new one that is written there first (mode 0400, hex). The reader's
present key is the factory's, unless --present names a file that holds another one.
"""

import argparse
import asyncio
from collections.abc import Mapping
from pathlib import Path

from drivers.errors import DriverError
from drivers.links.lines import wired
from drivers.links.serial_port import SerialSettings
from drivers.osdp_keys import give_key
from drivers.osdp_settings import BAUDS
from firmware_protocols.osdp.secure_keys import DEFAULT_KEY
from gateway.cli.answer import Line, Mark, describe, print_json, print_lines
from gateway.cli.place import add_json
from gateway.config import Config, DeviceConfig, load_without_files
from gateway.config.model import DEFAULT_PATH
from gateway.devices.osdp_key import made_key, read_key
from gateway.errors import ConfigError

KIND = "reader.osdp"
EXIT_NOT_GIVEN = 1
EXIT_CODES: Mapping[int, str] = {
    0: "the reader has the key, and has shown it",
    EXIT_NOT_GIVEN: "the reader does not have it, see the line",
}


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = describe(
        commands, "key", summary="give an OSDP reader its key (读卡器密钥)", text=__doc__, codes=EXIT_CODES
    )
    parser.add_argument("device", metavar="DEVICE", help="its id")
    parser.add_argument(
        "--present", type=Path, metavar="FILE", help="the reader's present key in hex; without, the factory's"
    )
    parser.add_argument("--config", type=Path, default=DEFAULT_PATH, help=f"default: {DEFAULT_PATH}")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Give it; raises `GatewayError`."""
    device = _device(load_without_files(args.config), args.device)
    key_file, present = _key_file(device), DEFAULT_KEY if args.present is None else read_key(args.present)
    made = not key_file.exists()
    new = made_key(key_file) if made else read_key(key_file)
    lines = [Line(Mark.OK, "key", f"{key_file}, {'new' if made else 'as it was there'}")]
    link = wired(device.id, str(device.settings.get("port", "")), SerialSettings(baud=_baud(device)))
    address = device.settings.get("address", 0)
    try:
        found = asyncio.run(
            give_key(
                link,
                address if isinstance(address, int) else 0,
                present=present,
                new=new,
                step=lambda what: None if args.json else print(f"    {what} ...", flush=True),
            )
        )
    except DriverError as exc:
        lines.append(
            Line(Mark.ATTENTION, device.id, f"{exc.code}: {exc}", "the reader keeps the key that it had")
        )
        _answer(args, lines, given=False)
        return EXIT_NOT_GIVEN
    identity = found.identity
    lines.append(Line(Mark.OK, device.id, f"has it; serial {identity.serial:08X}, start the gateway again"))
    _answer(args, lines, given=True)
    return 0


def _answer(args: argparse.Namespace, lines: list[Line], *, given: bool) -> None:
    if args.json:
        print_json({"ok": given, "lines": [line.as_dict() for line in lines]})
    else:
        print_lines(lines)


def _device(config: Config, name: str) -> DeviceConfig:
    for one in config.devices:
        if one.id == name and one.kind == KIND:
            return one
    known = ", ".join(one.id for one in config.devices if one.kind == KIND) or "none"
    raise ConfigError("unknown_device", f"no {KIND} is called '{name}'; known: {known}")


def _key_file(device: DeviceConfig) -> Path:
    named = device.settings.get("key_file")
    if not isinstance(named, str) or not named.startswith("/"):
        raise ConfigError(
            "missing_setting", f"device '{device.id}': write key_file = \"/etc/zhijiao/keys/{device.id}.key\""
        )
    return Path(named)


def _baud(device: DeviceConfig) -> int:
    baud = device.settings.get("baud", BAUDS[0])
    return baud if isinstance(baud, int) else BAUDS[0]
