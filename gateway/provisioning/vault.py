"""The files of the identity on disk: at any moment, power cut included, the old one is whole or the new one is.

    identity/current -> g-000002       changed by one rename: that is the commit
    identity/g-000002/                 complete and durable before anything points to it
    identity/pending/                  keys and request of an enrolment that has no answer yet
    identity/renewing/                 the same of a renewal
    identity/rotating/                 an event key that the next start takes up (`gateway.rotating`)

Keys are durable in `pending` before the center hears of them, so an answer that got lost is asked for again
with the same keys. What an interrupted attempt left is taken away by the next one.
"""

import fcntl
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from gateway.config.enrolled import CURRENT, IDENTITY_FOLDER
from gateway.errors import StartError, StoreRefused
from gateway.store.folder import sync_folder

PENDING: Final = "pending"
RENEWING: Final = "renewing"
ROTATING: Final = "rotating"
_LOCK = ".lock"
_NEW = ".new"
_GENERATION = re.compile(r"g-([0-9]{6})", re.ASCII)
Files = Mapping[str, bytes]


class Vault:
    """`identity` below one state folder. Build with `open_vault`, which keeps others out."""

    def __init__(self, folder: Path, owner: tuple[int, int]) -> None:
        self._folder = folder
        self._owner = owner

    def read(self, name: str) -> dict[str, bytes] | None:
        """The files of `pending` or `renewing`; None where there is none. Raises `StoreRefused`."""
        return self._read(self._folder / name)

    def current(self) -> dict[str, bytes] | None:
        """The files of the identity in force."""
        return self._read(self._folder / CURRENT)

    def keep(self, name: str, files: Files) -> None:
        """Make `pending` or `renewing` anew, durable when it returns. Raises `StoreRefused`."""
        self.forget(name)
        with self._refusing():
            self._write_folder(name, files)

    def forget(self, name: str) -> None:
        """Take it away."""
        with self._refusing():
            shutil.rmtree(self._folder / name, ignore_errors=True)
            sync_folder(self._folder)

    def commit(self, files: Files) -> Path:
        """Make these the identity in force; when it returns, they are. The ones before are taken away."""
        name = self.prepare(files)
        self.point_to(name)
        return self._folder / name

    def prepare(self, files: Files) -> str:
        """Put them on disk, whole and durable, in force for nobody yet; the name for `point_to`."""
        with self._refusing():
            name = f"g-{self._newest() + 1:06d}"
            self._write_folder(name, files)
        return name

    def point_to(self, name: str) -> None:
        """Make what was prepared the identity in force: one rename."""
        with self._refusing():
            link = self._folder / (CURRENT + _NEW)
            link.unlink(missing_ok=True)
            link.symlink_to(name)
            link.rename(self._folder / CURRENT)
            sync_folder(self._folder)
            self.tidy()

    def tidy(self) -> None:
        """Take away what is not in force: earlier identities, and what a power cut left half written."""
        with self._refusing():
            current = (self._folder / CURRENT).readlink().name
            for entry in self._folder.iterdir():
                if entry.name.endswith(_NEW) and entry.is_symlink():
                    entry.unlink()
                elif entry.name.endswith(_NEW) or (
                    _GENERATION.fullmatch(entry.name) and entry.name != current
                ):
                    shutil.rmtree(entry, ignore_errors=True)
            sync_folder(self._folder)

    def _newest(self) -> int:
        found = (_GENERATION.fullmatch(entry.name) for entry in self._folder.iterdir())
        return max((int(match[1]) for match in found if match), default=0)

    def _write_folder(self, name: str, files: Files) -> None:
        """Whole and durable under another name first: a folder of this name is never half there."""
        beside = self._folder / (name + _NEW)
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(mode=0o700)
        for file, content in files.items():
            self._write_file(beside / file, content)
        self._give(beside)
        sync_folder(beside)
        beside.rename(self._folder / name)
        sync_folder(self._folder)

    def _write_file(self, path: Path, content: bytes) -> None:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o400)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        self._give(path)

    def _give(self, path: Path) -> None:
        if os.geteuid() == 0:  # a file of root's would be closed to the service
            os.chown(path, *self._owner)

    def _read(self, folder: Path) -> dict[str, bytes] | None:
        with self._refusing():
            if not folder.is_dir():
                return None
            return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        try:
            yield
        except OSError as exc:
            raise StoreRefused(
                "identity_io",
                f"{self._folder}: {exc.strerror}; the disk must take the keys before the center hears of them",
            ) from exc


@contextmanager
def open_vault(state_dir: Path) -> Iterator[Vault]:
    """The vault of a gateway, for one at a time. Raises `StartError` (state_dir, enrolling) and `StoreRefused`."""
    try:
        found = state_dir.stat()
    except OSError as exc:
        raise StartError(
            "state_dir",
            f"{state_dir}: {exc.strerror}; run deploy/install.sh, or make the folder that [gateway] state_dir names",
        ) from exc
    folder, owner = state_dir / IDENTITY_FOLDER, (found.st_uid, found.st_gid)
    try:
        if not folder.is_dir():
            folder.mkdir(mode=0o700)
            if os.geteuid() == 0:
                os.chown(folder, *owner)
            sync_folder(state_dir)
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if os.geteuid() == 0:
            os.chown(folder / _LOCK, *owner)
    except OSError as exc:
        raise StoreRefused(
            "identity_io", f"{folder}: {exc.strerror}; run this as root or as zhijiao"
        ) from exc
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            raise StartError(
                "enrolling", f"{folder}: another enrolment or renewal runs; wait a minute and try again"
            ) from exc
        yield Vault(folder, owner)
    finally:
        os.close(lock)
