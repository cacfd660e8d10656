"""Each simulated wearable against the real driver: what is answered comes once, whatever happens on the way."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from drivers.errors import LinkLost
from drivers.simulators.call import Call
from drivers.simulators.faults import Fault, FaultKind, FaultMix
from drivers.simulators.pty_host import PtyHost
from drivers.simulators.tracker import ANSWER_S, MOST_KEPT, Part, SimulatedTracker
from drivers.simulators.tracker_families import FAMILIES, FAULTS
from drivers.simulators.tracker_walk import run_tracker
from drivers.simulators.wire import serve_port
from drivers.tracker_line import TrackerLine, TrackerSettings
from drivers.trackers import FAMILIES as LINES
from drivers.trackers import conversation_type
from firmware_protocols.tracking import Conversation, Heard, Order, Sign
from tests.broker import free_port
from tests.drivers.bench import RecordingHost, in_skipped_time, until
from tests.drivers.memory_port import MemoryPort
from tests.drivers.test_tracker_line import LOCAL
from tests.drivers.tracker_bench import NOW, TrackerBench, tracker_bench

ANSWERED = ("gt06", "h02", "jt808")
UNANSWERED = ("r16h", "watch")
STEPS = 6
WHOLE = {FaultKind.NOISE_BEFORE, FaultKind.TWICE, FaultKind.LATE, FaultKind.UNPLUG}  # the record gets there


def test_every_simulated_wearable_has_a_line_and_a_place_here() -> None:
    assert set(FAMILIES) <= set(LINES)
    assert set(ANSWERED) | set(UNANSWERED) == set(FAMILIES)


def fixes(host: RecordingHost) -> set[object]:
    """Different ones: where an answer did not get through, the same one comes again."""
    return {one.fix.time for one in host.reports if one.fix is not None}


async def delivered(bench: TrackerBench) -> None:
    async with asyncio.timeout(600):
        await bench.tracker.until_delivered()


@pytest.mark.parametrize("family", FAMILIES)
@in_skipped_time
async def test_what_it_keeps_is_heard_in_order(family: str) -> None:
    async with tracker_bench(family) as bench:
        bench.walk(STEPS)
        await delivered(bench)
        await asyncio.sleep(1)
        assert bench.steps == list(range(STEPS))
        assert {one.device_id for one in bench.host.reports} == {FAMILIES[family].device_id}
        assert bench.host.noises == {}


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("family", ANSWERED)
@in_skipped_time
async def test_where_it_is_answered_no_fault_loses_or_changes_a_record(family: str, kind: FaultKind) -> None:
    """Sent again it is the same, so that the gateway knows it again."""
    async with tracker_bench(family) as bench:
        bench.tracker.faults.add(Fault(kind, Part.RECORD))
        bench.walk(STEPS)
        await delivered(bench)
        assert sorted(set(bench.steps)) == list(range(STEPS))
        assert len(set(bench.fixes)) == STEPS
        assert bench.tracker.delivered == STEPS
        if kind is not FaultKind.TWICE:
            assert bench.steps == list(range(STEPS))


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("family", UNANSWERED)
@in_skipped_time
async def test_where_it_is_not_answered_a_spoilt_record_is_gone_and_no_other(
    family: str, kind: FaultKind
) -> None:
    async with tracker_bench(family) as bench:
        bench.walk(1)
        await delivered(bench)
        bench.tracker.faults.add(Fault(kind, Part.RECORD))
        for step in (1, 2, 3):
            bench.tracker.take_fix(NOW + timedelta(seconds=step))
            await delivered(bench)
            await asyncio.sleep(5)
        assert sorted(set(bench.steps)) == ([0, 1, 2, 3] if kind in WHOLE else [0, 2, 3])
        assert len(bench.steps) == len(set(bench.steps)) + (kind is FaultKind.TWICE)


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("family", ["gt06", "jt808", "watch"])
@in_skipped_time
async def test_a_spoilt_beginning_of_a_line_is_made_good(family: str, kind: FaultKind) -> None:
    async with tracker_bench(family) as bench:
        bench.tracker.faults.add(Fault(kind, Part.HELLO))
        bench.walk(STEPS)
        await delivered(bench)
        await asyncio.sleep(1)
        assert bench.steps == list(range(STEPS))
        assert {one.device_id for one in bench.host.reports} == {FAMILIES[family].device_id}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("family", ANSWERED)
@in_skipped_time
async def test_many_faults_in_a_row_lose_nothing(family: str, seed: int) -> None:
    async with tracker_bench(family) as bench:
        shares = dict.fromkeys(FAULTS, 0.08)
        bench.tracker.faults = type(bench.tracker.faults)(FaultMix(shares, seed))
        bench.walk(60)
        async with asyncio.timeout(7200):
            await bench.tracker.until_delivered()
        assert sorted(set(bench.steps)) == list(range(60))
        assert len(set(bench.fixes)) == 60
        assert {"noise", "truncated"} <= set(bench.host.noises), "no fault struck"


@pytest.mark.parametrize("family", ANSWERED)
@in_skipped_time
async def test_what_the_disk_does_not_take_is_kept_and_comes_again(family: str) -> None:
    host = RecordingHost()
    async with tracker_bench(family, host) as bench:
        host.refusing = True
        bench.walk(STEPS)
        await asyncio.sleep(60)
        assert (len(bench.tracker.kept), host.reports) == (STEPS, [])
        assert set(bench.ends) == {"not_stored"}
        host.refusing = False
        await delivered(bench)
        assert bench.steps == list(range(STEPS))


@pytest.mark.parametrize("family", ANSWERED)
@in_skipped_time
async def test_an_answer_that_is_slow_loses_nothing(family: str) -> None:
    host = RecordingHost()
    async with tracker_bench(family, host) as bench:
        bench.walk(1)
        await delivered(bench)
        host.commit_s = ANSWER_S + 0.5
        bench.walk(STEPS)
        await asyncio.sleep(30)
        host.commit_s = 0.0
        await delivered(bench)
        assert sorted(set(bench.steps)) == list(range(STEPS))


@pytest.mark.parametrize("family", ANSWERED)
@in_skipped_time
async def test_the_answer_to_a_doubled_record_is_not_that_to_the_next(family: str) -> None:
    host = RecordingHost()
    host.commit_s = 0.5
    async with tracker_bench(family, host) as bench:
        bench.tracker.faults.add(Fault(FaultKind.TWICE, Part.RECORD))
        bench.walk(STEPS)
        await until(lambda: len(bench.fixes) == 2)
        host.refusing = True  # the first is on disk twice, and nothing more
        await asyncio.sleep(30)
        host.refusing = False
        await delivered(bench)
        assert sorted(set(bench.steps)) == list(range(STEPS))


# -- how it is ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["gt06", "jt808", "r16h", "watch"])
@in_skipped_time
async def test_an_open_strap_is_said(family: str) -> None:
    async with tracker_bench(family) as bench:
        bench.tracker.worn = False
        bench.walk(1)
        await delivered(bench)
        await asyncio.sleep(1)
        assert Sign.STRAP_OPEN in bench.host.reports[-1].alarms


@pytest.mark.parametrize("family", FAMILIES)
@in_skipped_time
async def test_sos_is_said(family: str) -> None:
    async with tracker_bench(family) as bench:
        bench.tracker.take_fix(NOW, {Sign.SOS})
        await delivered(bench)
        await asyncio.sleep(1)
        assert bench.host.reports[-1].alarms == {Sign.SOS}


@pytest.mark.parametrize("family", ["gt06", "h02", "watch"])
@in_skipped_time
async def test_its_battery_is_said_without_a_place(family: str) -> None:
    async with tracker_bench(family) as bench:
        bench.tracker.battery_pct = 12
        bench.tracker.beat()
        await delivered(bench)
        assert bench.host.reports[-1].battery_pct == 12


@in_skipped_time
async def test_one_that_has_nothing_to_say_says_that_it_is_there() -> None:
    async with tracker_bench("h02") as bench:
        await asyncio.sleep(1000)
        assert [one.kind for one in bench.host.reports] == ["HTBT"] * 3


@in_skipped_time
async def test_what_it_took_down_without_a_line_is_stored() -> None:
    async with tracker_bench("gt06") as bench:
        bench.walk(1)
        await delivered(bench)
        bench.tracker.take_fix(NOW + timedelta(seconds=1))
        await delivered(bench)
        assert [one.archived for one in bench.fixes] == [True, False]


@in_skipped_time
async def test_a_memory_that_overflows_forgets_the_oldest_and_no_other() -> None:
    host = RecordingHost()
    host.commit_s = 1.0
    async with tracker_bench("h02", host) as bench:
        bench.walk(1)
        await asyncio.sleep(0.5)  # the first is on its way
        bench.tracker.kept.extend(replace(bench.tracker.kept[0], battery_pct=50) for _ in range(MOST_KEPT))
        await asyncio.sleep(1)
        assert (bench.tracker.delivered, len(bench.tracker.kept)) == (1, MOST_KEPT)


@in_skipped_time
async def test_one_that_is_worn_about_takes_fixes_and_runs_down() -> None:
    host, port, told = RecordingHost(), MemoryPort(), list[str]()
    settings = TrackerSettings(family="h02", port="x")
    line = TrackerLine(settings, host, converse=conversation_type("h02"), now=lambda: NOW)
    await port.near.open()
    talking = asyncio.create_task(line.talk(port.near, conversation_type("h02")(), silent_s=None))
    walking = asyncio.create_task(run_tracker(SimulatedTracker("h02"), port, interval_s=5, tell=told.append))
    await asyncio.sleep(201)
    for task in (walking, talking):
        task.cancel()
    await asyncio.wait([walking, talking])
    assert len([one for one in host.reports if one.fix]) == len(told) == 41
    assert [one.battery_pct for one in host.reports if one.fix is None] == [79, 78]
    assert told[-1] == "fixes taken 41, records delivered 42, kept 1"
    assert "36.6" not in "".join(told)


# -- a gateway that says something else ---------------------------------------------------------------


@asynccontextmanager
async def unanswered(family: str) -> AsyncIterator[tuple[SimulatedTracker, MemoryPort, Conversation]]:
    """A wearable whose opening was answered; what comes now, the test says."""
    port, tracker, talk = MemoryPort(), SimulatedTracker(family), conversation_type(family)()
    await port.near.open()
    serving = asyncio.create_task(serve_port(tracker, port))
    for _ in range({"gt06": 1, "h02": 0, "jt808": 2}[family]):
        for heard in talk.feed(await port.near.receive(), NOW):
            assert isinstance(heard, Heard)
            await port.near.send(heard.answer)
    await asyncio.sleep(0.1)
    yield tracker, port, talk
    serving.cancel()
    await asyncio.wait([serving])


def answer_to(talk: Conversation, data: bytes) -> bytes:
    return b"".join(one.answer for one in talk.feed(data, NOW) if isinstance(one, Heard))


@pytest.mark.parametrize("family", ["gt06", "jt808"])
@in_skipped_time
async def test_the_answer_to_another_record_does_not_count(family: str) -> None:
    async with unanswered(family) as (tracker, port, talk):
        first = tracker.take_fix(NOW)
        await port.near.receive()
        (other,) = tracker.terminal.tell(first)  # has the next serial
        await port.near.send(answer_to(talk, other.data))
        await asyncio.sleep(1)
        assert (tracker.delivered, len(tracker.kept)) == (0, 1)


@pytest.mark.parametrize("family", ANSWERED)
@in_skipped_time
async def test_an_answer_that_came_before_the_record_does_not_count(family: str) -> None:
    async with unanswered(family) as (tracker, port, talk):
        tracker.take_fix(NOW)
        answer = answer_to(talk, await port.near.receive())
        await port.near.send(answer * 2)
        await asyncio.sleep(1)
        assert tracker.delivered == 1
        tracker.take_fix(NOW + timedelta(seconds=1))
        await port.near.receive()
        await asyncio.sleep(1)
        assert tracker.delivered == 1


@pytest.mark.parametrize(
    ("family", "order", "value", "told"),
    [("gt06", Order.TEXT, "WHERE#", "WHERE#"), ("jt808", Order.LOCATE, None, "0x8201")],
)
@in_skipped_time
async def test_an_order_is_taken_down_and_answered(
    family: str, order: Order, value: str | None, told: str
) -> None:
    async with unanswered(family) as (tracker, port, talk):
        await port.near.send(talk.order(order, value, NOW))
        (heard,) = talk.feed(await port.near.receive(), NOW)
        assert isinstance(heard, Heard)
        assert tracker.orders == [told]


# -- over TCP and on a pty ----------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
async def test_it_calls_over_tcp_and_again_when_the_line_breaks(
    family: str,
) -> None:
    host, port = RecordingHost(), free_port()
    settings = TrackerSettings(family=family, listen=("127.0.0.1", port), allow=LOCAL)
    line = TrackerLine(settings, host, converse=conversation_type(family), now=lambda: NOW)
    tracker = SimulatedTracker(family)
    async with Call("127.0.0.1", port) as call:
        serving = asyncio.create_task(serve_port(tracker, call))
        tracker.take_fix(NOW)
        running = asyncio.create_task(line.run())
        await until(lambda: tracker.delivered == 1 and any(one.fix for one in host.reports))
        call.unplug()
        tracker.take_fix(NOW + timedelta(seconds=1))
        call.plug()
        await until(lambda: not tracker.kept and len([one for one in host.reports if one.fix]) == 2)
        for task in (serving, running):
            task.cancel()
        await asyncio.wait([serving, running])


@pytest.mark.parametrize("family", FAMILIES)
async def test_it_lies_on_a_dock_and_is_taken_off_and_put_back(family: str, tmp_path: Path) -> None:
    host = RecordingHost()
    settings = TrackerSettings(family=family, port=str(tmp_path / "dock"))
    line = TrackerLine(settings, host, converse=conversation_type(family), now=lambda: NOW)
    tracker = SimulatedTracker(family)
    async with PtyHost(tmp_path / "dock") as port:
        running = asyncio.create_task(line.run())
        await until(lambda: bool(host.readies))
        serving = asyncio.create_task(serve_port(tracker, port))
        tracker.take_fix(NOW)
        await until(lambda: len(fixes(host)) == 1)
        port.unplug()
        await asyncio.wait([running])
        assert isinstance(running.exception(), LinkLost)
        serving.cancel()
        port.plug()
        running = asyncio.create_task(line.run())
        await until(lambda: len(host.readies) == 2)  # what nobody hears is gone where nothing is answered
        serving = asyncio.create_task(serve_port(tracker, port))
        tracker.take_fix(NOW + timedelta(seconds=1))
        await until(lambda: len(fixes(host)) == 2)
        for task in (serving, running):
            task.cancel()
        await asyncio.wait([serving, running])
