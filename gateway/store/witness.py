"""The second witness: how far each open epoch had come, in another file than the events themselves.

A card may forget its last writes, and a copy of the store may be put back: the store alone cannot
tell. The witness is written apart from it (at settles, every 60 s, at a clean stop), so that at the
next start an older store is seen as what it is. It also holds the mark of a clean stop: which file
was left, by what a copy does not have (inode and time of last change).

    two slots of 4 KiB in turn: canonical JSON, a line feed, SHA-256 in hex, padding

A torn write spoils one slot; the other one still speaks. Written in place and synced without
metadata: about 4 KiB a time.
"""

import contextlib
import hashlib
import logging
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from gateway.errors import ContractError
from gateway.evidence import canonical
from gateway.evidence.canonical import Json
from gateway.store.folder import sync_folder

log = logging.getLogger(__name__)

SLOT = 4096  # bytes: one block of the file system
MAX_EPOCHS = 16  # open epochs told of, newest first: fits a slot


@dataclass(frozen=True, slots=True)
class Seen:
    """How far one epoch had come."""

    epoch: str
    first_n: int
    last_seq: int
    last_hash: bytes
    settled: int  # every sequence up to it was settled


@dataclass(frozen=True, slots=True)
class FileMark:
    """What tells a file from a copy of it."""

    inode: int
    changed_ns: int  # time of last change (ctime): nobody can set it
    size: int

    @classmethod
    def of(cls, path: Path) -> Self:
        """The mark of a file as it is now."""
        stat = path.stat()
        return cls(stat.st_ino, stat.st_ctime_ns, stat.st_size)


@dataclass(frozen=True, slots=True)
class Statement:
    """What the witness says."""

    boot_id: str
    inode: int  # of the store when it was opened
    epochs: tuple[Seen, ...]  # the running one first
    left: FileMark | None = None  # the store at a clean stop; None while a gateway runs
    run: str = ""  # what the store carries since that run began
    next_run: str | None = None  # what it will carry once the run that begins now has committed
    count: int = 0


class Witness:
    """The file. `write` and `read` raise `OSError`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.last: Statement | None = None  # as last written or read

    def read(self) -> Statement | None:
        """The newest slot that is whole; None where there is none."""
        try:
            raw = self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as exc:  # the block written most is the first to fail; a new one is made in its place
            log.warning("witness cannot be read", extra={"cause": exc.strerror})
            with contextlib.suppress(OSError):
                self.path.unlink()
            return None
        found = [one for one in (_parse(raw[:SLOT]), _parse(raw[SLOT : 2 * SLOT])) if one is not None]
        self.last = max(found, key=lambda one: one.count, default=None)
        return self.last

    def write(self, statement: Statement) -> None:
        """Write the slot that is not the newest one; returns when it is on disk."""
        count = 1 if self.last is None else self.last.count + 1
        statement = replace(statement, count=count)
        block = _form(statement)
        handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fresh = os.fstat(handle).st_size < 2 * SLOT
            if fresh:
                os.pwrite(handle, bytes(2 * SLOT), 0)
            os.pwrite(handle, block, SLOT * (count % 2))
            os.fdatasync(handle)
        finally:
            os.close(handle)
        if fresh:
            sync_folder(self.path.parent)
        self.last = statement


def _form(statement: Statement) -> bytes:
    left = statement.left
    message: dict[str, Json] = {
        "v": 1,
        "count": statement.count,
        "boot": statement.boot_id,
        "inode": str(statement.inode),
        "run": [statement.run, statement.next_run],
        "left": None if left is None else [str(left.inode), str(left.changed_ns), str(left.size)],
        "epochs": [
            [seen.epoch, seen.first_n, seen.last_seq, seen.last_hash.hex(), seen.settled]
            for seen in statement.epochs[:MAX_EPOCHS]
        ],
    }
    text = canonical.encode(message)
    block = text + b"\n" + hashlib.sha256(text).hexdigest().encode() + b"\n"
    return block.ljust(SLOT, b" ")


def _parse(block: bytes) -> Statement | None:
    text, _, rest = block.partition(b"\n")
    if hashlib.sha256(text).hexdigest().encode() != rest.split(b"\n")[0]:
        return None
    try:
        message = canonical.decode(text)
        return _statement(message)
    except (ContractError, KeyError, TypeError, ValueError):
        return None  # whole, and of a form that this release does not know


def _statement(message: dict[str, Json]) -> Statement | None:
    count, left, epochs, runs = message["count"], message["left"], message["epochs"], message["run"]
    if message["v"] != 1 or not isinstance(count, int):
        return None
    if not isinstance(epochs, list) or not isinstance(runs, list):
        return None
    run, next_run = runs
    return Statement(
        boot_id=str(message["boot"]),
        inode=int(str(message["inode"])),
        epochs=tuple(_seen(entry) for entry in epochs),
        left=FileMark(*(int(str(part)) for part in left)) if isinstance(left, list) else None,
        run=str(run),
        next_run=None if next_run is None else str(next_run),
        count=count,
    )


def _seen(entry: Json) -> Seen:
    if not isinstance(entry, list):
        raise TypeError("an epoch is not a list")
    epoch, first_n, last_seq, last_hash, settled = entry
    return Seen(
        str(epoch), int(str(first_n)), int(str(last_seq)), bytes.fromhex(str(last_hash)), int(str(settled))
    )
