"""A dump of the module's line explained byte by byte, for a person.

Takes any bytes: frames of either direction, noise between them, frames cut off or damaged.
What is not understood counts as personal; a template is never shown.
"""

from collections.abc import Iterator

from firmware_protocols.describing import Field
from firmware_protocols.efaa_sum32.commands import (
    BAUD_RATES,
    LABELS_ZH,
    TEMPLATES,
    Command,
    DeleteUser,
    SetBaudRate,
    Switch,
    name_of,
    parse_command,
)
from firmware_protocols.efaa_sum32.frames import FROM_HOST, FROM_MODULE, HEADER_SIZE, REPLY, Frame
from firmware_protocols.efaa_sum32.replies import Nothing, Reply, User, Users, Version, result_of
from firmware_protocols.efaa_xor16.envelope import SYNC, check
from firmware_protocols.efaa_xor16.explain import RESEND, damaged, walk
from firmware_protocols.efaa_xor16.recognise import check_direction, is_from_module
from firmware_protocols.errors import RemoteProtocolError


def explain(data: bytes, direction: str | None) -> list[Field]:
    """Every byte of `data`, in order."""
    check_direction(direction)
    return list(walk(data, FROM_HOST, lambda frame, at: _frame(frame, at, direction)))


def _frame(raw: bytes, at: int, direction: str | None) -> Iterator[Field]:
    from_module = is_from_module(raw, direction)
    way = "module -> host" if from_module else "host -> module"
    yield Field(at, len(SYNC), "sync", way, "begins every frame")
    try:
        check(raw, FROM_MODULE if from_module else FROM_HOST)
    except RemoteProtocolError as exc:
        yield from damaged(raw, at, exc, FROM_HOST)
        return
    frame = Frame.from_bytes(raw)
    if from_module:
        yield Field(at + 2, 1, "MsgID", "reply", "应答")
    else:
        yield Field(at + 2, 1, "MsgID", name_of(frame.msg_id), _label(frame.msg_id))
    yield Field(at + 3, 4, "size", str(len(frame.data)), "data bytes that follow")
    yield from _data(frame, at + HEADER_SIZE)
    yield Field(at + len(raw) - 1, 1, "sum", "fits", "of everything after EF AA, modulo 256")


def _label(msg_id: int) -> str:
    return LABELS_ZH[Command(msg_id)] if msg_id in LABELS_ZH else "not known"


def _data(frame: Frame, at: int) -> Iterator[Field]:
    try:
        yield from _reply(frame, at) if frame.msg_id == REPLY else _command(frame, at)
    except RemoteProtocolError as exc:
        yield Field(at, len(frame.data), "data", "not decoded", str(exc), RESEND, personal=True, wrong=True)


def _reply(frame: Frame, at: int) -> Iterator[Field]:
    reply = Reply.from_frame(frame)
    result = result_of(reply.result)
    yield Field(at, 1, "answers", name_of(reply.mid), _label(reply.mid))
    yield Field(at + 1, 1, "result", f"{reply.result} {result.meaning}", result.meaning_zh, result.advice)
    size = len(frame.data) - 2
    at += 2
    match reply.info:
        case Nothing():
            return
        case User(user_id):
            yield Field(at, size, "user id", str(user_id))
        case Users(ids):
            yield Field(at, 2, "count", str(len(ids)))
            for place, user_id in enumerate(ids):
                yield Field(at + 2 + 2 * place, 2, "user id", str(user_id))
        case Version(text):
            yield Field(at, size, "version", text)
        case _:
            yield _hidden(at, size, opaque=reply.mid in TEMPLATES)


def _command(frame: Frame, at: int) -> Iterator[Field]:
    size = len(frame.data)
    match parse_command(frame):
        case DeleteUser(user_id):
            yield Field(at, size, "user id", str(user_id))
        case SetBaudRate(index):
            baud = BAUD_RATES.get(index)
            yield Field(at, size, "speed", f"{baud} baud" if baud else "no known speed", wrong=baud is None)
        case Switch(_, on):
            yield Field(at, size, "switch", "on" if on else "off")
        case _ if size:
            yield _hidden(at, size, opaque=frame.msg_id in TEMPLATES)


def _hidden(at: int, size: int, *, opaque: bool) -> Field:
    note = "template of a face" if opaque else ""
    return Field(at, size, "data", "not decoded", note, personal=True, opaque=opaque)
