"""Any history of a box: no false `missed`, nothing said twice, no check-in lost. The oracle knows true time alone."""

import asyncio
import random
import shutil
import sqlite3
import tempfile
from contextlib import AsyncExitStack, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.clock import ClockQuality
from gateway.store.epochs import RESTORED
from tests.gateway.day_world import DAY, HOUR, MIN, World, at, people

PERSONS = 3
DAILY: dict[str, Any] = {
    "repeat": "weekly", "days": [1, 2, 3, 4, 5, 6, 7], "windows": [["08:30", "11:30"], ["14:00", "17:30"]],
    "grace_min": 30, "day_off": "keep",
}  # fmt: skip
SYNCED, UNSYNCED = ClockQuality.SYNCED, ClockQuality.UNSYNCED


class Killed(Exception):  # noqa: N818 - what kill -9 does, for the one who awaited
    pass


@dataclass
class Box:
    """A world with a gateway that runs, is killed, and comes back."""

    world: World
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    version: int = 0
    damaged: bool = False
    backup: Path | None = None

    async def start(self) -> None:
        await self.stack.enter_async_context(self.world.running())

    async def stop(self) -> None:
        self.world.note_stated()
        await self.stack.aclose()
        self.stack = AsyncExitStack()

    async def restart(self, quality: ClockQuality | None = None, off_h: int = 0) -> None:
        """Another process; with `quality` another boot, some hours later."""
        await self.stop()
        if quality is not None:
            self.world.pass_off(self.world.now + off_h * HOUR + MIN)
            self.world.power_on(quality, 0 if quality is SYNCED else -self.world.now)
        await self.start()

    async def apply(self, **head: Any) -> None:
        self.version += 1
        await self.world.apply(people(PERSONS, self.version, DAILY, **head))

    async def killed(self, nth: int, *, done: bool, after_h: int) -> None:
        """The process dies at the nth thing that the gateway writes: before it is on disk, or just after."""
        run, count = self.world.run, 0
        assert run is not None
        really = run.store.run

        async def dying(*args: Any, **named: Any) -> Any:
            nonlocal count
            count += 1
            if count < nth:
                return await really(*args, **named)
            if done:
                await really(*args, **named)
            raise Killed

        run.store.run = dying  # type: ignore[method-assign]
        with suppress(Killed):
            await self.world.until(self.world.now + after_h * HOUR)
        await self.restart()

    async def damage(self, seed: int) -> None:
        """Pages of the file are torn; the start salvages what it can."""
        await self.stop()
        self.damaged = True
        path, rng = self.world.path, random.Random(seed)
        with closing(sqlite3.connect(path)) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        raw = bytearray(path.read_bytes())
        for page in rng.sample(range(1, len(raw) // 4096), 3):
            raw[page * 4096 : (page + 1) * 4096] = rng.randbytes(4096)
        path.write_bytes(bytes(raw))
        path.with_name("events.db.suspect").write_text("found while running")
        self.world.pass_off(self.world.now + MIN)
        await self.start()

    async def back_up(self) -> None:
        await self.stop()
        self.backup = self.world.folder / "backup"
        with closing(sqlite3.connect(self.world.path)) as db, closing(sqlite3.connect(self.backup)) as copy:
            db.backup(copy)
        await self.start()

    async def put_back(self) -> None:
        """An older copy becomes the store, as `zhijiao restore` does it."""
        if self.backup is None:
            return
        await self.stop()
        self.damaged = True
        for part in ("-wal", "-shm"):
            self.world.path.with_name("events.db" + part).unlink(missing_ok=True)
        shutil.copy(self.backup, self.world.path)
        with closing(sqlite3.connect(self.world.path)) as db, db:
            db.execute("INSERT OR REPLACE INTO state (key, value) VALUES (?, '1')", (RESTORED,))
        await self.start()


Step = tuple[Any, ...]
HOURS = st.integers(1, 9)
STEPS: st.SearchStrategy[Step] = st.one_of(
    st.tuples(st.just("pass"), HOURS),
    st.tuples(st.just("pass on"), HOURS),
    st.tuples(st.just("comes"), st.integers(0, PERSONS - 1)),
    st.just(("over",)),
    st.just(("restart",)),
    st.tuples(st.just("boot"), st.sampled_from([SYNCED, UNSYNCED]), st.integers(0, 9)),
    st.tuples(st.just("clock"), st.sampled_from([0, DAY, -DAY])),
    st.tuples(st.just("kiosk"), st.booleans()),
    st.just(("roster", "2027-01-31T16:00:00.000Z")),
    st.just(("roster", "2026-11-23T04:00:00.000Z")),
    st.tuples(st.just("kill"), st.integers(1, 5), st.booleans(), HOURS),
    st.tuples(st.just("damage"), st.integers(0, 99)),
    st.just(("back up",)),
    st.just(("put back",)),
)


async def _do(box: Box, step: Step) -> None:
    world = box.world
    match step:
        case ("pass" | "pass on", hours):
            await world.until(world.now + hours * HOUR)
        case ("comes", who):
            await world.comes(who)
        case ("over",):
            await world.until(_next(world.now))
        case ("restart",):
            await box.restart()
        case ("boot", quality, hours):
            await box.restart(quality, hours)
        case ("clock", off_ms):
            # A boot whose only time is wrong by a day cannot be told (docs/checkin.md).
            world.set_clock(SYNCED, 0 if world.quality is UNSYNCED else off_ms)
            await world.look()
        case ("kiosk", on):
            world.online = on
        case ("roster", expires):
            await box.apply(expires=expires)
        case ("kill", nth, done, hours):
            await box.killed(nth, done=done, after_h=hours)
        case ("damage", seed):
            await box.damage(seed)
        case ("back up",):
            await box.back_up()
        case ("put back",):
            await box.put_back()


def _next(now: int) -> int:
    """A minute after the next end of a duty."""
    over = at("18:01")
    while over <= now:
        over += DAY
    return over


async def _history(folder: Path, steps: list[Step]) -> None:
    world = World(folder, at("2026-11-22 20:00"))
    world.tick_ms = 30 * MIN
    world.power_on()
    box = Box(world)
    await box.start()
    try:
        await box.apply()
        for step in steps:
            await _do(box, step)
        await world.until(_next(world.now) + HOUR)
    finally:
        await box.stop()
    assert world.false_ones(people(PERSONS, 99, DAILY)) == []
    assert world.doubled() == []
    if not box.damaged:
        assert len(world.events("checkin.completed")) == len(world.came)


@pytest.fixture
def _in_long_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.checkin.availability.MOST_BETWEEN_MS", 30 * MIN)
    monkeypatch.setattr("gateway.checkin.teller.WRITE_EVERY_MS", 180 * MIN)


@pytest.mark.usefixtures("_in_long_steps")
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(STEPS, min_size=2, max_size=10))
def test_whatever_happens_nothing_false_is_said(steps: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_history(Path(folder), steps))
