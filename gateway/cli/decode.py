"""`zhijiao decode`: frames of any device family, explained for a person or decoded for a program.

    zhijiao decode idcard-sam AAAAAA9669 0004 000080 84      field by field, personal data hidden
    zhijiao decode ble-gatt 0448 --uuid 2A37                 options stand behind the bytes, or before the family
    xxd -p capture.bin | zhijiao decode idcard-sam           the same from standard input
    zhijiao decode idcard-sam --jsonl < frames.jsonl         one JSON object per line, in and out

Lines in:   {"id": ..., "hex": "...", "direction": "host>reader"}      only "hex" is needed
            {"hex": "...", "uuid": "2A67"}                             ble-gatt: of which characteristic
Lines out:  {"id": ..., "ok": true, "decoded": {...}, "error": null}
            {"id": ..., "ok": false, "decoded": {"error": code}, "error": {"code": ..., "msg": ...}}

Every line in gives a line out, whatever is in it. Lines out are not masked: programs compare them.
Codes: json, id, hex, direction, uuid, family, too_long, and those of the family.
"""

import argparse
import io
import json
import re
import sys
from collections.abc import Iterator, Sequence
from typing import BinaryIO, NoReturn

from firmware_protocols.describing import Field
from firmware_protocols.errors import LocalProtocolError, ProtocolError
from firmware_protocols.families import FAMILIES, describer
from gateway.cli.text_table import printable, table

EXIT_OK = 0
EXIT_USAGE = 2  # as argparse
EXIT_DATA = 65  # EX_DATAERR
EXIT_CODES = "0 done (with --jsonl always), 2 wrong usage, 65 something in the bytes is wrong"

MAX_INPUT = 1 << 20  # bytes in a line, or in a dump; the longest frame of any family takes far less
BYTES_SHOWN = 12  # in a row; the rest is counted
HIDDEN = "[hidden]"

_HEX_PREFIX = re.compile(r"\b0[xX]")
_SEPARATORS = str.maketrans(dict.fromkeys(" \t\r\n:-,"))


class InputError(Exception):
    """What was given cannot be read as bytes. The text never repeats it: it may be a person's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "decode",
        help="explain frames of a device (解析设备报文)",
        description="Explain frames of a device field by field, or decode them as JSON lines.",
        epilog=f"Families: {', '.join(sorted(FAMILIES))}. Exit codes: {EXIT_CODES}.",
    )
    parser.add_argument("family", metavar="FAMILY", help="device family, e.g. idcard-sam")
    parser.add_argument("hex", metavar="HEX", nargs="*", help="bytes in hex; without any, standard input")
    parser.add_argument("--direction", help="which way the frames go, e.g. 'host>reader'; default: recognise")
    parser.add_argument(
        "--uuid", help="ble-gatt: the characteristic, e.g. 2A67; in a line, 'uuid' goes first"
    )
    parser.add_argument(
        "--jsonl", action="store_true", help="JSON lines from standard input to standard output"
    )
    parser.add_argument("--reveal", action="store_true", help="show personal data (显示个人信息)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Do what the arguments say; the exit code."""
    if not args.jsonl:
        return _explain(args)
    if args.hex:
        return _usage("--jsonl reads standard input; leave HEX out")
    for answer in answers(sys.stdin.buffer, args.family, args.direction, args.uuid):
        print(json.dumps(answer, ensure_ascii=True), flush=True)
    return EXIT_OK


def _explain(args: argparse.Namespace) -> int:
    try:
        data = parse_hex(" ".join(args.hex) if args.hex else sys.stdin.read(MAX_INPUT + 1))
        fields = describer(args.family, args.uuid).explain(data, args.direction)
    except (LocalProtocolError, InputError) as exc:
        return _usage(str(exc))
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without Chinese still shows the numbers
    for line in report(data, fields, reveal=args.reveal):
        print(line)
    return EXIT_DATA if any(field.wrong for field in fields) else EXIT_OK


def _usage(message: str) -> int:
    print(f"zhijiao decode: {message}", file=sys.stderr)
    return EXIT_USAGE


def answers(
    stream: BinaryIO, family: str, direction: str | None, uuid: str | None = None
) -> Iterator[dict[str, object]]:
    """One answer for every line of `stream`."""
    while line := stream.readline(MAX_INPUT + 1):
        whole = line.endswith(b"\n") or len(line) <= MAX_INPUT
        if not whole:
            _skip_line(stream)
        yield _answer(line if whole else None, family, direction, uuid)


def _skip_line(stream: BinaryIO) -> None:
    while (rest := stream.readline(MAX_INPUT)) and not rest.endswith(b"\n"):
        pass


def _answer(line: bytes | None, family: str, direction: str | None, uuid: str | None) -> dict[str, object]:
    line_id: object = None
    try:
        item = _json_object(line)
        line_id = _line_id(item)
        data = parse_hex(item.get("hex"))
        told = describer(family, _text(item, "uuid") or uuid)
        decoded = told.decode(data, _text(item, "direction") or direction)
    except (ProtocolError, InputError) as exc:
        error = {"code": exc.code, "msg": str(exc)}
        return {"id": line_id, "ok": False, "decoded": {"error": exc.code}, "error": error}
    return {"id": line_id, "ok": True, "decoded": decoded, "error": None}


def _json_object(line: bytes | None) -> dict[str, object]:
    if line is None:
        raise InputError("too_long", f"the line is longer than {MAX_INPUT} bytes")
    try:
        item = json.loads(line.decode("utf-8-sig"), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise InputError("json", "the line is no JSON") from None
    if not isinstance(item, dict):
        raise InputError("json", "the line is no JSON object")
    return item


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _line_id(item: dict[str, object]) -> str | int | None:
    line_id = item.get("id")
    if line_id is None or isinstance(line_id, str | int):
        return line_id
    raise InputError("id", "'id' is neither text nor a whole number")


def _text(item: dict[str, object], key: str) -> str | None:
    text = item.get(key)
    if text is None or isinstance(text, str):
        return text
    raise InputError(key, f"'{key}' is no text")


def parse_hex(text: object) -> bytes:
    """Bytes from hex digits, with or without spaces, colons, commas, dashes or 0x between them."""
    if not isinstance(text, str):
        raise InputError("hex", "'hex' is missing or no text")
    if len(text) > MAX_INPUT:
        raise InputError("too_long", f"more than {MAX_INPUT} hex digits")
    digits = _HEX_PREFIX.sub("", text).translate(_SEPARATORS)
    if not digits:
        raise InputError("hex", "no hex digits given")
    try:
        return bytes.fromhex(digits)
    except ValueError:
        why = "an odd number of hex digits" if len(digits) % 2 else "something that is no hex digit"
        raise InputError("hex", f"the bytes hold {why}") from None


def report(data: bytes, fields: Sequence[Field], *, reveal: bool) -> list[str]:
    """The table for a person, and below it what to do."""
    head = ("", "offset", "bytes", "field", "value", "meaning")
    lines = table([head, *(_row(data, field, reveal=reveal) for field in fields)])
    advice = dict.fromkeys(f"-> {field.name}: {field.advice}" for field in fields if field.advice)
    if advice:
        lines += ["", *advice]
    if not reveal and any(field.personal and not field.opaque for field in fields):
        lines += ["", "Personal data is hidden; --reveal shows it (个人信息已隐藏)."]
    return lines


def _row(data: bytes, field: Field, *, reveal: bool) -> tuple[str, ...]:
    hidden = field.personal and not reveal
    return (
        "!" if field.wrong else "",
        str(field.offset),
        f"{HIDDEN} {field.length}" if hidden or field.opaque else _hex_bytes(data, field),
        field.name,
        HIDDEN if hidden and not field.opaque else printable(field.value),
        field.note,
    )


def _hex_bytes(data: bytes, field: Field) -> str:
    shown = data[field.offset : field.offset + min(field.length, BYTES_SHOWN)].hex(" ").upper()
    rest = field.length - BYTES_SHOWN
    return f"{shown} +{rest}" if rest > 0 else shown


def main() -> int:
    """The command on its own: `python -m gateway.cli.decode FAMILY ...`."""
    parser = argparse.ArgumentParser(prog="zhijiao")
    add_parser(parser.add_subparsers(required=True))
    return run(parser.parse_args(["decode", *sys.argv[1:]]))


if __name__ == "__main__":
    sys.exit(main())
