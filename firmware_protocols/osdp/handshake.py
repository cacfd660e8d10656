"""The four messages that begin a secure channel, at both ends.

    panel   CHLNG    block 11, which key    random number A
    reader  CCRYPT   block 12, which key    own number, random number B, client cryptogram
    panel   SCRYPT   block 13, which key    server cryptogram
    reader  RMAC_I   block 14, 1 for well   first MAC

Which key: 1 the reader's own, 0 the default one that everybody knows.
Random numbers come from the caller, and each must be new: see secure_keys.py.
"""

from dataclasses import dataclass, field
from hmac import compare_digest

from firmware_protocols.errors import RemoteProtocolError
from firmware_protocols.osdp.codes import Command, Reply
from firmware_protocols.osdp.commands import Challenge, ServerCryptogram
from firmware_protocols.osdp.frames import Frame
from firmware_protocols.osdp.layout import Message
from firmware_protocols.osdp.replies import ClientCryptogram, FirstMac
from firmware_protocols.osdp.secure_channel import Channel
from firmware_protocols.osdp.secure_keys import DEFAULT_KEY, RANDOM_SIZE, Aes, Ciphers, SessionKeys
from firmware_protocols.osdp.security_block import BEGUN, CHALLENGE, CLIENT, SERVER, SecurityBlock

OWN_KEY, COMMON_KEY = 1, 0
WELL = 1


@dataclass(frozen=True, slots=True)
class Step:
    """One message of the handshake and the block that goes with it."""

    block: SecurityBlock
    message: Message


def which_key(scbk: bytes) -> int:
    """The number that a handshake gives to a key."""
    return COMMON_KEY if scbk == DEFAULT_KEY else OWN_KEY


class PanelHandshake:
    """The panel's end. `rnd_a` was never used before."""

    def __init__(self, scbk: bytes, rnd_a: bytes, aes: Aes) -> None:
        self._ciphers = Ciphers.of(SessionKeys.derive(scbk, rnd_a, aes), aes)
        self._rnd_a = rnd_a
        self._which = which_key(scbk)
        self._proof = b""

    def challenge(self) -> Step:
        """The first message."""
        return Step(SecurityBlock(CHALLENGE, self._which), Challenge(self._rnd_a))

    def prove(self, frame: Frame) -> Step:
        """The answer to CCRYPT. Codes: security_block, data_length, key, cryptogram."""
        _expect(frame, Reply.CCRYPT, CLIENT, reply=True)
        said = ClientCryptogram.from_data(frame.data)
        if _value(frame) != self._which:
            raise RemoteProtocolError("key", "the reader answers with another key than it was asked for")
        if not compare_digest(self._ciphers.client_cryptogram(self._rnd_a, said.rnd_b), said.cryptogram):
            raise RemoteProtocolError(
                "cryptogram", "the reader does not have the key, or the reply is a recorded one"
            )
        self._proof = self._ciphers.server_cryptogram(self._rnd_a, said.rnd_b)
        return Step(SecurityBlock(SERVER, self._which), ServerCryptogram(self._proof))

    def finish(self, frame: Frame) -> Channel:
        """The channel that RMAC_I begins. Codes: security_block, data_length, cryptogram."""
        _expect(frame, Reply.RMAC_I, BEGUN, reply=True)
        first = self._ciphers.first_mac(self._proof)
        if _value(frame) != WELL or not compare_digest(first, FirstMac.from_data(frame.data).mac):
            raise RemoteProtocolError("cryptogram", "the reader did not accept the panel's proof")
        return Channel(self._ciphers, first)


@dataclass(slots=True)
class ReaderHandshake:
    """The reader's end. Used by the simulator."""

    scbk: bytes = field(repr=False)
    rnd_b: bytes = field(repr=False)
    client_uid: bytes
    aes: Aes = field(repr=False)
    _ciphers: Ciphers | None = field(default=None, init=False, repr=False)
    _rnd_a: bytes = field(default=bytes(RANDOM_SIZE), init=False, repr=False)

    def answer(self, frame: Frame) -> Step:
        """The answer to CHLNG. Codes: security_block, data_length, key."""
        _expect(frame, Command.CHLNG, CHALLENGE, reply=False)
        if _value(frame) != which_key(self.scbk):
            raise RemoteProtocolError("key", "the panel asks for another key")
        self._rnd_a = Challenge.from_data(frame.data).rnd_a
        self._ciphers = Ciphers.of(SessionKeys.derive(self.scbk, self._rnd_a, self.aes), self.aes)
        proof = self._ciphers.client_cryptogram(self._rnd_a, self.rnd_b)
        return Step(
            SecurityBlock(CLIENT, which_key(self.scbk)), ClientCryptogram(self.client_uid, self.rnd_b, proof)
        )

    def accept(self, frame: Frame) -> tuple[Step, Channel]:
        """The answer to SCRYPT and the channel it begins. Codes: security_block, data_length, cryptogram."""
        _expect(frame, Command.SCRYPT, SERVER, reply=False)
        if self._ciphers is None:
            raise RemoteProtocolError("cryptogram", "a proof before there was a challenge")
        said = ServerCryptogram.from_data(frame.data).cryptogram
        if not compare_digest(self._ciphers.server_cryptogram(self._rnd_a, self.rnd_b), said):
            raise RemoteProtocolError("cryptogram", "the panel does not have the key")
        first = self._ciphers.first_mac(said)
        return Step(SecurityBlock(BEGUN, WELL), FirstMac(first)), Channel(self._ciphers, first)


def _expect(frame: Frame, code: int, kind: int, *, reply: bool) -> None:
    block = frame.security
    if (frame.code, frame.reply) != (code, reply) or block is None or block.type != kind:
        raise RemoteProtocolError(
            "security_block", f"not the message of a handshake that was due ({code:02X})"
        )


def _value(frame: Frame) -> int | None:
    return frame.security.value if frame.security else None
