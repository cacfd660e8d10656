"""Attendance records (ATTLOG): a line each, `pin TAB time TAB status TAB verify TAB work code …`.

A line that cannot be read is told by itself and takes no other with it. One that was cut may still look
whole (verify 1 of 15), so a last line without its end must go on behind the field that counts.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from firmware_protocols.errors import RemoteProtocolError

LONGEST_BODY = 1 << 20  # bytes
LONGEST_LINE = 256
MOST_LINES = 20_000

# How the terminal recognised somebody: the codes that several sources agree on. Those of combinations (card
# and finger) differ between firmwares, so that each terminal's own are told by its configuration.
VERIFY: Mapping[int, str] = MappingProxyType({0: "password", 1: "finger", 4: "card", 15: "face", 25: "palm"})
STATUS: Mapping[int, str] = MappingProxyType(
    {0: "in", 1: "out", 2: "break out", 3: "break in", 4: "overtime in", 5: "overtime out"}
)

_PIN = re.compile(rb"[0-9A-Za-z]{1,24}")
_TIME = re.compile(rb"20[0-9]{2}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}")
_CODE = re.compile(rb"[0-9]{1,3}")
_FIELDS = 4  # that must be there


@dataclass(frozen=True, slots=True)
class Punch:
    """Somebody was recognised by the terminal."""

    pin: str = field(repr=False)  # the number the terminal knows the person by
    time: datetime = field(repr=False)  # by the terminal's clock, in its zone
    status: int
    verify: int
    work_code: str = field(repr=False)
    raw: bytes = field(repr=False)  # the fields that make the record, as sent


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that is no record. Codes: fields, pin, time, status, verify, cut, long."""

    number: int  # from 1
    code: str
    content: bytes = field(repr=False)


def parse(body: bytes) -> list[Punch | BadLine]:
    """Every line that is not empty, in order. Codes: too_long."""
    if len(body) > LONGEST_BODY or body.count(b"\n") >= MOST_LINES:
        raise RemoteProtocolError(
            "too_long", f"more than {LONGEST_BODY} bytes or {MOST_LINES} lines of records"
        )
    return [_record(number, line, ended=ended) for number, _, line, ended in lines(body) if line.strip()]


def lines(body: bytes) -> Iterator[tuple[int, int, bytes, bool]]:
    """Number, offset, line without its end, and whether it was ended."""
    at = 0
    for number, line in enumerate(body.split(b"\n"), 1):
        ended = at + len(line) < len(body)
        yield number, at, line.removesuffix(b"\r"), ended
        at += len(line) + 1


def _record(number: int, line: bytes, *, ended: bool) -> Punch | BadLine:
    if len(line) > LONGEST_LINE:
        return BadLine(number, "long", line)
    parts = line.split(b"\t")
    if len(parts) < _FIELDS:
        return BadLine(number, "fields", line)
    if not ended and len(parts) == _FIELDS:
        return BadLine(number, "cut", line)
    pin, when, status, verify = parts[:_FIELDS]
    wrong = _wrong(pin, when, status, verify)
    moment = None if wrong else _moment(when)
    if moment is None:
        return BadLine(number, wrong or "time", line)
    code = parts[_FIELDS].decode(errors="replace") if len(parts) > _FIELDS else ""
    return Punch(pin.decode(), moment, int(status), int(verify), code, b"\t".join(parts[:_FIELDS]))


def _wrong(pin: bytes, when: bytes, status: bytes, verify: bytes) -> str | None:
    checks = ((_PIN, pin, "pin"), (_TIME, when, "time"), (_CODE, status, "status"), (_CODE, verify, "verify"))
    return next((code for form, text, code in checks if form.fullmatch(text) is None), None)


def _moment(text: bytes) -> datetime | None:
    try:
        return datetime.fromisoformat(text.decode())
    except ValueError:  # the 31st of February
        return None


def to_line(pin: str, time: datetime, status: int, verify: int, work_code: str = "0") -> bytes:
    """The other half: as a terminal writes it."""
    return f"{pin}\t{time:%Y-%m-%d %H:%M:%S}\t{status}\t{verify}\t{work_code}\t0\t0\n".encode()
