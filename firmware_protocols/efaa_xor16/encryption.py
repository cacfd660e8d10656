"""Encryption mode: the key, and messages sealed into encrypted frames and opened again.

    key        16 characters, picked by the 16 key indexes from the 32-character hex text of the MD5 of the 4-byte seed
    plaintext  MsgID 1, size 2 big-endian, data, then zeros up to a whole block of 16
    cipher     AES-128-ECB

The seed goes over the line in clear, so this keeps out a curious eye and nobody else: the cable stays inside the
cabinet. The text of the hash is in lower case, which one source says and no capture confirms.
No cipher lives in this package: the caller hands in functions that turn whole blocks into whole blocks.
Source: README.md beside the package, Encryption of efaa-xor16.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from firmware_protocols.efaa_xor16.envelope import MAX_DATA
from firmware_protocols.efaa_xor16.frames import BLOCK, EncryptedDecoder, EncryptedFrame, Frame
from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError
from firmware_protocols.framing import Discarded

SEED_SIZE = 4
KEY_SIZE = 16
INNER_HEADER = 3  # MsgID and size
Blocks: TypeAlias = Callable[[bytes], bytes]


def hash_text(seed: bytes) -> str:
    """The 32 characters that a key is picked from."""
    if len(seed) != SEED_SIZE:
        raise LocalProtocolError("seed", f"a seed has {SEED_SIZE} bytes, not {len(seed)}")
    return hashlib.md5(seed, usedforsecurity=False).hexdigest()


def derive_key(seed: bytes, indexes: bytes) -> bytes:
    """The AES key that `seed` and the module's key indexes make."""
    text = hash_text(seed)
    if len(indexes) != KEY_SIZE or any(index >= len(text) for index in indexes):
        raise LocalProtocolError("key_indexes", f"there are {KEY_SIZE} key indexes, each from 00 to 1F")
    return "".join(text[index] for index in indexes).encode("ascii")


@dataclass(frozen=True, slots=True)
class Cover:
    """Seals and opens the messages of one session. Both functions know the key; nothing here does."""

    encrypt: Blocks = field(repr=False)
    decrypt: Blocks = field(repr=False)

    def seal(self, frame: Frame) -> EncryptedFrame:
        """The frame as it goes over the line."""
        frame.to_bytes()  # refuses what no frame can carry
        inner = bytes([frame.msg_id]) + len(frame.data).to_bytes(2, "big") + frame.data
        return EncryptedFrame(self.encrypt(inner + bytes(-len(inner) % BLOCK)))

    def open(self, sealed: EncryptedFrame) -> Frame:
        """The message inside. Code: encryption, where the key does not fit."""
        inner = self.decrypt(sealed.cipher)
        size = int.from_bytes(inner[1:INNER_HEADER], "big")
        # What fills the last block of a reply is documented for the host only: its length is checked, not its bytes.
        if not 0 <= len(inner) - INNER_HEADER - size < BLOCK:
            raise RemoteProtocolError(
                "encryption", f"{len(inner)} bytes open to no message: other key indexes, or another seed"
            )
        if size > MAX_DATA:
            raise RemoteProtocolError("length", f"{size} data bytes inside; {MAX_DATA} are carried at most")
        # A wrong key passes the length by chance once in some thousand frames: the envelope's rules are asked as well.
        return Frame.from_bytes(Frame(inner[0], inner[INNER_HEADER : INNER_HEADER + size]).to_bytes())


class OpeningDecoder:
    """Finds encrypted frames of either direction and yields the messages inside.

    One that does not open is noise, reason "encryption"; one that opens to no message is named for what is wrong.
    """

    def __init__(self, cover: Cover) -> None:
        self._cover = cover
        self._outer = EncryptedDecoder()

    def feed(self, data: bytes) -> Iterator[Frame | Discarded]:
        """Take the next bytes, in any chunking; yield what became complete."""
        return iter([self._opened(found) for found in self._outer.feed(data)])

    def flush(self) -> Iterator[Frame | Discarded]:
        """Give up on an unfinished frame (the line went quiet); yield what it held."""
        return iter([self._opened(found) for found in self._outer.flush()])

    def _opened(self, found: EncryptedFrame | Discarded) -> Frame | Discarded:
        if isinstance(found, Discarded):
            return found
        try:
            return self._cover.open(found)
        except RemoteProtocolError as exc:
            raw = found.to_bytes()
            return Discarded(exc.code, len(raw), raw)
