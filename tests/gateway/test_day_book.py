"""The staff's day: what is seen of it, what staff record, and that each is recorded once."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.checkin.due import Reason, State
from gateway.checkin.purposes import Purpose
from gateway.clock import ClockQuality
from gateway.errors import ContractError
from gateway.ingest.facts import Fact
from tests.gateway.day_world import DAY, HOUR, MIN, MONDAY, Running, S, World, at, people, ref

REPORT = Purpose.REPORT


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """Monday morning with twelve people; the box has run since Sunday."""
    monkeypatch.setattr("gateway.checkin.availability.MOST_BETWEEN_MS", 30 * MIN)
    monkeypatch.setattr("gateway.checkin.teller.WRITE_EVERY_MS", 180 * MIN)
    made = World(tmp_path, at("2026-11-22 20:00"))
    made.tick_ms = 30 * MIN
    made.power_on()
    async with made.running():
        await made.apply(people(12))
        await made.until(at("09:00"))
        yield made


def run_of(world: World) -> Running:
    assert world.run is not None
    return world.run


async def signs(world: World, serial: int, purpose: str) -> None:
    await run_of(world).ingest.store([world.report(serial, purpose=purpose)], "kiosk-1")


async def test_a_refusal_names_nobody_whom_the_roster_does_not_know(world: World) -> None:
    """What staff type where the person goes must not become the subject of an event."""
    data = {"session": "s", "kiosk": "kiosk-1", "purpose": "report", "reason": "unknown_person"}
    fact = Fact("checkin.pending_review", "device/kiosk-1", dict(data), restricted=False)
    (waits,) = await run_of(world).ingest.store([fact], "kiosk-1")
    book = run_of(world).day.book
    with pytest.raises(ContractError) as caught:
        await book.review(
            event=waits.id, accept=False, staff="desk-1", reason="x", ref="110101199001010014", purpose=None
        )
    assert caught.value.code == "unknown_person"
    assert world.events("checkin.rejected") == []


async def over(world: World) -> None:
    await world.until(at("18:00"))
    world.tick_ms = 10 * S
    await world.until(at("18:01"))


async def test_what_is_seen_of_a_day(world: World) -> None:
    await world.comes(0)
    await signs(world, 1, "study_in")
    await signs(world, 2, "service_in")
    await world.until(at("11:00"))
    await signs(world, 1, "study_out")
    day = await run_of(world).day.book.day(MONDAY)
    assert [one.state for one in day.duties[:2]] == [State.DONE, State.OPEN]
    assert day.duties[0].came_ms is not None
    assert abs(day.duties[0].came_ms - at("09:00")) <= 100
    assert day.duties[0].windows == (("08:30", "11:30"), ("14:00", "17:30"))
    assert [(one.ref, one.purpose, one.outcome) for one in day.visits] == [
        (ref(1), Purpose.STUDY_OUT, "completed"), (ref(2), Purpose.SERVICE_IN, "completed"),
        (ref(1), Purpose.STUDY_IN, "completed"), (ref(0), REPORT, "completed"),
    ]  # fmt: skip
    assert [(one.ref, one.purpose) for one in day.here] == [(ref(2), Purpose.SERVICE_IN)]
    assert {(one.ref, one.study_s, one.open_pairs) for one in day.hours} == {
        (ref(1), 7200, 0),
        (ref(2), 0, 1),
    }
    assert (day.roster_version, day.roster_expired) == (1, False)
    assert [one.study_s for one in await run_of(world).day.book.month(MONDAY.replace(day=1))] == [7200, 0]


async def test_an_entry_by_hand_counts_and_is_recorded_once(world: World) -> None:
    await over(world)
    book = run_of(world).day.book
    assert (await book.day(MONDAY)).duties[3].state is State.MISSED
    asked: dict[str, Any] = {
        "ref": ref(3),
        "purpose": REPORT,
        "at_ms": at("10:00"),
        "staff": "desk-1",
        "reason": "网络故障",
    }
    first, again = await asyncio.gather(book.enter(**asked, key="k1"), book.enter(**asked, key="k1"))
    assert first == again == await book.enter(**asked, key="k1")
    duty = (await book.day(MONDAY)).duties[3]
    assert (duty.state, duty.by_staff, duty.came_ms) == (State.DONE, True, at("10:00"))
    (event,) = [one for one in world.events("checkin.completed") if one["id"] == first]
    assert event["data"] == {
        "purpose": "report", "method": "staff", "entered_by": "desk-1", "staff_reason": "网络故障",
        "occurred": "2026-11-23T02:00:00.000Z", "entry": "k1", "counts_as": "on_time", "duty_day": "2026-11-23",
        "roster_version": 1, "roster_age_s": event["data"]["roster_age_s"],
    }  # fmt: skip
    mistakes: list[tuple[dict[str, Any], str]] = [
        ({"ref": "p-nobody"}, "unknown_person"),
        ({"reason": " "}, "no_reason"),
        ({"at_ms": world.now + HOUR}, "bad_time"),
        ({"at_ms": world.now - 32 * DAY}, "bad_time"),
    ]
    for wrong, code in mistakes:
        with pytest.raises(ContractError) as told:
            await book.enter(**{**asked, **wrong}, key="k2")
        assert told.value.code == code
    world.set_clock(ClockQuality.UNSYNCED)
    with pytest.raises(ContractError, match="clock"):
        await book.enter(**asked, key="k3")


async def pending(world: World, serial: int | None) -> str:
    run = run_of(world)
    if serial is None:
        data = {"session": "s", "kiosk": "kiosk-1", "purpose": "report", "reason": "unknown_person"}
        fact = Fact("checkin.pending_review", "device/kiosk-1", dict(data), restricted=False)
    else:
        fact = world.report(serial, "pending_review", reason="supervision_ended")
    (committed,) = await run.ingest.store([fact], "kiosk-1")
    return committed.id


async def test_what_waits_for_staff_is_not_called_missed_and_counts_when_it_was(world: World) -> None:
    known, unknown, refused = await pending(world, 4), await pending(world, None), await pending(world, 6)
    book = run_of(world).day.book
    await book.review(event=refused, accept=False, staff="desk-1", reason="不是本人", ref=None, purpose=None)
    await over(world)
    day = await book.day(MONDAY)
    assert (day.duties[4].state, day.duties[4].reason) == (State.UNASSESSED, Reason.REVIEW)
    assert day.duties[6].state is State.MISSED
    first = await book.review(
        event=known, accept=True, staff="desk-1", reason="见过本人", ref=None, purpose=None
    )
    assert first == await book.review(
        event=known, accept=True, staff="desk-1", reason="见过本人", ref=None, purpose=None
    )
    await book.review(event=unknown, accept=True, staff="desk-1", reason="换证", ref=ref(5), purpose=None)
    day = await book.day(MONDAY)
    assert [(one.state, one.by_staff) for one in day.duties[4:6]] == [(State.DONE, True)] * 2
    assert {one.event: one.reviewed for one in day.visits} == {
        known: "accepted", unknown: "accepted", refused: "refused",
    }  # fmt: skip
    for event, accept, who, code in [
        (known, False, None, "not_waiting"), ("no-such", True, None, "not_waiting"),
        (known, True, ref(7), "unknown_person"),
    ]:  # fmt: skip
        with pytest.raises(ContractError) as told:
            await book.review(event=event, accept=accept, staff="desk-1", reason="x", ref=who, purpose=None)
        assert told.value.code == code


async def test_what_a_terminal_could_not_name_counts_as_what_staff_say_it_was(world: World) -> None:
    run, book = run_of(world), run_of(world).day.book
    waiting = []
    for serial in (4, 5, 6):
        fact = world.report(serial, "pending_review", reason="status_unclear")
        fact = replace(fact, data={name: value for name, value in fact.data.items() if name != "purpose"})
        (committed,) = await run.ingest.store([fact], "kiosk-1")
        waiting.append(committed.id)

    def asked(index: int, purpose: Purpose | None) -> dict[str, Any]:
        said: dict[str, Any] = {"accept": True, "staff": "desk-1", "reason": "见过本人", "ref": None}
        return {**said, "event": waiting[index], "purpose": purpose}

    with pytest.raises(ContractError) as told:
        await book.review(**asked(0, None))
    assert told.value.code == "no_purpose"
    first = await book.review(**asked(0, Purpose.REPORT))
    assert first == await book.review(**asked(0, Purpose.REPORT)), "asked again, it is the same decision"
    with pytest.raises(ContractError) as told:
        await book.review(**asked(0, Purpose.STUDY_IN))
    assert told.value.code == "not_waiting"
    await book.review(**asked(1, Purpose.STUDY_IN))
    day = await book.day(MONDAY)
    assert [one.ref for one in day.here] == [ref(5)]
    assert [one.purpose for one in reversed(day.visits)] == [Purpose.REPORT, Purpose.STUDY_IN, None]
    await over(world)
    day = await book.day(MONDAY)
    assert [(one.state, one.reason) for one in day.duties[4:7]] == [
        (State.DONE, None), (State.MISSED, None), (State.UNASSESSED, Reason.REVIEW),
    ]  # fmt: skip


async def test_a_review_cannot_change_what_a_check_in_was_for(world: World) -> None:
    event = await pending(world, 4)
    with pytest.raises(ContractError) as told:
        await run_of(world).day.book.review(
            event=event, accept=True, staff="desk-1", reason="x", ref=None, purpose=Purpose.STUDY_IN
        )
    assert told.value.code == "bad_purpose"


async def test_changes_are_told_at_once_and_then_at_a_pace(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.checkin.book.PACE_S", 0.05)
    changes = run_of(world).day.book.changes()
    await asyncio.wait_for(anext(changes), 1)
    await world.comes(0)
    await asyncio.wait_for(anext(changes), 2)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(changes), 0.3)


async def test_who_came_while_nobody_vouched_for_the_time_is_seen_to_have_come(tmp_path: Path) -> None:
    """Nothing is said of the duty; staff must not think that nobody was there."""
    world = World(tmp_path, at("2026-11-23 08:00"))
    world.power_on(ClockQuality.UNSYNCED)
    async with world.running():
        await world.apply(people(2))
        await world.until(at("09:00"))
        await world.comes(0)
        came, other = (await run_of(world).day.book.day(MONDAY)).duties
    assert (came.state, came.came_unsure, came.came_ms is not None) == (State.OPEN, True, True)
    assert (other.came_unsure, other.came_ms) == (False, None)
