"""What `zhijiao user` and `zhijiao kiosk` leave for the gateway, and how they learn what became of it.

    "ZJA1" | nonce 12 | AES-256-GCM of the change        aad = zhijiao/access-handover/1|{gateway}

The key is derived from the gateway's key for ID numbers, so only who may read that key makes accounts. What
became of a change is noted in its own transaction; found again after a power cut, it is known by its id.
Reasons: docs/decisions/0014.
"""

import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.access.changes import Book, Change
from gateway.access.errors import AccessError
from gateway.store import accounts as rows
from gateway.store.accounts import Kept
from gateway.store.inbox import Inbox
from gateway.store.reading import open_for_reading

MAGIC = b"ZJA1"
MAX_SEALED = 8192  # bytes
MOST_WAITING = 32  # files; more wait only where a program makes accounts in a loop
REMEMBERED = 2 * MOST_WAITING
OK: Final = "ok"
_SUFFIX = ".access"
_INFO = b"zhijiao/access-handover/1"
_NONCE = 12


class AccessSeal:
    """Closes and opens changes for one gateway."""

    def __init__(self, number_key: bytes, gateway: str) -> None:
        """`number_key` is the gateway's key for ID numbers, at least 32 bytes."""
        self._cipher = AESGCM(HKDF(algorithm=SHA256(), length=32, salt=None, info=_INFO).derive(number_key))
        self._aad = b"|".join((_INFO, gateway.encode()))

    def close(self, change: Change) -> bytes:
        """A change as it may lie on disk."""
        nonce = secrets.token_bytes(_NONCE)
        return MAGIC + nonce + self._cipher.encrypt(nonce, change.as_bytes(), self._aad)

    def open(self, sealed: bytes) -> Change:
        """Inverse of `close`; raises `AccessError` (access_sealed, access_form)."""
        start = len(MAGIC) + _NONCE
        if sealed[: len(MAGIC)] != MAGIC or len(sealed) > MAX_SEALED:
            raise AccessError("access_sealed", "these are not the bytes of a change of accounts")
        try:
            raw = self._cipher.decrypt(sealed[len(MAGIC) : start], sealed[start:], self._aad)
        except (InvalidTag, ValueError) as exc:
            raise AccessError(
                "access_sealed",
                "the change does not open: it was altered, or made with another key for ID numbers; "
                "give the command again",
            ) from exc
        return Change.from_bytes(raw)


def inbox(folder: Path) -> Inbox:
    """Where changes wait."""
    return Inbox(folder, _SUFFIX)


def kept(store: Path) -> Kept:
    """What the store has, read from beside a running gateway; nothing where there is no store yet."""
    if not store.exists():
        return Kept((), (), (), 0)
    with open_for_reading(store) as reading:
        return rows.look(reading)


def foreseen(store: Path, seal: AccessSeal) -> Book:
    """What the store and what waits beside it come to."""
    found = kept(store)
    book = Book.of(found.accounts, found.tokens)
    for path in inbox(store.parent).waiting():
        try:
            book = book.after(seal.open(path.read_bytes()), 0)
        except (AccessError, FileNotFoundError):
            continue  # the gateway will say so in its log, or has just taken it
    return book


def outcomes(noted: str | None) -> dict[str, str]:
    """What became of the newest changes: `ok` or a code, by id, oldest first. A damaged note is an empty one."""
    try:
        found = json.loads(noted or "{}")
    except ValueError:
        return {}
    if not isinstance(found, dict):
        return {}
    return {key: value for key, value in found.items() if isinstance(value, str)}


def with_outcome(known: Mapping[str, str], change: str, outcome: str) -> str:
    """The note with one more."""
    both = {**known, change: outcome}
    return json.dumps(dict(list(both.items())[-REMEMBERED:]))
