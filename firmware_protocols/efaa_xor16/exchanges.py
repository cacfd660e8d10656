"""Procedures with a face module, as generators (see firmware_protocols.exchange).

    probe()        stop what runs, then: who is it
    look()         what is it doing
    verify()       whose face is it, with what the camera sees on the way
    enrol_single() enrol_five()     take a face in
    list_ids() delete() delete_all()
    abort()        stop what runs and forget half an enrolment
    begin_encryption()              everything after it is sealed

What concerns a person or the module comes back as a value; what breaks the protocol rises as
`RemoteProtocolError` or `ReplyTimeout`. Notes, pictures and late replies in between are passed over; what a
FACE_STATE says is handed to `heard`. User id FFFF is nobody and is never `Recognised`.
Leaves out: when to look, how strict to be with an answer, and every message that carries a picture.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from firmware_protocols.efaa_xor16.commands import (
    Command,
    DeleteUser,
    DemoMode,
    Enroll,
    EnrollItg,
    GetAllUserIds,
    InitEncryption,
    Plain,
    Verify,
)
from firmware_protocols.efaa_xor16.frames import Frame
from firmware_protocols.efaa_xor16.msg_ids import MsgId, name_of
from firmware_protocols.efaa_xor16.notes import FaceNote, parse_note
from firmware_protocols.efaa_xor16.replies import (
    BUSY,
    NOBODY,
    STANDBY,
    UNLOCKED,
    UNLOCKED_EYES_CLOSED,
    EnrolledInfo,
    Reply,
    SerialNumber,
    StatusInfo,
    UserIds,
    Verified,
    Version,
)
from firmware_protocols.efaa_xor16.results import ENCRYPTION_REQUIRED, REJECTED, SUCCESS, Result, result_of
from firmware_protocols.efaa_xor16.states import FIVE, Direction
from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError
from firmware_protocols.exchange import Ask, Exchange, More, Pause

COMMAND_S = 3.0
RESET_S = 2.0
DELETE_S = 10.0
MARGIN_S = 5.0  # on top of what VERIFY and ENROLL are given themselves
STANDBY_LOOKS = 15
STANDBY_PAUSE_S = 0.2
INVALID_PARAMETER = 6
AES_MODE = 1

Heard: TypeAlias = Callable[[FaceNote], None]


class Variant(StrEnum):
    """How faces are enrolled: the integrated command, or LK's with a member id of the host's choice."""

    STANDARD = "standard"
    LK = "lk"


@dataclass(frozen=True, slots=True)
class ModuleIdentity:
    """A module that waits for commands."""

    version: str
    serial: str  # empty where it tells none


@dataclass(frozen=True, slots=True)
class NotReady:
    """The module does not come to standby: one of `STATUSES`."""

    status: int


@dataclass(frozen=True, slots=True)
class Recognised:
    """An enrolled face, eyes open."""

    user_id: int


@dataclass(frozen=True, slots=True)
class EyesClosed:
    """An enrolled face, but of somebody whose eyes are closed."""


@dataclass(frozen=True, slots=True)
class Anybody:
    """Success with user id FFFF: the module is in demo mode and would recognise anybody."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The module says no. `busy`: because something else runs; `user_id` where it names one."""

    result: Result
    busy: bool = False
    user_id: int | None = None


@dataclass(frozen=True, slots=True)
class TakenIn:
    """A face was enrolled."""

    user_id: int


def look() -> Exchange[Frame, Frame, int]:
    """What the module is doing, one of `STATUSES`. While it works, some refuse the question: that is busy."""
    reply = yield from _ask(Plain(MsgId.GETSTATUS), COMMAND_S)
    if reply.result == REJECTED:
        return BUSY
    if reply.result == ENCRYPTION_REQUIRED:
        raise RemoteProtocolError("encryption_required", "the module takes encrypted messages only")
    if not isinstance(reply.info, StatusInfo):
        raise RemoteProtocolError("status", f"GETSTATUS ended with result {reply.result}")
    return reply.info.status


def abort() -> Exchange[Frame, Frame, int]:
    """Stop what runs, forget half an enrolment; the status that came of it, standby where all is well."""
    yield from _ask(Plain(MsgId.RESET), RESET_S)
    status = BUSY
    for _ in range(STANDBY_LOOKS):  # it needs a moment to end, and longer after power-up
        status = yield from look()
        if status == STANDBY:
            yield from _ask(Plain(MsgId.FACERESET), COMMAND_S)
            return status
        yield Pause(STANDBY_PAUSE_S)
    return status


def probe() -> Exchange[Frame, Frame, ModuleIdentity | NotReady]:
    """Bring the module to standby and ask who it is."""
    status = yield from abort()
    if status != STANDBY:
        return NotReady(status)
    version = yield from _ask(Plain(MsgId.GET_VERSION), COMMAND_S)
    serial = yield from _ask(Plain(MsgId.GET_SN), COMMAND_S)
    return ModuleIdentity(
        version.info.text if isinstance(version.info, Version) else "",
        serial.info.text if isinstance(serial.info, SerialNumber) else "",
    )


def verify(
    timeout_s: int, heard: Heard
) -> Exchange[Frame, Frame, Recognised | EyesClosed | Anybody | Refused]:
    """Whose face is in front of the camera within `timeout_s`."""
    reply = yield from _ask(Verify(timeout_s), timeout_s + MARGIN_S, heard)
    if reply.result != SUCCESS:
        return (yield from _refused(reply))
    if not isinstance(reply.info, Verified):
        raise RemoteProtocolError("unexpected", "VERIFY succeeded and names nobody")
    if reply.info.user_id == NOBODY:
        return Anybody()
    return _with_open_eyes(reply.info)


def _with_open_eyes(info: Verified) -> Recognised | EyesClosed:
    if info.unlock_status == UNLOCKED_EYES_CLOSED:
        return EyesClosed()
    if info.unlock_status in {None, UNLOCKED}:
        return Recognised(info.user_id)
    raise RemoteProtocolError(  # one derivative says so of a hand
        "unlock_status",
        f"unlock status {info.unlock_status}; known are {UNLOCKED} and {UNLOCKED_EYES_CLOSED} (eyes closed)",
    )


def enrol_single(
    *, timeout_s: int, variant: Variant, member_id: int, heard: Heard
) -> Exchange[Frame, Frame, TakenIn | Refused]:
    """Take a face in from one frame. The name stays empty; `member_id` matters to LK only."""
    command = _enrolment(variant, Direction.UNDEFINED, timeout_s, member_id)
    reply = yield from _ask(command, timeout_s + MARGIN_S, heard)
    if reply.result != SUCCESS:
        return (yield from _refused(reply))
    info = _enrolled(reply)
    if info.user_id == NOBODY:
        raise RemoteProtocolError("incomplete", "enrolled, but without a user id")
    return TakenIn(info.user_id)


def enrol_five(
    *, timeout_s: int, variant: Variant, member_id: int, heard: Heard, turn: Callable[[Direction], None]
) -> Exchange[Frame, Frame, TakenIn | Refused]:
    """Take a face in from five directions, `timeout_s` for each; `turn` is told which comes next."""
    taken = 0
    for direction in FIVE:
        if taken & direction:
            continue
        turn(direction)
        reply = yield from _ask(
            _enrolment(variant, direction, timeout_s, member_id), timeout_s + MARGIN_S, heard
        )
        if reply.result != SUCCESS:
            refused = yield from _refused(reply)
            if not refused.busy:
                yield from _ask(Plain(MsgId.FACERESET), COMMAND_S)
            return refused
        info = _enrolled(reply)
        if info.user_id != NOBODY:
            return TakenIn(info.user_id)
        taken |= direction if info.directions is None else info.directions
    raise RemoteProtocolError("incomplete", "all five directions were asked for, and no user id came of it")


def list_ids() -> Exchange[Frame, Frame, frozenset[int] | Refused]:
    """The user ids that are taken. Some firmware wants the format byte, some refuses it: it is the second try."""
    reply = yield from _ask(GetAllUserIds(), COMMAND_S)
    if reply.result == INVALID_PARAMETER:
        reply = yield from _ask(GetAllUserIds(0), COMMAND_S)
    if reply.result == SUCCESS and isinstance(reply.info, UserIds):
        return frozenset(reply.info.ids)
    return (yield from _refused(reply))


def delete(user_ids: Iterable[int]) -> Exchange[Frame, Frame, Refused | None]:
    """Forget these; None when the module's own list holds none of them any more, whatever it said before."""
    wanted = tuple(user_ids)
    last = None
    for user_id in wanted:
        reply = yield from _ask(DeleteUser(user_id), DELETE_S)
        if reply.result != SUCCESS:  # some call an absent user unknown, some a wrong parameter
            last = Refused(result_of(reply.result), user_id=user_id)
    left = yield from list_ids()
    if isinstance(left, Refused):
        return left
    if left.isdisjoint(wanted):
        return None
    return last or Refused(result_of(5), user_id=min(left.intersection(wanted)))


def delete_all() -> Exchange[Frame, Frame, Refused | None]:
    """Forget everybody; None when the module's own list is empty."""
    reply = yield from _ask(Plain(MsgId.DELALL), DELETE_S)
    left = yield from list_ids()
    if isinstance(left, Refused):
        return left
    return Refused(result_of(reply.result)) if left else None


def begin_encryption(seed: bytes, time: int) -> Exchange[Frame, Frame, Refused | None]:
    """Begin encryption mode with AES. Newer modules want three reserved bytes: they are the second try."""
    reply = yield from _ask(InitEncryption(seed, AES_MODE, time), COMMAND_S)
    if reply.result == INVALID_PARAMETER:
        reply = yield from _ask(InitEncryption(seed, AES_MODE, time, bytes(3)), COMMAND_S)
    return None if reply.result == SUCCESS else Refused(result_of(reply.result))


def leave_demo() -> Exchange[Frame, Frame, Result]:
    """Switch demo mode off."""
    reply = yield from _ask(DemoMode(0), COMMAND_S)
    return result_of(reply.result)


def _enrolment(variant: Variant, direction: Direction, timeout_s: int, member_id: int) -> Command:
    """Never with a name: whose face it is, the roster says."""
    single = direction is Direction.UNDEFINED
    if variant is Variant.LK:
        return Enroll(timeout_s=timeout_s, direction=direction, single=single, member_id=member_id)
    # The only command that can refuse a face that is enrolled already.
    return EnrollItg(timeout_s=timeout_s, direction=direction, enroll_type=int(single))


def _enrolled(reply: Reply) -> EnrolledInfo:
    if not isinstance(reply.info, EnrolledInfo):
        raise RemoteProtocolError("unexpected", f"{name_of(reply.mid)} succeeded and says nothing")
    return reply.info


def _refused(reply: Reply) -> Exchange[Frame, Frame, Refused]:
    """Result 1 says "busy" in some firmware and "not enrolled" in other: the status tells which."""
    busy = False
    if reply.result == REJECTED:
        busy = (yield from look()) == BUSY
    named = reply.info.user_id if isinstance(reply.info, EnrolledInfo) else NOBODY
    return Refused(result_of(reply.result), busy, None if named == NOBODY else named)


def _ask(command: Command, timeout_s: float, heard: Heard | None = None) -> Exchange[Frame, Frame, Reply]:
    """Send `command` and pass over everything until its reply."""
    request = command.to_frame()
    frame = yield Ask(request, timeout_s, urgent=request.msg_id == MsgId.RESET)
    while True:
        if frame is None:
            raise LocalProtocolError("runner", "the runner answered a question with nothing")
        if frame.msg_id == MsgId.REPLY and frame.data[0] == request.msg_id:
            return Reply.from_frame(frame)
        if heard is not None and frame.msg_id == MsgId.NOTE:
            _hand_on(frame, heard)
        frame = yield More()


def _hand_on(frame: Frame, heard: Heard) -> None:
    try:
        note = parse_note(frame)
    except RemoteProtocolError:
        return  # too short to say anything; the reply is what counts
    if isinstance(note, FaceNote):
        heard(note)
