"""What the server says. Both halves: a simulated terminal reads what a gateway writes.

`Shell` and whatever else runs programs or writes files on a terminal cannot be built here.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError

OK = b"OK"
LONGEST = 64 << 10
_ALLOWED = ("INFO", "CHECK", "LOG", "DATA DELETE USERINFO PIN=")
_COMMAND = re.compile(r"C:([0-9]{1,9}):([^\r\n]{1,512})")
_EPOCH = datetime(2000, 1, 1)  # noqa: DTZ001 - the terminals' own counting


@dataclass(frozen=True, slots=True)
class Command:
    """Something that the terminal is asked to do."""

    id: int
    text: str = field(repr=False)  # may name a person


def ok(count: int) -> bytes:
    """So many records are taken."""
    return b"OK: %d" % count


def options(serial: str, *, offset_min: int, delay_s: int, error_delay_s: int) -> bytes:
    """How a terminal should behave: send attendance records at once, and nothing else.

    `ATTLOGStamp=None`: everything it still holds. What it holds is known here by its content, and its own
    count of what it has sent would skip records after somebody set its clock back.
    """
    members = {
        "ATTLOGStamp": "None",
        "OPERLOGStamp": "9999",  # nothing of these is wanted
        "ATTPHOTOStamp": "9999",
        "BIODATAStamp": "9999",
        "ErrorDelay": str(error_delay_s),
        "Delay": str(delay_s),
        "TransTimes": "00:00;12:00",
        "TransInterval": "1",
        "TransFlag": "TransData AttLog",
        "TimeZone": time_zone(offset_min),
        "Realtime": "1",
        "Encrypt": "0",
        "ServerVer": "2.4.1",
        "PushProtVer": "2.4.1",
        "MultiBioDataSupport": "0:0:0:0:0:0:0:0:0:0",
        "MultiBioPhotoSupport": "0:0:0:0:0:0:0:0:0:0",
    }
    lines = [f"GET OPTION FROM: {serial}", *(f"{name}={value}" for name, value in members.items()), ""]
    return "\n".join(lines).encode("ascii")


def time_zone(offset_min: int) -> str:
    """Hours east of Greenwich; minutes where that is no whole number."""
    return str(offset_min // 60 if offset_min % 60 == 0 else offset_min)


def parse_options(text: bytes) -> Mapping[str, str]:
    """The members of `options`. Codes: options."""
    first, *rest = _lines(text)
    if not first.startswith("GET OPTION FROM: "):
        raise RemoteProtocolError("options", "the text does not begin with GET OPTION FROM")
    return dict(line.partition("=")[::2] for line in rest if "=" in line)


def commands(wanted: Sequence[Command]) -> bytes:
    """Lines of `C:id:command`; `OK` where there is nothing. Raises `LocalProtocolError` (command)."""
    for one in wanted:
        if not one.text.startswith(_ALLOWED) or _COMMAND.fullmatch(f"C:{one.id}:{one.text}") is None:
            raise LocalProtocolError("command", "a command that is not sent to terminals")
    return "".join(f"C:{one.id}:{one.text}\n" for one in wanted).encode() or OK


def parse_commands(text: bytes) -> list[Command]:
    """What a terminal is asked to do. Codes: command."""
    found = []
    for line in _lines(text):
        match = _COMMAND.fullmatch(line)
        if match is None:
            raise RemoteProtocolError("command", "a line is not C:id:command")
        found.append(Command(int(match[1]), match[2]))
    return found


def time_of_day(wall_ms: int, offset_min: int) -> bytes:
    """The time for who asks: the terminals' count of seconds, of months of 31 days, at Greenwich, and the zone."""
    now = datetime.fromtimestamp(wall_ms // 1000, UTC)
    sign, minutes = "-" if offset_min < 0 else "+", abs(offset_min)
    return f"DateTime={encode_time(now)},ServerTZ={sign}{minutes // 60:02d}{minutes % 60:02d}".encode()


def encode_time(moment: datetime) -> int:
    """Seconds since 2000 in months of 31 days."""
    days = ((moment.year - _EPOCH.year) * 12 + moment.month - 1) * 31 + moment.day - 1
    return days * 86_400 + moment.hour * 3600 + moment.minute * 60 + moment.second


def decode_time(count: int) -> datetime:
    """Inverse of `encode_time`. Codes: time."""
    days, second = divmod(count, 86_400)
    months, day = divmod(days, 31)
    try:
        return datetime(  # noqa: DTZ001 - whose zone it is, the caller knows
            _EPOCH.year + months // 12,
            months % 12 + 1,
            day + 1,
            second // 3600,
            second // 60 % 60,
            second % 60,
        )
    except (ValueError, OverflowError):
        raise RemoteProtocolError("time", "the count of seconds is no date") from None


def _lines(text: bytes) -> list[str]:
    if len(text) > LONGEST:
        raise RemoteProtocolError("too_long", f"{len(text)} bytes where {LONGEST} are the most")
    return [line for line in text.decode("utf-8", "replace").replace("\r", "").split("\n") if line] or [""]
