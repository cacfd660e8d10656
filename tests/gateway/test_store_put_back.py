"""Copies put back within one boot, stores of the previous release, and a witness that cannot be written."""

import errno
import json
import sqlite3
from pathlib import Path

import pytest
from peewee import SqliteDatabase

from gateway.clock import ManualClock, Stamp
from gateway.store import migrations
from gateway.store import store as store_module
from gateway.store.check import ChainCheck
from gateway.store.store import Store
from gateway.store.witness import FileMark, Witness
from gateway.uplink.acks import EpochAck
from gateway.uplink.settling import apply
from tests.gateway.store_fixtures import SIGNER, draft, opening, running_store
from tests.gateway.test_store import assert_chained, events
from tests.gateway.test_witness import copy_aside, later, put_back, reason


async def test_a_copy_put_back_after_a_kill_in_the_same_boot_opens_an_epoch(tmp_path: Path) -> None:
    folder, clock = tmp_path / "state", ManualClock()
    folder.mkdir()
    path = folder / "s.db"
    await later(path, clock, 10, clean=False)
    copy_aside(folder, tmp_path / "aside", with_witness=False)
    epoch, last = await later(path, clock, 50, clean=False)  # killed; the witness spoke at the start only
    put_back(tmp_path / "aside", folder, how="copy over")
    async with running_store(path, clock, clean=False) as store:
        placed = await store.append([draft(clock.now())], clock.now())
        assert store.tail.epoch != epoch, (
            f"{reason(store)}: place {placed[0].seq} is given again; {last} were given before"
        )


async def test_a_clean_stops_mark_does_not_vouch_for_a_later_run_that_could_not_be_witnessed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file itself changes at a checkpoint only: until then its mark fits, and a power cut goes unnoticed."""
    path, clock = tmp_path / "s.db", ManualClock()
    await later(path, clock, 10, clean=True)
    clock.boot_id = "b" * 32

    def fails(*_: object) -> None:
        raise PermissionError(13, "injected")

    with monkeypatch.context() as patch:
        patch.setattr(Witness, "write", fails)
        async with running_store(path, clock, clean=False) as store:
            await store.append([draft(clock.now()) for _ in range(5)], clock.now())
            epoch = store.tail.epoch
            said = Witness(tmp_path / "witness").read()
            assert said is not None
            assert said.left == FileMark.of(path), "else this shows nothing"
    monkeypatch.setattr(FileMark, "of", lambda _path: said.left)  # as if no checkpoint had touched the file
    clock.boot_id = "c" * 32
    async with running_store(path, clock) as store:
        assert store.tail.epoch != epoch, "it carries what no witness knows"


def old_store(path: Path) -> None:
    """As the release before wrote it: two epochs, the first of them purged but for one waiting event."""
    database = SqliteDatabase(str(path))
    with database.bind_ctx([migrations.Migration]):
        database.create_tables([migrations.Migration])
        migrations.MIGRATIONS["0001_first_tables"](database)
        migrations.Migration.create(name="0001_first_tables", applied_ms=1)
    database.close()


@pytest.fixture
async def of_release_1(tmp_path: Path) -> tuple[Path, ManualClock, list[str]]:
    now, path, clock = tmp_path / "now.db", tmp_path / "s.db", ManualClock()
    (tmp_path / "a").mkdir()
    now = tmp_path / "a" / "now.db"
    names = []
    for boot in "abc":
        clock.boot_id = boot * 32
        async with running_store(now, clock, clean=False) as store:
            await store.append([draft(clock.now()) for _ in range(5)], clock.now())
            names.append(store.tail.epoch)
    old_store(path)
    with sqlite3.connect(path) as db:
        db.execute(f"ATTACH '{now}' AS now")
        db.execute(
            "INSERT INTO epoch (first_n, epoch, reason, opened_ms) "
            "SELECT first_n, epoch, reason, opened_ms FROM now.epoch"
        )
        for table in ("event", "waiting", "state"):
            db.execute(f"INSERT INTO {table} SELECT * FROM now.{table}")  # noqa: S608
        db.commit()
        db.execute("PRAGMA journal_mode=wal")
    return path, clock, names


async def test_a_store_of_the_previous_release_can_leave_an_old_epoch(
    of_release_1: tuple[Path, ManualClock, list[str]],
) -> None:
    path, clock, names = of_release_1
    async with running_store(path, clock) as store:
        left = await store.leave_epoch(names[0], "chain_mismatch", clock.now(), opening(clock.now()))
        assert left.count == 5, f"{left.count} of 5 waiting events of the old epoch are said again"


async def test_the_witness_speaks_of_the_old_epochs_of_a_previous_release(
    of_release_1: tuple[Path, ManualClock, list[str]],
) -> None:
    path, clock, names = of_release_1
    async with running_store(path, clock) as store:
        await store.testify()
        said = Witness(path.with_name("witness")).read()
        assert said is not None
        assert {seen.epoch: seen.last_seq for seen in said.epochs}.get(names[0]) == 6, [
            (s.epoch, s.last_seq) for s in said.epochs
        ]


async def test_an_ack_of_a_purged_epoch_of_a_previous_release_is_no_rollback(
    of_release_1: tuple[Path, ManualClock, list[str]],
) -> None:
    path, clock, names = of_release_1
    with sqlite3.connect(path) as db:
        db.execute("DELETE FROM event WHERE n <= 6")
        db.execute("DELETE FROM waiting WHERE n <= 6")
    async with running_store(path, clock) as store:
        ack = EpochAck(names[0], 6, "0" * 64, (), (), 0, (), None)
        applied = await apply(store, [ack], ())
        assert applied.rolled_back == [], applied.rolled_back


def test_a_chain_check_that_cannot_open_the_file_looks_again_later(tmp_path: Path) -> None:
    assert ChainCheck(tmp_path / "absent.db", SIGNER).step(0).last_n == 0


async def test_a_stopped_store_that_is_looked_at_from_outside_goes_on(tmp_path: Path) -> None:
    from gateway.store.reading import open_for_reading

    path, clock = tmp_path / "s.db", ManualClock()
    epoch, _ = await later(path, clock, 5, clean=True)
    with open_for_reading(path) as reading:
        assert reading.one("SELECT count(*) FROM event") == 6
    clock.boot_id = "b" * 32
    async with running_store(path, clock) as store:
        assert store.tail.epoch == epoch, reason(store)


async def test_patient_events_are_kept_at_a_stop(tmp_path: Path) -> None:
    import asyncio

    path, clock = tmp_path / "s.db", ManualClock()
    async with running_store(path, clock) as store:
        tasks = [
            asyncio.create_task(store.append([draft(clock.now(), "tracker.fix")], clock.now(), patient=True))
            for _ in range(30)
        ]
        await asyncio.sleep(0)
        tasks[0].cancel()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert sum(isinstance(d, list) for d in done) == 29
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT count(*) FROM event").fetchone()[0] == 31
    async with running_store(path, clock) as store:
        assert (reason(store), store.tail.seq) == (None, 31)


async def test_a_rolled_back_store_whose_new_epoch_was_not_witnessed_can_be_salvaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between the opening of the epoch and the word to the witness, then found damaged."""
    folder, clock = tmp_path / "state", ManualClock()
    folder.mkdir()
    path = folder / "s.db"
    await later(path, clock, 10, clean=False)
    copy_aside(folder, tmp_path / "aside", with_witness=False)
    clock.boot_id = "b" * 32
    await later(path, clock, 5, clean=False)  # a second epoch, witnessed
    put_back(tmp_path / "aside", folder, how="copy over")

    def fails(*_: object) -> None:
        raise PermissionError(13, "injected")

    with monkeypatch.context() as patch:
        patch.setattr(Witness, "write", fails)
        async with running_store(path, clock, clean=False) as store:
            assert reason(store) == "store_rollback"
    path.with_name("s.db.suspect").write_text("found while running")
    async with running_store(path, clock) as store:
        assert reason(store) == "salvaged"


@pytest.mark.parametrize("steps", [0, 1, 2])
async def test_an_epoch_left_halfway_is_left_whole_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    """Killed after so many steps; the center's next ack differs again. Each fact waits once, old places are settled."""
    path, clock = tmp_path / "s.db", ManualClock()
    monkeypatch.setattr(store_module, "REISSUED", 20)
    ids: set[str] = set()
    done = 0
    real = Store._reissue

    def killed(self: Store, epoch: str, stamp: Stamp) -> tuple[int, int]:
        nonlocal done
        if done == steps:
            raise KeyError("killed here")
        done += 1
        return real(self, epoch, stamp)

    async with running_store(path, clock, clean=False) as store:
        ids = {e.id for e in await store.append([draft(clock.now()) for _ in range(50)], clock.now())}
        old = store.tail.epoch
        with monkeypatch.context() as patch:
            patch.setattr(Store, "_reissue", killed)
            with pytest.raises(KeyError):
                await store.leave_epoch(old, "chain_mismatch", clock.now(), opening(clock.now()))
    async with running_store(path, clock, clean=False) as store:
        await store.leave_epoch(old, "chain_mismatch", clock.now(), opening(clock.now()))
        rows = await store.after(1, 0, 1000)
        wires = [json.loads(row.wire) for row in rows]
        cards = [wire for wire in wires if wire["type"].endswith("card_read")]
        assert sorted(wire["id"] for wire in cards) == sorted(ids)
        assert all(old not in wire["source"] for wire in cards)
        assert len(await store.lineage()) == 2, "left once"
        assert store.waiting == len(rows)
    assert_chained(events(path))


async def test_a_witness_that_cannot_be_read_costs_an_epoch_and_not_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, clock = tmp_path / "s.db", ManualClock()
    await later(path, clock, 5, clean=True)
    real = Path.read_bytes

    def bad_block(self: Path) -> bytes:
        if self.name == "witness":
            raise OSError(errno.EIO, "injected")
        return real(self)

    monkeypatch.setattr(Path, "read_bytes", bad_block)
    async with running_store(path, clock) as store:
        assert reason(store) == "restored"
