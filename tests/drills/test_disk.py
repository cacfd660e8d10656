"""The drills' own disk: it keeps what was synced, loses what was not, tears by sectors, and fails when told."""

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.drills.ground import require_root_and
from tests.drills.power import PowerDisk, power_disk

pytestmark = [pytest.mark.drill, pytest.mark.timeout(60)]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[PowerDisk]:
    require_root_and("/dev/fuse")
    with power_disk(tmp_path) as made:
        yield made


def synced(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(fd)
    os.close(fd)


def test_what_was_synced_survives_and_the_rest_does_not(disk: PowerDisk) -> None:
    synced(disk.mount / "kept", b"a" * 5000)
    sync_folder(disk.mount)
    synced(disk.mount / "nameless", b"the folder was not synced")
    with (disk.mount / "kept").open("r+b") as file:
        file.write(b"b" * 100)
    (disk.mount / "kept").rename(disk.mount / "renamed")
    disk.cut("drop", 1)
    disk.power_off()
    disk.power_on()
    assert [path.name for path in disk.mount.iterdir()] == ["kept"]
    assert (disk.mount / "kept").read_bytes() == b"a" * 5000


def test_a_torn_write_survives_by_sectors(disk: PowerDisk) -> None:
    synced(disk.mount / "file", b"a" * 64 * 512)
    sync_folder(disk.mount)
    with (disk.mount / "file").open("r+b") as file:
        file.write(b"b" * 64 * 512)
    disk.cut("torn", 3)
    disk.power_off()
    raw = (disk.card / "file").read_bytes()
    sectors = [raw[n : n + 512] for n in range(0, len(raw), 512)]
    assert {bytes(set(sector)) for sector in sectors} == {b"a", b"b"}, "whole sectors, both kinds"
    assert len(sectors) == 64


def test_nothing_changes_after_the_cut(disk: PowerDisk) -> None:
    synced(disk.mount / "file", b"before")
    sync_folder(disk.mount)
    disk.cut("drop", 1)
    for change in (
        lambda: (disk.mount / "file").write_bytes(b"after"),
        lambda: (disk.mount / "new").write_bytes(b""),
        (disk.mount / "file").unlink,
        lambda: sync_folder(disk.mount),
    ):
        with pytest.raises(OSError, match=r"Errno 5\b"):
            change()


@pytest.mark.parametrize(("synchronous", "lost"), [("full", False), ("off", True)])
def test_sqlite_keeps_its_word_on_it_and_breaks_it_without_syncs(
    disk: PowerDisk, synchronous: str, *, lost: bool
) -> None:
    with closing(sqlite3.connect(disk.mount / "db", isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = wal")
        db.execute(f"PRAGMA synchronous = {synchronous}")
        db.execute("CREATE TABLE t (x)")
        for n in range(300):
            db.execute("INSERT INTO t VALUES (?)", (str(n) * 500,))
        disk.cut("drop", 1)
    disk.power_off()
    disk.power_on()
    with closing(sqlite3.connect(disk.mount / "db")) as db:
        try:
            kept = db.execute("SELECT count(*) FROM t").fetchone()[0]
        except sqlite3.OperationalError:
            kept = 0
    assert (kept < 300) is lost


def test_it_fails_when_told_and_works_again_when_healed(disk: PowerDisk) -> None:
    path = disk.mount / "file"
    for name in ("EIO", "ENOSPC", "EROFS"):
        disk.tell(f"fail write {name}")
        with pytest.raises(OSError, match=rf"Errno {getattr(errno, name)}\b"):
            path.write_bytes(b"x")
    disk.tell("heal")
    disk.tell("fail sync EIO")
    with pytest.raises(OSError, match=r"Errno 5\b"):
        synced(path, b"x")
    disk.tell("heal")
    synced(path, b"x")
