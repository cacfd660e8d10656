"""Typed replies of the module, both directions.

    REPLY data = mid 1, result 1, payload       mid: the command that is answered

A failed VERIFY comes in two shapes: without payload, or with the full one and user id FFFF. FFFF is nobody.
What of a failed reply does not fit is carried as `Opaque`: the result is what counts there.
Leaves out: what a result means (results.py).
"""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Self, TypeAlias

from firmware_protocols.efaa_xor16.frames import Frame
from firmware_protocols.efaa_xor16.msg_ids import MsgId, name_of
from firmware_protocols.efaa_xor16.results import SUCCESS
from firmware_protocols.efaa_xor16.text_field import NAME_SIZE, decode_text, encode_text
from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError

NOBODY = 0xFFFF
SERIAL_SIZE = 8  # of the 32 bytes of GET_SN; the rest is padding, and not always text
DEVICE_ID_SIZE = 20
UNLOCKED, UNLOCKED_EYES_CLOSED = 200, 204
UNLOCK_STATUSES: Mapping[int, str] = MappingProxyType(
    {UNLOCKED: "normal", UNLOCKED_EYES_CLOSED: "eyes closed"}
)
STANDBY, BUSY, ERROR, INVALID = range(4)
STATUSES: Mapping[int, str] = MappingProxyType(
    {STANDBY: "STANDBY", BUSY: "BUSY", ERROR: "ERROR", INVALID: "INVALID"}
)
STATUS_MEANINGS: Mapping[int, str] = MappingProxyType(
    {
        STANDBY: "waits for commands 待机",
        BUSY: "works 忙",
        ERROR: "in error 故障",
        INVALID: "not initialised 未初始化",
    }
)


@dataclass(frozen=True, slots=True)
class Nothing:
    """No payload."""


@dataclass(frozen=True, slots=True)
class Opaque:
    """A payload that is not taken apart."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class StatusInfo:
    """What the module is doing: one of `STATUSES`."""

    status: int


@dataclass(frozen=True, slots=True)
class Verified:
    """Whose face it is. Fields that a short reply leaves out are None."""

    user_id: int
    name: str | None = field(default=None, repr=False)
    admin: int | None = None
    unlock_status: int | None = None
    extra: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class EnrolledInfo:
    """Under which id a face was taken in, FFFF while directions are missing; `directions` taken so far."""

    user_id: int
    directions: int | None = None
    extra: bytes = field(default=b"", repr=False)  # may be features of the face: never leaves the codec


@dataclass(frozen=True, slots=True)
class UserInfo:
    """Name and rights of one user."""

    user_id: int
    name: str = field(repr=False)
    admin: int


@dataclass(frozen=True, slots=True)
class UserIds:
    """The ids that are taken."""

    ids: tuple[int, ...]
    padding: int = 0  # bytes behind them; one firmware fills up to 100


@dataclass(frozen=True, slots=True)
class Version:
    """Firmware version as the module tells it."""

    text: str
    size: int = 32


@dataclass(frozen=True, slots=True)
class SerialNumber:
    """All bytes of GET_SN. Eight are valid; the rest is kept as it came."""

    raw: bytes = field(repr=False)

    @property
    def text(self) -> str:
        """The serial number: text where it is printable ASCII, else hex; empty where the module has none."""
        valid = self.raw[:SERIAL_SIZE].split(b"\0", 1)[0]
        if not valid or valid.strip(b"\xff ") == b"":
            rest = self.raw[:SERIAL_SIZE]
            return "" if rest.strip(b"\0\xff ") == b"" else rest.hex()
        if all(0x20 < byte < 0x7F for byte in valid.rstrip(b" ")):
            return valid.rstrip(b" ").decode("ascii")
        return self.raw[:SERIAL_SIZE].hex()


@dataclass(frozen=True, slots=True)
class ImageSize:
    """Size of a picture that the module keeps, bytes."""

    size: int


@dataclass(frozen=True, slots=True)
class EncryptionBegun:
    """Encryption mode is on; the module says who it is."""

    device_id: str


Info: TypeAlias = (
    Nothing
    | Opaque
    | StatusInfo
    | Verified
    | EnrolledInfo
    | UserInfo
    | UserIds
    | Version
    | SerialNumber
    | ImageSize
    | EncryptionBegun
)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of the module."""

    mid: int
    result: int
    info: Info = Nothing()

    def to_frame(self) -> Frame:
        """The frame that carries it."""
        if not (0 <= self.mid <= 0xFF and 0 <= self.result <= 0xFF):
            raise LocalProtocolError("range", f"message {self.mid} or result {self.result} is no byte")
        return Frame(MsgId.REPLY, bytes([self.mid, self.result]) + _payload(self.info))

    @classmethod
    def from_frame(cls, frame: Frame) -> Self:
        """Take a reply apart. Codes: direction, reply_length."""
        if frame.msg_id != MsgId.REPLY or len(frame.data) < 2:
            raise RemoteProtocolError("direction", f"message {frame.msg_id:02X} is no reply")
        mid, result, payload = frame.data[0], frame.data[1], frame.data[2:]
        return cls(mid, result, _info(mid, result, payload))


def _info(mid: int, result: int, payload: bytes) -> Info:
    parser = _PARSERS.get(mid)
    if result == SUCCESS and parser is not None:
        return parser(mid, payload)
    if not payload:
        return Nothing()
    if parser is None:
        return Opaque(payload)
    try:
        return parser(mid, payload)
    except RemoteProtocolError:
        return Opaque(payload)


def _status(mid: int, payload: bytes) -> StatusInfo:
    _expect(mid, payload, 1)
    return StatusInfo(payload[0])


def _verified(mid: int, payload: bytes) -> Verified:
    if len(payload) not in {2, 34, 35} and len(payload) < 36:
        raise _length(mid, payload, "2, 34, 35, 36 or more")
    return Verified(
        user_id=int.from_bytes(payload[:2], "big"),
        name=decode_text(payload[2:34]) if len(payload) > 2 else None,
        admin=payload[34] if len(payload) > 34 else None,
        unlock_status=payload[35] if len(payload) > 35 else None,
        extra=payload[36:],
    )


def _enrolled(mid: int, payload: bytes) -> EnrolledInfo:
    if len(payload) < 2:
        raise _length(mid, payload, "2, 3 or more")
    directions = payload[2] if len(payload) > 2 else None
    return EnrolledInfo(int.from_bytes(payload[:2], "big"), directions, payload[3:])


def _user(mid: int, payload: bytes) -> UserInfo:
    _expect(mid, payload, 35)
    return UserInfo(int.from_bytes(payload[:2], "big"), decode_text(payload[2:34]), payload[34])


def _user_ids(mid: int, payload: bytes) -> UserIds:
    end = 1 + 2 * payload[0] if payload else 1
    if len(payload) < end:
        raise _length(mid, payload, f"{end} or more, by its count,")
    ids = struct.unpack(f">{payload[0]}H", payload[1:end])
    return UserIds(ids, len(payload) - end)


def _version(_mid: int, payload: bytes) -> Version:
    return Version(decode_text(payload), len(payload))


def _serial(_mid: int, payload: bytes) -> SerialNumber:
    return SerialNumber(payload)


def _image_size(mid: int, payload: bytes) -> ImageSize:
    _expect(mid, payload, 4)
    return ImageSize(int.from_bytes(payload, "big"))


def _encryption(mid: int, payload: bytes) -> EncryptionBegun:
    _expect(mid, payload, DEVICE_ID_SIZE)
    return EncryptionBegun(decode_text(payload))


_PARSERS: Mapping[int, Callable[[int, bytes], Info]] = MappingProxyType(
    {
        MsgId.GETSTATUS: _status,
        MsgId.VERIFY: _verified,
        MsgId.ENROLL: _enrolled,
        MsgId.ENROLL_SINGLE: _enrolled,
        MsgId.ENROLL_ITG: _enrolled,
        MsgId.GETSAVEDIMAGE: _image_size,
        MsgId.GETUSERINFO: _user,
        MsgId.GET_ALL_USERID: _user_ids,
        MsgId.GET_VERSION: _version,
        MsgId.GET_SN: _serial,
        MsgId.INIT_ENCRYPTION: _encryption,
    }
)


def _payload(info: Info) -> bytes:
    match info:
        case Nothing():
            return b""
        case Opaque(data):
            return data
        case StatusInfo(status):
            return _number(status, 1)
        case Verified():
            return _verified_payload(info)
        case EnrolledInfo(user_id, directions, extra):
            return _number(user_id, 2) + _optional(directions) + extra
        case UserInfo(user_id, name, admin):
            return _number(user_id, 2) + encode_text(name, NAME_SIZE, "name") + _number(admin, 1)
        case UserIds(ids, padding):
            return _number(len(ids), 1) + b"".join(_number(one, 2) for one in ids) + bytes(padding)
        case Version(text, size):
            return encode_text(text, size, "version")
        case SerialNumber(raw):
            return raw
        case ImageSize(size):
            return _number(size, 4)
        case EncryptionBegun(device_id):
            return encode_text(device_id, DEVICE_ID_SIZE, "device id")


def _verified_payload(info: Verified) -> bytes:
    if info.name is None:
        return _number(info.user_id, 2)
    name = encode_text(info.name, NAME_SIZE, "name")
    return (
        _number(info.user_id, 2) + name + _optional(info.admin) + _optional(info.unlock_status) + info.extra
    )


def _optional(value: int | None) -> bytes:
    return b"" if value is None else _number(value, 1)


def _number(value: int, size: int) -> bytes:
    try:
        return value.to_bytes(size, "big")
    except OverflowError:
        raise LocalProtocolError("range", f"a number does not fit its {size} bytes") from None


def _expect(mid: int, payload: bytes, size: int) -> None:
    if len(payload) != size:
        raise _length(mid, payload, str(size))


def _length(mid: int, payload: bytes, expected: str) -> RemoteProtocolError:
    return RemoteProtocolError(
        "reply_length", f"reply to {name_of(mid)}: {len(payload)} bytes of payload; {expected} expected"
    )
