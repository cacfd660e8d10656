"""Records of devices: known for as long as their events are, forgotten with them, bounded."""

import sqlite3
from pathlib import Path

import pytest

from gateway.clock import ManualClock
from gateway.envelope import Draft
from gateway.store import records
from gateway.store.outbox import Outbox
from gateway.store.store import Store
from gateway.uuid7 import uuid7, uuid8_record
from tests.gateway.store_fixtures import draft, running_store


def ids(count: int, first: int = 0) -> list[str]:
    return [uuid8_record("TEST001", 0, b"%d" % n, bytes(32)) for n in range(first, first + count)]


async def take(store: Store, clock: ManualClock, wanted: list[str], device: str = "t-1") -> int:
    """As `Ingest.store_records` does."""

    def work(box: Outbox) -> int:
        known = records.known(wanted)
        new: list[Draft] = []
        for one in wanted:
            if one not in known:
                made = draft(clock.now(), "checkin.pending_review")
                new.append(
                    Draft(id=one, type=made.type, subject=made.subject, device=device, at=made.at, data={})
                )
        records.add([(c.n, c.id) for c in box.append(new, clock.now())], device)
        return len(new)

    return await store.run(work)


async def test_what_is_stored_is_known_also_after_a_restart(tmp_path: Path) -> None:
    clock, path = ManualClock(), tmp_path / "events.db"
    async with running_store(path, clock) as store:
        assert await take(store, clock, ids(1200)) == 1200
        assert await take(store, clock, ids(1201)) == 1
    async with running_store(path, clock) as store:
        assert await take(store, clock, ids(1202)) == 1


async def test_a_transaction_that_fails_knows_nothing_of_it(tmp_path: Path) -> None:
    clock = ManualClock()
    async with running_store(tmp_path / "events.db", clock) as store:

        def fails(box: Outbox) -> None:
            records.add([(c.n, c.id) for c in box.append([draft(clock.now())], clock.now())], "t-1")
            raise LookupError("a bug of the caller")

        with pytest.raises(LookupError):
            await store.run(fails)
        assert await take(store, clock, ids(3)) == 3


async def test_the_oldest_of_a_device_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "MOST_KEPT", 50)
    monkeypatch.setattr(records, "PRUNE_EVERY", 64)
    clock = ManualClock()
    async with running_store(tmp_path / "events.db", clock) as store:
        await take(store, clock, ids(10, first=9000), "t-2")
        for first in range(0, 400, 40):
            await take(store, clock, ids(40, first), "t-1")
        known = await store.run(lambda _box: records.known(ids(400)))
        assert 50 <= len(known) <= 50 + 64
        assert set(ids(50, 350)) <= known
        assert len(await store.run(lambda _box: records.known(ids(10, 9000)))) == 10, "another device's stay"


async def test_a_record_whose_event_a_salvage_lost_is_taken_again(tmp_path: Path) -> None:
    clock, path = ManualClock(), tmp_path / "events.db"
    async with running_store(path, clock) as store:
        await take(store, clock, ids(400))
    data = bytearray(path.read_bytes())
    with sqlite3.connect(path) as db:
        size = db.execute("PRAGMA page_size").fetchone()[0]
    leaves = [n + 1 for n in range(1, len(data) // size) if data[n * size] == 13]
    pages = [n for n in leaves if b"checkin.pending_review" in data[(n - 1) * size : n * size]]
    assert len(pages) > 6
    for page in pages[3:6]:
        data[(page - 1) * size : page * size] = b"\xff" * size
    path.write_bytes(data)
    (tmp_path / "events.db.suspect").write_text("torn by a test")
    async with running_store(path, clock) as store:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
            held = {row[0] for row in db.execute("SELECT n FROM event")}
            marked = {row[0] for row in db.execute("SELECT n FROM device_record")}
        assert 0 < len(marked) < 400, "something was lost, not everything"
        assert marked <= held
        assert await take(store, clock, ids(400)) == 400 - len(marked)


def test_ids_of_both_kinds_fit_the_table() -> None:
    assert len(bytes.fromhex(uuid7(0).replace("-", ""))) == 16
