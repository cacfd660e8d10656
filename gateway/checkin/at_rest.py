"""The roster on disk: encrypted, because a card is easily taken out of a box.

    "ZJR1" | nonce 12 | AES-256-GCM of the compressed file        aad = zhijiao/roster-at-rest/1|{purpose}|{gateway}

The key is derived (HKDF-SHA256, RFC 5869) from the gateway's key for ID numbers: both are needed to find
anybody, both come with enrolment and end with it. What this protects from, and what not: docs/decisions/0013.
"""

import secrets
import zlib
from dataclasses import dataclass, field
from enum import StrEnum

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.checkin.roster import Roster
from gateway.checkin.signed_file import MAX_FILE, open_roster, reopen_roster
from gateway.checkin.strict import RosterError
from gateway.evidence.jws import FindKey

MAGIC = b"ZJR1"
_INFO = b"zhijiao/roster-at-rest/1"
_NONCE = 12  # bytes; random: a few rosters a day are far from where two could meet
_LEVEL = 6  # of zlib; the hashes do not shrink, the rest does by far


class Purpose(StrEnum):
    """Where the bytes lie: those of one place do not open in the other."""

    APPLIED = "applied"
    INCOMING = "incoming"
    ENROLMENT = "enrolment"  # a row of `gateway.checkin.references`


class RosterSeal:
    """Closes and opens rosters of one gateway."""

    def __init__(self, number_key: bytes, gateway: str) -> None:
        """`number_key` is the gateway's key for ID numbers, at least 32 bytes."""
        key = HKDF(algorithm=SHA256(), length=32, salt=None, info=_INFO).derive(number_key)
        self._cipher = AESGCM(key)
        self._gateway = gateway

    def close(self, file: bytes, purpose: Purpose) -> bytes:
        """A signed file as it may lie on disk."""
        nonce = secrets.token_bytes(_NONCE)
        return MAGIC + nonce + self._cipher.encrypt(nonce, zlib.compress(file, _LEVEL), self._aad(purpose))

    def open(self, sealed: bytes, purpose: Purpose) -> bytes:
        """Inverse of `close`; raises `RosterError` (roster_sealed)."""
        start = len(MAGIC) + _NONCE
        if sealed[: len(MAGIC)] != MAGIC:
            raise _closed("these are not the bytes of a roster")
        try:
            packed = self._cipher.decrypt(sealed[len(MAGIC) : start], sealed[start:], self._aad(purpose))
        except (InvalidTag, ValueError) as exc:
            raise _closed("it was altered, or the gateway's key for ID numbers is another one now") from exc
        unpacker = zlib.decompressobj()
        file = unpacker.decompress(packed, MAX_FILE)
        if not unpacker.eof:
            raise _closed("it is larger than a roster may be")
        return file

    def _aad(self, purpose: Purpose) -> bytes:
        return b"|".join((_INFO, purpose.encode(), self._gateway.encode()))


@dataclass(frozen=True, slots=True, kw_only=True)
class RosterKeys:
    """Whose roster this gateway takes, and how it keeps it."""

    org: str
    gateway: str
    find_key: FindKey = field(repr=False)  # of the operations key
    number_key: str  # check value of the key for ID numbers
    seal: RosterSeal = field(repr=False)

    def verified(self, file: bytes) -> Roster:
        """A signed file, verified and read; raises `ContractError`."""
        return open_roster(
            file, org=self.org, gateway=self.gateway, find_key=self.find_key, number_key=self.number_key
        )

    def handed_over(self, sealed: bytes) -> tuple[bytes, Roster]:
        """What an import left, opened and verified; raises `ContractError`."""
        file = self.seal.open(sealed, Purpose.INCOMING)
        return file, self.verified(file)

    def kept(self, sealed: bytes) -> Roster:
        """The roster in force. Its seal is enough: the key that signed it may have been replaced since."""
        file = self.seal.open(sealed, Purpose.APPLIED)
        return reopen_roster(file, org=self.org, gateway=self.gateway, number_key=self.number_key)


def _closed(why: str) -> RosterError:
    return RosterError("roster_sealed", f"the stored roster does not open: {why}; import the roster again")
