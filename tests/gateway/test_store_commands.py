"""Commands and outcomes on disk; events put back wait again, once, in their own lane."""

from pathlib import Path

from gateway.clock import ManualClock
from gateway.store import commands
from gateway.store.commands import INTERRUPTED, RUNNING, Command, Known
from gateway.uuid7 import uuid7
from tests.gateway.store_fixtures import draft, running_store

DAY_MS = 24 * 3600 * 1000


async def test_an_outcome_survives_a_restart_and_a_cut_off_one_is_found(tmp_path: Path) -> None:
    clock = ManualClock()
    done, cut = uuid7(clock.wall_ms), uuid7(clock.wall_ms)
    async with running_store(tmp_path / "s.db", clock) as store:
        for cmdid in (done, cut):
            await store.run(lambda _box, cmdid=cmdid: commands.begin(cmdid, "ping", clock.wall_ms))  # type: ignore[misc]
        await store.run(lambda _box: commands.finish(done, "done", b"{}"))
    async with running_store(tmp_path / "s.db", clock) as store:
        assert await store.run(lambda _box: commands.unfinished()) == [(cut, "ping")]
        assert await store.run(lambda _box: commands.known(done)) == Known("ping", "done", b"{}")
        assert await store.run(lambda _box: commands.known(cut)) == Known("ping", RUNNING, None)
        assert await store.run(lambda _box: commands.known("x")) is None


async def test_outcomes_go_after_30_days_where_the_clock_is_believed_and_running_ones_never(
    tmp_path: Path,
) -> None:
    clock = ManualClock()
    async with running_store(tmp_path / "s.db", clock) as store:
        for name in ("old", "running"):
            await store.run(lambda _box, name=name: commands.begin(name, "ping", clock.wall_ms))  # type: ignore[misc]
        await store.run(lambda _box: commands.finish("old", INTERRUPTED, b""))
        clock.advance(30 * DAY_MS + 1)
        assert await store.run(lambda _box: commands.purge(clock.wall_ms, by_age=False)) == 0
        assert await store.run(lambda _box: commands.purge(clock.wall_ms, by_age=True)) == 1
        assert await store.run(lambda _box: [row.cmdid for row in Command.select()]) == ["running"]


async def test_outcomes_are_bounded_in_number(tmp_path: Path) -> None:
    commands_kept = commands.MOST_KEPT
    commands.MOST_KEPT = 3
    clock = ManualClock()
    try:
        async with running_store(tmp_path / "s.db", clock) as store:
            ids = [uuid7(clock.wall_ms + i) for i in range(5)]
            for cmdid in ids:
                await store.run(lambda _box, cmdid=cmdid: commands.begin(cmdid, "ping", 1))  # type: ignore[misc]
                await store.run(lambda _box, cmdid=cmdid: commands.finish(cmdid, "done", b""))  # type: ignore[misc]
            await store.run(lambda _box: commands.purge(1, by_age=False))
            left = await store.run(
                lambda _box: [row.cmdid for row in Command.select().order_by(Command.cmdid)]
            )
            assert left == ids[2:]
    finally:
        commands.MOST_KEPT = commands_kept


async def test_events_put_back_wait_again_once_in_their_lane_over_a_restart(tmp_path: Path) -> None:
    clock = ManualClock()
    async with running_store(tmp_path / "s.db", clock) as store:
        await store.append(
            [
                draft(clock.now(), kind)
                for kind in ("identity.card_read", "alarm.raised", "checkin.completed")
            ],
            clock.now(),
        )
        await store.settle([(1, 3)])
        assert store.waiting == 1
        put = await store.run(lambda box: commands.put_back(box, 2, 9))
        assert (put.held, put.count) == ((2, 3, 4), 2)
        assert store.waiting == 3
        assert (await store.run(lambda box: commands.put_back(box, 2, 9))).count == 0
        assert store.waiting == 3
        assert [row.n for row in await store.after(0, 0, 9)] == [3, 4]
        assert [row.n for row in await store.after(1, 0, 9)] == [2]
    async with running_store(tmp_path / "s.db", clock) as store:
        assert store.waiting == 3
