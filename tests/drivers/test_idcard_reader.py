"""What the card reader's driver tells the gateway, and how it ends (in skipped time)."""

import asyncio
import hashlib
from collections.abc import Callable
from itertools import islice

import pytest

from drivers.errors import DeviceFault, DeviceMismatch, LinkLost, LinkUnavailable
from drivers.events import CardRead, CardRefused, CardType, DeviceReady
from drivers.links.memory_link import MemoryLink
from drivers.simulators.cards import (
    Card,
    cards,
    refused,
    with_blank_text,
    with_lone_surrogate,
    with_short_text,
    with_unknown_type,
)
from drivers.simulators.faults import Fault, FaultKind, FaultMix
from drivers.simulators.idcard import SAM_ID, SimulatedReader
from drivers.simulators.people import people
from drivers.simulators.wire import Wire
from firmware_protocols.idcard_sam.commands import Command
from firmware_protocols.idcard_sam.frames import Reply
from firmware_protocols.idcard_sam.messages import parse_record
from firmware_protocols.idcard_sam.text_block import CardLayout, ResidentText
from tests.drivers.bench import RecordingHost, in_skipped_time, make_bench, memory_bench
from tests.drivers.fault_table import FAULTS, FaultCase, check_fault

CARD = next(cards(seed=11, layouts=[CardLayout.RESIDENT]))
NUMBERS = [text.id_number for text in islice(people(seed=2, layouts=[CardLayout.RESIDENT]), 100)]


@in_skipped_time
async def test_reader_says_who_it_is_once_the_link_is_open() -> None:
    async with memory_bench() as bench:
        await bench.until_ready()
        assert bench.host.readies == [DeviceReady(model="SAM 05.01", serial=SAM_ID)]


@pytest.mark.parametrize(
    ("layout", "card_type", "check_digit_ok"),
    [
        (CardLayout.RESIDENT, CardType.RESIDENT, True),
        (CardLayout.HMT, CardType.HMT, True),
        (CardLayout.FOREIGNER_2017, CardType.FOREIGNER_2017, None),
        (CardLayout.FOREIGNER_2023, CardType.FOREIGNER_2023, True),
    ],
)
@in_skipped_time
async def test_card_of_each_layout_is_read(
    layout: CardLayout, card_type: CardType, *, check_digit_ok: bool | None
) -> None:
    card = next(cards(seed=5, layouts=[layout]))
    text = parse_record(card.record).text
    async with memory_bench() as bench:
        bench.reader.present(card)
        await bench.until_events(1)
        assert bench.host.events == [
            CardRead(
                card_type=card_type,
                id_number=text.id_number,
                name=text.display_name,
                valid_from=text.valid_from,
                valid_to=text.valid_to,
                check_digit_ok=check_digit_ok,
                text_repaired=False,
            )
        ]


@in_skipped_time
async def test_small_x_and_wrong_check_digit_are_told() -> None:
    right = ResidentText(
        name="测试甲", id_number="11010118000101001x", valid_from="20200101", valid_to="长期"
    )
    async with memory_bench() as bench:
        bench.reader.present(Card.of("small-x", right, b""))
        await bench.until_events(1)
        assert bench.host.read[0].id_number.endswith("X")
        assert bench.host.read[0].check_digit_ok in {True, False}


@in_skipped_time
async def test_nothing_of_a_person_is_in_the_repr_of_an_event() -> None:
    text = parse_record(CARD.record).text
    async with memory_bench() as bench:
        bench.reader.present(CARD)
        await bench.until_events(1)
        shown = repr(bench.host.events)
        assert all(part not in shown for part in (text.id_number, text.display_name, text.valid_from, "测试"))


@in_skipped_time
async def test_driver_never_asks_for_a_fingerprint_or_changes_the_reader() -> None:
    async with memory_bench() as bench:
        for card in islice(cards(seed=3), 8):
            bench.reader.present(card)
            await asyncio.sleep(3)
            bench.reader.lift()
            await asyncio.sleep(3)
        assert len(bench.host.read) == 8
        assert set(bench.reader.asked) == {
            Command.SAM_STATUS,
            Command.SAM_ID,
            Command.FIND_CARD,
            Command.SELECT_CARD,
            Command.READ_CARD,
        }


@pytest.mark.parametrize("step", [Command.SELECT_CARD, Command.READ_CARD])
@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (0x31, "card_auth"),
        (0x32, "card_auth"),
        (0x33, "verification"),
        (0x40, "card_type"),
        (0x41, "read_failed"),
        (0x81, "select_failed"),
        (0x80, "read_failed"),
        (0x21, "status"),
        (0x47, "status"),
        (0xEE, "status"),
    ],
)
@in_skipped_time
async def test_refused_card_is_told_once_with_the_readers_status(
    step: Command, status: int, reason: str
) -> None:
    async with memory_bench() as bench:
        bench.reader.present(refused(CARD, step, status))
        await asyncio.sleep(30)
        assert bench.host.events == [CardRefused(reason=reason, status=status)]
        bench.reader.lift()
        await asyncio.sleep(2)
        bench.reader.present(CARD)
        await bench.until_events(2)
        assert len(bench.host.read) == 1


@pytest.mark.parametrize(
    ("damage", "length"),
    [(with_unknown_type, 4 + 256 + 1024), (with_short_text, 4 + 200 + 1024)],
)
@in_skipped_time
async def test_record_that_is_no_cards_text_is_refused_with_length_and_hash(
    damage: Callable[[Card], Card], length: int
) -> None:
    card = damage(CARD)
    async with memory_bench() as bench:
        bench.reader.present(card)
        await asyncio.sleep(30)
        digest = hashlib.sha256(card.record).hexdigest()
        assert bench.host.events == [CardRefused(reason="text_block", length=length, sha256=digest)]


@in_skipped_time
async def test_record_without_a_photo_is_refused_without_a_hash_because_it_could_be_searched() -> None:
    text_only = Card("text-only", b"\x01\x00\x00\x00" + with_unknown_type(CARD).record[4:260])
    async with memory_bench() as bench:
        bench.reader.present(text_only)
        await bench.until_events(1)
        assert bench.host.events == [CardRefused(reason="text_block", length=260)]


@in_skipped_time
async def test_card_with_nothing_on_it_is_refused() -> None:
    async with memory_bench() as bench:
        bench.reader.present(with_blank_text(CARD))
        await asyncio.sleep(30)
        assert bench.host.events == [CardRefused(reason="text_block", length=256)]


@in_skipped_time
async def test_half_a_character_is_repaired_and_told() -> None:
    async with memory_bench() as bench:
        bench.reader.present(with_lone_surrogate(CARD))
        await asyncio.sleep(30)
        (event,) = bench.host.read
        assert event.text_repaired
        assert "\N{REPLACEMENT CHARACTER}" in event.name
        event.name.encode()  # well-formed: it can be stored and sent


@pytest.mark.parametrize("case", FAULTS, ids=str)
@in_skipped_time
async def test_spoilt_reply(case: FaultCase) -> None:
    async with memory_bench() as bench:
        await check_fault(bench, case)


@in_skipped_time
async def test_card_lifted_while_it_is_read_is_refused() -> None:
    async with memory_bench(SimulatedReader(read_s=1.0)) as bench:
        await bench.until_ready()
        bench.reader.present(CARD)
        await bench.until(lambda: bench.reader.asked[Command.READ_CARD] == 1)
        bench.reader.lift()
        await bench.until_events(1)
        assert bench.host.events == [CardRefused(reason="read_failed", status=0x41)]


@in_skipped_time
async def test_damaged_request_is_sent_again_and_the_person_notices_nothing() -> None:
    async with memory_bench() as bench:
        for command in (Command.FIND_CARD, Command.SELECT_CARD, Command.READ_CARD):
            bench.reader.faults.add(Fault(FaultKind.ASK_AGAIN, command, times=2))
        bench.reader.present(CARD)
        await bench.until_events(1)
        assert len(bench.host.read) == 1


@in_skipped_time
async def test_line_that_damages_every_request_is_a_fault() -> None:
    async with memory_bench() as bench:
        await bench.until_ready()
        bench.reader.faults.add(Fault(FaultKind.ASK_AGAIN, Command.FIND_CARD, times=1000))
        error = await bench.end()
        assert (type(error), error.code) == (DeviceFault, "line_noise")
        assert bench.reader.asked[Command.FIND_CARD] < 20


@in_skipped_time
async def test_line_that_damages_the_reading_refuses_the_card() -> None:
    async with memory_bench() as bench:
        bench.reader.faults.add(Fault(FaultKind.ASK_AGAIN, Command.READ_CARD, times=3))
        bench.reader.present(CARD)
        await asyncio.sleep(30)
        assert bench.host.events == [CardRefused(reason="line_noise")]


@pytest.mark.parametrize(("status", "code"), [(0x60, "sam_self_test"), (0x66, "sam_not_authorised")])
@pytest.mark.parametrize("when", ["at once", "later"])
@in_skipped_time
async def test_reader_that_says_it_is_unfit_is_a_fault(status: int, code: str, when: str) -> None:
    reader = SimulatedReader()
    reader.unfit = status if when == "at once" else None
    async with memory_bench(reader) as bench:
        if when == "later":
            await bench.until_ready()
            reader.unfit = status
        error = await bench.end()
        assert (type(error), error.code) == (DeviceFault, code)
        assert "switch it off and on" in str(error)
        assert bench.host.events == []


@in_skipped_time
async def test_reader_that_never_answers_is_mute() -> None:
    async with memory_bench() as bench:
        bench.reader.faults.add(Fault(FaultKind.MUTE, times=1000))
        error = await bench.end()
        assert (type(error), error.code) == (DeviceFault, "mute")
        assert "check cable and power" in str(error)
        assert bench.reader.asked[Command.SAM_STATUS] == 3
        assert bench.host.readies == []


@in_skipped_time
async def test_reader_deaf_for_a_moment_after_plugging_in_is_waited_for() -> None:
    async with memory_bench() as bench:
        bench.reader.faults.add(Fault(FaultKind.MUTE, times=2))
        await bench.until_ready()


@in_skipped_time
async def test_reader_mute_while_idle_is_a_fault_after_three_questions() -> None:
    async with memory_bench() as bench:
        await bench.until_ready()
        await bench.until(lambda: bench.reader.asked[Command.FIND_CARD] >= 10)
        asked = bench.reader.asked[Command.FIND_CARD]
        bench.reader.faults.add(Fault(FaultKind.MUTE, times=1000))
        error = await bench.end()
        assert (type(error), error.code) == (DeviceFault, "mute")
        assert bench.reader.asked[Command.FIND_CARD] <= asked + 4


@in_skipped_time
async def test_two_unanswered_questions_are_no_fault() -> None:
    async with memory_bench() as bench:
        await bench.until_ready()
        for _ in range(20):
            bench.reader.faults.add(Fault(FaultKind.MUTE, times=2))
            await asyncio.sleep(5)
        bench.reader.present(CARD)
        await bench.until_events(1)
        assert len(bench.host.read) == 1


@in_skipped_time
async def test_reader_of_the_other_dialect_is_a_mismatch_with_remedy() -> None:
    async with memory_bench() as bench:
        bench.reader.faults.add(Fault(FaultKind.DIALECT, times=1000))
        error = await bench.end()
        assert (type(error), error.code) == (DeviceMismatch, "dialect")
        assert "set it to the standard protocol" in str(error)


@in_skipped_time
async def test_rubbish_instead_of_answers_points_to_baud_rate_and_model() -> None:
    async with memory_bench() as bench:
        bench.reader.faults.add(Fault(FaultKind.CUT, times=1000))
        error = await bench.end()
        assert (type(error), error.code) == (DeviceFault, "garbled")
        assert "check the baud rate" in str(error)


@pytest.mark.parametrize(
    ("reply", "kind", "code"),
    [
        (Reply(0x6A, 0x82, 0x90), DeviceMismatch, "status_word"),
        (Reply(0, 0, 0x9F, bytes(4)), DeviceMismatch, "status_mismatch"),
        (Reply(0, 0, 0x90, b"who knows"), DeviceMismatch, "reply_length"),
        (Reply(0, 0, 0x24), DeviceFault, "sam_status"),
    ],
)
@in_skipped_time
async def test_other_device_on_the_port_is_told(reply: Reply, kind: type[Exception], code: str) -> None:
    near, far = MemoryLink.pair("port")
    await far.open()

    class Stranger(SimulatedReader):
        async def serve(self, wire: Wire) -> None:
            while True:
                await wire.receive()
                await wire.send(reply.to_bytes())

    bench = make_bench(near, far, Stranger(), None)
    error = await bench.end()
    assert (type(error), error.code) == (kind, code)
    await bench.stop()


@in_skipped_time
async def test_question_that_the_reader_does_not_know_is_a_fault_not_a_card() -> None:
    async with memory_bench() as bench:
        await bench.until_ready()
        bench.reader.unfit = 0x21  # to everything, "is there a card?" too
        error = await bench.end()
        assert (type(error), error.code) == (DeviceFault, "command")
        assert bench.host.events == []


@in_skipped_time
async def test_unplugging_ends_the_run_and_closes_the_link() -> None:
    async with memory_bench() as bench:
        await bench.until_ready()
        bench.far.unplug()
        error = await bench.end()
        assert (type(error), error.code) == (LinkLost, "unplugged")
        with pytest.raises(LinkUnavailable):
            await bench.driver.run()


@in_skipped_time
async def test_stopping_the_driver_closes_the_link() -> None:
    async with memory_bench() as bench:
        await bench.until_ready()
        bench.running.cancel()
        await asyncio.wait([bench.running])
        assert bench.running.cancelled()
        bench.restart()
        await bench.until(lambda: len(bench.host.readies) == 2)


@in_skipped_time
async def test_nothing_random_invents_a_person_or_an_event() -> None:
    kinds = [kind for kind in FaultKind if kind not in {FaultKind.UNPLUG, FaultKind.LATE}]
    reader = SimulatedReader(mix=FaultMix(dict.fromkeys(kinds, 0.02), seed=4))
    host = RecordingHost()
    visitors = list(islice(cards(seed=8), 60))
    async with memory_bench(reader, host=host, repeat_burst=1000) as bench:
        for card in visitors:
            before = len(host.events)
            reader.present(card)
            await asyncio.sleep(12)
            reader.lift()
            await asyncio.sleep(12)
            assert len(host.events) <= before + 1
            assert all(
                event.id_number == number_on(card)
                for event in host.events[before:]
                if isinstance(event, CardRead)
            )
            if bench.running.done():
                assert isinstance(await bench.end(), DeviceFault)
                bench.restart()
    assert len(host.read) > len(visitors) / 2
    assert host.refused


def number_on(card: Card) -> str:
    return parse_record(card.record).text.id_number
