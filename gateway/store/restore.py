"""A backup put back: proven first, the present store set aside and never deleted, the copy put in its place.

The copy is marked, so that the next start opens a new epoch: between backup and now the gateway may
have given numbers that the backup does not know, and no number may ever be given twice.
Whatever line the power goes at, the store is the old one, the new one, or none; what was set aside is whole.
"""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import ConfigError, StoreRefused
from gateway.store.backup import Copy, copy_pages, examine
from gateway.store.checking import check_store
from gateway.store.epochs import RESTORED
from gateway.store.findings import StoreCheck, Verdict
from gateway.store.folder import sync_folder
from gateway.store.lock import holding
from gateway.store.new_file import give_to_owner_of
from gateway.store.reading import SUSPECT_SUFFIX, open_for_reading, translate

FRESH_SUFFIX = ".restoring"
ASIDE = ".before-restore-"
Progress = Callable[[int, int], object]


@dataclass(frozen=True, slots=True)
class Restored:
    """What was done."""

    copy: Copy
    set_aside: Path | None  # the store that was there


def check_backup(backup: Path, gateway: str, progress: Progress) -> StoreCheck:
    """Every row and link of a backup; raises `StoreRefused` (backup_damaged), `ConfigError` (wrong_gateway)."""
    with open_for_reading(backup) as reading:
        check = check_store(reading, gateway=None, find_key=None, progress=progress)
    if check.verdict is Verdict.BROKEN:
        first = check.findings[0]
        raise StoreRefused(
            "backup_damaged",
            f"{backup}: {check.finding_count} findings, the first: {first.code}, {first.what}; use another backup, "
            "or start empty: the center sees which numbers it misses",
        )
    if check.gateway not in (None, gateway):
        raise ConfigError(
            "wrong_gateway",
            f"{backup}: holds the events of {check.gateway}, and this is {gateway}; take this gateway's own backup",
        )
    return check


def restore(backup: Path, store: Path, now_ms: int, progress: Progress) -> Restored:
    """Put a checked backup in the store's place; the caller holds nothing. Raises `StoreRefused`, `StartError`."""
    with holding(store):
        fresh = store.with_name(store.name + FRESH_SUFFIX)
        try:
            copy = _prepare(backup, fresh, progress)
            aside = _swap(fresh, store, store.with_name(f"{store.name}{ASIDE}{now_ms}"))
        except OSError as exc:
            raise StoreRefused(
                "output_io",
                f"{store.parent}: {exc.strerror}; the present store is as it was, or set aside beside it",
            ) from exc
        finally:
            fresh.unlink(missing_ok=True)
    return Restored(copy, aside)


def _prepare(backup: Path, fresh: Path, progress: Progress) -> Copy:
    """The copy beside the store: whole, marked, proven, durable, and the service's own."""
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open_for_reading(backup) as reading:
            copy_pages(reading, fresh, progress, pause_s=0)
        _mark(fresh)
        copy = examine(fresh)
        give_to_owner_of(fresh.parent, fresh)
        os.fsync(handle)
    finally:
        os.close(handle)
    return copy


def _mark(fresh: Path) -> None:
    try:
        with closing(sqlite3.connect(fresh)) as database, database:
            database.execute("INSERT OR REPLACE INTO state (key, value) VALUES (?, '1')", (RESTORED,))
    except sqlite3.Error as exc:
        raise translate(exc, fresh) from exc


def _swap(fresh: Path, store: Path, aside: Path) -> Path | None:
    """`fresh` becomes the store. Second names first, so that nothing can be lost at any line."""
    parts = [part for part in ("", "-wal", SUSPECT_SUFFIX) if _beside(store, part).exists()]
    for part in parts:
        os.link(_beside(store, part), _beside(aside, part))
    sync_folder(store.parent)
    if "-wal" in parts:
        # A WAL beside a file that it does not belong to would be played into it, and a file without its
        # WAL has forgotten its newest numbers: so first no store at all, then no WAL, then the new store.
        store.unlink(missing_ok=True)
        _beside(store, "-wal").unlink()
        sync_folder(store.parent)
    _beside(store, "-shm").unlink(missing_ok=True)
    fresh.rename(store)
    _beside(store, SUSPECT_SUFFIX).unlink(missing_ok=True)
    sync_folder(store.parent)
    return aside if "" in parts else None


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)
