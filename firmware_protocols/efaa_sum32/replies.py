"""Typed replies of the module, both directions, and what their result means.

    data = mid 1, result 1, payload       mid: the command that is answered; numbers are big-endian

    identify, register   user id 2, where it succeeded; ids begin at 0
    list users           count 2, ids of 2 each
    version              text

What of a failed reply does not fit is carried as `Opaque`: the result is what counts there.
Leaves out: templates, which are carried as `Opaque` and never shown.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Self, TypeAlias

from firmware_protocols.efaa_sum32.commands import Command, name_of
from firmware_protocols.efaa_sum32.frames import LEAST_REPLY, REPLY, Frame
from firmware_protocols.efaa_xor16.text_field import decode_text, encode_text
from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError

SUCCESS = 0


@dataclass(frozen=True, slots=True)
class Result:
    """One value of the result byte."""

    code: int
    name: str  # stable, fit for metrics and message catalogues
    meaning: str
    meaning_zh: str
    advice: str


RESULTS: Mapping[int, Result] = MappingProxyType(
    {
        result.code: result
        for result in (
            Result(SUCCESS, "ok", "done", "成功", "nothing to do"),
            Result(
                1, "failed", "no face, or it failed", "无人脸或失败", "look into the camera and try again"
            ),
            Result(3, "pose", "face turned too far", "人脸角度不合适", "look straight ahead"),
            Result(6, "liveness_2d", "2D check for a living face failed", "2D活体失败", "try in even light"),
            Result(7, "liveness_3d", "3D check for a living face failed", "3D活体失败", "try in even light"),
            Result(8, "no_match", "not enrolled in this module", "匹配失败", "have the face enrolled"),
            Result(9, "duplicate", "this face is enrolled already", "重复注册", "nothing to do"),
        )
    }
)


def result_of(code: int) -> Result:
    """The entry of any value; unknown ones say so."""
    known = RESULTS.get(code)
    return known or Result(code, "unknown", f"unknown result {code}", "未知结果", "note the code and version")


@dataclass(frozen=True, slots=True)
class Nothing:
    """No payload."""


@dataclass(frozen=True, slots=True)
class Opaque:
    """A payload that is not taken apart."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class User:
    """Who was recognised or taken in."""

    user_id: int


@dataclass(frozen=True, slots=True)
class Users:
    """Who is enrolled."""

    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Version:
    """What the module is; `size` is that of its field, with padding."""

    text: str
    size: int


Info: TypeAlias = Nothing | Opaque | User | Users | Version


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to one command."""

    mid: int
    result: int
    info: Info = Nothing()

    def to_frame(self) -> Frame:
        """The frame that carries it."""
        if not 0 <= self.mid <= 0xFF or not 0 <= self.result <= 0xFF:
            raise LocalProtocolError("range", "message or result of a reply is no byte")
        return Frame(REPLY, bytes([self.mid, self.result]) + _payload(self.info))

    @classmethod
    def from_frame(cls, frame: Frame) -> Self:
        """What the module answers. Codes: msg_id, reply_length."""
        if frame.msg_id != REPLY:
            raise RemoteProtocolError("msg_id", f"message {frame.msg_id:02X} is no reply")
        if len(frame.data) < LEAST_REPLY:
            raise RemoteProtocolError(
                "reply_length", f"a reply of {len(frame.data)} data bytes names nothing"
            )
        mid, result, payload = frame.data[0], frame.data[1], frame.data[2:]
        try:
            return cls(mid, result, _info(mid, payload))
        except RemoteProtocolError:
            if result == SUCCESS:
                raise
            return cls(mid, result, Opaque(payload))


def _info(mid: int, payload: bytes) -> Info:
    if not payload:
        return Nothing()
    match mid:
        case Command.IDENTIFY | Command.REGISTER:
            if len(payload) != 2:
                raise _length(mid, payload, "2")
            return User(int.from_bytes(payload, "big"))
        case Command.LIST_USERS:
            return _users(payload)
        case Command.VERSION:
            return Version(decode_text(payload), len(payload))
        case _:
            return Opaque(payload)


def _users(payload: bytes) -> Users:
    count = int.from_bytes(payload[:2], "big")
    end = 2 + 2 * count
    if len(payload) != end:
        raise _length(Command.LIST_USERS, payload, f"{end}, by its count,")
    return Users(struct.unpack(f">{count}H", payload[2:]))


def _length(mid: int, payload: bytes, expected: str) -> RemoteProtocolError:
    return RemoteProtocolError(
        "reply_length", f"reply to {name_of(mid)}: {len(payload)} bytes of payload; {expected} expected"
    )


def _payload(info: Info) -> bytes:
    try:
        match info:
            case Nothing():
                return b""
            case Opaque(data):
                return data
            case User(user_id):
                return struct.pack(">H", user_id)
            case Users(ids):
                return struct.pack(f">H{len(ids)}H", len(ids), *ids)
            case Version(text, size):
                return encode_text(text, size, "version")
    except struct.error:
        raise LocalProtocolError("range", "a number does not fit its 2 bytes") from None
