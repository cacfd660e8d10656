"""Session keys and cryptograms out of the key that both ends share, and chains of cipher blocks.

    S-ENC, S-MAC1, S-MAC2   E(SCBK, 01 xx, first 6 bytes of the panel's random number, 8 zeros), xx 82, 01, 02
    client cryptogram       E(S-ENC, A B)       A the panel's random number, B the reader's
    server cryptogram       E(S-ENC, B A)
    R-MAC-I                 E(S-MAC2, E(S-MAC1, server cryptogram))

The session keys hang on the panel's random number alone: one that repeats lets recorded replies be played again.
No cipher lives in this package: the caller hands in what makes from a key the functions that encrypt and decrypt
whole blocks of 16, each for itself (AES-128-ECB).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self, TypeAlias

from firmware_protocols.errors import LocalProtocolError

BLOCK = 16
KEY_SIZE = 16
RANDOM_SIZE = 8
DEFAULT_KEY = bytes(range(0x30, 0x40))  # SCBK-D, known to everybody: for the bench, never for a door
_TAKEN = 6  # bytes of the panel's random number that go into the keys

Blocks: TypeAlias = Callable[[bytes], bytes]
Aes: TypeAlias = Callable[[bytes], tuple[Blocks, Blocks]]


@dataclass(frozen=True, slots=True)
class SessionKeys:
    """The three keys of one session."""

    s_enc: bytes = field(repr=False)
    s_mac1: bytes = field(repr=False)
    s_mac2: bytes = field(repr=False)

    @classmethod
    def derive(cls, scbk: bytes, rnd_a: bytes, aes: Aes) -> Self:
        """From the shared key and the panel's random number. Codes: key, random."""
        if len(scbk) != KEY_SIZE:
            raise LocalProtocolError("key", f"a key has {KEY_SIZE} bytes, not {len(scbk)}")
        if len(rnd_a) != RANDOM_SIZE:
            raise LocalProtocolError("random", f"a random number has {RANDOM_SIZE} bytes, not {len(rnd_a)}")
        encrypt, _ = aes(scbk)
        return cls(*(encrypt(bytes([1, which]) + rnd_a[:_TAKEN] + bytes(8)) for which in (0x82, 0x01, 0x02)))


@dataclass(frozen=True, slots=True)
class Ciphers:
    """What the three keys can do."""

    encrypt: Blocks = field(repr=False)
    decrypt: Blocks = field(repr=False)
    mac1: Blocks = field(repr=False)
    mac2: Blocks = field(repr=False)

    @classmethod
    def of(cls, keys: SessionKeys, aes: Aes) -> Self:
        """With a cipher of the caller's."""
        encrypt, decrypt = aes(keys.s_enc)
        return cls(encrypt, decrypt, aes(keys.s_mac1)[0], aes(keys.s_mac2)[0])

    def client_cryptogram(self, rnd_a: bytes, rnd_b: bytes) -> bytes:
        """The reader's proof."""
        return self.encrypt(rnd_a + rnd_b)

    def server_cryptogram(self, rnd_a: bytes, rnd_b: bytes) -> bytes:
        """The panel's proof."""
        return self.encrypt(rnd_b + rnd_a)

    def first_mac(self, server_cryptogram: bytes) -> bytes:
        """What the chain of MACs begins with."""
        return self.mac2(self.mac1(server_cryptogram))

    def mac(self, covered: bytes, last: bytes) -> bytes:
        """All 16 bytes of the MAC of a frame that follows one with the MAC `last` from the other end."""
        if len(covered) % BLOCK:
            covered = padded(covered)
        chain = chained(self.mac1, covered[:-BLOCK], last)[-BLOCK:] or last
        return self.mac2(exclusive(covered[-BLOCK:], chain))

    def seal(self, data: bytes, last: bytes) -> bytes:
        """Data encrypted."""
        return chained(self.encrypt, padded(data), inverse(last))

    def open(self, cipher: bytes, last: bytes) -> bytes | None:
        """Data in clear; None where no padding ends them."""
        if not cipher or len(cipher) % BLOCK:
            return None
        before = inverse(last) + cipher[:-BLOCK]
        clear = exclusive(self.decrypt(cipher), before).rstrip(b"\0")
        return clear[:-1] if clear.endswith(b"\x80") else None


def padded(data: bytes) -> bytes:
    """With 80 and zeros up to a whole block."""
    return data + b"\x80" + bytes(-(len(data) + 1) % BLOCK)


def inverse(data: bytes) -> bytes:
    """Every bit turned."""
    return bytes(byte ^ 0xFF for byte in data)


def exclusive(one: bytes, other: bytes) -> bytes:
    """Bit by bit, of two of one length."""
    return bytes(left ^ right for left, right in zip(one, other, strict=True))


def chained(encrypt: Blocks, data: bytes, first: bytes) -> bytes:
    """Cipher block chaining of whole blocks."""
    cipher = bytearray()
    last = first
    for at in range(0, len(data), BLOCK):
        last = encrypt(exclusive(data[at : at + BLOCK], last))
        cipher += last
    return bytes(cipher)
