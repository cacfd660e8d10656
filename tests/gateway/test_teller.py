"""Who did not come is said once, and never on a doubt: through the real store and the real teller."""

import asyncio
from pathlib import Path

import pytest

from gateway.checkin import due
from gateway.clock import ClockQuality, iso_ms
from tests.gateway.day_world import DAY, MIN, S, World, at, people, ref

UNSYNCED, SYNCED, HOLDOVER = ClockQuality.UNSYNCED, ClockQuality.SYNCED, ClockQuality.HOLDOVER
PERSONS = 300
FEW = 40  # where it is repeated


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Sunday noon, the box is off. Time passes in steps of ten minutes, else a day takes seconds."""
    monkeypatch.setattr("gateway.checkin.availability.MOST_BETWEEN_MS", 10 * MIN)
    monkeypatch.setattr("gateway.checkin.teller.WRITE_EVERY_MS", 180 * MIN)
    made = World(tmp_path, at("2026-11-22 12:00"))
    made.tick_ms = 10 * MIN
    return made


async def test_a_day_is_told_once(world: World) -> None:
    roster = people(PERSONS)
    world.power_on()
    async with world.running():
        await world.apply(roster)
        assert await world.until(at("09:00")) == 0
        await world.comes(*range(100))
        await world.until(at("17:40"))
        await world.comes(*range(100, 150))
        assert await world.until(at("18:00")) == 0, "sure only in a moment"
        world.now += 10 * S
        world.clock.advance(10 * S)
        assert await world.look() == 150
        assert await world.until(at("18:30")) == 0
    assert world.said() == {("missed", None): 150}
    one = world.statements()[0]
    assert one == {
        "id": one["id"], "verb": "missed", "ref": ref(150), "day": "2026-11-23", "nominal": ["2026-11-23"],
        "roster_version": 1, "roster_age_s": one["roster_age_s"], "window_s": 25200, "available_s": 25200,
        "longest_gap_s": 0,
    }  # fmt: skip
    assert world.false_ones(roster) == []
    async with world.running():  # another process of the same boot
        assert await world.until(at("2026-11-24 08:00")) == 0
        await world.comes(150, 150)
    late = [one for one in world.events("checkin.completed") if "late_arrival_of" in one["data"]]
    assert [one["data"]["late_arrival_of"] for one in late] == [
        one["id"] for one in world.statements()[:1]
    ], "the first of two refers to what was said, also after a restart"
    assert world.doubled() == []


async def test_1970_then_set(world: World) -> None:
    roster = people(PERSONS)
    world.power_on()
    async with world.running():
        await world.apply(roster)
        await world.until(at("2026-11-22 20:00"))
    world.pass_off(at("06:00"))
    world.power_on(UNSYNCED, -world.now + 1000)
    async with world.running():
        await world.until(at("09:00"))
        await world.comes(*range(150))
        await world.until(at("12:00"))
        world.set_clock(SYNCED)
        await world.until(at("19:00"))
    assert world.said() == {("missed", None): 150}
    assert world.false_ones(roster) == []


@pytest.mark.parametrize("step_ms", [DAY, -DAY])
@pytest.mark.parametrize("when", ["07:00", "12:00", "17:50", "18:05"])
async def test_a_step_of_a_day(world: World, step_ms: int, when: str) -> None:
    roster = people(FEW)
    world.power_on()
    async with world.running():
        await world.apply(roster)
        await world.until(at("06:50"))
        if when > "09:00":
            await world.until(at("09:00"))
            await world.comes(*range(FEW // 2))
        await world.until(at(when))
        world.set_clock(SYNCED, step_ms)
        await world.until(at(when) + 30 * MIN)
        world.set_clock(SYNCED)
        await world.until(at("19:00"))
        await world.until(at("2026-11-24 20:00"))
    assert world.false_ones(roster) == []
    assert world.doubled() == []
    wrong = {verb for verb, _ in world.said()} if when < "18:05" else set()
    assert "missed" not in wrong, "after a step nobody can say which day it was"


async def test_off_through_the_window(world: World) -> None:
    roster = people(PERSONS)
    world.power_on()
    async with world.running():
        await world.apply(roster)
        await world.until(at("08:00"))
    world.pass_off(at("20:00"))
    world.power_on()
    async with world.running():
        await world.until(at("20:30"))
    assert world.said() == {("unassessed", "unavailable"): PERSONS}


async def test_nobody_missed_what_an_enrolment_kept_him_from(world: World) -> None:
    """The only kiosk is lent from before the grace ends until after it: who comes then cannot check in."""
    roster = people(FEW)
    world.power_on()
    async with world.running():
        await world.apply(roster)
        await world.until(at("17:40"))
        world.lent = True
        await world.until(at("18:10"))
        world.lent = False
        await world.until(at("19:00"))
    assert world.said() == {("unassessed", "unavailable"): FEW}
    assert world.false_ones(roster) == []


async def test_what_a_terminal_brings_at_once_counts_when_it_came(world: World) -> None:
    """Its clock is some seconds fast: by it the grace was over, by ours it was not."""
    roster = people(FEW)
    world.power_on()
    async with world.running() as run:
        await world.apply(roster)
        await world.until(at("17:59"))
        claimed = iso_ms(at("18:00") + 40 * S)
        await run.ingest.store([world.report(0, device_time=claimed)], "kiosk-1")
        world.came.append((ref(0), world.now))
        await world.until(at("19:00"))
    assert world.said() == {("missed", None): FEW - 1}
    assert world.false_ones(roster) == []


async def test_the_roster_has_expired(world: World) -> None:
    roster = people(PERSONS, expires="2026-11-23T07:00:00.000Z")
    world.power_on()
    async with world.running():
        await world.apply(roster)
        await world.until(at("19:00"))
    assert world.said() == {("unassessed", "roster_expired"): PERSONS}


async def wrong_for_five_minutes(world: World) -> list[str]:
    """Unset all day, then set to the next day for some minutes, until the time server is put right."""
    roster = people(FEW, repeat={**_DAILY})
    world.power_on()
    async with world.running():
        await world.apply(roster)
        await world.until(at("2026-11-22 19:00"))
    world.pass_off(at("06:00"))
    world.power_on(UNSYNCED, -world.now + 1000)
    async with world.running():
        await world.until(at("09:00"))
        await world.comes(*range(FEW // 2))
        await world.until(at("18:05"))
        world.set_clock(SYNCED, DAY)
        world.tick_ms = 10 * S
        await world.until(at("18:09"))
        world.set_clock(SYNCED)
        await world.until(at("18:30"))
        world.tick_ms = 10 * MIN
        await world.until(at("20:00"))
    return world.false_ones(roster)


_DAILY = {
    "repeat": "weekly", "days": [1, 2, 3, 4, 5, 6, 7], "windows": [["08:30", "11:30"], ["14:00", "17:30"]],
    "grace_min": 30, "day_off": "keep",
}  # fmt: skip


async def test_a_time_that_was_wrong_for_minutes_is_not_believed(world: World) -> None:
    assert await wrong_for_five_minutes(world) == []


async def test_control_without_steadiness(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(due, "STEADY_S", 0)
    wrong = await wrong_for_five_minutes(world)
    assert wrong, "the world can tell a false statement"


async def test_three_hundred_statements_are_few_commits_and_check_ins_go_between(world: World) -> None:
    world.power_on()
    async with world.running() as run:
        await world.apply(people(PERSONS))
        await world.until(at("18:00"))
        world.now += 10 * S
        world.clock.advance(10 * S)
        commits: list[set[str]] = []
        run.store.on_commit(lambda _seconds, events, _rows: commits.append({one.type for one in events}))
        telling = asyncio.create_task(world.look())
        while not telling.done():
            await run.ingest.store([world.report(0, purpose="study_in")], "kiosk-1")
        assert await telling == PERSONS - 1, "somebody signed in while it was judged: looked at again"
    said = [index for index, types in enumerate(commits) if "checkin.missed" in types]
    assert len(said) <= PERSONS // 50 + 1
    between = {index for index, types in enumerate(commits) if "checkin.completed" in types}
    assert any(said[0] < index < said[-1] for index in between) or between & set(said)
