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
from tests.gateway.store_fixtures import draft, opening, running_store


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
        store.on_commit(lambda seconds, _fresh: commits.append(seconds))
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
        assert await store.purge_step(clock.now().wall_ms) == 0, "nothing is settled: nothing may go"
        await store.settle([(1, taken)])
        assert await store.purge_step(clock.now().wall_ms) == taken - 1, "all but the chain's last link"
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
        clock.advance(179 * 24 * 3600 * 1000)
        assert await store.purge_step(clock.now().wall_ms) == 0
        clock.advance(2 * 24 * 3600 * 1000)
        assert await store.purge_step(clock.now().wall_ms) == 5
        assert await store.purge_step(clock.now().wall_ms) == 0
        assert store.waiting == 5


async def test_tracker_fixes_go_earlier_than_what_stands_around_them(tmp_path: Path) -> None:
    clock = ManualClock()
    async with running_store(tmp_path / "s.db", clock) as store:
        for i in range(6):
            kind = "tracker.fix" if i % 2 else "identity.card_read"
            await store.append([draft(clock.now(), kind)], clock.now())
        await store.settle([(1, 5)])  # the last fix still waits
        clock.advance(31 * 24 * 3600 * 1000)
        assert await store.purge_step(clock.now().wall_ms) == 2
        assert await store.purge_step(clock.now().wall_ms) == 0
        await store.append([draft(clock.now())], clock.now())
        await store.settle([(6, 7)])
        assert await store.purge_step(clock.now().wall_ms) == 1
    assert [e["type"] for e in events(tmp_path / "s.db")].count("cn.zhijiao.tracker.fix") == 0


async def test_an_abandoned_epoch_says_its_waiting_facts_again_in_the_next(tmp_path: Path) -> None:
    clock = ManualClock()
    async with running_store(tmp_path / "s.db", clock) as store:
        await store.append([draft(clock.now(), n=i) for i in range(4)], clock.now())
        await store.settle([(1, 3)])
        old = store.tail
        clock.advance(60_000)
        again = await store.abandon_epoch(
            old.epoch, "chain_mismatch", clock.now(), opening(clock.now()), reissue=True
        )
        assert again == 2
        assert store.waiting == 3, "the new epoch's opening and the two facts"
        assert (
            await store.abandon_epoch(old.epoch, "x", clock.now(), opening(clock.now()), reissue=True) is None
        )
    found = events(tmp_path / "s.db")
    assert_chained(found)
    for before, after in zip(found[3:5], found[6:8], strict=True):
        assert after["reissueof"] == f"{old.epoch}/{before['sequence']}"
        for name in ("id", "type", "time", "data", "monoms", "bootid", "subject"):
            assert after[name] == before[name]
