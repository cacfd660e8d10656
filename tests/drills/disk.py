"""A disk that keeps only what was synced, can lose its power, and can fail: in memory, over a folder that is the card.

    drop   after the cut the card holds what was fsynced and nothing else
    torn   besides, each 512-byte sector of each write that waited is there or not, and of the changes to a
           folder that waited the first few (a journal keeps their order)

Creating, renaming and unlinking last after an fsync of the folder, not of the file: stricter than ext4.
From the cut on everything that would change the disk fails with EIO, so that nothing after it counts.

`python -m tests.drills.disk MOUNTPOINT CARD` serves; commands on standard input, each answered by `ok`:
    cut drop|torn SEED     fail write|sync|forget ERRNO     heal

`write` fails every change, `sync` every fsync; with `forget` a failed fsync drops what it should have
written, as Linux does: the file still reads as written, and the next fsync succeeds without it.
"""

import contextlib
import errno
import itertools
import random
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass, field
from pathlib import Path

from tests.drills.fuse import Mount, unmount

BLOCK = 4096
SECTOR = 512
CAPACITY = 4 * 1024**3  # bytes; files are sparse, memory is used for what was written


@dataclass(slots=True)
class Content:
    """Bytes of a file, in blocks; what was never written reads as zeros."""

    size: int = 0
    blocks: dict[int, bytes] = field(default_factory=dict)

    def __copy__(self) -> "Content":
        return Content(self.size, dict(self.blocks))

    def read(self, offset: int, size: int) -> bytes:
        size = max(0, min(size, self.size - offset))
        first = offset // BLOCK
        last = (offset + size + BLOCK - 1) // BLOCK
        data = b"".join(self.blocks.get(n, bytes(BLOCK)) for n in range(first, last))
        return data[offset - first * BLOCK :][:size]

    def write(self, offset: int, data: bytes) -> None:
        self.size = max(self.size, offset + len(data))
        done = 0
        while done < len(data):
            number, start = divmod(offset + done, BLOCK)
            part = data[done : done + BLOCK - start]
            if len(part) < BLOCK:
                old = self.blocks.get(number, bytes(BLOCK))
                self.blocks[number] = old[:start] + part + old[start + len(part) :]
            else:
                self.blocks[number] = part
            done += len(part)

    def truncate(self, size: int) -> None:
        if size < self.size:
            for number in [n for n in self.blocks if n * BLOCK >= size]:
                del self.blocks[number]
            number, rest = divmod(size, BLOCK)
            if number in self.blocks:
                self.blocks[number] = self.blocks[number][:rest] + bytes(BLOCK - rest)
        self.size = size


Change = tuple[int, bytes | None]  # (offset, data), or (new size, None)


@dataclass(slots=True)
class File:
    """What is read now, what the card holds, and what lies between."""

    ino: int
    mode: int
    now: Content = field(default_factory=Content)
    kept: Content = field(default_factory=Content)
    waiting: list[Change] = field(default_factory=list)

    @property
    def size(self) -> int:
        return self.now.size

    def change(self, change: Change) -> None:
        _apply(self.now, change)
        self.waiting.append(change)

    def sync(self) -> None:
        for change in self.waiting:
            _apply(self.kept, change)
        self.waiting.clear()

    def survivor(self, luck: random.Random | None) -> Content:
        content = copy(self.kept)
        if luck is not None:
            for change in self.waiting:
                for part in _sectors(change):
                    if luck.random() < 0.5:
                        _apply(content, part)
        return content


def _apply(content: Content, change: Change) -> None:
    place, data = change
    if data is None:
        content.truncate(place)
    else:
        content.write(place, data)


def _sectors(change: Change) -> list[Change]:
    place, data = change
    if data is None:
        return [change]
    cuts = [0, *range(SECTOR - place % SECTOR, len(data), SECTOR), len(data)]
    return [(place + a, data[a:b]) for a, b in itertools.pairwise(cuts)]


Renaming = Callable[[dict[str, "File | Folder"]], None]


@dataclass(slots=True)
class Folder:
    """Names, and the changes to them that the card does not hold yet."""

    ino: int
    mode: int = stat.S_IFDIR | 0o755
    size: int = 0
    now: "dict[str, File | Folder]" = field(default_factory=dict)
    kept: "dict[str, File | Folder]" = field(default_factory=dict)
    waiting: list[Renaming] = field(default_factory=list)

    def change(self, change: Renaming) -> None:
        change(self.now)
        self.waiting.append(change)

    def sync(self) -> None:
        self.kept = dict(self.now)
        self.waiting.clear()

    def survivor(self, luck: random.Random | None) -> "dict[str, File | Folder]":
        names = dict(self.kept)
        if luck is not None:
            for change in self.waiting[: luck.randint(0, len(self.waiting))]:
                with contextlib.suppress(KeyError):
                    change(names)
        return names


class Disk:
    """The tree that `fuse.Mount` serves, over the folder `card`."""

    def __init__(self, card: Path) -> None:
        self._card = card
        self._lock = threading.Lock()
        self._nodes: dict[int, File | Folder] = {}
        self._failing: dict[str, int] = {}  # "write", "sync", "forget" -> errno
        self._load(card)

    # -- what a drill does to it ----------------------------------------------------------------------

    def cut(self, how: str, seed: str) -> None:
        """The power goes; what survives is written to the card."""
        with self._lock:
            self._failing = {"write": errno.EIO, "sync": errno.EIO}
            luck = random.Random(seed) if how == "torn" else None
            for old in sorted(self._card.rglob("*"), reverse=True):
                old.rmdir() if old.is_dir() else old.unlink()
            self._keep(self._folder(1), self._card, luck)

    def fail(self, what: str, how: str) -> None:
        """From now on this fails with this error."""
        with self._lock:
            self._failing[what] = getattr(errno, how)

    def heal(self) -> None:
        """It works again."""
        with self._lock:
            self._failing.clear()

    def _keep(self, folder: Folder, place: Path, luck: random.Random | None) -> None:
        for name, node in folder.survivor(luck).items():
            if isinstance(node, Folder):
                (place / name).mkdir()
                self._keep(node, place / name, luck)
                continue
            content = node.survivor(luck)
            with (place / name).open("wb") as out:
                for number, block in content.blocks.items():
                    out.seek(number * BLOCK)
                    out.write(block)
                out.truncate(content.size)

    def _load(self, place: Path, ino: int = 1) -> Folder:
        folder = Folder(ino)
        self._nodes[ino] = folder
        for path in sorted(place.iterdir()):
            number = len(self._nodes) + 1
            if path.is_dir():
                folder.now[path.name] = self._load(path, number)
                continue
            file = File(number, stat.S_IFREG | 0o644)
            self._nodes[number] = file
            raw = path.read_bytes()
            for content in (file.now, file.kept):
                content.write(0, raw)
            folder.now[path.name] = file
        folder.sync()
        return folder

    # -- what the kernel asks -------------------------------------------------------------------------

    def node(self, ino: int) -> File | Folder:
        return self._nodes[ino]

    def lookup(self, parent: int, name: str) -> File | Folder:
        found = self._folder(parent).now.get(name)
        if found is None:
            raise OSError(errno.ENOENT, name)
        return found

    def names(self, ino: int) -> list[tuple[str, File | Folder]]:
        return list(self._folder(ino).now.items())

    def create(self, parent: int, name: str, mode: int) -> File | Folder:
        with self._changing():
            number = len(self._nodes) + 1
            made = Folder(number, mode) if stat.S_ISDIR(mode) else File(number, mode)
            self._nodes[number] = made
            self._folder(parent).change(lambda names: names.__setitem__(name, made))
            return made

    def unlink(self, parent: int, name: str) -> None:
        with self._changing():
            if name not in self._folder(parent).now:
                raise OSError(errno.ENOENT, name)
            self._folder(parent).change(lambda names: names.__delitem__(name))

    def rename(self, parent: int, name: str, to_parent: int, to_name: str) -> None:
        with self._changing():
            node = self.lookup(parent, name)
            if parent == to_parent:  # one step of the journal: never both names, never none
                self._folder(parent).change(lambda names: names.__setitem__(to_name, names.pop(name)))
                return
            self._folder(to_parent).change(lambda names: names.__setitem__(to_name, node))
            self._folder(parent).change(lambda names: names.__delitem__(name))

    def read(self, ino: int, offset: int, size: int) -> bytes:
        with self._lock:
            return self._file(ino).now.read(offset, size)

    def write(self, ino: int, offset: int, data: bytes) -> None:
        with self._changing():
            self._file(ino).change((offset, data))

    def truncate(self, ino: int, size: int) -> None:
        with self._changing():
            self._file(ino).change((size, None))

    def sync(self, ino: int) -> None:
        with self._lock:
            if "forget" in self._failing:
                self._nodes[ino].waiting.clear()
                raise OSError(self._failing["forget"], "sync")
            if "sync" in self._failing:
                raise OSError(self._failing["sync"], "sync")
            self._nodes[ino].sync()

    def free(self) -> tuple[int, int]:
        with self._lock:
            used = sum(len(node.now.blocks) for node in self._nodes.values() if isinstance(node, File))
        return CAPACITY, CAPACITY - used * BLOCK

    @contextlib.contextmanager
    def _changing(self) -> Iterator[None]:
        with self._lock:
            if "write" in self._failing:
                raise OSError(self._failing["write"], "write")
            yield

    def _folder(self, ino: int) -> Folder:
        node = self._nodes[ino]
        if not isinstance(node, Folder):
            raise OSError(errno.ENOTDIR, "not a folder")
        return node

    def _file(self, ino: int) -> File:
        node = self._nodes[ino]
        if not isinstance(node, File):
            raise OSError(errno.EISDIR, "a folder")
        return node


def main(folder: Path, card: Path) -> None:
    disk = Disk(card)
    threading.Thread(target=Mount(folder, disk).serve, daemon=True).start()
    _answer()
    for line in sys.stdin:
        match line.split():
            case ["cut", how, seed]:
                disk.cut(how, seed)
            case ["fail", what, how]:
                disk.fail(what, how)
            case ["heal"]:
                disk.heal()
        _answer()
    unmount(folder)


def _answer() -> None:
    sys.stdout.write("ok\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
