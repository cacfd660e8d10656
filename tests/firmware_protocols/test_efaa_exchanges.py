"""Procedures with a face module, played line by line: what must be sent, what comes, how it ends."""

from collections.abc import Callable
from typing import Any

import pytest

from firmware_protocols.efaa_xor16.commands import Enroll, EnrollItg, parse_command
from firmware_protocols.efaa_xor16.exchanges import (
    COMMAND_S,
    DELETE_S,
    MARGIN_S,
    RESET_S,
    STANDBY_LOOKS,
    Anybody,
    EyesClosed,
    ModuleIdentity,
    NotReady,
    Recognised,
    Refused,
    TakenIn,
    Variant,
    abort,
    delete,
    delete_all,
    enrol_five,
    enrol_single,
    leave_demo,
    list_ids,
    look,
    probe,
    verify,
)
from firmware_protocols.efaa_xor16.frames import Frame
from firmware_protocols.efaa_xor16.msg_ids import MsgId
from firmware_protocols.efaa_xor16.notes import READY, FaceNote, ImageChunk, OtherNote, to_frame
from firmware_protocols.efaa_xor16.replies import (
    NOBODY,
    EnrolledInfo,
    Reply,
    SerialNumber,
    StatusInfo,
    UserIds,
    Verified,
    Version,
)
from firmware_protocols.efaa_xor16.results import RESULTS, result_of
from firmware_protocols.efaa_xor16.states import FIVE, Direction
from firmware_protocols.errors import LocalProtocolError, ProtocolError, RemoteProtocolError, ReplyTimeout
from firmware_protocols.exchange import Ask, Exchange, More, Pause

RESET, STATUS, FACERESET = (Reply(int(one), 0) for one in (MsgId.RESET, MsgId.GETSTATUS, MsgId.FACERESET))
STANDBY = Reply(MsgId.GETSTATUS, 0, StatusInfo(0))
BUSY = Reply(MsgId.GETSTATUS, 0, StatusInfo(1))
ABORTED = [("10", RESET), ("11", STANDBY), ("23", FACERESET)]

Answer = Reply | Frame | None
Line = tuple[str, Answer] | Answer


class Script:
    """`("12", reply)`: must send 12, gets `reply`; a bare reply comes when it asks for more; None: nothing comes."""

    def __init__(self, *lines: Line) -> None:
        self.lines = list(lines)
        self.asks: list[Ask[Frame]] = []
        self.pauses: list[float] = []

    def play(self, exchange: Exchange[Frame, Frame, Any]) -> object:
        answer: Frame | ProtocolError | None = None
        try:
            while True:
                wish = exchange.throw(answer) if isinstance(answer, ProtocolError) else exchange.send(answer)
                answer = self._answer(wish)
        except StopIteration as stop:
            assert self.lines == [], "the procedure ended before the script did"
            result: object = stop.value
            return result

    def _answer(self, wish: Ask[Frame] | Pause | More) -> Frame | ProtocolError | None:
        if isinstance(wish, Pause):
            self.pauses.append(wish.seconds)
            return None
        assert self.lines, f"{wish} after the end of the script"
        line = self.lines.pop(0)
        if isinstance(wish, Ask):
            self.asks.append(wish)
            assert isinstance(line, tuple), f"it sent {wish.request.msg_id:02X} and should have waited"
            assert f"{wish.request.msg_id:02X}" == line[0]
            line = line[1]
        assert not isinstance(line, tuple), f"it waited and should have sent {line}"
        if line is None:
            return ReplyTimeout("nothing came")
        return line if isinstance(line, Frame) else line.to_frame()


def nobody_hears(_note: FaceNote) -> None:
    raise AssertionError("nothing was to be heard")


def play(exchange: Exchange[Frame, Frame, Any], *lines: Line) -> object:
    return Script(*lines).play(exchange)


def test_the_module_is_brought_to_standby_and_asked_who_it_is() -> None:
    script = Script(
        *ABORTED,
        ("30", Reply(0x30, 0, Version("V1"))),
        ("93", Reply(0x93, 0, SerialNumber(b"FM225001" + b"\xff" * 24))),
    )
    assert script.play(probe()) == ModuleIdentity("V1", "FM225001")
    assert [ask.timeout_s for ask in script.asks] == [RESET_S, *[COMMAND_S] * 4]
    assert [ask.urgent for ask in script.asks] == [True, False, False, False, False]


def test_a_module_that_does_not_tell_who_it_is_has_no_names() -> None:
    assert play(probe(), *ABORTED, ("30", Reply(0x30, 6)), ("93", Reply(0x93, 6))) == ModuleIdentity("", "")


@pytest.mark.parametrize("status", [1, 2, 3])
def test_a_module_that_never_stands_by_is_not_ready(status: int) -> None:
    never = ("11", Reply(0x11, 0, StatusInfo(status)))
    script = Script(("10", RESET), *[never] * STANDBY_LOOKS)
    assert script.play(probe()) == NotReady(status)
    assert len(script.pauses) == STANDBY_LOOKS


def test_abort_passes_over_what_still_comes_and_waits_for_the_end() -> None:
    late = Reply(MsgId.VERIFY, 2)
    script = Script(
        ("10", to_frame(FaceNote(0))),
        late,
        RESET,
        ("11", to_frame(READY)),
        BUSY,
        ("11", STANDBY),
        ("23", late),
        FACERESET,
    )
    assert script.play(abort()) == 0
    assert len(script.pauses) == 1


def test_a_refused_question_for_the_status_is_busy() -> None:
    assert play(look(), ("11", Reply(0x11, 1))) == 1
    with pytest.raises(RemoteProtocolError):
        play(look(), ("11", Reply(0x11, 5)))


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (Reply(0x12, 0, Verified(7, "", 0, 200)), Recognised(7)),
        (Reply(0x12, 0, Verified(7)), Recognised(7)),
        (Reply(0x12, 0, Verified(7, "", 0, 204)), EyesClosed()),
        (Reply(0x12, 0, Verified(NOBODY, "", 0, 200)), Anybody()),
        (Reply(0x12, 0, Verified(NOBODY, "", 0, 204)), Anybody()),
        (Reply(0x12, 0, Verified(NOBODY)), Anybody()),
    ],
)
def test_verify_tells_who_it_is(reply: Reply, outcome: object) -> None:
    script = Script(("12", reply))
    assert script.play(verify(10, nobody_hears)) == outcome
    assert script.asks[0].request.data == b"\x00\x0a"
    assert script.asks[0].timeout_s == 10 + MARGIN_S


@pytest.mark.parametrize("code", [code for code in (*RESULTS, 77) if code > 1])
@pytest.mark.parametrize("full", [False, True])
def test_every_refusal_of_verify_is_a_value(code: int, *, full: bool) -> None:
    reply = Reply(0x12, code, Verified(NOBODY, "", 0, 0)) if full else Reply(0x12, code)
    assert play(verify(5, nobody_hears), ("12", reply)) == Refused(result_of(code))


@pytest.mark.parametrize(("status", "busy"), [(STANDBY, False), (BUSY, True), (Reply(0x11, 1), True)])
def test_rejected_is_busy_or_a_face_that_is_not_known(status: Reply, *, busy: bool) -> None:
    outcome = play(verify(5, nobody_hears), ("12", Reply(0x12, 1)), ("11", status))
    assert outcome == Refused(result_of(1), busy)


@pytest.mark.parametrize("status", [0, 1, 250])
def test_an_unlock_status_that_nobody_knows_is_not_believed(status: int) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        play(verify(5, nobody_hears), ("12", Reply(0x12, 0, Verified(7, "", 0, status))))
    assert caught.value.code == "unlock_status"


def test_notes_are_heard_and_everything_else_is_passed_over() -> None:
    heard: list[FaceNote] = []
    outcome = play(
        verify(5, heard.append),
        ("12", to_frame(READY)),
        to_frame(FaceNote(1)),
        to_frame(OtherNote(4, b"\1")),
        Frame(MsgId.NOTE, b"\1short"),
        to_frame(ImageChunk(b"picture")),
        Reply(MsgId.GETSTATUS, 0, StatusInfo(0)),
        to_frame(FaceNote(6)),
        Reply(0x12, 0, Verified(7, "", 0, 200)),
    )
    assert outcome == Recognised(7)
    assert [note.state for note in heard] == [1, 6]


def test_a_timeout_passes_through_and_a_broken_runner_is_our_fault() -> None:
    for lines in ([("12", None)], [("12", to_frame(FaceNote(1))), None]):
        with pytest.raises(ReplyTimeout):
            play(verify(5, lambda _note: None), *lines)
    exchange = look()
    next(exchange)
    with pytest.raises(LocalProtocolError, match="runner"):
        exchange.send(None)


def taken_in(mid: int, user_id: int, mask: int) -> Reply:
    return Reply(mid, 0, EnrolledInfo(user_id, mask))


@pytest.mark.parametrize(("variant", "mid"), [(Variant.STANDARD, 0x26), (Variant.LK, 0x1D)])
def test_a_face_is_taken_in_from_one_frame_and_without_a_name(variant: Variant, mid: int) -> None:
    script = Script((f"{mid:02X}", to_frame(FaceNote(0))), taken_in(mid, 9, 1))
    exchange = enrol_single(timeout_s=10, variant=variant, member_id=9, heard=lambda _note: None)
    assert script.play(exchange) == TakenIn(9)
    command = parse_command(script.asks[0].request)
    assert isinstance(command, Enroll | EnrollItg)
    assert (command.name, command.admin, command.direction, command.timeout_s) == ("", 0, 0, 10)
    if isinstance(command, EnrollItg):
        assert (command.enroll_type, command.allow_duplicate) == (1, 0)
    else:
        assert command.member_id == 9


@pytest.mark.parametrize(("variant", "mid"), [(Variant.STANDARD, 0x26), (Variant.LK, 0x13)])
def test_a_face_is_taken_in_from_five_directions(variant: Variant, mid: int) -> None:
    turns: list[Direction] = []
    masks = [1, 3, 7, 15]
    script = Script(
        *((f"{mid:02X}", taken_in(mid, NOBODY, mask)) for mask in masks), (f"{mid:02X}", taken_in(mid, 9, 31))
    )
    exchange = enrol_five(timeout_s=5, variant=variant, member_id=9, heard=nobody_hears, turn=turns.append)
    assert script.play(exchange) == TakenIn(9)
    asked = [parse_command(ask.request) for ask in script.asks]
    assert [command.direction for command in asked if isinstance(command, Enroll | EnrollItg)] == list(FIVE)
    assert turns == list(FIVE)


def five(
    turn: Callable[[Direction], None] = lambda _direction: None,
) -> Exchange[Frame, Frame, TakenIn | Refused]:
    return enrol_five(timeout_s=5, variant=Variant.STANDARD, member_id=1, heard=nobody_hears, turn=turn)


def test_directions_that_were_taken_on_the_way_are_not_asked_for_again() -> None:
    assert play(
        five(),
        ("26", taken_in(0x26, NOBODY, 0x07)),
        ("26", taken_in(0x26, NOBODY, 0x0F)),
        ("26", taken_in(0x26, 3, 0x1F)),
    ) == TakenIn(3)


@pytest.mark.parametrize("code", [2, 6, 9, 10, 12, 13])
def test_half_an_enrolment_that_fails_is_forgotten(code: int) -> None:
    outcome = play(five(), ("26", taken_in(0x26, NOBODY, 1)), ("26", Reply(0x26, code)), ("23", FACERESET))
    assert outcome == Refused(result_of(code))


def test_an_enrolment_of_a_busy_module_is_refused_as_busy() -> None:
    assert play(five(), ("26", Reply(0x26, 1)), ("11", BUSY)) == Refused(result_of(1), busy=True)


def test_a_refused_face_tells_its_slot_where_the_module_does() -> None:
    exchange = enrol_single(timeout_s=5, variant=Variant.STANDARD, member_id=1, heard=nobody_hears)
    assert play(exchange, ("26", Reply(0x26, 10, EnrolledInfo(4)))) == Refused(result_of(10), user_id=4)
    exchange = enrol_single(timeout_s=5, variant=Variant.STANDARD, member_id=1, heard=nobody_hears)
    assert play(exchange, ("26", Reply(0x26, 10, EnrolledInfo(NOBODY)))) == Refused(result_of(10))


def test_an_enrolment_without_an_id_is_not_believed() -> None:
    single = enrol_single(timeout_s=5, variant=Variant.STANDARD, member_id=1, heard=nobody_hears)
    with pytest.raises(RemoteProtocolError, match="without a user id"):
        play(single, ("26", taken_in(0x26, NOBODY, 1)))
    masks = [("26", taken_in(0x26, NOBODY, mask)) for mask in (1, 3, 7, 15, 31)]
    with pytest.raises(RemoteProtocolError, match="no user id came"):
        play(five(), *masks)


def test_ids_are_listed_with_and_without_the_format_byte() -> None:
    ids = Reply(0x24, 0, UserIds((1, 5), 90))
    assert play(list_ids(), ("24", ids)) == {1, 5}
    script = Script(("24", Reply(0x24, 6)), ("24", ids))
    assert script.play(list_ids()) == {1, 5}
    assert [ask.request.data for ask in script.asks] == [b"", b"\0"]
    assert play(list_ids(), ("24", Reply(0x24, 5))) == Refused(result_of(5))


def test_deleting_is_proven_by_the_list_and_may_be_repeated() -> None:
    gone = Reply(0x20, 0)
    unknown = Reply(0x20, 8)
    none_left = Reply(0x24, 0, UserIds((3,)))
    script = Script(("20", gone), ("20", unknown), ("24", none_left))
    assert script.play(delete([1, 2])) is None
    assert [ask.timeout_s for ask in script.asks] == [DELETE_S, DELETE_S, COMMAND_S]
    still = Reply(0x24, 0, UserIds((1,)))
    assert play(delete([1]), ("20", Reply(0x20, 20)), ("24", still)) == Refused(result_of(20), user_id=1)
    assert play(delete([1]), ("20", gone), ("24", still)) == Refused(result_of(5), user_id=1)
    assert play(delete([1]), ("20", gone), ("24", Reply(0x24, 5))) == Refused(result_of(5))


def test_deleting_everybody_is_proven_by_the_list() -> None:
    assert play(delete_all(), ("21", Reply(0x21, 0)), ("24", Reply(0x24, 0, UserIds(())))) is None
    assert play(delete_all(), ("21", Reply(0x21, 20)), ("24", Reply(0x24, 0, UserIds((1,))))) == Refused(
        result_of(20)
    )
    assert play(delete_all(), ("21", Reply(0x21, 0)), ("24", Reply(0x24, 5))) == Refused(result_of(5))


def test_demo_mode_is_left() -> None:
    script = Script(("FE", Reply(0xFE, 0)))
    assert script.play(leave_demo()) == result_of(0)
    assert script.asks[0].request.data == b"\0"


def test_success_that_names_nobody_is_not_believed() -> None:
    for reply in (Frame(0, b"\x12\0"), Frame(0, b"\x12\0\x07")):
        with pytest.raises(RemoteProtocolError):
            play(verify(5, nobody_hears), ("12", reply))
