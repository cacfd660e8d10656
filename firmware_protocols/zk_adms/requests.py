"""A request line of a terminal: what it wants, and what may be read of the body.

Deny by default: only the bodies of attendance records, results of commands and facts about the device
itself are ever read. Templates, photos, users and what nobody here knows are named by their table, and
their bodies left alone.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import parse_qsl

from firmware_protocols.errors import RemoteProtocolError

PREFIX = "/iclock/"
MOST_PARAMETERS = 32
LONGEST_QUERY = 2048  # bytes; a getrequest with INFO= has some hundred

_SERIAL = re.compile(r"[A-Za-z0-9._-]{1,32}", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9_]{1,24}", re.ASCII)
_STAMP = re.compile(r"[0-9]{1,20}", re.ASCII)


class Wish(StrEnum):
    """What a request is about."""

    HELLO = "hello"  # GET cdata?options=all: how should I behave?
    RECORDS = "records"  # attendance records
    BIOMETRIC = "biometric"  # templates, photos: never read
    PERSONAL = "personal"  # users, operations (which carry users and templates): never read
    FOREIGN = "foreign"  # records of another dialect (door controllers)
    FACTS = "facts"  # what the terminal says of itself
    COMMANDS = "commands"  # getrequest: is there anything to do?
    RESULTS = "results"  # devicecmd: what came of it
    PING = "ping"
    REGISTRY = "registry"
    SETTINGS = "settings"  # push: as hello, of newer firmware
    TIME = "time"
    OTHER = "other"


BIOMETRIC_TABLES = frozenset(
    {"BIODATA", "BIOPHOTO", "ATTPHOTO", "USERPIC", "FACE", "FINGERTMP", "FP", "FPIMAG", "TEMPLATEV10", "PHOTO"}
)  # fmt: skip
FOREIGN_TABLES = frozenset({"RTLOG", "TRANSACTION"})
READ = frozenset({Wish.RECORDS, Wish.FACTS, Wish.RESULTS, Wish.REGISTRY})  # whose bodies may be read

_BY_PATH: Mapping[str, Wish] = {
    "getrequest": Wish.COMMANDS,
    "devicecmd": Wish.RESULTS,
    "ping": Wish.PING,
    "registry": Wish.REGISTRY,
    "push": Wish.SETTINGS,
}


@dataclass(frozen=True, slots=True)
class Request:
    """A request without its body."""

    wish: Wish
    serial: str
    table: str = ""  # of an upload; in capitals, a word of [A-Z0-9_], `OTHER` for anything else
    stamp: str | None = None  # what the terminal says it has sent so far: its own counting
    push_version: str | None = None

    @property
    def reads_body(self) -> bool:
        """Whether anybody may look into the body."""
        return self.wish in READ


def parse(method: str, path: str, query: bytes) -> Request:
    """What is asked. Codes: path, method, query, serial."""
    if not path.startswith(PREFIX):
        raise RemoteProtocolError("path", "no request of a terminal: the path does not begin with /iclock/")
    if method not in ("GET", "POST"):
        raise RemoteProtocolError("method", "terminals ask by GET and POST only")
    given = _parameters(query)
    wish, table = _wish(method, path, given)
    stamp, version = given.get("stamp", ""), given.get("pushver", "")
    return Request(
        wish,
        _serial(given),
        table,
        stamp if _STAMP.fullmatch(stamp) else None,
        version if re.fullmatch(r"[0-9A-Za-z.]{1,16}", version, re.ASCII) else None,
    )


def _parameters(query: bytes) -> dict[str, str]:
    if len(query) > LONGEST_QUERY:
        raise RemoteProtocolError("query", f"the query has {len(query)} bytes")
    try:
        pairs = parse_qsl(
            query.decode("ascii"), keep_blank_values=True, max_num_fields=MOST_PARAMETERS, errors="replace"
        )
    except ValueError:  # not ASCII, or too many
        raise RemoteProtocolError("query", "the query cannot be read") from None
    given: dict[str, str] = {}
    for name, value in pairs:
        key = name.lower()
        if key in given:
            raise RemoteProtocolError("query", "a parameter stands twice")
        given[key] = value
    return given


def _serial(given: Mapping[str, str]) -> str:
    serial = given.get("sn", "")
    if _SERIAL.fullmatch(serial) is None:
        raise RemoteProtocolError("serial", "the serial number (SN) is missing or no word")
    return serial


def _wish(method: str, path: str, given: Mapping[str, str]) -> tuple[Wish, str]:
    name = path.removeprefix(PREFIX).lower().removesuffix(".aspx")
    if name in ("cdata", "rtdata") and given.get("type", "").lower() == "time":
        return Wish.TIME, ""
    if name in ("cdata", "querydata"):
        return (Wish.HELLO, "") if method == "GET" else _upload(given)
    return _BY_PATH.get(name, Wish.OTHER), ""


def _upload(given: Mapping[str, str]) -> tuple[Wish, str]:
    named = given.get("table") or given.get("tablename", "")
    table = named.upper() if _NAME.fullmatch(named) else "OTHER"
    if table == "ATTLOG":
        return Wish.RECORDS, table
    if table == "OPTIONS":
        return Wish.FACTS, table
    if table in BIOMETRIC_TABLES:
        return Wish.BIOMETRIC, table
    return (Wish.FOREIGN if table in FOREIGN_TABLES else Wish.PERSONAL), table
