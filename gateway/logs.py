"""What the gateway writes to standard error: one line per record, for machines or for people.

Under systemd the journal adds the time and reads the priority from a `<n>` before each line. Fields
given as `extra={...}` stay fields. Expected errors (those with a code) take one line; only a bug gets a
traceback. Whoever logs keeps people's data out; `redact` is the second line of defence for the one
thing that has a recognisable form, the number of an identity card.
"""

import contextlib
import json
import logging
import os
import re
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Final, TextIO

from drivers.driver import EventsRefused
from drivers.errors import DriverError
from firmware_protocols.errors import ProtocolError
from gateway.errors import GatewayError

EXPECTED: Final = (GatewayError, DriverError, ProtocolError, EventsRefused)
MASK = "[masked]"
# Loggers of libraries that tell too much: paho its packets, peewee its statements with their values.
QUIET = ("asyncio", "bleak", "dbus_fast", "httpcore", "httpx", "paho", "peewee", "uvicorn")
SILENT = ("uvicorn.access",)

_PRIORITIES: Final = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
_DEBUG_PRIORITY = 7
_COLOURS: Final = {2: "\x1b[1;31m", 3: "\x1b[31m", 4: "\x1b[33m", 6: "", 7: "\x1b[2m"}
_RESET = "\x1b[0m"
_MAX_DEPTH = 4  # of nested fields
_MAX_TEXT = 8_192  # characters of one field or message; a traceback may have as many again

_OWN_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if code not in (9, 10)}

# 18 characters (the last may be X), also run together with other digits; written as UTF-16; in hex, as
# a logged frame would show them; and the 15 characters of a 2017 foreigner's card.
_NUMBERS: Final = re.compile(
    r"""
      (?P<hash> (?<![0-9a-f]) (?=[0-9]*[a-f]) (?: [0-9a-f]{64} | [0-9a-f]{40} | [0-9a-f]{32} ) (?![0-9a-f]) )
    | [0-9]{17,} [0-9Xx]
    | (?: [0-9] (?: \\x00 | \x00 ) ){17,} [0-9Xx]
    | (?: 3[0-9] (?:[ :]?00)? [ :]? ){17,} (?: 3[0-9] | [57]8 )
    | [A-Za-z]{3} [0-9]{12} (?![0-9])
    """,
    re.VERBOSE,
)


def redact(text: str) -> str:
    """`text` without anything that has the form of an identity card's number. Hashes stay."""
    return _NUMBERS.sub(lambda match: match[0] if match.lastgroup == "hash" else MASK, text)


def configure(level: str, format: str, *, stream: TextIO | None = None) -> "LogHandler":  # noqa: A002 - the key's name
    """Send all logging to `stream` (standard error), replacing what was set up before.

    `level` and `format` are as in [log]. uvicorn must be started with `log_config=None`, else it
    puts its own set-up beside this one.
    """
    target = sys.stderr if stream is None else stream
    journal = _goes_to_journal(target)
    on_terminal = target.isatty()
    formatter: logging.Formatter
    if format == "json" or (format == "auto" and not on_terminal):
        formatter = JsonFormatter(journal=journal)
    else:
        formatter = TextFormatter(journal=journal, colour=on_terminal and not os.environ.get("NO_COLOR"))
    handler = LogHandler(target)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    set_level(level)
    for name in SILENT:
        logging.getLogger(name).disabled = True
    logging.captureWarnings(capture=True)
    return handler


def set_level(level: str) -> None:
    """The least important line that is written, as in [log]."""
    root = logging.getLogger()
    root.setLevel(level.upper())
    for name in QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


class LogHandler(logging.StreamHandler[TextIO]):
    """Writes lines. A line that cannot be written is counted; logging never stops the gateway."""

    dropped = 0

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the library's name
        """Say where the unwritable line was made, not what was in it: the default would print that."""
        self.dropped += 1
        place = {"made_by": record.name, "made_at_line": record.lineno}
        notice = {"name": __name__, "levelno": logging.WARNING, "levelname": "WARNING", **place}
        notice["msg"] = "a log line could not be written"
        with contextlib.suppress(OSError, ValueError):
            self.stream.write(self.format(logging.makeLogRecord(notice)) + self.terminator)


class JsonFormatter(logging.Formatter):
    """One JSON object on one line: ts (not in the journal), level, logger, msg, then the fields."""

    def __init__(self, *, journal: bool) -> None:
        super().__init__()
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        """The line of one record."""
        line: dict[str, object] = {} if self._journal else {"ts": _iso(record.created)}
        line |= {"level": record.levelname.lower(), "logger": record.name, "msg": _clean(record.getMessage())}
        for name, value in _fields(record):
            line[f"{name}_" if name in line else name] = value
        text = json.dumps(line, ensure_ascii=False, separators=(",", ":"))
        return f"<{_priority(record.levelno)}>{text}" if self._journal else text


class TextFormatter(logging.Formatter):
    """`2026-11-22T01:02:02.004Z WARNING gateway.supervisor: device lost  device=idcard-1`."""

    def __init__(self, *, journal: bool, colour: bool) -> None:
        super().__init__()
        self._journal = journal
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        """The line of one record; further lines (a traceback) are indented."""
        priority = _priority(record.levelno)
        time = "" if self._journal else f"{_iso(record.created)} "
        text = f"{time}{record.levelname:<7} {record.name}: {_clean(record.getMessage())}"
        traceback = ""
        for name, value in _fields(record):
            if name == "traceback":
                traceback = f"\n{value}"
            else:
                shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
                text += f"  {name}={shown}"
        text = (text + traceback).translate(_CONTROLS)
        if self._journal:
            return "\n".join(f"<{priority}>{line}" for line in text.replace("\n", "\n    ").split("\n"))
        text = text.replace("\n", "\n    ")
        return f"{_COLOURS[priority]}{text}{_RESET}" if self._colour and _COLOURS[priority] else text


def _fields(record: logging.LogRecord) -> Iterator[tuple[str, object]]:
    for name, value in vars(record).items():
        if name not in _OWN_ATTRIBUTES:
            yield redact(name), _plain(value)
    error = record.exc_info[1] if record.exc_info else None
    if error is None:
        return
    expected = _expected(error)
    if expected is None:
        text = logging.Formatter().formatException((type(error), error, error.__traceback__))
        yield "traceback", redact(text)[-_MAX_TEXT:]
    else:
        yield "error_code", ",".join(str(item.code) for item in expected)
        yield "error", _clean("; ".join(str(item) for item in expected))


def _expected(
    error: BaseException,
) -> tuple[GatewayError | DriverError | ProtocolError | EventsRefused, ...] | None:
    """The error itself, or all errors of a group, if every one of them is expected; else None."""
    if isinstance(error, EXPECTED):
        return (error,)
    if not isinstance(error, BaseExceptionGroup):
        return None
    found: tuple[GatewayError | DriverError | ProtocolError | EventsRefused, ...] = ()
    for item in error.exceptions:
        inner = _expected(item)
        if inner is None:
            return None
        found += inner
    return found


def _plain(value: object, depth: int = 0) -> object:
    """A value as JSON can carry it, without numbers of cards and without bytes: those are frames."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value)} bytes>"
    if isinstance(value, int | float):
        text = str(value)
        return value if redact(text) == text and value - value == 0 else redact(text)
    if isinstance(value, Mapping | list | tuple | set | frozenset):
        if depth == _MAX_DEPTH:
            return "..."
        if isinstance(value, Mapping):
            return {redact(str(key)): _plain(item, depth + 1) for key, item in value.items()}
        return [_plain(item, depth + 1) for item in value]
    return _clean(str(value))


def _clean(text: str) -> str:
    clean = redact(text)  # before cutting: half a number would not be recognised
    return clean if len(clean) <= _MAX_TEXT else f"{clean[:_MAX_TEXT]}..."


def _iso(created: float) -> str:
    return datetime.fromtimestamp(created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _priority(level: int) -> int:
    return next((priority for floor, priority in _PRIORITIES if level >= floor), _DEBUG_PRIORITY)


def _goes_to_journal(stream: TextIO) -> bool:
    """systemd names the journal's socket by device and inode; a redirected stream is not it."""
    named = os.environ.get("JOURNAL_STREAM", "")
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):  # a stream without a file: in tests
        return False
    return named == f"{status.st_dev}:{status.st_ino}"
