"""The attributes of an event, by the table of the contract (2): form, presence, and what is unknown.

A known attribute of a wrong form is a fault of the gateway: the event is rejected, which means stored
and named. An attribute that this table does not know comes from a newer gateway: the event is stored
as not understood. Texts of faults name the attribute and the rule, never the value.
"""

from collections.abc import Mapping

from firmware_protocols.errors import RemoteProtocolError
from firmware_protocols.gb11643.number import parse as parse_card_number
from gateway.clock import ClockQuality
from gateway.contract.forms import (
    COUNT,
    DEVICE,
    EVENT_ID,
    HASH,
    JWS,
    MONO,
    TIME,
    is_printable,
)
from gateway.contract.shapes import Exactly, Object, OneOf, Shape, Text
from gateway.envelope import GENESIS
from gateway.event_types import SCHEMA_PREFIX, TYPE_PREFIX
from gateway.evidence.canonical import Json

MAX_UNIT = 64  # characters
GENESIS_HEX = GENESIS.hex()


def _is_no_card_number(subject: str) -> str | None:
    try:
        parse_card_number(subject.removeprefix("person/"))
    except RemoteProtocolError:
        return None
    return "holds the number of an ID card"


def _is_not_zero(digits: str) -> str | None:
    return None if int(digits) else "is not 16 digits from 1 on"


# Checked before these rules, by whoever verifies: they decide where the event stands.
PLACE: Mapping[str, Shape] = {
    "source": Text("/cc/[0-9]{6}/gw-[0-9]{6}-[0-9]{2}/e/[0-9a-f]{8}", "of the form /cc/{org}/{gw}/e/{epoch}"),
    "sequence": Text("[0-9]{16}", "16 digits from 1 on", also=_is_not_zero),
    "type": Text(
        TYPE_PREFIX.replace(".", r"\.") + r"[a-z]+\.[a-z][a-z0-9_]*",
        f"of the form {TYPE_PREFIX}<class>.<verb>",
    ),
}
REQUIRED: Mapping[str, Shape] = {
    "specversion": Exactly("1.0"),
    "id": EVENT_ID,
    "subject": Text(
        r"person/[A-Za-z0-9-]{1,64}|(?:device|gateway)/[a-z0-9-]{1,32}",
        "person/, device/ or gateway/ with a name; never the number of an ID card",
        also=_is_no_card_number,
    ),
    "time": TIME,
    "datacontenttype": Exactly("application/json"),
    "dataschema": Text(SCHEMA_PREFIX + r"[a-z]+\.[a-z0-9_]+:[1-9][0-9]{0,3}", "a schema of this contract"),
    "prevhash": HASH,
    "recordedtime": TIME,
    "bootid": Text("[0-9a-f]{32}", "32 hex digits"),
    "monoms": MONO,
    "clockq": OneOf(tuple(quality.value for quality in ClockQuality)),
    "deviceid": DEVICE,
    "data": Object(),
}
OPTIONAL: Mapping[str, Shape] = {
    "clockerrms": COUNT,
    "unit": Text(
        most=MAX_UNIT, wanted=f"a code of at most {MAX_UNIT} printable characters", also=is_printable
    ),
    "dataclassification": Exactly("restricted"),
    "reissueof": Text("[!-~]+", "a place in an earlier epoch", most=128),
}
SIGNED = Object(REQUIRED, optional=OPTIONAL)  # what is judged of an event once it has a place
EVENT = Object({**PLACE, **REQUIRED, "jws": JWS}, optional=OPTIONAL)  # all of it, as it is published


def fault_of(message: dict[str, Json]) -> str | None:
    """The first rule that `message` breaks: attribute and rule."""
    return SIGNED.fault(message, "")


def all_known(message: Mapping[str, Json]) -> bool:
    """Whether every attribute is one of the contract's."""
    return message.keys() <= EVENT.members.keys()
