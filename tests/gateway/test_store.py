"""The store: what is appended is chained and comes back; what fails leaves no trace."""

import asyncio
import hashlib
import json
import os
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.clock import ManualClock
from gateway.errors import StartError, StoreRefused
from gateway.evidence import canonical
from gateway.store.outbox import Outbox
from tests.gateway.store_fixtures import draft, opening, running_store

DAY_MS = 24 * 3600 * 1000


def events(path: Path) -> list[dict[str, object]]:
    with sqlite3.connect(path) as db:
        return [json.loads(row[0]) for row in db.execute("SELECT wire FROM event ORDER BY n")]


def assert_chained(found: list[dict[str, object]]) -> None:
    """Per epoch: contiguous from 1, each carries the hash of the one before."""
    previous: dict[object, tuple[int, str]] = {}
    for event in found:
        seq, last_hash = previous.get(event["source"], (0, "0" * 64))
        assert event["sequence"] == f"{seq + 1:016d}"
        assert event["prevhash"] == last_hash
        signed = canonical.encode({k: v for k, v in event.items() if k != "jws"})  # type: ignore[misc]
        previous[event["source"]] = (seq + 1, hashlib.sha256(signed).hexdigest())


async def test_a_new_store_opens_an_epoch_whose_first_event_says_why(tmp_path: Path) -> None:
    clock = ManualClock()
    async with running_store(tmp_path / "s.db", clock) as store:
        assert store.tail.seq == 1
        assert store.waiting == 1
    (event,) = events(tmp_path / "s.db")
    assert event["type"] == "cn.zhijiao.system.epoch_opened"
    assert event["data"] == {"reason": "new_store", "previous": None}


async def test_many_writers_at_once_give_one_unbroken_chain(tmp_path: Path) -> None:
    clock = ManualClock()
    async with running_store(tmp_path / "s.db", clock) as store:
        commits: list[float] = []
        store.on_commit(lambda seconds, _fresh, _rows: commits.append(seconds))
        jobs = [store.append([draft(clock.now(), n=i)], clock.now()) for i in range(200)]
        placed = [c for group in await asyncio.gather(*jobs) for c in group]
        assert sorted(c.seq for c in placed) == list(range(2, 202))
        assert store.waiting == 201
        assert len(commits) < 200, "what waits together is committed together"
    assert_chained(events(tmp_path / "s.db"))


async def test_a_process_killed_in_one_boot_continues_its_epoch(tmp_path: Path) -> None:
    clock = ManualClock()
    async with running_store(tmp_path / "s.db", clock, clean=False) as store:
        epoch = store.tail.epoch
    async with running_store(tmp_path / "s.db", clock) as store:
        assert store.tail.epoch == epoch
        assert store.tail.seq == 1


async def test_a_boot_without_a_clean_stop_opens_a_new_epoch(tmp_path: Path) -> None:
    clock = ManualClock()
    async with running_store(tmp_path / "s.db", clock, clean=False) as store:
        await store.append([draft(clock.now())], clock.now())
        first = store.tail
    clock.boot_id = "b" * 32
    async with running_store(tmp_path / "s.db", clock) as store:
        assert store.tail.epoch != first.epoch
        lineage = await store.lineage()
        assert [(e.epoch, e.last_seq) for e in lineage] == [(first.epoch, 2), (store.tail.epoch, 1)]
    last = events(tmp_path / "s.db")[-1]
    assert last["data"] == {
        "reason": "unclean_boot",
        "previous": {"epoch": first.epoch, "last_seq": 2, "last_hash": first.hash.hex()},
    }
    assert_chained(events(tmp_path / "s.db"))


async def test_a_boot_after_a_clean_stop_continues(tmp_path: Path) -> None:
    clock = ManualClock()
    async with running_store(tmp_path / "s.db", clock, clean=True) as store:
        epoch = store.tail.epoch
    clock.boot_id = "b" * 32
    async with running_store(tmp_path / "s.db", clock) as store:
        assert store.tail.epoch == epoch


async def test_receipts_are_written_once_per_committed_event(tmp_path: Path) -> None:
    clock = ManualClock()
    out = os.open(tmp_path / "receipts", os.O_WRONLY | os.O_CREAT)
    async with running_store(tmp_path / "s.db", clock, receipts_fd=out) as store:
        await store.append([draft(clock.now()), draft(clock.now())], clock.now())
    os.close(out)
    lines = [line.split() for line in (tmp_path / "receipts").read_text().splitlines()]
    assert [line[2] for line in lines] == [e["id"] for e in events(tmp_path / "s.db")]


async def test_a_full_store_refuses_whole_events_and_recovers_by_itself(tmp_path: Path) -> None:
    clock = ManualClock()
    async with running_store(tmp_path / "s.db", clock, max_mib=1) as store:
        taken = 1

        async def fill() -> None:
            nonlocal taken
            while True:
                await store.append([draft(clock.now(), text="x" * 20_000)], clock.now())
                taken += 1

        with pytest.raises(StoreRefused) as caught:
            await fill()
        assert caught.value.code == "store_full"
        assert store.tail.seq == taken, "memory must not run ahead of the disk"
        assert await store.purge(clock.now().wall_ms) == 0, "nothing is settled: nothing may go"
        await store.settle([(1, taken)])
        assert await store.purge(clock.now().wall_ms) == taken - 1, "all but the chain's last link"
        await store.append([draft(clock.now())], clock.now())
        assert store.tail.seq == taken + 1
    found = events(tmp_path / "s.db")
    assert found[-1]["sequence"] == f"{taken + 1:016d}"


async def test_one_refused_event_takes_no_good_one_with_it(tmp_path: Path) -> None:
    clock = ManualClock()
    async with running_store(tmp_path / "s.db", clock, max_mib=1) as store:
        jobs = [
            store.append([draft(clock.now(), text="x" * (60_000 if i % 3 == 0 else 10))], clock.now())
            for i in range(90)
        ]
        outcomes = await asyncio.gather(*jobs, return_exceptions=True)
        refused = [o for o in outcomes if isinstance(o, BaseException)]
        assert refused, "the quota must be reached for this test to say anything"
        assert all(isinstance(o, StoreRefused) for o in refused)
        assert store.tail.seq == 1 + len(outcomes) - len(refused)
    assert_chained(events(tmp_path / "s.db"))


async def test_settling_twice_or_beyond_the_end_counts_once(tmp_path: Path) -> None:
    clock = ManualClock()
    async with running_store(tmp_path / "s.db", clock) as store:
        await store.append([draft(clock.now()) for _ in range(9)], clock.now())
        assert await store.settle([(1, 4), (7, 7)]) == 5
        assert await store.settle([(1, 4), (7, 99)]) == 3
        assert store.waiting == 2
        assert [row.n for row in await store.after(1, 0, 10)] == [5, 6]
        levels = await store.levels()
        assert (levels.waiting, levels.lowest_waiting_n) == (2, 5)


async def test_check_ins_and_alarms_wait_in_their_own_lane(tmp_path: Path) -> None:
    clock = ManualClock()
    async with running_store(tmp_path / "s.db", clock) as store:
        await store.append(
            [draft(clock.now()), draft(clock.now(), "alarm.raised", type="cn.zhijiao.x")], clock.now()
        )
        assert [(row.n, row.cls) for row in await store.after(0, 0, 10)] == [(3, "alarm")]
        assert [(row.n, row.cls) for row in await store.after(1, 0, 10)] == [(1, "system"), (2, "identity")]


async def test_a_file_of_a_newer_release_is_refused(tmp_path: Path) -> None:
    clock = ManualClock()
    async with running_store(tmp_path / "s.db", clock):
        pass
    with sqlite3.connect(tmp_path / "s.db") as db:
        db.execute("INSERT INTO migration VALUES ('9999_from_tomorrow', 0)")
    with pytest.raises(StartError, match="newer release"):
        async with running_store(tmp_path / "s.db", clock):
            pass


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(["append", "batch", "settle", "kill", "reboot", "stop"]), max_size=12))
def test_whatever_happens_the_chain_holds_and_nothing_committed_is_lost(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    path = tmp_path_factory.mktemp("store") / "s.db"
    clock = ManualClock()
    committed: set[str] = set()

    async def life() -> None:
        rest = list(steps)
        while rest:
            clock.advance(1000)
            end = "stop"
            async with running_store(path, clock, clean=False) as store:
                while rest:
                    step = rest.pop(0)
                    if step in {"append", "batch"}:
                        drafts = [draft(clock.now()) for _ in range(1 if step == "append" else 3)]
                        committed.update(c.id for c in await store.append(drafts, clock.now()))
                    elif step == "settle":
                        await store.settle([(1, store.tail.next_n // 2)])
                    else:
                        end = step
                        break
            if end == "reboot":
                clock.boot_id = f"{len(rest):032d}"

    asyncio.run(life())
    if steps:
        found = events(path)
        assert_chained(found)
        assert committed <= {e["id"] for e in found}


async def test_settled_events_go_when_they_are_old_and_unsettled_ones_never(tmp_path: Path) -> None:
    clock = ManualClock()
    async with running_store(tmp_path / "s.db", clock) as store:
        await store.append([draft(clock.now()) for _ in range(9)], clock.now())
        await store.settle([(1, 5)])
        assert await store.purge(clock.now().wall_ms) == 0
        clock.advance(179 * DAY_MS)
        assert await store.purge(clock.now().wall_ms) == 0
        clock.advance(1 * DAY_MS)
        assert await store.purge(clock.now().wall_ms) == 5
        assert await store.purge(clock.now().wall_ms) == 0
        assert store.waiting == 5


async def test_what_was_recorded_at_1970_ages_from_the_day_the_clock_was_set(tmp_path: Path) -> None:
    clock = ManualClock(wall_ms=3_000)
    async with running_store(tmp_path / "s.db", clock) as store:
        await store.append([draft(clock.now()) for _ in range(9)], clock.now())
        clock.step(1_795_309_322_000)
        await store.settle([(1, 10)])
        assert await store.purge(clock.now().wall_ms) == 0
        clock.advance(180 * DAY_MS)
        assert await store.purge(clock.now().wall_ms) == 9


async def test_tracker_fixes_go_earlier_than_what_stands_around_them(tmp_path: Path) -> None:
    clock = ManualClock()
    async with running_store(tmp_path / "s.db", clock) as store:
        for i in range(6):
            kind = "tracker.fix" if i % 2 else "identity.card_read"
            await store.append([draft(clock.now(), kind)], clock.now())
        await store.settle([(1, 5)])  # the last fix still waits
        await store.purge(clock.now().wall_ms)
        clock.advance(31 * DAY_MS)
        await store.append([draft(clock.now())], clock.now())
        assert await store.purge(clock.now().wall_ms) == 2
        assert await store.purge(clock.now().wall_ms) == 0
        await store.settle([(6, 8)])
        clock.advance(DAY_MS)
        assert await store.purge(clock.now().wall_ms) == 1
    assert [e["type"] for e in events(tmp_path / "s.db")].count("cn.zhijiao.tracker.fix") == 0


async def test_a_purged_store_gives_room_back_to_the_disk(tmp_path: Path) -> None:
    clock, path = ManualClock(), tmp_path / "s.db"
    async with running_store(path, clock, max_mib=53) as store:
        for _ in range(90):
            await store.append([draft(clock.now(), text="x" * 60_000) for _ in range(10)], clock.now())
        assert path.stat().st_size > 48 * 1024 * 1024
        await store.settle([(1, 901)])
        assert await store.purge(clock.now().wall_ms) == 900
    assert path.stat().st_size < 24 * 1024 * 1024, "the file keeps 16 MiB for what comes next"


async def test_an_epoch_that_is_left_says_its_waiting_facts_again_in_the_next(tmp_path: Path) -> None:
    clock = ManualClock()
    async with running_store(tmp_path / "s.db", clock) as store:
        await store.append([draft(clock.now(), n=i) for i in range(4)], clock.now())
        await store.settle([(1, 3)])
        old = store.tail
        clock.advance(60_000)
        left = await store.leave_epoch(old.epoch, "chain_mismatch", clock.now(), opening(clock.now()))
        assert (left.count, left.opened) == (2, True)
        assert store.waiting == 3, "the new epoch's opening and the two facts"
        again = await store.leave_epoch(old.epoch, "x", clock.now(), opening(clock.now()))
        assert (again.count, again.opened) == (0, False)
        assert [(e.epoch, e.last_seq) for e in await store.lineage()] == [
            (old.epoch, 5),
            (store.tail.epoch, 3),
        ]
    found = events(tmp_path / "s.db")
    assert_chained(found)
    for before, after in zip(found[3:5], found[6:8], strict=True):
        assert after["reissueof"] == f"{old.epoch}/{before['sequence']}"
        for name in ("id", "type", "time", "data", "monoms", "bootid", "subject"):
            assert after[name] == before[name]


async def test_an_older_epoch_can_be_left_too(tmp_path: Path) -> None:
    clock = ManualClock()
    async with running_store(tmp_path / "s.db", clock, clean=False) as store:
        await store.append([draft(clock.now(), n=i) for i in range(450)], clock.now())
        old = store.tail
    clock.boot_id = "b" * 32
    async with running_store(tmp_path / "s.db", clock) as store:
        running = store.tail
        left = await store.leave_epoch(old.epoch, "chain_mismatch", clock.now(), opening(clock.now()))
        assert (left.count, left.opened) == (450, False)
        assert store.tail.epoch == running.epoch
        assert store.waiting == 451
    assert_chained(events(tmp_path / "s.db"))


async def test_a_job_that_fails_midway_leaves_no_trace_in_memory_either(tmp_path: Path) -> None:
    """Its rows are undone on disk: no receipt may speak of them and the next event must not hang on them."""
    clock = ManualClock()
    receipts = os.open(tmp_path / "receipts", os.O_RDWR | os.O_CREAT)
    async with running_store(tmp_path / "s.db", clock, receipts_fd=receipts) as store:

        def fails(box: Outbox) -> None:
            box.append([draft(clock.now())], clock.now())
            box.settle([(1, 1)])
            raise ValueError("a bug")

        jobs = [
            store.append([draft(clock.now())], clock.now()),
            store.run(fails),
            store.append([draft(clock.now())], clock.now()),
        ]
        outcomes = await asyncio.gather(*jobs, return_exceptions=True)
        assert isinstance(outcomes[1], ValueError)
        assert store.tail.seq == 3
        assert store.waiting == 3
    os.close(receipts)
    found = events(tmp_path / "s.db")
    assert_chained(found)
    told = [line.split()[2] for line in (tmp_path / "receipts").read_text().splitlines()]
    assert told == [event["id"] for event in found]


async def test_a_job_that_fails_alone_leaves_no_trace(tmp_path: Path) -> None:
    clock = ManualClock()
    async with running_store(tmp_path / "s.db", clock) as store:

        def fails(box: Outbox) -> None:
            box.append([draft(clock.now())], clock.now())
            raise ValueError("a bug")

        for _ in range(2):
            with pytest.raises(ValueError, match="a bug"):
                await store.run(fails)
            await store.append([draft(clock.now())], clock.now())
        assert (store.tail.seq, store.waiting) == (3, 3)
    assert_chained(events(tmp_path / "s.db"))


async def test_receipts_that_nobody_reads_do_not_stop_the_store(tmp_path: Path) -> None:
    clock = ManualClock()
    reading, writing = os.pipe()
    os.close(reading)
    async with running_store(tmp_path / "s.db", clock, receipts_fd=writing) as store:
        await store.append([draft(clock.now())], clock.now())
        assert store.tail.seq == 2
    os.close(writing)


async def test_positions_wait_for_company_and_check_ins_take_them_along(tmp_path: Path) -> None:
    clock = ManualClock()
    async with running_store(tmp_path / "s.db", clock) as store:
        batches: list[int] = []
        store.on_commit(lambda _seconds, fresh, _rows: batches.append(len(fresh)))
        fixes = [
            asyncio.create_task(store.append([draft(clock.now(), "tracker.fix")], clock.now(), patient=True))
            for _ in range(10)
        ]
        await store.ping()
        assert not any(fix.done() for fix in fixes), "a fix waits for company"
        await store.append([draft(clock.now(), "checkin.completed")], clock.now())
        await asyncio.gather(*fixes)
        assert batches == [11]
        many = [
            store.append([draft(clock.now(), "tracker.fix")], clock.now(), patient=True) for _ in range(50)
        ]
        began = asyncio.get_running_loop().time()
        await asyncio.gather(*many)
        assert asyncio.get_running_loop().time() - began < 0.9, "fifty are company enough"
        await store.append([draft(clock.now(), "tracker.fix")], clock.now(), patient=True)
        assert asyncio.get_running_loop().time() - began < 5, "and one alone goes within a second"


async def test_what_is_wanted_soon_shares_the_next_commit_or_makes_its_own(tmp_path: Path) -> None:
    clock = ManualClock()
    async with running_store(tmp_path / "s.db", clock) as store:
        commits = 0
        memory_commit = store.commit

        def counted(seconds: float) -> object:
            nonlocal commits
            commits += 1
            return memory_commit(seconds)

        store.commit = counted  # type: ignore[method-assign, assignment]
        settling = asyncio.create_task(store.run(lambda box: box.settle([(1, 1)]), soon=True))
        await asyncio.sleep(0.002)
        assert not settling.done()
        await store.append([draft(clock.now())], clock.now())
        assert await settling == 1
        assert commits == 1, "one for both"
        async with asyncio.timeout(1):
            await store.run(lambda box: box.settle([(2, 2)]), soon=True)
        assert commits == 2


async def test_two_gateways_cannot_use_one_store(tmp_path: Path) -> None:
    clock = ManualClock()
    async with running_store(tmp_path / "s.db", clock):
        with pytest.raises(StartError, match="a gateway runs on this store"):
            async with running_store(tmp_path / "s.db", clock):
                pass


async def test_a_listener_that_fails_keeps_nobody_waiting(tmp_path: Path) -> None:
    clock = ManualClock()
    risen: list[object] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _loop, context: risen.append(context["exception"])
    )

    def broken(_error: BaseException | None) -> None:
        raise LookupError("a bug in a listener")

    async with running_store(tmp_path / "s.db", clock) as store:
        one = store.append([draft(clock.now())], clock.now(), told=broken)
        other = store.append([draft(clock.now())], clock.now())
        async with asyncio.timeout(5):
            first, second = await asyncio.gather(one, other)
        assert second[0].n == first[0].n + 1
    assert [type(error) for error in risen] == [LookupError]
