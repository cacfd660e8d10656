"""A backup is one consistent moment; restoring it deletes nothing and never gives a number twice."""

import asyncio
import itertools
import json
import os
import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from gateway.clock import ManualClock
from gateway.store import restore as restoring
from gateway.store.lock import holding, is_held
from tests.gateway.store_fixtures import draft, running_store
from tests.gateway.technicians_box import Box, box, fill, wires, zhijiao
from tests.gateway.test_cli_outbox_status import make_read_only, mounted


@pytest.fixture
def desk(tmp_path: Path) -> Box:
    return box(tmp_path)


async def test_a_running_gateway_is_seen_and_so_is_its_end(desk: Box) -> None:
    assert not is_held(desk.store)
    async with running_store(desk.store, ManualClock()):
        assert is_held(desk.store)
    assert not is_held(desk.store)
    with holding(desk.store):
        assert is_held(desk.store)


async def test_a_backup_verifies_and_holds_every_event(desk: Box) -> None:
    await fill(desk.store, ManualClock(), 500)
    out = desk.folder / "backup.db"
    told = desk.run("backup", "--out", out)
    assert told.code == 0, told.err
    assert "0600" in told.out
    assert "含个人信息" in told.out
    assert "keys" in told.out
    assert out.stat().st_mode & 0o777 == 0o600
    assert list(wires(out)) == list(wires(desk.store))
    assert (
        desk.run("outbox", "verify").code
        == zhijiao("outbox", "verify", "--store", out, "--trust", desk.trust).code
        == 0
    )
    assert {path.name for path in desk.folder.iterdir() if path.name.startswith("backup.db")} <= {
        "backup.db", "backup.db-shm", "backup.db-wal",
    }  # fmt: skip


async def test_it_is_one_moment_while_the_gateway_writes_and_no_commit_waits(
    desk: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.store.backup.PAGES_PER_STEP", 4)
    clock, out = ManualClock(), desk.folder / "backup.db"
    loop, slowest, written = asyncio.get_running_loop(), 0.0, 0
    async with running_store(desk.store, clock) as store:
        await store.append([draft(clock.now(), pad="x" * 900) for _ in range(2000)], clock.now())
        backup = asyncio.create_task(asyncio.to_thread(desk.run, "backup", "--out", out, "--json"))
        while not backup.done():
            began = loop.time()
            await store.append([draft(clock.now())], clock.now())
            slowest, written = max(slowest, loop.time() - began), written + 1
        told = (await backup).json
    assert written > 20, "the gateway wrote all the while"
    assert 2001 <= told["last_seq"] < 2001 + written, "a moment inside, not the end"
    assert len(list(wires(out))) == told["last_seq"]
    assert slowest < 2.0, f"a commit waited {slowest:.3f} s"


async def test_a_backup_is_refused_where_it_cannot_be_trusted(desk: Box) -> None:
    await fill(desk.store, ManualClock(), 20)
    with desk.database() as db:
        db.execute("UPDATE event SET hash = zeroblob(32) WHERE n = 20")
    out = desk.folder / "backup.db"
    told = desk.run("backup", "--out", out)
    assert (told.code, "[backup_damaged]" in told.err) == (74, True)
    assert not out.exists()
    assert not out.with_name("backup.db.partial").exists()


async def test_a_backup_onto_a_full_disk_leaves_nothing_behind(desk: Box) -> None:
    await fill(desk.store, ManualClock(), 20)
    async with running_store(desk.store, ManualClock()) as store:
        clock = ManualClock()
        await store.append([draft(clock.now(), pad="x" * 50_000) for _ in range(100)], clock.now())
    with mounted(desk.folder / "stick") as stick:
        told = desk.run("backup", "--out", stick / "b.db")
        assert (told.code, "[output_io]" in told.err, "more room" in told.err) == (74, True, True)
        assert list(stick.iterdir()) == []
    told = desk.run("backup", "--out", desk.folder / "absent" / "b.db", "--json")
    assert told.json["error"]["code"] == "output_io"


async def test_a_card_that_became_read_only_can_still_be_backed_up(desk: Box) -> None:
    with mounted(desk.folder / "card") as card:
        await fill(card / "events.db", ManualClock(), 20)
        make_read_only(card)
        assert zhijiao("backup", "--store", card / "events.db", "--out", desk.folder / "b.db").code == 0
    assert len(list(wires(desk.folder / "b.db"))) == 21


# -- restore --------------------------------------------------------------------------------------------


async def backed_up(desk: Box, clock: ManualClock) -> Path:
    """A backup, and two events after it that it does not know."""
    await fill(desk.store, clock, 10)
    out = desk.folder / "backup.db"
    assert desk.run("backup", "--out", out).code == 0
    async with running_store(desk.store, clock) as store:
        await store.append([draft(clock.now(), n=i) for i in range(2)], clock.now())
    return out


async def test_a_restored_store_opens_a_new_epoch_in_the_same_boot_after_a_clean_stop(desk: Box) -> None:
    clock = ManualClock()
    backup = await backed_up(desk, clock)
    taken = set(wires(desk.store))
    told = desk.run("restore", backup, "--yes")
    assert told.code == 0, told.err
    for word in ("systemctl start zhijiao", "tell the center", "enrol anew"):
        assert word in told.out
    assert list(wires(desk.store)) == list(wires(backup))
    with desk.database() as db:
        assert db.execute("SELECT value FROM state WHERE key = 'restored'").fetchone() == ("1",)
    async with running_store(desk.store, clock) as store:
        assert store.started is not None
        assert store.started.reason == "restored"
        assert [(lost.first, lost.last) for lost in store.started.lost] == [(12, 13)], "the backup lacks them"
        assert len(await store.lineage()) == 2
    (aside,) = desk.store.parent.glob("events.db.before-restore-*")
    assert set(wires(aside)) == taken, "nothing is deleted"
    assert desk.run("outbox", "verify").code == 1, "the two are declared"


async def test_the_backup_itself_stays_as_it_was(desk: Box) -> None:
    backup = await backed_up(desk, ManualClock())
    before = backup.read_bytes()
    desk.run("restore", backup, "--yes")
    assert backup.read_bytes() == before


async def crashed(desk: Box, clock: ManualClock) -> None:
    """Leave the store as kill -9 does: its five newest events stand in the WAL alone."""
    folder = desk.folder / "crashed"
    folder.mkdir()
    async with running_store(desk.store, clock) as store:
        await store.append([draft(clock.now(), n=i) for i in range(5)], clock.now())
        for name in ("events.db", "events.db-wal"):
            shutil.copy(desk.store.parent / name, folder)
    for path in desk.store.parent.iterdir():
        path.unlink()
    for path in folder.iterdir():
        shutil.copy(path, desk.store.parent)


async def test_an_unfolded_wal_is_set_aside_with_its_store(desk: Box) -> None:
    """It must neither be lost nor be played into the copy."""
    clock = ManualClock()
    backup = await backed_up(desk, clock)
    await crashed(desk, clock)
    assert desk.run("restore", backup, "--yes").code == 0
    assert list(wires(desk.store)) == list(wires(backup))
    (aside,) = desk.store.parent.glob("events.db.before-restore-*[0-9]")
    assert len(list(wires(aside))) == 18
    assert desk.run("outbox", "verify").code == 0


class PowerCut(Exception):  # noqa: N818 - named for what happens
    pass


def places(events: set[bytes]) -> dict[tuple[str, str], bytes]:
    found = {}
    for wire in events:
        event = json.loads(wire)
        found[event["source"], event["sequence"]] = wire
    return found


def everything(folder: Path, copy: Path) -> set[bytes]:
    """All events in all files of a folder, read from a copy of it: reading folds a WAL back."""
    shutil.copytree(folder, copy)
    stores = [
        path for path in copy.iterdir() if re.fullmatch(r"events\.db(\.before-restore-\d+)?", path.name)
    ]
    return {wire for path in stores for wire in wires(path)}


@pytest.mark.parametrize("wal", [False, True])
async def test_wherever_it_is_cut_no_event_is_lost_and_no_number_given_twice(
    desk: Box, monkeypatch: pytest.MonkeyPatch, *, wal: bool
) -> None:
    """Cut before each step that changes a name; then the gateway starts, in the same boot."""
    clock = ManualClock()
    backup = await backed_up(desk, clock)
    if wal:
        await crashed(desk, clock)
    before = desk.folder / "before"
    shutil.copytree(desk.store.parent, before)
    old = everything(before, desk.folder / "looked")
    for steps in itertools.count():
        shutil.rmtree(desk.store.parent)
        shutil.copytree(before, desk.store.parent)
        with monkeypatch.context() as patch:
            finished = await asyncio.to_thread(restored_until, patch, backup, desk.store, steps)
        looked = desk.folder / f"looked-{steps}"
        assert everything(desk.store.parent, looked) >= old
        if (looked / "events.db").exists():
            whole = set(wires(looked / "events.db"))
            assert whole in (old, set(wires(backup))), f"a store without its WAL after {steps} steps"
        async with running_store(desk.store, clock) as store:
            await store.append([draft(clock.now())], clock.now())
        new = set(wires(desk.store)) - old
        assert new, "the gateway runs"
        assert not places(new).keys() & places(old).keys(), f"a number given twice after {steps} steps"
        if finished:
            break
    assert steps > 4, "there was something to cut"


def restored_until(patch: pytest.MonkeyPatch, backup: Path, store: Path, steps: int) -> bool:
    """Restore, but end like a process that is killed before its step `steps`; True when it came to its end."""
    left = steps

    def counted(real: Callable[..., object]) -> Callable[..., object]:
        def step(*args: object, **words: object) -> object:
            nonlocal left
            if left <= 0:
                raise PowerCut
            left -= 1
            return real(*args, **words)

        return step

    for owner, name in ((os, "link"), (Path, "unlink"), (Path, "rename")):
        patch.setattr(owner, name, counted(getattr(owner, name)))
    try:
        restoring.restore(backup, store, 17, lambda _done, _all: None)
    except PowerCut:
        return False
    return True


async def test_a_running_gateway_refuses_a_restore(desk: Box) -> None:
    backup = await backed_up(desk, ManualClock())
    with holding(desk.store):
        told = desk.run("restore", backup, "--yes")
    assert (told.code, "[store_in_use]" in told.err) == (69, True)
    assert "systemctl stop zhijiao" in told.err


async def test_a_damaged_or_foreign_backup_changes_nothing(desk: Box, tmp_path: Path) -> None:
    backup = await backed_up(desk, ManualClock())
    present = desk.store.read_bytes()
    with closing(sqlite3.connect(backup)) as db, db:
        db.execute("UPDATE event SET hash = zeroblob(32) WHERE n = 3")
    told = desk.run("restore", backup, "--yes")
    assert (told.code, "[backup_damaged]" in told.err) == (74, True)
    good = tmp_path / "good.db"
    assert desk.run("backup", "--out", good).code == 0
    desk.config.write_text(desk.config.read_text().replace("gw-370102-01", "gw-370102-02"))
    told = desk.run("restore", good, "--yes")
    assert "[wrong_gateway]" in told.err
    (tmp_path / "text").write_text("no backup")
    assert "[store_damaged]" in desk.run("restore", tmp_path / "text", "--yes").err
    assert "[store_absent]" in desk.run("restore", tmp_path / "none", "--yes").err
    assert desk.store.read_bytes() == present
    assert not list(desk.store.parent.glob("*before-restore*"))
    assert not desk.store.with_name("events.db.restoring").exists()


async def test_it_asks_and_where_nobody_can_be_asked_it_does_nothing(desk: Box) -> None:
    backup = await backed_up(desk, ManualClock())
    told = desk.run("restore", backup)
    assert "[usage]" in told.err
    assert not list(desk.store.parent.glob("*before-restore*"))


async def test_an_empty_box_takes_a_backup_too(desk: Box) -> None:
    backup = await backed_up(desk, ManualClock())
    shutil.rmtree(desk.store.parent)
    assert desk.run("restore", backup, "--yes", "--json").json["set_aside"] is None
    assert len(list(wires(desk.store))) == 11
    assert desk.store.stat().st_mode & 0o777 == 0o600
