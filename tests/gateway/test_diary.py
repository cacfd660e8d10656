"""The diary: a row exactly where an event is, made again from the events, and when check-ins could be taken."""

import itertools
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.checkin.availability import HOLDS_MS, MOST_BETWEEN_MS, Availability, kiosk_ready
from gateway.checkin.recalled import GATEWAY
from gateway.clock import ManualClock
from gateway.config import KioskConfig
from gateway.errors import StoreRefused
from gateway.store import diary
from gateway.store.outbox import Outbox
from gateway.store.retention import Purge, Retention
from tests.gateway.day_world import World, at, people
from tests.gateway.store_fixtures import draft, running_store

DAY_MS = 86_400_000


def rows(path: Path) -> dict[str, list[tuple[object, ...]]]:
    with closing(sqlite3.connect(path)) as db:
        return {
            table: db.execute(f"SELECT * FROM {table} ORDER BY n").fetchall()  # noqa: S608
            for table in ("diary", "diary_tick")
        }


async def a_few_events(world: World) -> None:
    world.power_on()
    async with world.running() as run:
        await world.apply(people(3))
        await world.look()
        await world.comes(0, 1, 1)
        await run.ingest.store([world.report(2, "pending_review", reason="no_roster")], "kiosk-1")


async def test_rows_made_again_are_those_that_were_kept(tmp_path: Path) -> None:
    world = World(tmp_path, at("09:00"))
    await a_few_events(world)
    kept = rows(world.path)
    assert len(kept["diary"]) == 4
    assert len(kept["diary_tick"]) == 3, "epoch, start, pairing"
    with closing(sqlite3.connect(world.path)) as db, db:
        db.execute("DELETE FROM diary")
        db.execute("DELETE FROM diary_tick WHERE kind = 'pairing'")
        db.execute("DELETE FROM state WHERE key = ?", (diary.FILLED,))
    async with world.running(clean=True):
        pass
    again = rows(world.path)
    assert again["diary"] == kept["diary"]
    assert set(kept["diary_tick"]) <= set(again["diary_tick"])


async def test_a_store_of_an_earlier_release_and_a_damaged_event(tmp_path: Path) -> None:
    world = World(tmp_path, at("09:00"))
    await a_few_events(world)
    kept = rows(world.path)["diary"]
    with closing(sqlite3.connect(world.path)) as db, db:
        for table in ("diary", "diary_tick", "diary_up"):
            db.execute(f"DROP TABLE {table}")
        db.execute("DELETE FROM migration WHERE name = '0009_diary'")
        db.execute("DELETE FROM state WHERE key = ?", (diary.FILLED,))
        db.execute(
            "UPDATE event SET wire = substr(wire, 1, 100) || ? WHERE n = ?", (diary._MARKS[0], kept[0][0])
        )
    async with world.running(clean=True):
        pass
    assert rows(world.path)["diary"] == kept[1:]


async def test_after_a_salvage_no_event_takes_the_place_of_a_row_that_is_kept(tmp_path: Path) -> None:
    """The last events and the list of what waits are torn; the diary is whole, and knows more than they do."""
    world = World(tmp_path, at("09:00"))
    await a_few_events(world)
    before = rows(world.path)["diary"]
    with closing(sqlite3.connect(world.path)) as db, db:
        (top,) = db.execute("SELECT max(n) FROM event").fetchone()
        db.execute("UPDATE event SET hash = zeroblob(32) WHERE n > ?", (top - 4,))
        db.execute("DELETE FROM waiting WHERE n > ?", (top - 4,))
    (tmp_path / "witness").unlink()
    async with world.running(clean=True):
        await world.comes(0, 1, 2, 0)
    after = rows(world.path)["diary"]
    assert after[: len(before)] == before
    assert len(after) == len(before) + 4, "whoever came after it is known to have come"


async def test_no_row_without_its_event(tmp_path: Path) -> None:
    path, clock = tmp_path / "s.db", ManualClock()

    def cut_off(box: Outbox) -> None:
        box.append([draft(clock.now(), "checkin.completed", purpose="report")], clock.now())
        raise StoreRefused("store_io", "the job fails after its events are in")

    async with running_store(path, clock) as store:
        with pytest.raises(StoreRefused):
            await store.run(cut_off)
        await store.append([draft(clock.now(), "checkin.completed", purpose="report")], clock.now())
    assert len(rows(path)["diary"]) == 1


async def test_when_room_runs_out_events_go_and_what_is_known_of_today_stays(tmp_path: Path) -> None:
    path, clock = tmp_path / "s.db", ManualClock()
    async with running_store(path, clock) as store:
        await store.append([draft(clock.now(), "checkin.completed", purpose="report")] * 1, clock.now())
        await store.append([draft(clock.now()) for _ in range(3)], clock.now())
        await store.settle([(1, 10)])

        def purge(*, short: bool, days_later: int = 0) -> int:
            step = Purge(
                store._database,
                Retention(days=2, fix_days=2),
                clock.wall_ms + days_later * DAY_MS,
                short=short,
            )
            while not step.done:
                step.step()
            return step.gone

        assert await store.run(lambda _box: purge(short=True)) > 0
        assert len(rows(path)["diary"]) == 1
        await store.run(lambda _box: purge(short=False, days_later=1))
        await store.run(lambda _box: purge(short=False, days_later=5))
    assert rows(path)["diary"] == []


# -- when check-ins could be taken --------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(1, 20_000), st.booleans(), st.sampled_from("wfn")), max_size=60))
def test_nothing_is_claimed_that_was_not_seen_and_written(looks: list[tuple[int, bool, str]]) -> None:
    availability, now_ms = Availability("a"), 0
    down: list[int] = []  # moments at which it was away, or nobody had looked for long
    on_disk: dict[tuple[str, int], int] = {}
    written_ms = 0
    for step_ms, up, then in looks:
        if step_ms > MOST_BETWEEN_MS:
            down.append(now_ms + 1)
        now_ms += step_ms
        if not up:
            down.append(now_ms)
        availability.look(now_ms, gateway=up, kiosk=True)
        if then == "w":
            spans = availability.to_write()
            on_disk |= {(one.kind, one.from_ms): one.to_ms for one in spans}
            availability.written(spans)
            written_ms = now_ms
        elif then == "f":
            availability.not_written()
    for (kind, from_ms), to_ms in on_disk.items():
        assert from_ms < to_ms <= written_ms
        if kind == GATEWAY:
            assert not any(from_ms <= when <= to_ms for when in down)
    begins = sorted(from_ms for kind, from_ms in on_disk if kind == GATEWAY)
    assert all(later - before > HOLDS_MS for before, later in itertools.pairwise(begins))


def test_who_could_report_where() -> None:
    kiosk = KioskConfig(id="kiosk-1", devices=("card", "finger"), purpose="any")
    study = KioskConfig(id="kiosk-2", devices=("card-2",), purpose="study_in")
    kinds = {"card": "idcard.sam", "finger": "finger.zfm", "card-2": "idcard.sam"}
    assert kiosk_ready([kiosk, study], kinds, {"card", "finger"})
    assert not kiosk_ready([kiosk, study], kinds, {"card", "card-2"}), "nobody can prove who he is"
    assert not kiosk_ready([kiosk, study], kinds, {"finger", "card-2"})
    staffed = KioskConfig(id="kiosk-1", devices=("card",), purpose="report")
    assert kiosk_ready([staffed], kinds, {"card"}), "the word of staff"
    kept = {**kinds, "t": "terminal.zk_adms"}
    assert not kiosk_ready([staffed], kept, {"card"}), "it may hold the one that seems to be missing"
