"""A file that is whole or not there: written under another name, made durable, then renamed. Mode 0600."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import ConfigError, StoreRefused
from gateway.store.folder import sync_folder

PARTIAL_SUFFIX = ".partial"


@dataclass(frozen=True, slots=True)
class NewFile:
    """The file while it is being written."""

    path: Path  # its name for now
    handle: int


@contextmanager
def new_file(path: Path) -> Iterator[NewFile]:
    """Make `path`, which must not exist, from what is written inside; nothing is left of it on an error.

    Raises `ConfigError` (file_exists) and `StoreRefused` (output_io) when the disk does not take it.
    """
    if path.exists():
        raise ConfigError("file_exists", f"{path}: exists; nothing is overwritten, choose another name")
    partial = path.with_name(path.name + PARTIAL_SUFFIX)
    try:
        partial.unlink(missing_ok=True)
        handle = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as exc:
        raise _refused(partial, exc) from exc
    try:
        try:
            yield NewFile(partial, handle)
            os.fsync(handle)
        finally:
            os.close(handle)
        partial.rename(path)  # not a link, which a memory stick's file system does not have
        sync_folder(path.parent)
    except OSError as exc:
        partial.unlink(missing_ok=True)
        raise _refused(path, exc) from exc
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def write_all(handle: int, content: bytes) -> None:
    """All of it, however much the system takes at once. Raises `OSError`."""
    left = memoryview(content)
    while left:
        left = left[os.write(handle, left) :]


def is_private(path: Path) -> bool:
    """True where nobody but the owner may read the file; the file system of a memory stick knows no owners."""
    return path.stat().st_mode & 0o077 == 0


def give_to_owner_of(folder: Path, file: Path) -> None:
    """A file made by root would be closed to the service, which runs as the owner of its folder."""
    owner = folder.stat()
    with suppress(PermissionError):  # not root: then it is the owner's already, or the service will say so
        os.chown(file, owner.st_uid, owner.st_gid)


def _refused(path: Path, exc: OSError) -> StoreRefused:
    return StoreRefused("output_io", f"{path}: cannot be written ({exc.strerror}); choose another place")
