"""Bodies that are about the terminal and not about people: results of commands, what it says of itself."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from firmware_protocols.errors import RemoteProtocolError

LONGEST_BODY = 16 << 10  # bytes
MOST_RESULTS = 256

_NUMBER = re.compile(r"-?[0-9]{1,9}", re.ASCII)
_CMD = re.compile(r"[A-Za-z0-9_ ]{1,32}", re.ASCII)
_FACTS = {"DeviceName": "model", "FWVersion": "firmware", "FirmVer": "firmware"}
_PLAIN = re.compile(r"[ -~]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one command. -1 not supported or no data, -2 file, -1002 syntax, -1004 table."""

    id: int
    code: int
    cmd: str
    content: str = field(default="", repr=False)  # what it printed


def parse_results(body: bytes) -> list[Result]:
    """`ID=1&Return=0&CMD=INFO`, one to a line; or one member to a line. Codes: too_long, result."""
    text = _text(body)
    if "&" not in text:
        text = text.strip().replace("\r", "").replace("\n", "&")
    found = [_result(line) for line in text.splitlines() if line.strip()]
    if not found or len(found) > MOST_RESULTS:
        raise RemoteProtocolError("result", f"no result of a command, or more than {MOST_RESULTS}")
    return found


def _result(line: str) -> Result:
    members = dict(part.partition("=")[::2] for part in line.strip().split("&"))
    number, code, cmd = members.get("ID", ""), members.get("Return", ""), members.get("CMD", "")
    if not (_NUMBER.fullmatch(number) and _NUMBER.fullmatch(code) and _CMD.fullmatch(cmd.strip())):
        raise RemoteProtocolError("result", "a result of a command has ID=, Return= and CMD=")
    return Result(int(number), int(code), cmd.strip(), members.get("Content", ""))


def parse_facts(body: bytes) -> Mapping[str, str]:
    """`model` and `firmware` out of `~DeviceName=…,FWVersion=…`; the rest is left alone. Codes: too_long."""
    found: dict[str, str] = {}
    for part in re.split(r"[,\n\r&]", _text(body)):
        name, _, value = part.strip().removeprefix("~").partition("=")
        if name in _FACTS and _PLAIN.fullmatch(value):
            found[_FACTS[name]] = value
    return found


def _text(body: bytes) -> str:
    if len(body) > LONGEST_BODY:
        raise RemoteProtocolError("too_long", f"{len(body)} bytes where {LONGEST_BODY} are the most")
    return body.decode("utf-8", "replace")
