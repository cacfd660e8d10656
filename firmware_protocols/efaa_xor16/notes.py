"""What a module says on its own, both directions: notes, and chunks of an image.

    NOTE data = nid 1, payload
    FACE_STATE payload: state, left, top, right, bottom, yaw, pitch, roll, each int16 LITTLE-endian

The fields of FACE_STATE are little-endian while every other number is big-endian: two captures of real sensors
decode sensibly only so, and three clients agree. PyPI fm22x 0.0.1 reads them big-endian, which is wrong.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from types import MappingProxyType
from typing import TypeAlias

from firmware_protocols.efaa_xor16.frames import Frame
from firmware_protocols.efaa_xor16.msg_ids import MsgId
from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError


class NoteId(IntEnum):
    """Kinds of notes."""

    READY = 0
    FACE_STATE = 1
    UNKNOWN_ERROR = 2
    OTA_DONE = 3
    EYE_STATE = 4
    AUTHORIZATION = 8


NOTE_MEANINGS: Mapping[int, str] = MappingProxyType(
    {
        NoteId.READY: "started and waits for commands 已就绪",
        NoteId.FACE_STATE: "what the camera sees 人脸状态",
        NoteId.UNKNOWN_ERROR: "error without a name 未知错误",
        NoteId.OTA_DONE: "firmware update done 升级完毕",
        NoteId.EYE_STATE: "whether the eyes are open 睁闭眼状态",
        NoteId.AUTHORIZATION: "licence check failed 授权失败",
    }
)

_FACE = struct.Struct("<8h")  # little-endian, see above


@dataclass(frozen=True, slots=True)
class FaceNote:
    """What the camera sees: a state, where the face is (pixels), how it is turned (degrees)."""

    state: int
    left: int = 0
    top: int = 0
    right: int = 0
    bottom: int = 0
    yaw: int = 0
    pitch: int = 0
    roll: int = 0
    extra: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class OtherNote:
    """Any other note. Known ones are named in `NoteId`."""

    nid: int
    payload: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class ImageChunk:
    """A piece of a picture (JPEG). It is somebody's face: for the codec only, no driver takes it."""

    data: bytes = field(repr=False)


Note: TypeAlias = FaceNote | OtherNote
READY = OtherNote(NoteId.READY)


def parse_note(frame: Frame) -> Note:
    """What a NOTE says. Codes: direction, note_length."""
    if frame.msg_id != MsgId.NOTE or not frame.data:
        raise RemoteProtocolError("direction", f"message {frame.msg_id:02X} is no note")
    nid, payload = frame.data[0], frame.data[1:]
    if nid != NoteId.FACE_STATE:
        return OtherNote(nid, payload)
    if len(payload) < _FACE.size:
        raise RemoteProtocolError(
            "note_length", f"FACE_STATE: {len(payload)} bytes of payload; {_FACE.size} or more expected"
        )
    state, left, top, right, bottom, yaw, pitch, roll = _FACE.unpack(payload[: _FACE.size])
    return FaceNote(state, left, top, right, bottom, yaw, pitch, roll, extra=payload[_FACE.size :])


def to_frame(note: Note | ImageChunk) -> Frame:
    """The frame that carries a note or a chunk."""
    match note:
        case ImageChunk(data):
            return Frame(MsgId.IMAGE, data)
        case OtherNote(nid, payload):
            if not 0 <= nid <= 0xFF:
                raise LocalProtocolError("range", f"note {nid} is no byte")
            return Frame(MsgId.NOTE, bytes([nid]) + payload)
        case FaceNote():
            fields = (
                note.state,
                note.left,
                note.top,
                note.right,
                note.bottom,
                note.yaw,
                note.pitch,
                note.roll,
            )
            try:
                packed = _FACE.pack(*fields)
            except struct.error:
                raise LocalProtocolError("range", "a field of FACE_STATE does not fit two bytes") from None
            return Frame(MsgId.NOTE, bytes([NoteId.FACE_STATE]) + packed + note.extra)
