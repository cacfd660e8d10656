"""Files that a command leaves for the gateway: the store has one writer, and a command is another process.

A file is whole or not there (`new_file`), its name begins with its time, and the gateway takes the oldest
first, verifies everything again and removes it when what became of it is on disk.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from gateway.store.folder import sync_folder
from gateway.store.new_file import give_to_owner_of, new_file, write_all
from gateway.uuid7 import uuid7

_UUID7 = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


@dataclass(frozen=True, slots=True)
class Incoming:
    """One that waits; `sealed` is not verified."""

    path: Path
    sealed: bytes


@dataclass(frozen=True, slots=True)
class Inbox:
    """The files with one suffix in one folder."""

    folder: Path
    suffix: str  # with its dot

    def leave(self, sealed: bytes, wall_ms: int) -> Path:
        """Durable when this returns; raises `StoreRefused` where the folder takes nothing."""
        path = self.folder / f"incoming-{uuid7(wall_ms)}{self.suffix}"
        with new_file(path) as fresh:
            write_all(fresh.handle, sealed)
            give_to_owner_of(self.folder, fresh.path)
        return path

    def waiting(self) -> list[Path]:
        """Those that the gateway has not taken, oldest first. Raises `OSError`."""
        name = re.compile(f"incoming-{_UUID7}{re.escape(self.suffix)}", re.ASCII)
        return sorted(
            path for path in self.folder.glob(f"incoming-*{self.suffix}") if name.fullmatch(path.name)
        )

    def oldest(self, limit: int) -> Incoming | None:
        """The one to be taken next; of a file beyond `limit` bytes only so much is read. Raises `OSError`."""
        for path in self.waiting():
            with path.open("rb") as file:
                return Incoming(path, file.read(limit + 1))
        return None


def remove(incoming: Incoming) -> None:
    """It was taken or refused, which is on disk already. Raises `OSError`."""
    incoming.path.unlink(missing_ok=True)
    sync_folder(incoming.path.parent)
