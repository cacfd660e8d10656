"""Procedures with a reader, played from transcripts."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from firmware_protocols.errors import LocalProtocolError, ProtocolError, ReplyTimeout
from firmware_protocols.exchange import Ask, Exchange
from firmware_protocols.idcard_sam.commands import Command
from firmware_protocols.idcard_sam.exchanges import (
    BAUD_SEARCH,
    NOISE_ATTEMPTS,
    CardRefusedByReader,
    CardUnreadable,
    NoCard,
    ReaderFault,
    ReaderIdentity,
    find,
    probe,
    read_card,
    read_timeout_s,
)
from firmware_protocols.idcard_sam.frames import Reply, Request
from firmware_protocols.idcard_sam.messages import CardFound, CardRecord, to_reply
from firmware_protocols.idcard_sam.status import status_of
from tests.firmware_protocols.transcript import play, read
from tests.firmware_protocols.vectors import IDCARD, VECTORS

TRANSCRIPTS = sorted((VECTORS / "identity" / "transcripts").glob("*.txt"))
FRAMES = {vector.id: vector.data for vector in IDCARD}
PROCEDURES: dict[str, Callable[[], Exchange[Request, Reply, Any]]] = {
    "probe": probe,
    "find": find,
    "read_card": read_card,
    "read_card with_fingerprint": lambda: read_card(with_fingerprint=True),
}


def told(result: object) -> list[str]:
    """A result in the words of a transcript."""
    match result:
        case ReaderIdentity(sam_id):
            rest = [sam_id.text if sam_id else "none"]
        case ReaderFault(status):
            rest = [f"{status.code:02X}"]
        case CardRefusedByReader(status, step):
            rest = [f"{status.code:02X}", step.value]
        case CardUnreadable():
            rest = [result.code]
        case ProtocolError():
            rest = [result.code]
        case _:
            rest = []
    return [type(result).__name__, *rest]


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_a_procedure_follows_its_transcript(path: Path) -> None:
    transcript = read(path)
    result = play(PROCEDURES[" ".join(transcript.procedure)](), transcript, FRAMES)
    assert told(result) == transcript.result


def test_transcripts_cover_every_way_to_end() -> None:
    ends = {read(path).result[0] for path in TRANSCRIPTS}
    assert ends == {
        "ReaderIdentity", "ReaderFault", "NoCard", "CardRecord", "CardRefusedByReader", "CardUnreadable",
        "ReplyTimeout", "RemoteProtocolError",
    }  # fmt: skip


def test_a_read_delivers_text_and_photo_and_fingerprint_only_on_demand() -> None:
    plain = play(read_card(), read(VECTORS / "identity/transcripts/read.txt"), FRAMES)
    assert isinstance(plain, CardRecord)
    assert (plain.text.display_name, len(plain.photo), plain.fingerprint) == ("测试甲", 1024, None)
    full = play(
        read_card(with_fingerprint=True), read(VECTORS / "identity/transcripts/read-fingerprint.txt"), FRAMES
    )
    assert isinstance(full, CardRecord)
    assert full.fingerprint is not None
    assert len(full.fingerprint) == 1024


@pytest.mark.parametrize("baud", BAUD_SEARCH)
def test_a_read_waits_for_the_longest_reply_on_the_wire(baud: int) -> None:
    transcript = read(VECTORS / "identity/transcripts/read.txt")
    play(read_card(baud=baud), transcript, FRAMES)
    assert transcript.timeouts == [1.0, 1.0, 3.0 + 2321 * 10 / baud]
    assert transcript.timeouts[-1] == read_timeout_s(baud)


def test_what_could_not_be_read_is_handed_over_and_not_shown() -> None:
    result = play(read_card(), read(VECTORS / "identity/transcripts/unreadable-type.txt"), FRAMES)
    assert isinstance(result, CardUnreadable)
    assert result.data == FRAMES["own-idcard-sam-bad-type"][10:-1]
    assert "data" not in repr(result)
    assert "U+0051" in result.text


def test_find_alone_tells_card_and_none() -> None:
    def answered(*replies: Reply) -> object:
        exchange = find()
        wish = next(exchange)
        for reply in replies:
            assert isinstance(wish, Ask)
            try:
                wish = exchange.send(reply)
            except StopIteration as stop:
                return stop.value
        return wish

    assert answered(to_reply(CardFound())) == CardFound()
    assert answered(Reply(0, 0, 0x80), Reply(0, 0, 0x80)) == NoCard()
    assert answered(Reply(0, 0, 0x41)) == CardRefusedByReader(status_of(0x41), Command.FIND_CARD)


def test_noise_is_counted_per_request() -> None:
    exchange = read_card()
    next(exchange)
    for _ in range(NOISE_ATTEMPTS - 1):
        exchange.send(Reply(0, 0, 0x10))
    exchange.send(to_reply(CardFound()))
    for _ in range(NOISE_ATTEMPTS - 1):
        assert isinstance(exchange.send(Reply(0, 0, 0x11)), Ask)


def test_a_timeout_passes_through_and_a_broken_runner_is_our_fault() -> None:
    exchange = probe()
    next(exchange)
    with pytest.raises(ReplyTimeout):
        exchange.throw(ReplyTimeout("no reply"))
    exchange = probe()
    next(exchange)
    with pytest.raises(LocalProtocolError, match="runner"):
        exchange.send(None)


def test_speeds_are_searched_from_the_most_likely() -> None:
    assert BAUD_SEARCH == (115200, 57600, 38400, 19200, 9600)
