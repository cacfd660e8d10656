"""Typed commands of the host, both directions: `to_frame` sends one, `parse_command` takes one apart.

    VERIFY         power down 1, timeout s 1
    ENROLL(_SINGLE) admin 1, name 32, direction 1, [LK: member id 2,] timeout s 1
    ENROLL_ITG     admin 1, name 32, direction 1, type 1, allow duplicate 1, timeout s 1, [reserved 3]
                   one family of firmware has type before direction

Numbers are big-endian. A name is a person's and stays out of repr.
Leaves out: firmware update and log upload, which are carried as `OtherCommand`.
"""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TypeAlias

from firmware_protocols.efaa_xor16.frames import Frame
from firmware_protocols.efaa_xor16.msg_ids import FIRST_COMMAND, MsgId, name_of
from firmware_protocols.efaa_xor16.text_field import NAME_SIZE, decode_text, encode_text
from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError

KEY_SIZE = 16
BAUD_RATES: Mapping[int, int] = MappingProxyType({1: 115200, 2: 230400, 3: 460800, 4: 1500000})
ENROLL_TYPES: Mapping[int, str] = MappingProxyType({0: "interactive", 1: "single"})
ENCRYPTION_MODES: Mapping[int, str] = MappingProxyType({1: "AES", 2: "simple"})
_DIRECTIONS = (0x00, 0x01, 0x02, 0x04, 0x08, 0x10)


class ItgOrder(StrEnum):
    """Which of two fields of ENROLL_ITG comes first."""

    DIRECTION_FIRST = "direction, type"
    TYPE_FIRST = "type, direction"


@dataclass(frozen=True, slots=True)
class Plain:
    """A command without data."""

    msg_id: MsgId

    def to_frame(self) -> Frame:
        """The frame that carries it."""
        return Frame(self.msg_id)


@dataclass(frozen=True, slots=True)
class Verify:
    """Tell who stands in front of the camera."""

    timeout_s: int
    power_down: int = 0  # 1: switch off right after

    def to_frame(self) -> Frame:
        """The frame that carries it."""
        return Frame(MsgId.VERIFY, _pack(">BB", self.power_down, self.timeout_s))


@dataclass(frozen=True, slots=True, kw_only=True)
class Enroll:
    """Take a face in: one direction of five (ENROLL), or one frame (ENROLL_SINGLE)."""

    timeout_s: int
    direction: int
    single: bool = False
    admin: int = 0
    name: str = field(default="", repr=False)
    member_id: int | None = None  # LK derivatives only

    def to_frame(self) -> Frame:
        """The frame that carries it."""
        head = (
            _pack(">B", self.admin) + encode_text(self.name, NAME_SIZE, "name") + _pack(">B", self.direction)
        )
        member = b"" if self.member_id is None else _pack(">H", self.member_id)
        msg_id = MsgId.ENROLL_SINGLE if self.single else MsgId.ENROLL
        return Frame(msg_id, head + member + _pack(">B", self.timeout_s))


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrollItg:
    """Take a face in, either way, and say whether one that is enrolled already may come again."""

    timeout_s: int
    direction: int
    enroll_type: int  # 0 interactive, 1 single
    allow_duplicate: int = 0
    admin: int = 0
    name: str = field(default="", repr=False)
    order: ItgOrder = ItgOrder.DIRECTION_FIRST
    reserved: bytes = bytes(3)  # some firmware has none

    def to_frame(self) -> Frame:
        """The frame that carries it."""
        head = _pack(">B", self.admin) + encode_text(self.name, NAME_SIZE, "name")
        pair = (self.direction, self.enroll_type)
        first, second = pair if self.order is ItgOrder.DIRECTION_FIRST else reversed(pair)
        rest = _pack(">BBBB", first, second, self.allow_duplicate, self.timeout_s)
        return Frame(MsgId.ENROLL_ITG, head + rest + self.reserved)


@dataclass(frozen=True, slots=True)
class SnapImage:
    """Take pictures and keep them in the module. For the codec only: no driver sends it."""

    count: int
    start: int

    def to_frame(self) -> Frame:
        """The frame that carries it."""
        return Frame(MsgId.SNAPIMAGE, _pack(">BB", self.count, self.start))


@dataclass(frozen=True, slots=True)
class GetSavedImage:
    """Ask for the size of a picture. For the codec only: no driver sends it."""

    number: int

    def to_frame(self) -> Frame:
        """The frame that carries it."""
        return Frame(MsgId.GETSAVEDIMAGE, _pack(">B", self.number))


@dataclass(frozen=True, slots=True)
class UploadImage:
    """Ask for a picture. For the codec only: no driver sends it."""

    offset: int
    size: int

    def to_frame(self) -> Frame:
        """The frame that carries it."""
        return Frame(MsgId.UPLOADIMAGE, _pack(">II", self.offset, self.size))


@dataclass(frozen=True, slots=True)
class DeleteUser:
    """Forget one user."""

    user_id: int

    def to_frame(self) -> Frame:
        """The frame that carries it."""
        return Frame(MsgId.DELUSER, _pack(">H", self.user_id))


@dataclass(frozen=True, slots=True)
class GetUserInfo:
    """Ask for name and rights of one user."""

    user_id: int

    def to_frame(self) -> Frame:
        """The frame that carries it."""
        return Frame(MsgId.GETUSERINFO, _pack(">H", self.user_id))


@dataclass(frozen=True, slots=True)
class GetAllUserIds:
    """Ask which user ids are taken. Some firmware wants a format byte, 00 for two bytes each."""

    format_byte: int | None = None

    def to_frame(self) -> Frame:
        """The frame that carries it."""
        return Frame(MsgId.GET_ALL_USERID, b"" if self.format_byte is None else _pack(">B", self.format_byte))


@dataclass(frozen=True, slots=True)
class InitEncryption:
    """Begin encryption mode. `mode` and `time` are absent in one client, `reserved` in older modules."""

    seed: bytes  # 4 bytes, in clear
    mode: int | None = None  # 1 AES, 2 simple
    time: int | None = None  # seconds, 4 bytes
    reserved: bytes = b""

    def to_frame(self) -> Frame:
        """The frame that carries it."""
        mode = b"" if self.mode is None else _pack(">B", self.mode)
        time = b"" if self.time is None else _pack(">I", self.time)
        return Frame(MsgId.INIT_ENCRYPTION, _sized("seed", self.seed, 4) + mode + time + self.reserved)


@dataclass(frozen=True, slots=True)
class ConfigBaudRate:
    """Change the speed of the line: 1 to 4, see `BAUD_RATES`."""

    index: int

    def to_frame(self) -> Frame:
        """The frame that carries it."""
        return Frame(MsgId.CONFIG_BAUDRATE, _pack(">B", self.index))


@dataclass(frozen=True, slots=True)
class SetKey:
    """Set which characters of the hash make the key; `release` for good. The bytes are key material."""

    indexes: bytes = field(repr=False)  # 16 of 00 to 1F
    release: bool = False

    def to_frame(self) -> Frame:
        """The frame that carries it."""
        msg_id = MsgId.SET_RELEASE_ENC_KEY if self.release else MsgId.SET_DEBUG_ENC_KEY
        return Frame(msg_id, _sized("key indexes", self.indexes, KEY_SIZE))


@dataclass(frozen=True, slots=True)
class SetThresholdLevel:
    """How strict the module is, 0 to 4 each; 2 is the makers' default."""

    verify: int
    liveness: int

    def to_frame(self) -> Frame:
        """The frame that carries it."""
        return Frame(MsgId.SET_THRESHOLD_LEVEL, _pack(">BB", self.verify, self.liveness))


@dataclass(frozen=True, slots=True)
class DemoMode:
    """1: recognise anybody. Never in production; see the driver."""

    enable: int

    def to_frame(self) -> Frame:
        """The frame that carries it."""
        return Frame(MsgId.DEMO_MODE, _pack(">B", self.enable))


@dataclass(frozen=True, slots=True)
class OtherCommand:
    """A command that is out of scope here, or not known."""

    msg_id: int
    data: bytes = field(default=b"", repr=False)

    def to_frame(self) -> Frame:
        """The frame that carries it."""
        return Frame(self.msg_id, self.data)


Command: TypeAlias = (
    Plain
    | Verify
    | Enroll
    | EnrollItg
    | SnapImage
    | GetSavedImage
    | UploadImage
    | DeleteUser
    | GetUserInfo
    | GetAllUserIds
    | InitEncryption
    | ConfigBaudRate
    | SetKey
    | SetThresholdLevel
    | DemoMode
    | OtherCommand
)

WITHOUT_DATA = frozenset(
    {
        MsgId.RESET,
        MsgId.GETSTATUS,
        MsgId.DELALL,
        MsgId.FACERESET,
        MsgId.GET_VERSION,
        MsgId.GET_SN,
        MsgId.POWERDOWN,
    }
)


def parse_command(frame: Frame) -> Command:
    """What the host asks. Codes: direction, command_length."""
    if frame.msg_id < FIRST_COMMAND:
        raise RemoteProtocolError("direction", f"message {frame.msg_id:02X} is the module's, not the host's")
    if frame.msg_id in WITHOUT_DATA:
        _expect(frame, 0)
        return Plain(MsgId(frame.msg_id))
    parser = _PARSERS.get(frame.msg_id)
    return parser(frame) if parser else OtherCommand(frame.msg_id, frame.data)


def _verify(frame: Frame) -> Verify:
    power_down, timeout_s = _unpack(frame, ">BB")
    return Verify(timeout_s, power_down)


def _enroll(frame: Frame) -> Enroll:
    _expect(frame, 35, 37)
    data = frame.data
    return Enroll(
        admin=data[0],
        name=decode_text(data[1:33]),
        direction=data[33],
        member_id=int.from_bytes(data[34:36], "big") if len(data) == 37 else None,
        timeout_s=data[-1],
        single=frame.msg_id == MsgId.ENROLL_SINGLE,
    )


def _enroll_itg(frame: Frame) -> EnrollItg:
    _expect(frame, 37, 40)
    data = frame.data
    order = _itg_order(data[33], data[34])
    pair = (data[33], data[34])
    direction, enroll_type = pair if order is ItgOrder.DIRECTION_FIRST else reversed(pair)
    return EnrollItg(
        admin=data[0],
        name=decode_text(data[1:33]),
        direction=direction,
        enroll_type=enroll_type,
        allow_duplicate=data[35],
        timeout_s=data[36],
        order=order,
        reserved=data[37:],
    )


def _itg_order(first: int, second: int) -> ItgOrder:
    """The order that the sources agree on, unless the bytes make sense only the other way round."""
    sound = first in _DIRECTIONS and second in ENROLL_TYPES
    swapped = first in ENROLL_TYPES and second in _DIRECTIONS
    return ItgOrder.TYPE_FIRST if swapped and not sound else ItgOrder.DIRECTION_FIRST


def _init_encryption(frame: Frame) -> InitEncryption:
    _expect(frame, 4, 5, 9, 12)
    data = frame.data
    return InitEncryption(
        seed=data[:4],
        mode=data[4] if len(data) > 4 else None,
        time=int.from_bytes(data[5:9], "big") if len(data) > 5 else None,
        reserved=data[9:],
    )


def _all_user_ids(frame: Frame) -> GetAllUserIds:
    _expect(frame, 0, 1)
    return GetAllUserIds(frame.data[0] if frame.data else None)


def _set_key(frame: Frame) -> SetKey:
    _expect(frame, KEY_SIZE)
    return SetKey(frame.data, release=frame.msg_id == MsgId.SET_RELEASE_ENC_KEY)


_PARSERS: Mapping[int, Callable[[Frame], Command]] = MappingProxyType(
    {
        MsgId.VERIFY: _verify,
        MsgId.ENROLL: _enroll,
        MsgId.ENROLL_SINGLE: _enroll,
        MsgId.ENROLL_ITG: _enroll_itg,
        MsgId.SNAPIMAGE: lambda frame: SnapImage(*_unpack(frame, ">BB")),
        MsgId.GETSAVEDIMAGE: lambda frame: GetSavedImage(*_unpack(frame, ">B")),
        MsgId.UPLOADIMAGE: lambda frame: UploadImage(*_unpack(frame, ">II")),
        MsgId.DELUSER: lambda frame: DeleteUser(*_unpack(frame, ">H")),
        MsgId.GETUSERINFO: lambda frame: GetUserInfo(*_unpack(frame, ">H")),
        MsgId.GET_ALL_USERID: _all_user_ids,
        MsgId.INIT_ENCRYPTION: _init_encryption,
        MsgId.CONFIG_BAUDRATE: lambda frame: ConfigBaudRate(*_unpack(frame, ">B")),
        MsgId.SET_RELEASE_ENC_KEY: _set_key,
        MsgId.SET_DEBUG_ENC_KEY: _set_key,
        MsgId.SET_THRESHOLD_LEVEL: lambda frame: SetThresholdLevel(*_unpack(frame, ">BB")),
        MsgId.DEMO_MODE: lambda frame: DemoMode(*_unpack(frame, ">B")),
    }
)


def _pack(form: str, *values: int) -> bytes:
    try:
        return struct.pack(form, *values)
    except struct.error:
        raise LocalProtocolError(
            "range", f"a number does not fit its {struct.calcsize(form)} bytes"
        ) from None


def _unpack(frame: Frame, form: str) -> tuple[int, ...]:
    _expect(frame, struct.calcsize(form))
    return struct.unpack(form, frame.data)


def _expect(frame: Frame, *sizes: int) -> None:
    if len(frame.data) not in sizes:
        known = " or ".join(str(size) for size in sizes)
        raise RemoteProtocolError(
            "command_length", f"{name_of(frame.msg_id)}: {len(frame.data)} data bytes; {known} expected"
        )


def _sized(what: str, data: bytes, size: int) -> bytes:
    if len(data) != size:
        raise LocalProtocolError("length", f"{what}: {len(data)} bytes; {size} expected")
    return data
