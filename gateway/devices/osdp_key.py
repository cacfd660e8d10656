"""The key of an OSDP reader, as a file that the service reads: made before the reader hears of it, and never twice."""

import os
from pathlib import Path

from drivers.osdp_keys import new_key
from firmware_protocols.osdp.secure_keys import KEY_SIZE
from gateway.errors import ConfigError, StartError


def read_key(path: Path) -> bytes:
    """The key that a file holds in hex; raises `ConfigError` (unreadable, wrong_type)."""
    try:
        key = bytes.fromhex(path.read_text("ascii"))
    except OSError as exc:
        raise ConfigError("unreadable", f"{path}: {exc.strerror}") from exc
    except ValueError:
        key = b""
    if len(key) != KEY_SIZE:
        raise ConfigError("wrong_type", f"{path} must hold {2 * KEY_SIZE} hex digits and nothing else")
    return key


def made_key(path: Path) -> bytes:
    """A new key, on disk when it returns: a reader must never hold a key that nobody has. Raises `StartError`."""
    key = new_key()
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
        if os.geteuid() == 0:  # the service reads it, as it reads the other keys of the folder
            owner = path.parent.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(key.hex() + "\n")
            file.flush()
            os.fsync(file.fileno())
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as exc:
        raise StartError("file_unwritable", f"{path}: {exc.strerror}; run this as root") from exc
    return key
