"""What people see of an event: its stages, and how long each took since its commit."""

from pathlib import Path

from gateway.activity import Activity, Notice
from gateway.clock import ManualClock
from tests.gateway.store_fixtures import draft, running_store


async def test_what_a_start_itself_said_keeps_its_time_among_what_came_before(tmp_path: Path) -> None:
    clock, path = ManualClock(), tmp_path / "s.db"
    async with running_store(path, clock) as store:
        await store.append([draft(clock.now()) for _ in range(3)], clock.now())
    told: list[Notice] = []
    activity = Activity(lambda: clock.now().mono_ms)
    activity.listen(told.append)
    async with running_store(path, clock) as store:
        store.on_commit(lambda _seconds, events, _rows: activity.committed(events))
        (card,) = await store.append([draft(clock.now())], clock.now())
        activity.remember(await store.read(lambda box: box.recent(50)))
        assert activity.newest()[0].seq == card.seq
        assert len(activity.newest()) == store.tail.next_n - 1, "each once, in order"
        clock.advance(62)
        activity.settled([(card.n, card.n)])
    assert told[-1].after_ms == 62
