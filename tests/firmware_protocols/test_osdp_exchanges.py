"""What a panel asks of a reader: numbered, repeated with the same bytes, and answered by that reader alone."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError, ReplyTimeout
from firmware_protocols.exchange import Ask, More, Pause
from firmware_protocols.osdp import exchanges
from firmware_protocols.osdp.codes import Reply
from firmware_protocols.osdp.exchanges import ATTEMPTS, BUSY_TIMES, ResultT, Talk
from firmware_protocols.osdp.frames import Frame
from firmware_protocols.osdp.layout import Message
from firmware_protocols.osdp.replies import ACK, BUSY, LocalStatus, Nak
from firmware_protocols.osdp.session import PanelSession, Refused
from tests.firmware_protocols.test_osdp_channel import shaken

Reader = Callable[[Frame], Frame | None]


def answer(to: Frame, message: Message, **changes: int) -> Frame:
    reply = Frame(to.address, to.sequence, message.code, message.to_data(), reply=True)
    return replace(reply, **changes)  # type: ignore[arg-type]  # address and sequence


def played(exchange: Talk[ResultT], *answers: Reader) -> tuple[ResultT, list[Frame]]:
    """The result, and what was sent. A reader that has no answers left is silent."""
    left = list(answers)
    sent: list[Frame] = []
    step = next(exchange)
    try:
        while True:
            match step:
                case Pause():
                    step = exchange.send(None)
                    continue
                case Ask(frame):
                    sent.append(frame)
                case More():
                    pass
            reply = left.pop(0)(sent[-1]) if left else None
            step = exchange.throw(ReplyTimeout("silent")) if reply is None else exchange.send(reply)
    except StopIteration as end:
        return end.value, sent


def says(message: Message, **changes: int) -> Reader:
    return lambda frame: answer(frame, message, **changes)


def nothing(_frame: Frame) -> None:
    return None


def test_questions_are_numbered_from_zero_and_then_one_to_three() -> None:
    session = PanelSession(5)
    numbers = [played(exchanges.poll(session), says(ACK))[1][0].sequence for _ in range(8)]
    assert numbers == [0, 1, 2, 3, 1, 2, 3, 1]
    session.restart()
    assert session.frame(ACK).sequence == 0


@pytest.mark.parametrize("lost", range(ATTEMPTS))
def test_a_lost_reply_is_asked_for_with_the_same_frame(lost: int) -> None:
    said, sent = played(exchanges.poll(PanelSession(5)), *[nothing] * lost, says(ACK))
    assert said == ACK
    assert sent == [sent[0]] * (lost + 1)


def test_a_reader_that_stays_silent_is_given_up() -> None:
    with pytest.raises(ReplyTimeout):
        played(exchanges.poll(PanelSession(5)))


def test_what_another_reader_says_or_what_answers_another_question_is_passed_over() -> None:
    said, sent = played(
        exchanges.poll(PanelSession(5)),
        says(LocalStatus(1, 1), address=6),
        says(LocalStatus(1, 1), sequence=2),
        lambda frame: frame,
        says(ACK),
    )
    assert (said, len(sent)) == (ACK, 1)


def test_a_busy_reader_is_asked_again_with_the_same_frame_and_not_for_ever() -> None:
    said, sent = played(exchanges.poll(PanelSession(5)), *[says(BUSY, sequence=0)] * 5, says(ACK))
    assert (said, sent) == (ACK, [sent[0]] * 6)
    with pytest.raises(ReplyTimeout, match="busy"):
        played(exchanges.poll(PanelSession(5)), *[says(BUSY)] * (ATTEMPTS + BUSY_TIMES))


def test_a_refusal_is_told_by_its_number() -> None:
    with pytest.raises(Refused) as caught:
        played(exchanges.poll(PanelSession(5)), says(Nak(4)))
    assert (caught.value.code, caught.value.number) == ("nak", 4)


@pytest.mark.parametrize("exchange", [exchanges.introduce, exchanges.local_status])
def test_an_answer_to_something_else_is_refused(exchange: Callable[[PanelSession], Talk[object]]) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        played(exchange(PanelSession(5)), says(ACK), says(ACK))
    assert caught.value.code == "unexpected"


def test_a_key_is_given_on_a_secure_channel_or_not_at_all() -> None:
    session = PanelSession(5)
    with pytest.raises(LocalProtocolError):
        played(exchanges.set_key(session, bytes(16)))
    panel, reader = shaken()
    session.secure(panel)

    def take(frame: Frame) -> Frame:
        opened = reader.open_command(frame)
        assert opened.data == b"\1\x10" + bytes(range(16))
        return reader.seal_reply(answer(opened, ACK))

    _, sent = played(exchanges.set_key(session, bytes(range(16))), take)
    assert bytes(range(16)) not in sent[0].to_bytes()


def test_on_a_secure_channel_a_reply_in_clear_is_none_but_for_the_end_of_the_channel() -> None:
    for forged in (LocalStatus(0, 0), ACK, Nak(3)):
        session = PanelSession(5)
        session.secure(shaken()[0])
        with pytest.raises(RemoteProtocolError) as caught:
            played(exchanges.poll(session), *[says(forged)] * ATTEMPTS)
        assert caught.value.code == "clear"
    session = PanelSession(5)
    session.secure(shaken()[0])
    with pytest.raises(Refused):
        played(exchanges.poll(session), says(Nak(6)))


def test_a_forged_reply_does_not_push_out_the_right_one() -> None:
    session = PanelSession(5)
    panel, reader = shaken()
    session.secure(panel)

    def right(frame: Frame) -> Frame:
        return reader.seal_reply(answer(reader.open_command(frame), LocalStatus(0, 1)))

    said, sent = played(exchanges.poll(session), says(ACK), right)
    assert (said, len(sent)) == (LocalStatus(0, 1), 2)
    assert said.code == Reply.LSTATR
