"""The far ends are fit to judge by: people are invented and well-formed, the port and the counter do as told."""

import asyncio
import random
from itertools import islice
from pathlib import Path

import pytest

from drivers.errors import LinkLost
from drivers.registry import build
from drivers.simulators.cards import cards
from drivers.simulators.counter import run_idcard
from drivers.simulators.faults import Fault, FaultKind, FaultMix, FaultPlan
from drivers.simulators.idcard import Habit, SimulatedReader
from drivers.simulators.people import BIRTHS, people
from drivers.simulators.pty_host import PtyHost
from drivers.simulators.wire import send_at
from firmware_protocols.gb11643.number import parse
from firmware_protocols.idcard_sam.commands import Command
from firmware_protocols.idcard_sam.messages import parse_record
from firmware_protocols.idcard_sam.text_block import CardLayout, Foreigner2017Text
from tests.drivers.bench import DEADLINE_S, RecordingHost, in_skipped_time, memory_bench, until


def test_people_are_invented_and_their_numbers_keep_the_rules() -> None:
    for text in islice(people(seed=1, layouts=list(CardLayout)), 2000):
        assert text.birth.startswith("18")
        assert text.display_name.startswith("测试")
        if isinstance(text, Foreigner2017Text):
            assert len(text.id_number) == 15
        else:
            number = parse(text.id_number)
            assert f"{number.birth:%Y%m%d}" == text.birth
            assert number.sex.value == text.sex


def test_people_are_the_same_for_the_same_seed_and_others_for_another() -> None:
    first, again, other = (list(islice(people(seed), 200)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_no_two_people_share_a_number() -> None:
    numbers = [text.id_number for text in islice(people(seed=9), BIRTHS)]
    assert len(set(numbers)) == BIRTHS


def test_cards_carry_their_person_through_the_codec() -> None:
    for card, person in zip(islice(cards(seed=4), 100), people(seed=4), strict=False):
        assert parse_record(card.record).text == person
        assert person.id_number not in repr(card)


def test_counter_sees_mostly_residents_and_every_layout() -> None:
    layouts = [text.layout for text in islice(people(seed=3), 1000)]
    assert set(layouts) == set(CardLayout)
    assert layouts.count(CardLayout.RESIDENT) > 750


def test_planned_faults_strike_in_order_and_only_where_they_fit() -> None:
    plan = FaultPlan()
    plan.add(Fault(FaultKind.CUT, Command.READ_CARD, times=2))
    plan.add(Fault(FaultKind.MUTE))
    assert [plan.next(Command.READ_CARD), plan.next(Command.FIND_CARD)] == [FaultKind.CUT, FaultKind.MUTE]
    assert [plan.next(Command.FIND_CARD), plan.next(Command.READ_CARD)] == [None, FaultKind.CUT]
    assert plan.next(Command.READ_CARD) is None


def test_random_faults_strike_as_often_as_told_and_repeatably() -> None:
    struck = [FaultMix({FaultKind.MUTE: 0.1, FaultKind.CUT: 0.3}, seed=5) for _ in range(2)]
    first, again = ([mix.strike() for _ in range(5000)] for mix in struck)
    assert first == again
    assert 400 < first.count(FaultKind.MUTE) < 600
    assert 1350 < first.count(FaultKind.CUT) < 1650
    with pytest.raises(ValueError, match="sum"):
        FaultMix({FaultKind.MUTE: 0.6, FaultKind.CUT: 0.6})


async def test_port_comes_and_goes_under_one_name(tmp_path: Path) -> None:
    link = tmp_path / "usb-Test"
    async with PtyHost(link) as port:
        first = link.resolve()
        assert first.is_char_device()
        port.unplug()
        port.unplug()
        assert not link.is_symlink()
        with pytest.raises(LinkLost):
            await port.send(b"x")
        port.plug()
        port.plug()
        assert link.resolve().is_char_device()
    assert not link.is_symlink()


async def test_name_left_behind_by_a_killed_simulator_is_taken_over(tmp_path: Path) -> None:
    link = tmp_path / "usb-Test"
    for name in (link, tmp_path / "usb-Test.new"):
        name.symlink_to("/dev/pts/999")
    async with PtyHost(link):
        assert link.resolve().is_char_device()


async def test_unplugging_wakes_a_far_end_that_waits_both_ways(port: PtyHost) -> None:
    receiving = asyncio.create_task(port.receive())
    sending = asyncio.create_task(port.send(bytes(1_000_000)))  # nobody reads: it must wait
    await asyncio.sleep(0)
    port.unplug()
    port.plug()  # the numbers of the descriptors may be the same again
    async with asyncio.timeout(DEADLINE_S):
        results = await asyncio.gather(receiving, sending, return_exceptions=True)
    assert [type(result) for result in results] == [LinkLost, LinkLost]
    waiting = asyncio.create_task(port.receive())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])


async def test_bytes_keep_the_pace_of_the_line(port: PtyHost) -> None:
    loop = asyncio.get_running_loop()
    started = loop.time()
    await send_at(port, bytes(96), 9600)
    assert 0.095 < loop.time() - started < DEADLINE_S


@in_skipped_time
async def test_reader_keeps_the_order_find_select_read() -> None:
    card = next(cards(seed=1))
    async with memory_bench() as bench:
        bench.reader.present(card)
        await bench.until_events(1)
        assert bench.reader.reads[card.label] == 1
        async with asyncio.timeout(1):
            await bench.reader.until_settled()


async def test_counter_serves_a_gateway_that_comes_later(tmp_path: Path) -> None:
    link = tmp_path / "by-id" / "usb-Counter"
    told: list[str] = []
    host = RecordingHost()
    counter = asyncio.create_task(
        run_idcard(
            link,
            seed=2,
            interval_s=0.2,
            dwell_s=0.1,
            gap_s=0.3,
            read_s=0.01,
            visits=4,
            tell=told.append,
        )
    )
    await until(link.is_symlink)
    settings = {"port": str(link), "poll_interval_ms": 20}
    driver = asyncio.ensure_future(build("idcard.sam", "door-1", settings, host).run())
    async with asyncio.timeout(DEADLINE_S):
        reader: SimulatedReader = await counter
        await asyncio.wait([driver])
    assert isinstance(driver.exception(), LinkLost)  # the simulator left and took the port with it
    assert len(host.read) == sum(reader.reads[f"card-{visit:04d}"] > 0 for visit in range(4)) == 4
    assert told[0] == f"reader on {link}"
    assert told[1].endswith("laid down")
    numbers = {text.id_number for text in islice(people(2), 4)}
    assert not any(number in line for line in told for number in numbers)


async def test_counter_without_a_gateway_goes_on_and_can_be_stopped(tmp_path: Path) -> None:
    told: list[str] = []
    counter = asyncio.create_task(
        run_idcard(
            tmp_path / "port", interval_s=0.01, dwell_s=0, gap_s=0.01, unplug_share=0, tell=told.append
        )
    )
    await until(lambda: len(told) >= 2)
    counter.cancel()
    await asyncio.wait([counter])
    assert not (tmp_path / "port").is_symlink()
    assert counter.cancelled()


@in_skipped_time
async def test_random_mix_of_habits_never_answers_a_read_that_was_not_selected() -> None:
    rng = random.Random(1)
    visitors = list(islice(cards(seed=1), 20))
    async with memory_bench(SimulatedReader(habit=Habit.ALTERNATING)) as bench:
        for card in visitors:
            bench.reader.present(card)
            await asyncio.sleep(rng.uniform(0, 1))
            bench.reader.lift()
            await asyncio.sleep(rng.uniform(0, 1))
        assert bench.reader.asked[Command.READ_CARD] <= bench.reader.asked[Command.SELECT_CARD]
        assert bench.reader.asked[Command.SELECT_CARD] <= bench.reader.asked[Command.FIND_CARD]
