"""Who holds the store: a gateway that runs, or a command that changes the store of a stopped one.

The lock is that of `opening`: an flock on events.db.lock, which ends with the process, however it ends.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.errors import StartError, StoreRefused
from gateway.store.new_file import give_to_owner_of

PATIENCE_S = 1.0  # somebody who only asks holds the lock for microseconds
_AGAIN_S = 0.02


@contextmanager
def holding(store: Path, *, patience_s: float = PATIENCE_S) -> Iterator[None]:
    """Hold `store` (its folder is made where it is missing); raises `StartError` (store_in_use), `StoreRefused`."""
    lock = lock_of(store)
    try:
        store.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        give_to_owner_of(store.parent, lock)
    except OSError as exc:
        raise StoreRefused(
            "store_io", f"{lock}: {exc.strerror}; use sudo, and see whether the disk can be written"
        ) from exc
    try:
        take(handle, store, patience_s)
        yield
    finally:
        os.close(handle)


def is_held(store: Path) -> bool:
    """True while a gateway runs on `store`, or a command changes it. Works where nothing can be written."""
    try:
        handle = os.open(lock_of(store), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False  # no gateway ever ran here; what is closed to us is told by whoever opens the store
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def lock_of(store: Path) -> Path:
    """The file of the lock."""
    return store.with_name(store.name + ".lock")


def take(handle: int, store: Path, patience_s: float = PATIENCE_S) -> None:
    """Take the lock on an open file; raises `StartError` (store_in_use)."""
    give_up = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            if time.monotonic() < give_up:
                time.sleep(_AGAIN_S)
                continue
            raise StartError(
                "store_in_use",
                f"{store}: a gateway runs on this store, or a command works on it; stop it first "
                "(systemctl stop zhijiao)",
            ) from exc
        return
