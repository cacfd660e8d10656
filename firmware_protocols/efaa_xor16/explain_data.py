"""The data of a good frame explained byte by byte, for a person."""

from collections.abc import Iterator

from firmware_protocols.describing import Field
from firmware_protocols.efaa_xor16.commands import (
    BAUD_RATES,
    ENCRYPTION_MODES,
    ENROLL_TYPES,
    ConfigBaudRate,
    DemoMode,
    EnrollItg,
    InitEncryption,
    ItgOrder,
    parse_command,
)
from firmware_protocols.efaa_xor16.frames import Frame
from firmware_protocols.efaa_xor16.msg_ids import FIRST_COMMAND, PICTURES, MsgId, name_of
from firmware_protocols.efaa_xor16.notes import NOTE_MEANINGS, FaceNote, NoteId, parse_note
from firmware_protocols.efaa_xor16.replies import (
    NOBODY,
    SERIAL_SIZE,
    STATUS_MEANINGS,
    UNLOCK_STATUSES,
    EnrolledInfo,
    Nothing,
    Opaque,
    Reply,
    SerialNumber,
    StatusInfo,
    UserIds,
    UserInfo,
    Verified,
    Version,
)
from firmware_protocols.efaa_xor16.results import Action, result_of
from firmware_protocols.efaa_xor16.states import COMPLETE, Direction, state_of
from firmware_protocols.efaa_xor16.text_field import NAME_SIZE, decode_text
from firmware_protocols.errors import RemoteProtocolError

NEVER_SHOWN = "never shown"
DEMO_ADVICE = "switch demo mode off (FE with 00) before the module is used: in it, anybody is recognised"


def data_fields(frame: Frame, at: int) -> Iterator[Field]:
    """The bytes between size and parity."""
    try:
        fields = list(_fields(frame, at))
    except RemoteProtocolError as exc:
        size = len(frame.data)
        advice = "compare with the module's manual: another firmware may lay it out otherwise"
        yield Field(at, size, "data", "not decoded", str(exc), advice, personal=True, wrong=True)
        return
    yield from fields


def _fields(frame: Frame, at: int) -> Iterator[Field]:
    match frame.msg_id:
        case MsgId.REPLY:
            yield from _reply(frame, at)
        case MsgId.NOTE:
            yield from _note(frame, at)
        case _ if frame.msg_id in PICTURES:
            if frame.data:
                yield _hidden(at, len(frame.data), "picture", "JPEG; somebody's face")
        case _ if frame.msg_id >= FIRST_COMMAND:
            yield from _command(frame, at)


def _reply(frame: Frame, at: int) -> Iterator[Field]:
    reply = Reply.from_frame(frame)
    result = result_of(reply.result)
    advice = "" if result.action is Action.OK else f"{result.action}: {result.advice}"
    yield Field(at, 1, "answers", name_of(reply.mid))
    yield Field(at + 1, 1, "result", result.meaning, result.meaning_zh, advice)
    at, size = at + 2, len(frame.data) - 2
    match reply.info:
        case Nothing():
            return
        case StatusInfo(status):
            yield Field(at, 1, "status", STATUS_MEANINGS.get(status, f"unknown {status}"))
        case Verified():
            yield from _verified(reply.info, at)
        case EnrolledInfo():
            yield from _enrolled(reply.info, at)
        case UserInfo(user_id, name, admin):
            yield _user(user_id, at)
            yield Field(at + 2, NAME_SIZE, "name", name, personal=True)
            yield _admin(admin, at + 2 + NAME_SIZE)
        case UserIds(ids, padding):
            yield Field(at, 1, "count", str(len(ids)), "users")
            if ids:
                yield Field(at + 1, 2 * len(ids), "user ids", " ".join(map(str, ids)))
            if padding:
                yield Field(at + 1 + 2 * len(ids), padding, "padding")
        case Version(text):
            if size:
                yield Field(at, size, "version", text)
        case SerialNumber():
            valid = min(size, SERIAL_SIZE)
            if valid:
                yield Field(at, valid, "serial number", reply.info.text)
            if size > valid:
                yield Field(at + valid, size - valid, "padding", note="not always text")
        case Opaque(data):
            yield Field(at, len(data), "payload", "not decoded", personal=True)
        case _:
            yield Field(at, size, "payload", frame.data[2:].hex(" "))


def _verified(info: Verified, at: int) -> Iterator[Field]:
    yield _user(info.user_id, at)
    if info.name is not None:
        yield Field(at + 2, NAME_SIZE, "name", info.name, personal=True)
    if info.admin is not None:
        yield _admin(info.admin, at + 34)
    if info.unlock_status is not None:
        meaning = UNLOCK_STATUSES.get(info.unlock_status, "unknown")
        yield Field(at + 35, 1, "unlock status", f"{info.unlock_status} {meaning}")
    if info.extra:
        yield _hidden(at + 36, len(info.extra), "more", "not documented")


def _enrolled(info: EnrolledInfo, at: int) -> Iterator[Field]:
    yield _user(info.user_id, at)
    if info.directions is not None:
        note = "all five" if info.directions == COMPLETE else ""
        yield Field(at + 2, 1, "directions taken", _directions(info.directions), note)
    if info.extra:
        yield _hidden(at + 3, len(info.extra), "more", "may be features of the face")


def _note(frame: Frame, at: int) -> Iterator[Field]:
    note = parse_note(frame)
    if not isinstance(note, FaceNote):
        known = NOTE_MEANINGS.get(note.nid, "not known")
        name = NoteId(note.nid).name if note.nid in NOTE_MEANINGS else f"{note.nid:02X}"
        yield Field(at, 1, "note", name, known)
        if note.payload:
            yield Field(at + 1, len(note.payload), "payload", note.payload.hex(" "), personal=True)
        return
    state = state_of(note.state)
    yield Field(at, 1, "note", NoteId.FACE_STATE.name, NOTE_MEANINGS[NoteId.FACE_STATE])
    advice = f"tell the person: {state.to_person}" if state.to_person else ""
    yield Field(at + 1, 2, "state", state.meaning, state.meaning_zh, advice)
    for place, name in enumerate(("left", "top", "right", "bottom", "yaw", "pitch", "roll")):
        unit = "pixels" if place < 4 else "degrees"
        yield Field(at + 3 + 2 * place, 2, name, str(getattr(note, name)), f"{unit}, little-endian")
    if note.extra:
        yield Field(at + 17, len(note.extra), "more", "not decoded", personal=True)


def _command(frame: Frame, at: int) -> Iterator[Field]:
    command = parse_command(frame)
    data = frame.data
    match frame.msg_id:
        case MsgId.VERIFY:
            yield Field(at, 1, "power down", str(data[0]), "1: switch off right after")
            yield Field(at + 1, 1, "timeout", f"{data[1]} s")
        case MsgId.ENROLL | MsgId.ENROLL_SINGLE:
            yield from _enroll_head(data, at)
            yield Field(at + 33, 1, "direction", _directions(data[33]))
            if len(data) == 37:
                yield Field(at + 34, 2, "member id", str(int.from_bytes(data[34:36], "big")), "LK derivative")
            yield Field(at + len(data) - 1, 1, "timeout", f"{data[-1]} s")
        case MsgId.ENROLL_ITG:
            yield from _enroll_head(data, at)
            yield from _itg(command, data, at)
        case MsgId.DELUSER | MsgId.GETUSERINFO:
            yield _user(int.from_bytes(data, "big"), at)
        case MsgId.SET_RELEASE_ENC_KEY | MsgId.SET_DEBUG_ENC_KEY:
            yield _hidden(at, len(data), "key indexes", "which characters of the hash make the key")
        case _:
            yield from _short_command(command, data, at)


def _short_command(command: object, data: bytes, at: int) -> Iterator[Field]:
    match command:
        case DemoMode(enable):
            yield Field(
                at, 1, "demo mode", "off" if enable == 0 else "ON", advice=DEMO_ADVICE if enable else ""
            )
        case ConfigBaudRate(index):
            baud = BAUD_RATES.get(index)
            yield Field(at, 1, "speed", f"{baud} baud" if baud else "no known speed", wrong=baud is None)
        case InitEncryption(seed, mode, time, reserved):
            yield Field(at, 4, "seed", seed.hex(" "), "in clear")
            if mode is not None:
                yield Field(at + 4, 1, "mode", ENCRYPTION_MODES.get(mode, f"unknown {mode}"))
            if time is not None:
                yield Field(at + 5, 4, "time", str(time))
            if reserved:
                yield Field(at + 9, len(reserved), "reserved", reserved.hex(" "))
        case _ if data:
            yield Field(at, len(data), "data", data.hex(" "), personal=True)


def _enroll_head(data: bytes, at: int) -> Iterator[Field]:
    yield _admin(data[0], at)
    yield Field(at + 1, NAME_SIZE, "name", decode_text(data[1 : 1 + NAME_SIZE]), personal=True)


def _itg(command: object, data: bytes, at: int) -> Iterator[Field]:
    swapped = isinstance(command, EnrollItg) and command.order is ItgOrder.TYPE_FIRST
    kind, direction = (33, 34) if swapped else (34, 33)
    fields = [
        Field(at + direction, 1, "direction", _directions(data[direction])),
        Field(at + kind, 1, "type", ENROLL_TYPES.get(data[kind], f"unknown {data[kind]}")),
    ]
    yield from sorted(fields, key=lambda field: field.offset)
    yield Field(
        at + 35, 1, "allow duplicate", str(data[35]), "1: a face that is enrolled already may come again"
    )
    yield Field(at + 36, 1, "timeout", f"{data[36]} s")
    if len(data) > 37:
        yield Field(at + 37, len(data) - 37, "reserved", data[37:].hex(" "))


def _user(user_id: int, at: int) -> Field:
    return Field(at, 2, "user id", "nobody" if user_id == NOBODY else str(user_id))


def _admin(admin: int, at: int) -> Field:
    return Field(at, 1, "admin", str(admin), "1: may administer the module")


def _directions(mask: int) -> str:
    names = [one.name.lower() for one in Direction if one and one.name and mask & one]
    rest = mask & ~COMPLETE
    return " ".join([*names, *([f"{rest:02X}"] if rest else [])]) or "undefined"


def _hidden(at: int, length: int, name: str, note: str) -> Field:
    return Field(at, length, name, NEVER_SHOWN, note, personal=True, opaque=True)
