"""Frames of a face module by name and key, for tests and machines. For a person: explain.py.

Pictures and features of a face are measured and left out.
"""

from firmware_protocols.describing import Json
from firmware_protocols.efaa_xor16.commands import (
    BAUD_RATES,
    Command,
    ConfigBaudRate,
    DeleteUser,
    DemoMode,
    Enroll,
    EnrollItg,
    GetAllUserIds,
    GetSavedImage,
    GetUserInfo,
    InitEncryption,
    SetKey,
    SetThresholdLevel,
    SnapImage,
    UploadImage,
    Verify,
    parse_command,
)
from firmware_protocols.efaa_xor16.envelope import SYNC
from firmware_protocols.efaa_xor16.explain import explain
from firmware_protocols.efaa_xor16.frames import Frame
from firmware_protocols.efaa_xor16.msg_ids import FIRST_COMMAND, PICTURES, MsgId, name_of
from firmware_protocols.efaa_xor16.notes import FaceNote, NoteId, parse_note
from firmware_protocols.efaa_xor16.recognise import is_from_module
from firmware_protocols.efaa_xor16.replies import (
    STATUSES,
    UNLOCK_STATUSES,
    EncryptionBegun,
    EnrolledInfo,
    ImageSize,
    Info,
    Reply,
    SerialNumber,
    StatusInfo,
    UserIds,
    UserInfo,
    Verified,
    Version,
)
from firmware_protocols.efaa_xor16.results import result_of
from firmware_protocols.efaa_xor16.states import state_of
from firmware_protocols.errors import RemoteProtocolError

__all__ = ["decode", "explain"]

ENDIANNESS = "note fields are little-endian int16"


def decode(data: bytes, direction: str | None) -> Json:
    """The keys of exactly one frame. Bytes before its sync word are skipped, bytes after it are an error."""
    start = max(data.find(SYNC), 0)
    raw = data[start:]
    frame = Frame.from_bytes(raw)
    if is_from_module(raw, direction) != (frame.msg_id < FIRST_COMMAND):
        raise RemoteProtocolError("msg_id", f"message {frame.msg_id:02X} does not go that way")
    keys: Json = {
        "msg_id": f"{frame.msg_id:02X}",
        "size": len(frame.data),
        "data": frame.data.hex(),
        "checksum": f"{raw[-1]:02X}",
        "name": name_of(frame.msg_id),
        **_content(frame),
    }
    if frame.msg_id in PICTURES:
        del keys["data"]
    return {**keys, "skipped": start} if start else keys


def _content(frame: Frame) -> Json:
    match frame.msg_id:
        case MsgId.REPLY:
            return _reply_keys(frame)
        case MsgId.NOTE:
            return _note_keys(frame)
        case _ if frame.msg_id in PICTURES:
            return {"image_bytes": len(frame.data)}
        case _:
            return _command_keys(parse_command(frame))


def _reply_keys(frame: Frame) -> Json:
    reply = Reply.from_frame(frame)
    result = result_of(reply.result)
    return {
        "mid": f"{reply.mid:02X}",
        "mid_name": name_of(reply.mid),
        "result": reply.result,
        "result_name": result.maker_name,
        "action": str(result.action),
        **_info_keys(reply.info),
    }


def _info_keys(info: Info) -> Json:
    match info:
        case StatusInfo(status):
            return {"status": status, "status_name": STATUSES.get(status, "UNKNOWN")}
        case Verified():
            keys: Json = {"user_id": info.user_id}
            if info.name is not None:
                keys |= {"user_name": info.name}
            if info.admin is not None:
                keys |= {"admin": info.admin}
            if info.unlock_status is not None:
                unlocked = UNLOCK_STATUSES.get(info.unlock_status, "unknown")
                keys |= {"unlock_status": info.unlock_status, "unlock_status_name": unlocked}
            return keys
        case EnrolledInfo(user_id, directions):
            taken: Json = (
                {} if directions is None else {"direction": directions, "direction_mask": directions}
            )
            return {"user_id": user_id, **taken}
        case UserInfo(user_id, name, admin):
            return {"user_id": user_id, "user_name": name, "admin": admin}
        case UserIds(ids):
            return {"count": len(ids), "user_ids": list(ids)}
        case Version(text):
            return {"version": text}
        case SerialNumber():
            return {"serial": info.text, "sn": info.text}
        case ImageSize(size):
            return {"image_size": size}
        case EncryptionBegun(device_id):
            return {"device_id": device_id}
        case _:
            return {}


def _note_keys(frame: Frame) -> Json:
    note = parse_note(frame)
    if not isinstance(note, FaceNote):
        known = note.nid in NoteId.__members__.values()
        keys: Json = {"nid": note.nid, "meaning": NoteId(note.nid).name if known else "UNKNOWN"}
        if note.nid == NoteId.EYE_STATE and note.payload:
            keys["eye_state"] = note.payload[0]
        return keys
    return {
        "nid": int(NoteId.FACE_STATE),
        "meaning": NoteId.FACE_STATE.name,
        "state": note.state,
        "state_name": state_of(note.state).name,
        "left": note.left,
        "top": note.top,
        "right": note.right,
        "bottom": note.bottom,
        "yaw": note.yaw,
        "pitch": note.pitch,
        "roll": note.roll,
        "endianness": ENDIANNESS,
    }


def _command_keys(command: Command) -> Json:
    match command:
        case Verify(timeout_s, power_down):
            return {"power_down": power_down, "timeout_s": timeout_s}
        case Enroll() | EnrollItg():
            return _enroll_keys(command)
        case SnapImage(count, start):
            return {"count": count, "start": start}
        case GetSavedImage(number):
            return {"image_number": number}
        case UploadImage(offset, size):
            return {"offset": offset, "upload_size": size}
        case DeleteUser(user_id) | GetUserInfo(user_id):
            return {"user_id": user_id}
        case GetAllUserIds(format_byte):
            if format_byte is None:
                return {}
            name = f"{MsgId.GET_ALL_USERID.name} with one {format_byte:02X} format byte"
            return {"name": name, "format": format_byte}
        case InitEncryption(seed, mode, time, reserved):
            keys: Json = {"seed": seed.hex(), "mode": mode, "time": time, "reserved": reserved.hex()}
            return {name: value for name, value in keys.items() if value not in (None, "")}
        case ConfigBaudRate(index):
            return {"index": index, "baud": BAUD_RATES.get(index)}
        case SetKey(indexes):
            return {"key_sequence": indexes.hex()}
        case SetThresholdLevel(verify, liveness):
            return {"verify_level": verify, "liveness_level": liveness}
        case DemoMode(enable):
            return {"enable": enable}
        case _:
            return {}


def _enroll_keys(command: Enroll | EnrollItg) -> Json:
    keys: Json = {
        "admin": command.admin,
        "user_name": command.name,
        "direction": command.direction,
        "timeout_s": command.timeout_s,
    }
    if isinstance(command, EnrollItg):
        keys |= {
            "enroll_type": command.enroll_type,
            "allow_duplicate": command.allow_duplicate,
            "order": str(command.order),
        }
    elif command.member_id is not None:
        keys["member_id"] = command.member_id
    return keys
