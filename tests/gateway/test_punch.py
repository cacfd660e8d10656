"""What a record of a terminal comes to: when it counts at once, and why else staff must look at it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.factors import Factor
from drivers.terminals import Punch, Unreadable
from gateway.checkin.facts import Reason, RosterState
from gateway.checkin.punch import LIVE_MS, MOST_ERROR_MS, Place, decide
from gateway.checkin.purposes import Purpose
from gateway.clock import ClockQuality, Stamp
from gateway.event_types import TYPES
from tests.gateway.test_session import ANNA, BORIS, GONE, MODULE, PEOPLE, Roster

NOW = Stamp(1_795_309_322_000, 5_000, "b" * 32, ClockQuality.SYNCED, 12)
PLACE = Place("kiosk-1", Purpose.REPORT)
CARD_AND_FINGER, CARD_AND_FACE = Factor.FINGER, Factor.FACE


def punch(
    pin: str | None = None,
    *,
    ago_ms: int = 1000,
    factor: Factor | None = CARD_AND_FINGER,
    status: int = 0,
    verify: int = 10,
    serial: str = MODULE,
) -> Punch:
    pin = str(PEOPLE.index(BORIS)) if pin is None else pin
    claimed_ms = NOW.wall_ms - ago_ms
    raw = f"{pin}\t{claimed_ms}\t{status}\t{verify}".encode()
    return Punch(
        terminal=serial,
        pin=pin,
        claimed_ms=claimed_ms,
        status=status,
        verify=verify,
        second_factor=factor,
        record_time=str(claimed_ms).encode(),
        record=raw,
    )


def outcome(
    record: Punch, place: Place = PLACE, roster: Roster | None = None, now: Stamp = NOW
) -> str | None:
    """The reason for review; None where it counted."""
    fact = decide(record, "terminal-1", place, roster or Roster(), now).fact
    if fact.type == "checkin.completed":
        assert "reason" not in fact.data
        return None
    assert fact.type == "checkin.pending_review"
    return str(fact.data["reason"])


def test_card_and_finger_of_now_counts() -> None:
    found = decide(punch(), "terminal-1", PLACE, Roster(), NOW)
    assert (found.fact.type, found.fact.subject, found.device) == (
        "checkin.completed",
        "person/p-boris",
        "kiosk-1",
    )
    assert found.fact.restricted
    assert found.personal == {}
    assert found.fact.data == {
        "session": found.id,
        "terminal": "terminal-1",
        "kiosk": "kiosk-1",
        "purpose": "report",
        "module": MODULE,
        "device_time": "2026-11-22T01:02:01.000Z",
        "device_time_ago_ms": 1000,
        "verify": 10,
        "status": 0,
        "slot": 1,
        "roster_version": 7,
        "roster_age_s": 60,
        "method": "finger",
    }


@pytest.mark.parametrize("ago_ms", [LIVE_MS + 1, 3600_000, -LIVE_MS - 1, NOW.wall_ms - 946_684_800_000])
def test_what_was_kept_or_claims_another_time_waits_for_staff_with_that_time(ago_ms: int) -> None:
    fact = decide(punch(ago_ms=ago_ms), "terminal-1", PLACE, Roster(), NOW).fact
    assert (fact.type, fact.data["reason"]) == ("checkin.pending_review", Reason.OFFLINE_RECORD)
    assert fact.data["device_time_ago_ms"] == ago_ms


@pytest.mark.parametrize(
    "now",
    [
        Stamp(NOW.wall_ms, 1, "b" * 32, ClockQuality.UNSYNCED, None),
        Stamp(NOW.wall_ms, 1, "b" * 32, ClockQuality.HOLDOVER, None),
        Stamp(NOW.wall_ms, 1, "b" * 32, ClockQuality.HOLDOVER, MOST_ERROR_MS + 1),
    ],
)
def test_without_a_clock_that_is_vouched_for_nothing_counts_at_once(now: Stamp) -> None:
    fact = decide(punch(), "terminal-1", PLACE, Roster(), now).fact
    assert (fact.data["reason"], fact.data["device_time_ago_ms"]) == (Reason.CLOCK_UNKNOWN, None)


@pytest.mark.parametrize("verify", [0, 1, 4, 15, 25, 99])
def test_one_factor_is_not_two(verify: int) -> None:
    assert outcome(punch(factor=None, verify=verify)) == Reason.ONE_FACTOR


def test_a_factor_that_the_roster_does_not_allow_is_none() -> None:
    assert outcome(punch(factor=CARD_AND_FACE)) == Reason.ONE_FACTOR
    assert outcome(punch(str(PEOPLE.index(ANNA)), factor=CARD_AND_FACE)) is None


def test_the_roster_decides_as_at_a_kiosk() -> None:
    none, old = Roster(), Roster()
    none.state, old.state = None, RosterState(7, 60, expired=True)
    assert outcome(punch(), roster=none) == Reason.NO_ROSTER
    assert outcome(punch(), roster=old) == Reason.ROSTER_EXPIRED
    assert outcome(punch(str(PEOPLE.index(GONE)))) == Reason.SUPERVISION_ENDED
    assert outcome(punch("77")) == Reason.UNKNOWN_PERSON
    assert outcome(punch(serial="another")) == Reason.UNKNOWN_PERSON


@pytest.mark.parametrize("pin", ["01", "00", "1A", "65536", "9" * 24, "３"])
def test_a_pin_that_the_roster_cannot_name_is_nobody_s_and_told_to_the_center_alone(pin: str) -> None:
    found = decide(punch(pin), "terminal-1", PLACE, Roster(), NOW)
    assert found.fact.data["reason"] == Reason.UNKNOWN_PERSON
    assert found.personal == {"pin": pin}
    assert pin not in found.fact.data.values()
    assert "slot" not in found.fact.data
    assert "pin" not in repr(found.fact)


@pytest.mark.parametrize(
    ("purpose", "status", "reason"),
    [
        (Purpose.REPORT, 0, None),
        (Purpose.REPORT, 1, Reason.STATUS_UNCLEAR),
        (Purpose.STUDY_IN, 0, None),
        (Purpose.STUDY_OUT, 1, None),
        (Purpose.STUDY_OUT, 0, Reason.STATUS_UNCLEAR),
        (Purpose.SERVICE_IN, 4, Reason.STATUS_UNCLEAR),
        (Purpose.RETURN, 0, None),
        (None, 0, Reason.STATUS_UNCLEAR),
    ],
)
def test_the_key_at_the_terminal_fits_the_purpose(
    purpose: Purpose | None, status: int, reason: Reason | None
) -> None:
    assert outcome(punch(status=status), Place("kiosk-1", purpose)) == reason


def test_a_terminal_that_stands_nowhere_counts_nobody_and_loses_nobody() -> None:
    found = decide(punch(), "terminal-1", Place(), Roster(), NOW)
    assert (found.fact.data["reason"], found.device) == (Reason.NO_KIOSK, "terminal-1")
    assert "kiosk" not in found.fact.data


def test_a_record_nobody_can_read_is_told_with_a_keyed_hash_only() -> None:
    found = decide(
        Unreadable(terminal=MODULE, reason="time", record=b"4711\tjunk"), "terminal-1", PLACE, Roster(), NOW
    )
    assert (found.fact.data["reason"], found.fact.data["fault"]) == (Reason.UNREADABLE_RECORD, "time")
    assert found.content == b"4711\tjunk"
    assert "4711" not in repr(found)


@given(
    st.sampled_from(["0", "1", "2", "3", "4", "77"]),
    st.integers(-4 * LIVE_MS, 4 * LIVE_MS),
    st.sampled_from([None, *Factor]),
    st.integers(0, 5),
    st.sampled_from([None, RosterState(7, 60, expired=False), RosterState(7, 60, expired=True)]),
    st.sampled_from(list(ClockQuality)),
)
def test_every_record_is_one_event_and_counts_only_without_a_doubt(
    pin: str,
    ago_ms: int,
    factor: Factor | None,
    status: int,
    state: RosterState | None,
    quality: ClockQuality,
) -> None:
    roster = Roster()
    roster.state = state
    now = Stamp(NOW.wall_ms, 1, "b" * 32, quality, None if quality is ClockQuality.UNSYNCED else 12)
    record = punch(pin, ago_ms=ago_ms, factor=factor, status=status)
    found = decide(record, "terminal-1", PLACE, roster, now)
    assert found.fact.type in TYPES
    assert found.id == decide(record, "other-name", Place(), Roster(), NOW).id, "one record, one identity"
    if found.fact.type == "checkin.completed":
        assert abs(ago_ms) <= LIVE_MS
        assert (factor, status, quality is ClockQuality.UNSYNCED) in [(f, 0, False) for f in Factor]
        assert state is not None
        assert not state.expired
        assert found.fact.subject.startswith("person/")
