"""What a record of an attendance terminal comes to: a session that begins and ends in one event. Pure.

The same roster and the same rules decide as at a kiosk (`session`), with two differences. The time is the
terminal's word, so only what it says of now, by a clock of ours that is vouched for, can count at once: what
was kept while the line was down is for staff, with the time that the terminal claims. And the terminal has
done the matching: a finger or face found among hundreds is one factor, not two. Card and finger or face
together are both, where this firmware says so and the roster allows the second.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from drivers.terminals import Punch, Record, Unreadable
from gateway.checkin.facts import METHOD_OF, Directory, Outcome, Reason, Visitor, review_reason
from gateway.checkin.purposes import Purpose
from gateway.clock import ClockQuality, Stamp, iso_ms
from gateway.evidence.canonical import Json
from gateway.ingest.facts import Fact, RecordFact
from gateway.uuid7 import uuid8_record

LIVE_MS = 60_000  # a record is of now within this: the terminal tries again after half a minute
MOST_ERROR_MS = 10_000  # of our own clock
MOST_SLOT = 65_535  # of the roster
IN, OUT = 0, 1
_LEAVING = frozenset({Purpose.STUDY_OUT, Purpose.SERVICE_OUT, Purpose.LEAVE})


@dataclass(frozen=True, slots=True)
class Place:
    """Where a terminal stands."""

    kiosk: str | None = None
    purpose: Purpose | None = None  # None: chosen on a screen, which a terminal has not


def decide(record: Record, device: str, place: Place, directory: Directory, now: Stamp) -> RecordFact:
    """The one event of this record. `device`: the terminal's name here; `now`: when the record came."""
    if isinstance(record, Unreadable):
        return _unreadable(record, device, place)
    event_id = uuid8_record(record.terminal, 0, record.record_time, hashlib.sha256(record.record).digest())
    slot = _slot(record.pin)
    person = None if slot is None else directory.by_slot(record.terminal, slot)
    reason = _reason(record, place, directory, person, now)
    body = _of_session(event_id, device, place) | _of_record(record, now)
    state = directory.state
    if state is not None:
        body |= {"roster_version": state.version, "roster_age_s": state.age_s}
    if person is not None:
        body["slot"] = slot
    if reason is None and record.second_factor is not None:
        body["method"] = METHOD_OF[record.second_factor]
        outcome = Outcome.COMPLETED
    else:
        body["reason"] = reason
        outcome = Outcome.PENDING_REVIEW
    subject = f"device/{device}" if person is None else f"person/{person.ref}"
    fact = Fact(f"checkin.{outcome}", subject, body, restricted=True)
    # Who is on no roster is told to the center alone.
    personal: dict[str, Json] = {"pin": record.pin} if person is None else {}
    return RecordFact(event_id, place.kiosk or device, fact, personal)


def _reason(
    punch: Punch, place: Place, directory: Directory, person: Visitor | None, now: Stamp
) -> Reason | None:
    """Why staff must look at it; None: it counts."""
    if place.kiosk is None:
        return Reason.NO_KIOSK
    of_roster = review_reason(directory.state, person)
    if of_roster is not None or person is None:
        return of_roster
    off_ms = clock_off_ms(punch, now)
    if off_ms is None:
        return Reason.CLOCK_UNKNOWN
    if abs(off_ms) > LIVE_MS:
        return Reason.OFFLINE_RECORD
    if punch.second_factor is None or METHOD_OF[punch.second_factor] not in person.methods:
        return Reason.ONE_FACTOR
    fits = place.purpose is not None and punch.status == (OUT if place.purpose in _LEAVING else IN)
    return None if fits else Reason.STATUS_UNCLEAR


def clock_off_ms(punch: Punch, now: Stamp) -> int | None:
    """How long ago the record was made by the terminal's clock; None where our own is not vouched for."""
    vouched = now.quality is not ClockQuality.UNSYNCED and now.error_ms is not None
    if not vouched or now.error_ms is None or now.error_ms > MOST_ERROR_MS:
        return None
    return now.wall_ms - punch.claimed_ms


def _of_session(event_id: str, device: str, place: Place) -> dict[str, Json]:
    body: dict[str, Json] = {"session": event_id, "terminal": device}
    if place.kiosk is not None:
        body["kiosk"] = place.kiosk
    if place.purpose is not None:
        body["purpose"] = place.purpose
    return body


def _of_record(punch: Punch, now: Stamp) -> dict[str, Json]:
    return {
        "module": punch.terminal,
        "device_time": iso_ms(punch.claimed_ms),
        "device_time_ago_ms": clock_off_ms(punch, now),
        "verify": punch.verify,
        "status": punch.status,
    }


def _slot(pin: str) -> int | None:
    """A PIN that the roster can name: digits without leading zeros, for 07 and 7 are two people."""
    if (
        not pin.isascii()
        or not pin.isdigit()
        or len(pin) > len(str(MOST_SLOT))
        or (pin[0] == "0" and pin != "0")
    ):
        return None
    return int(pin) if int(pin) <= MOST_SLOT else None


def _unreadable(record: Unreadable, device: str, place: Place) -> RecordFact:
    """Somebody may have been there: told once, however often the terminal repeats it."""
    event_id = uuid8_record(record.terminal, 0, b"", hashlib.sha256(record.record).digest())
    body: Mapping[str, Json] = {
        "reason": Reason.UNREADABLE_RECORD,
        "module": record.terminal,
        "fault": record.reason,
        "length": len(record.record),
    }
    fact = Fact(
        f"checkin.{Outcome.PENDING_REVIEW}",
        f"device/{device}",
        {**_of_session(event_id, device, place), **body},
        restricted=False,
    )
    return RecordFact(event_id, place.kiosk or device, fact, content=record.record)
