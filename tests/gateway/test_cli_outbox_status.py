"""`zhijiao outbox status` says what there is and what to do, whatever state the box is in."""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.clock import ManualClock
from gateway.store.lock import holding
from tests.gateway.store_fixtures import draft, running_store
from tests.gateway.technicians_box import Box, Told, box, fill, new_boot, zhijiao


@pytest.fixture
def desk(tmp_path: Path) -> Box:
    return box(tmp_path)


def line(told: Told, name: str) -> dict[str, str]:
    (found,) = (line for line in told.json["lines"] if line["name"] == name)
    return dict(found)


async def test_a_stopped_gateway_is_what_needs_attention(desk: Box) -> None:
    await fill(desk.store, ManualClock(), 10, settled=11)
    told = desk.run("outbox", "status")
    assert told.code == 1
    assert "!!  gateway" in told.out
    assert "systemctl start zhijiao" in told.out
    assert "nothing: the center has confirmed everything" in told.out


async def test_a_running_gateway_with_nothing_waiting_is_fine(desk: Box) -> None:
    await fill(desk.store, ManualClock(), 10, settled=11)
    with holding(desk.store):
        told = desk.run("outbox", "status", "--json")
    assert line(told, "gateway")["state"] == "ok"
    assert told.json["newest_settled"][1] == 11
    assert told.json["ok"] is (told.code == 0)


async def test_epochs_lanes_and_the_newest_settled_event_are_told(desk: Box) -> None:
    clock = ManualClock()
    async with running_store(desk.store, clock, clean=False) as store:
        await store.append([draft(clock.now(), n=i) for i in range(20)], clock.now())
        await store.append([draft(clock.now(), "checkin.completed", n=i) for i in range(3)], clock.now())
        await store.settle([(1, 10), (24, 24)])
        first = store.tail.epoch
    await fill(desk.store, new_boot(clock, "b"), 5)
    told = desk.run("outbox", "status", "--json").json
    older, newer = told["epochs"]
    assert (older["epoch"], older["first"], older["last"]) == (first, 1, 24)
    assert (newer["first"], newer["last"]) == (1, 6)
    assert (told["waiting_urgent"], told["waiting_rest"]) == (2, 17)
    assert told["newest_settled"][:2] == [first, 24]


@pytest.mark.parametrize("settled", [0, 1, 7, 12, 20, 21])
async def test_the_newest_settled_event_is_found_behind_any_backlog(desk: Box, settled: int) -> None:
    await fill(desk.store, ManualClock(), 20, settled=settled)
    newest = desk.run("outbox", "status", "--json").json["newest_settled"]
    assert (newest[1] if newest else 0) == settled


async def test_an_old_backlog_rejections_alarms_and_damage_are_named(desk: Box) -> None:
    await fill(desk.store, ManualClock(), 10)
    with desk.database() as db:
        db.execute("INSERT INTO rejected VALUES (3, 'schema', 'x'), (4, 'schema', 'x')")
        db.execute("INSERT INTO state VALUES ('alarm:rejected/schema', 'id')")
    desk.store.with_name("events.db.suspect").write_text("met")
    desk.store.with_name("events.db.damaged-17").write_text("old")
    told = desk.run("outbox", "status", "--json")
    assert told.code == 1
    assert line(told, "oldest waiting")["state"] == "attention"
    assert "schema 2" in line(told, "rejected")["value"]
    assert line(told, "alarm")["value"] == "rejected about schema"
    assert "repair" in line(told, "damage")["todo"]
    assert line(told, "set aside")["value"].endswith("events.db.damaged-17")
    assert "nothing is lost" in line(told, "oldest waiting")["todo"]


async def test_a_quota_that_is_nearly_used_is_told(desk: Box) -> None:
    clock = ManualClock()
    desk.config.write_text(desk.config.read_text() + "max_mib = 8\n")
    async with running_store(desk.store, clock) as store:
        for _ in range(9):
            await store.append([draft(clock.now(), pad="x" * 50_000) for _ in range(18)], clock.now())
    size = line(desk.run("outbox", "status", "--json"), "size")
    assert "quota 8.0 MiB" in size["value"]
    assert size["state"] == "attention"


async def test_absent_foreign_and_newer_files_are_told_apart(desk: Box, tmp_path: Path) -> None:
    absent = desk.run("outbox", "status")
    assert (absent.code, "[store_absent]" in absent.err) == (74, True)
    text = tmp_path / "text"
    text.write_text("no database" * 1000)
    assert "[store_damaged]" in zhijiao("outbox", "status", "--store", text).err
    assert "[not_ours]" in zhijiao("outbox", "status", "--store", tmp_path).err
    foreign = tmp_path / "foreign.db"
    with sqlite3.connect(foreign) as db:
        db.execute("CREATE TABLE someone (x)")
    assert "[not_ours]" in zhijiao("outbox", "status", "--store", foreign).err
    await fill(desk.store, ManualClock(), 1)
    with desk.database() as db:
        db.execute("INSERT INTO migration VALUES ('9999_from_tomorrow', 0)")
    newer = desk.run("outbox", "status", "--json")
    assert newer.json["error"]["code"] == "store_newer"
    assert newer.code == 69


async def test_a_store_without_one_of_its_tables_is_damaged_not_foreign(desk: Box) -> None:
    await fill(desk.store, ManualClock(), 1)
    with desk.database() as db:
        db.execute("DROP TABLE waiting")
    assert "[store_damaged]" in desk.run("outbox", "status").err


@pytest.mark.parametrize("page", range(1, 9))
async def test_a_torn_page_never_ends_in_a_traceback(desk: Box, page: int) -> None:
    """Whatever can still be read is told; `zhijiao()` asserts that no traceback appears."""
    await fill(desk.store, ManualClock(), 50)
    raw = bytearray(desk.store.read_bytes())
    raw[page * 4096 : (page + 1) * 4096] = bytes(range(256)) * 16
    desk.store.write_bytes(bytes(raw))
    assert desk.run("outbox", "status").code in {1, 74}


@contextmanager
def mounted(folder: Path, *options: str) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("not run: mounting needs root")
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", ",".join(("size=4m", *options)), "none", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        pytest.skip(f"not run: cannot mount a tmpfs here: {made.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill_up(disk: Path) -> None:
    with (disk / "filler").open("wb", buffering=0) as filler:
        while True:
            filler.write(bytes(4096))


def make_read_only(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)


async def test_it_works_on_a_full_disk(tmp_path: Path) -> None:
    with mounted(tmp_path / "small") as disk:
        await fill(disk / "events.db", ManualClock(), 10)
        with pytest.raises(OSError, match="No space"):
            fill_up(disk)
        told = zhijiao("outbox", "status", "--store", disk / "events.db", "--json")
        assert line(told, "waiting")["value"].startswith("11 events")
        assert line(told, "disk")["state"] == "attention"
        assert zhijiao("outbox", "verify", "--no-signatures", "--store", disk / "events.db").code == 0


async def test_it_works_on_a_read_only_file_system(tmp_path: Path) -> None:
    with mounted(tmp_path / "card") as disk:
        await fill(disk / "events.db", ManualClock(), 10)
        make_read_only(disk)
        told = zhijiao("outbox", "status", "--store", disk / "events.db", "--json")
        assert line(told, "waiting")["value"].startswith("11 events")
        assert "paper" in line(told, "disk")["todo"]
        assert zhijiao("outbox", "verify", "--no-signatures", "--store", disk / "events.db").code == 0


async def test_a_wal_that_cannot_be_read_is_not_passed_over(tmp_path: Path) -> None:
    """The newest events stand in it: without its index, on a read-only card, silence would be a lie."""
    clock = ManualClock()
    with mounted(tmp_path / "card") as disk:
        async with running_store(tmp_path / "events.db", clock) as store:
            await store.append([draft(clock.now())], clock.now())
            for name in ("events.db", "events.db-wal"):
                shutil.copy(tmp_path / name, disk)
        make_read_only(disk)
        told = zhijiao("outbox", "status", "--store", disk / "events.db")
        assert "copy events.db and events.db-wal" in told.err
        assert told.code == 74


async def test_nothing_is_written_by_looking(desk: Box) -> None:
    await fill(desk.store, ManualClock(), 10)
    before = desk.store.read_bytes()
    desk.run("outbox", "status")
    desk.run("outbox", "verify")
    assert desk.store.read_bytes() == before
