"""What a device said, as the contract says it: type, subject, data. One row per kind of device event."""

from dataclasses import dataclass, field
from typing import assert_never

from drivers.events import BadgeForm, BadgeRead, CardRead, CardRefused, DeviceEvent
from gateway.evidence.canonical import Json
from gateway.ingest.sealing import Sealer


@dataclass(frozen=True, slots=True)
class Fact:
    """An event's own content, before it gets identity, time and place."""

    type: str
    subject: str
    data: dict[str, Json]
    restricted: bool
    id: str | None = None  # where it must be known before it is stored; else it gets one


@dataclass(frozen=True, slots=True)
class RecordFact:
    """A fact out of a device's own memory: its identity is derived, so that storing it twice is one fact."""

    id: str  # UUIDv8
    device: str  # whose event it is
    fact: Fact
    personal: dict[str, Json] = field(default_factory=dict, repr=False)  # for the center alone
    content: bytes | None = field(default=None, repr=False)  # of which a keyed hash is told


def fact_of(device: str, event: DeviceEvent, event_id: str, sealer: Sealer) -> Fact:
    """The contract's form of a device event."""
    subject = f"device/{device}"  # who it was, the roster decides; until then the reader is the subject
    match event:
        case CardRead():
            data: dict[str, Json] = {
                "medium": "id_card",
                "card_type": event.card_type.value,
                "number_hmac": sealer.number_hash(event.id_number),
                "check_digit_ok": event.check_digit_ok,
                "text_repaired": event.text_repaired,
            }
            personal: dict[str, Json] = {
                "id_number": event.id_number,
                "name": event.name,
                "valid_from": event.valid_from,
                "valid_to": event.valid_to,
            }
            return Fact(
                "identity.card_read", subject, data | sealer.seal(event_id, personal), restricted=True
            )
        case CardRefused():
            data = {"medium": "id_card", "reason": event.reason}
            for name, value in (("status", event.status), ("length", event.length), ("sha256", event.sha256)):
                if value is not None:
                    data[name] = value
            return Fact("identity.card_refused", subject, data, restricted=False)
        case BadgeRead():
            data = {
                "medium": "badge",
                "format": event.form.value,
                "length": event.length,
                "number_hmac": sealer.content_hash(badge_content(event)),
            }
            return Fact(
                "identity.badge_read",
                subject,
                data | sealer.seal(event_id, {"number": event.number}),
                restricted=True,
            )
        case _:
            assert_never(event)


def badge_content(badge: BadgeRead) -> bytes:
    """What a badge is told apart by. No ID number has such a beginning: a badge never looks like a person's card."""
    kind = "text" if badge.form is BadgeForm.TEXT else "bits"
    return f"badge:{kind}:{badge.number}".encode()
