"""What `zhijiao roster import` leaves for the gateway: one encrypted file beside the store.

The store has one writer, and an import is another process. The file is whole or not there (`new_file`), its
name begins with its time, and the gateway takes the oldest first, verifies everything again and removes it.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from gateway.store.folder import sync_folder
from gateway.store.new_file import give_to_owner_of, new_file, write_all
from gateway.uuid7 import uuid7

MOST_WAITING = 8  # files; whoever leaves more before the gateway looks is in a loop
SUFFIX = ".roster"
_NAME = re.compile(
    r"incoming-[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\.roster", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Incoming:
    """One that waits; `sealed` is not verified."""

    path: Path
    sealed: bytes


def leave(folder: Path, sealed: bytes, wall_ms: int) -> Path:
    """Durable when this returns; raises `StoreRefused` where the folder takes nothing."""
    path = folder / f"incoming-{uuid7(wall_ms)}{SUFFIX}"
    with new_file(path) as fresh:
        write_all(fresh.handle, sealed)
        give_to_owner_of(folder, fresh.path)
    return path


def waiting(folder: Path) -> list[Path]:
    """Those that the gateway has not taken, oldest first. Raises `OSError`."""
    return sorted(path for path in folder.glob(f"incoming-*{SUFFIX}") if _NAME.fullmatch(path.name))


def oldest(folder: Path, limit: int) -> Incoming | None:
    """The one to be taken next; of a file beyond `limit` bytes only so much is read. Raises `OSError`."""
    for path in waiting(folder):
        with path.open("rb") as file:
            return Incoming(path, file.read(limit + 1))
    return None


def remove(incoming: Incoming) -> None:
    """It was taken or refused, which is on disk already. Raises `OSError`."""
    incoming.path.unlink(missing_ok=True)
    sync_folder(incoming.path.parent)
