"""Plain frames of both directions and encrypted ones, and the decoders that find them in a byte stream.

    host -> module   MsgID 10 and above
    module -> host   MsgID 00 reply, 01 note, 02 image

Leaves out: what commands, replies and notes mean; opening an encrypted frame (encryption.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from firmware_protocols.efaa_xor16.envelope import MAX_DATA, Decoder, Layout, PlainFrame, check, seal
from firmware_protocols.efaa_xor16.msg_ids import FIRST_COMMAND, MsgId
from firmware_protocols.errors import LocalProtocolError

HEADER_SIZE = 5
LEAST_DATA: Mapping[int, int] = {
    MsgId.REPLY: 2,
    MsgId.NOTE: 1,
    MsgId.IMAGE: 0,
}  # bytes; a reply names message and result
BLOCK = 16  # bytes of an AES block
MAX_CIPHER = (3 + MAX_DATA + BLOCK - 1) // BLOCK * BLOCK  # MsgID and size are encrypted, too


def _refuse_from_module(header: bytes) -> str | None:
    least = LEAST_DATA.get(header[2])
    if least is None:
        return "msg_id"
    return None if least <= FROM_MODULE.size(header) <= MAX_DATA else "length"


def _refuse_from_host(header: bytes) -> str | None:
    if header[2] < FIRST_COMMAND:
        return "msg_id"
    return None if FROM_HOST.size(header) <= MAX_DATA else "length"


def _refuse_encrypted(header: bytes) -> str | None:
    length = ENCRYPTED.size(header)
    return None if BLOCK <= length <= MAX_CIPHER and length % BLOCK == 0 else "length"


_SIZE = rb"[\x00-\x10]"  # the upper byte of what is carried
FROM_MODULE = Layout(HEADER_SIZE, 2, _refuse_from_module, octets=(rb"[\x00-\x02]", _SIZE))
FROM_HOST = Layout(HEADER_SIZE, 2, _refuse_from_host, octets=(rb"[\x10-\xff]", _SIZE))
_BLOCKS = rb"[%s]" % b"".join(
    rb"\x%02x" % low for low in range(0, 0x100, BLOCK)
)  # the lower byte of whole blocks
ENCRYPTED = Layout(4, 4, _refuse_encrypted, octets=(_SIZE, _BLOCKS))


class Frame(PlainFrame):
    """One message of either direction."""

    __slots__ = ()
    from_module, from_host, most_data = FROM_MODULE, FROM_HOST, MAX_DATA


@dataclass(frozen=True, slots=True)
class EncryptedFrame:
    """One message as it goes over the line in encryption mode; what it says stays closed here."""

    cipher: bytes = field(repr=False)

    def to_bytes(self) -> bytes:
        """The frame on the wire."""
        if not 0 < len(self.cipher) <= MAX_CIPHER or len(self.cipher) % BLOCK:
            raise LocalProtocolError(
                "length", f"{len(self.cipher)} cipher bytes are no whole blocks of {BLOCK}"
            )
        return seal(b"", self.cipher, ENCRYPTED)

    @classmethod
    def from_bytes(cls, frame: bytes) -> Self:
        """Exactly one frame; raises `RemoteProtocolError` when it is none."""
        check(frame, ENCRYPTED)
        return cls.parse(frame)

    @classmethod
    def parse(cls, frame: bytes) -> Self:
        """One that was found right."""
        return cls(bytes(frame[ENCRYPTED.header_size : -1]))


class ModuleDecoder(Decoder[Frame]):
    """Finds what the module sends."""

    def __init__(self) -> None:
        super().__init__(FROM_MODULE, Frame.parse)


class HostDecoder(Decoder[Frame]):
    """Finds what the host sends. Used by the simulator."""

    def __init__(self) -> None:
        super().__init__(FROM_HOST, Frame.parse)


class EncryptedDecoder(Decoder[EncryptedFrame]):
    """Finds encrypted frames, of either direction: they look the same."""

    def __init__(self) -> None:
        super().__init__(ENCRYPTED, EncryptedFrame.parse)
