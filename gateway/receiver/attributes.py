"""The attributes of an event, by the table of the contract (2): form, presence, and what is unknown.

A known attribute of a wrong form is a fault of the gateway: the event is rejected, which means stored
and named. An attribute that this table does not know comes from a newer gateway: the event is stored
as not understood. Texts of faults name the attribute and the rule, never the value.
"""

import re
from collections.abc import Callable, Mapping
from typing import TypeAlias

from firmware_protocols.errors import RemoteProtocolError
from firmware_protocols.gb11643.number import parse as parse_card_number
from gateway.clock import ClockQuality, parse_iso_ms
from gateway.evidence.canonical import Json

Rule: TypeAlias = Callable[[Json], str | None]  # what is wrong; None when nothing is

MAX_UNIT = 64  # characters


def matches(form: str, wanted: str) -> Rule:
    """Text of this form."""
    pattern = re.compile(form, re.ASCII)

    def rule(value: Json) -> str | None:
        return None if isinstance(value, str) and pattern.fullmatch(value) else f"is not {wanted}"

    return rule


def is_exactly(text: str) -> Rule:
    """This text and no other."""
    return lambda value: None if value == text else f'is not "{text}"'


def is_time(value: Json) -> str | None:
    """UTC with milliseconds."""
    try:
        parse_iso_ms(value if isinstance(value, str) else "")
    except ValueError as exc:
        return f"is {exc}"
    return None


is_id = matches(
    # the digit after the second dash is the version, the one after the third holds the variant
    r"[0-9a-f]{8}-[0-9a-f]{4}-[78][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
    "a UUID of version 7 or 8 in lower case",
)


_SUBJECT = matches(
    r"(person/[A-Za-z0-9-]{1,64})|((device|gateway)/[a-z0-9-]{1,32})",
    "person/, device/ or gateway/ with a name",
)


def is_subject(value: Json) -> str | None:
    """Who or what the event speaks of; a person only by the roster's reference."""
    fault = _SUBJECT(value)
    if (
        fault is None
        and isinstance(value, str)
        and value.startswith("person/")
        and _is_card_number(value[7:])
    ):
        return "holds the number of an ID card"
    return fault


def _is_card_number(text: str) -> bool:
    try:
        parse_card_number(text)
    except RemoteProtocolError:
        return False
    return True


def is_unit(value: Json) -> str | None:
    """A judicial office or brigade: a code, without control characters."""
    if isinstance(value, str) and 0 < len(value) <= MAX_UNIT and value.isprintable():
        return None
    return f"is not a code of at most {MAX_UNIT} characters"


def is_error_bound(value: Json) -> str | None:
    """Milliseconds."""
    good = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return None if good else "is not a number of milliseconds"


def is_object(value: Json) -> str | None:
    """An object, or whatever: `data` of known types has its own rules."""
    return None if isinstance(value, dict) else "is not an object"


REQUIRED: Mapping[str, Rule] = {
    "specversion": is_exactly("1.0"),
    "id": is_id,
    "subject": is_subject,
    "time": is_time,
    "datacontenttype": is_exactly("application/json"),
    "dataschema": matches(
        r"urn:zhijiao:schema:[a-z]+\.[a-z0-9_]+:[1-9][0-9]{0,3}", "a schema of this contract"
    ),
    "prevhash": matches(r"[0-9a-f]{64}", "a SHA-256 in lower-case hex"),
    "recordedtime": is_time,
    "bootid": matches(r"[0-9a-f]{32}", "32 hex digits"),
    "monoms": matches(r"0|[1-9][0-9]{0,15}", "milliseconds as text"),
    "clockq": matches("|".join(quality.value for quality in ClockQuality), "a clock quality"),
    "deviceid": matches(r"[a-z0-9-]{1,32}", "the name of a device"),
    "data": is_object,
}
OPTIONAL: Mapping[str, Rule] = {
    "clockerrms": is_error_bound,
    "unit": is_unit,
    "dataclassification": is_exactly("restricted"),
    "reissueof": matches(r"[!-~]{1,128}", "a place in an earlier epoch"),
}
# Checked before these rules, by `verify`: they decide where the event stands.
PLACE = frozenset({"source", "sequence", "type"})


def fault_of(message: Mapping[str, Json]) -> str | None:
    """The first rule that `message` breaks: attribute and rule."""
    for name, rule in REQUIRED.items():
        if name not in message:
            return f"{name} is missing"
        fault = rule(message[name])
        if fault is not None:
            return f"{name} {fault}"
    for name, rule in OPTIONAL.items():
        fault = rule(message[name]) if name in message else None
        if fault is not None:
            return f"{name} {fault}"
    return None


def all_known(message: Mapping[str, Json]) -> bool:
    """Whether every attribute is one of the contract's."""
    return message.keys() <= REQUIRED.keys() | OPTIONAL.keys() | PLACE
