"""Frames of such a module by name and key, for tests and machines. For a person: explain.py.

Templates are measured and left out.
"""

from firmware_protocols.describing import Json
from firmware_protocols.efaa_sum32.commands import (
    BAUD_RATES,
    TEMPLATES,
    DeleteUser,
    SetBaudRate,
    Switch,
    name_of,
    parse_command,
)
from firmware_protocols.efaa_sum32.explain import explain
from firmware_protocols.efaa_sum32.frames import FIRST_COMMAND, REPLY, Frame
from firmware_protocols.efaa_sum32.replies import Reply, User, Users, Version, result_of
from firmware_protocols.efaa_xor16.envelope import SYNC
from firmware_protocols.efaa_xor16.recognise import is_from_module
from firmware_protocols.errors import RemoteProtocolError

__all__ = ["decode", "explain"]


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
        **(_reply_keys(frame) if frame.msg_id == REPLY else _command_keys(frame)),
    }
    if _is_template(frame):
        del keys["data"]
        keys["template_bytes"] = len(frame.data)
    return {**keys, "skipped": start} if start else keys


def _is_template(frame: Frame) -> bool:
    asked = frame.data[0] if frame.msg_id == REPLY else frame.msg_id
    return asked in TEMPLATES


def _reply_keys(frame: Frame) -> Json:
    reply = Reply.from_frame(frame)
    result = result_of(reply.result)
    keys: Json = {
        "name": "reply",
        "mid": f"{reply.mid:02X}",
        "mid_name": name_of(reply.mid),
        "result": reply.result,
        "result_name": result.name,
    }
    match reply.info:
        case User(user_id):
            keys["user_id"] = user_id
        case Users(ids):
            keys |= {"count": len(ids), "user_ids": list(ids)}
        case Version(text):
            keys["version"] = text
    return keys


def _command_keys(frame: Frame) -> Json:
    keys: Json = {"name": name_of(frame.msg_id)}
    match parse_command(frame):
        case DeleteUser(user_id):
            keys["user_id"] = user_id
        case SetBaudRate(index):
            keys |= {"index": index, "baud": BAUD_RATES.get(index)}
        case Switch(_, on):
            keys["on"] = on
    return keys
