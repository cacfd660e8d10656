"""Forms that occur in many places of the contract, each once."""

import re

from gateway.clock import parse_iso_ms
from gateway.contract.shapes import MAX_TEXT, Exactly, Object, Shape, Text, Whole, nullable
from gateway.errors import ContractError
from gateway.evidence.canonical import MAX_SAFE_INTEGER, Json
from gateway.evidence.jws import from_b64url

MAX_SEQ = 10**16 - 1  # 16 digits
_SEQUENCE_FORM = "[0-9]{16}"


def _is_moment(text: str) -> str | None:
    try:
        parse_iso_ms(text)
    except ValueError as exc:
        return f"is {exc}"
    return None


def _is_b64url(text: str) -> str | None:
    try:
        from_b64url(text)
    except ContractError as exc:
        return f"is {exc}"
    return None


def is_printable(text: str) -> str | None:
    """Nothing that would break or turn a line."""
    return None if text.isprintable() else "holds a character that cannot be printed"


VERSION = Exactly(1)
TIME = Text(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z",
    "a time of the form 2026-11-22T01:02:02.004Z that is in the calendar",
    also=_is_moment,
)
DAY = Text("[0-9]{4}-[0-9]{2}-[0-9]{2}", "a day of the form 2026-11-22")
EPOCH = Text("[0-9a-f]{8}", "an epoch of 8 hex digits")
HASH = Text("[0-9a-f]{64}", "a SHA-256 in lower-case hex")
HMAC = Text("[0-9a-f]{64}", "an HMAC-SHA256 in lower-case hex")
PLACE = Text(_SEQUENCE_FORM, "a sequence of 16 digits")
MONO = Text("0|[1-9][0-9]{0,15}", "milliseconds as text")
NAME = Text(most=128, wanted="a name of at most 128 printable characters", also=is_printable)
UUID7 = Text(
    "[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", "a UUID of version 7 in lower case"
)
EVENT_ID = Text(
    # the digit after the second dash is the version, the one after the third holds the variant
    "[0-9a-f]{8}-[0-9a-f]{4}-[78][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
    "a UUID of version 7 or 8 in lower case",
)
GATEWAY = Text("gw-[0-9]{6}-[0-9]{2}", "the name of a gateway")
ORG = Text("[0-9]{6}", "an organisation of six digits")
DEVICE = Text("[a-z0-9-]{1,32}", "the name of a device")
REF = Text("[A-Za-z0-9-]{1,64}", "a reference of the roster")
COUNT = Whole(0)
B64 = Text("[A-Za-z0-9_-]*", "base64url without padding", least=0, most=65536, also=_is_b64url)
JWS = Text(
    r"[A-Za-z0-9_-]+\.\.[A-Za-z0-9_-]{86}", "a detached JWS in compact form (RFC 7515, appendix F)", most=512
)


class Sequence(Shape):
    """A sequence, or 0 for none: a number, or the 16 digits used on the wire."""

    def __init__(self, least: int = 0) -> None:
        self.least = least

    def fault(self, value: Json, path: str) -> str | None:
        """As of every shape."""
        if isinstance(value, str) and re.fullmatch(_SEQUENCE_FORM, value, re.ASCII):
            value = int(value)
        good = isinstance(value, int) and not isinstance(value, bool) and self.least <= value <= MAX_SEQ
        return None if good else f"{path} is not a sequence"

    def schema(self) -> dict[str, Json]:
        """As of every shape."""
        digits: dict[str, Json] = {"type": "string", "pattern": f"^{_SEQUENCE_FORM}$"}
        if self.least:
            digits["not"] = {"const": "0" * 16}
        number: dict[str, Json] = {"type": "integer", "minimum": self.least, "maximum": MAX_SAFE_INTEGER}
        return {"anyOf": [digits, number]}


SEALED = nullable(Object({"kid": Text(most=MAX_TEXT), "enc": B64, "ct": B64}))
CLAIM = Object({"epoch": EPOCH, "last_seq": Sequence(), "last_hash": HASH})
