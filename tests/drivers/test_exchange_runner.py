"""One question at a time, stale input dropped, timeouts thrown into the procedure."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest

from drivers.errors import LinkLost
from drivers.exchange_runner import ExchangeRunner
from drivers.links.memory_link import MemoryLink
from firmware_protocols.errors import RemoteProtocolError, ReplyTimeout
from firmware_protocols.exchange import Ask, Exchange, More, Pause
from firmware_protocols.framing import Discarded

SHORT_S = 0.02
LONG_S = 20.0


@dataclass(frozen=True)
class Line:
    """The smallest protocol there is: text up to a newline; a line with `#` in it is noise."""

    text: bytes

    def to_bytes(self) -> bytes:
        return self.text + b"\n"


class LineDecoder:
    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> Iterator[Line | Discarded]:
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            yield Discarded("noise", len(line) + 1) if b"#" in line else Line(line)

    def flush(self) -> Iterator[Line | Discarded]:
        rest, self._buffer = self._buffer, b""
        if rest:
            yield Discarded("truncated", len(rest))


@dataclass
class Bench:
    far: MemoryLink
    runner: ExchangeRunner[Line, Line]
    noise: list[tuple[str, int]]


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    near, far = MemoryLink.pair()
    await near.open()
    await far.open()
    noise: list[tuple[str, int]] = []
    runner: ExchangeRunner[Line, Line] = ExchangeRunner(
        near, LineDecoder(), noise=lambda found: noise.append((found.reason, found.length))
    )
    yield Bench(far, runner, noise)
    await near.close()


def ask(text: bytes, timeout_s: float = LONG_S) -> Exchange[Line, Line, bytes]:
    reply = yield Ask(Line(text), timeout_s)
    assert reply is not None
    return reply.text


def ask_until_answered(text: bytes, attempts: int) -> Exchange[Line, Line, tuple[int, bytes]]:
    for attempt in range(1, attempts + 1):
        try:
            return attempt, (yield from ask(text, SHORT_S))
        except ReplyTimeout:
            continue
    raise ReplyTimeout("gave up")


async def test_request_goes_out_and_its_reply_comes_back(bench: Bench) -> None:
    running = asyncio.create_task(bench.runner.run(ask(b"status")))
    assert await bench.far.receive() == b"status\n"
    await bench.far.send(b"o")
    await bench.far.send(b"k\n")
    assert await running == b"ok"
    assert bench.noise == []


async def test_what_lay_on_the_line_is_dropped_and_reported(bench: Bench) -> None:
    await bench.far.send(b"late\nx#x\nhalf")
    running = asyncio.create_task(bench.runner.run(ask(b"status")))
    assert await bench.far.receive() == b"status\n"
    await bench.far.send(b"ok\n")
    assert await running == b"ok"
    assert sorted(bench.noise) == [("noise", 4), ("truncated", 4), ("unsolicited", 5)]
    assert bench.runner.unsolicited == 1


async def test_second_reply_to_one_request_is_unsolicited(bench: Bench) -> None:
    running = asyncio.create_task(bench.runner.run(ask(b"one")))
    await bench.far.receive()
    await bench.far.send(b"first\nsecond\n")
    assert await running == b"first"
    running = asyncio.create_task(bench.runner.run(ask(b"two")))
    await bench.far.receive()
    await bench.far.send(b"third\n")
    assert await running == b"third"
    assert bench.runner.unsolicited == 1


async def test_noise_before_the_reply_is_a_value_not_an_end(bench: Bench) -> None:
    running = asyncio.create_task(bench.runner.run(ask(b"status")))
    await bench.far.receive()
    await bench.far.send(b"##\nok\n")
    assert await running == b"ok"
    assert bench.noise == [("noise", 3)]


async def test_timeout_is_thrown_into_the_procedure_which_asks_again(bench: Bench) -> None:
    running = asyncio.create_task(bench.runner.run(ask_until_answered(b"status", 3)))
    assert await bench.far.receive() == b"status\n"
    assert await bench.far.receive() == b"status\n"
    await bench.far.send(b"ok\n")
    assert await running == (2, b"ok")


async def test_half_frame_is_given_up_at_the_timeout(bench: Bench) -> None:
    running = asyncio.create_task(bench.runner.run(ask_until_answered(b"status", 2)))
    await bench.far.receive()
    await bench.far.send(b"hal")
    await bench.far.receive()
    await bench.far.send(b"ok\n")
    assert await running == (2, b"ok")
    assert bench.noise == [("truncated", 3)]


async def test_late_reply_is_not_taken_for_the_answer_to_the_next_question(bench: Bench) -> None:
    with pytest.raises(ReplyTimeout, match="no reply within"):
        await bench.runner.run(ask(b"one", SHORT_S))
    assert await bench.far.receive() == b"one\n"
    running = asyncio.create_task(bench.runner.run(ask(b"two")))
    await asyncio.sleep(0)  # the runner now waits for a quiet line
    await bench.far.send(b"answer to one\n")
    assert await bench.far.receive() == b"two\n"
    await bench.far.send(b"answer to two\n")
    assert await running == b"answer to two"
    assert bench.noise == [("unsolicited", 14)]


async def test_line_is_left_to_get_quiet_after_a_reply_that_does_not_fit(bench: Bench) -> None:
    def choosy() -> Exchange[Line, Line, bytes]:
        if (text := (yield from ask(b"one"))) != b"answer to one":
            raise RemoteProtocolError("mismatch", "not the answer to that")
        return text

    running = asyncio.create_task(bench.runner.run(choosy()))
    await bench.far.receive()
    await bench.far.send(b"left over\n")
    with pytest.raises(RemoteProtocolError):
        await running
    running = asyncio.create_task(bench.runner.run(ask(b"two")))
    await asyncio.sleep(0)
    await bench.far.send(b"answer to one\n")
    assert await bench.far.receive() == b"two\n"
    await bench.far.send(b"answer to two\n")
    assert await running == b"answer to two"


async def test_babbling_device_is_asked_all_the_same(bench: Bench) -> None:
    with pytest.raises(ReplyTimeout):
        await bench.runner.run(ask(b"one", SHORT_S))
    await bench.far.receive()

    async def babble() -> None:
        while True:
            await bench.far.send(b"#\n")
            await asyncio.sleep(0.005)

    babbling = asyncio.create_task(babble())
    running = asyncio.create_task(bench.runner.run(ask(b"two")))
    async with asyncio.timeout(LONG_S):
        assert await bench.far.receive() == b"two\n"
        await bench.far.send(b"ok\n")
        assert await running == b"ok"
    babbling.cancel()
    assert {reason for reason, _ in bench.noise} == {"noise"}


async def test_lost_link_ends_the_exchange(bench: Bench) -> None:
    closed = []

    def procedure() -> Exchange[Line, Line, None]:
        try:
            yield Ask(Line(b"status"), LONG_S)
        finally:
            closed.append(True)

    running = asyncio.create_task(bench.runner.run(procedure()))
    await bench.far.receive()
    bench.far.unplug()
    with pytest.raises(LinkLost):
        await running
    assert closed == [True]


async def test_pause_waits_and_answers_with_none(bench: Bench) -> None:
    def procedure() -> Exchange[Line, Line, bool]:
        answer = yield Pause(SHORT_S)
        return answer is None

    started = asyncio.get_running_loop().time()
    assert await bench.runner.run(procedure()) is True
    assert asyncio.get_running_loop().time() - started >= SHORT_S


async def test_error_of_the_procedure_passes_and_the_next_one_runs(bench: Bench) -> None:
    def procedure() -> Exchange[Line, Line, None]:
        yield Pause(0)
        raise RemoteProtocolError("status", "the device says no")

    with pytest.raises(RemoteProtocolError):
        await bench.runner.run(procedure())
    running = asyncio.create_task(bench.runner.run(ask(b"status")))
    await bench.far.receive()
    await bench.far.send(b"ok\n")
    assert await running == b"ok"


async def test_two_exchanges_at_once_are_a_bug_that_shows(bench: Bench) -> None:
    first = asyncio.create_task(bench.runner.run(ask(b"one")))
    await bench.far.receive()
    with pytest.raises(RuntimeError, match="two exchanges at once"):
        await bench.runner.run(ask(b"two"))
    await bench.far.send(b"ok\n")
    assert await first == b"ok"


async def test_the_answer_to_a_cancelled_question_is_not_that_of_the_next(bench: Bench) -> None:
    asking = asyncio.create_task(bench.runner.run(ask(b"first")))
    assert await bench.far.receive() == b"first\n"
    asking.cancel()
    await asyncio.wait([asking])
    asking = asyncio.create_task(bench.runner.run(ask(b"second")))
    await asyncio.sleep(0.2)  # longer than a line is watched for quiet
    await bench.far.send(b"to the first\n")
    assert await bench.far.receive() == b"second\n"
    await bench.far.send(b"to the second\n")
    assert await asking == b"to the second"
    assert bench.noise == []


async def test_a_cancelled_question_that_is_never_answered_delays_the_next_no_longer_than_itself(
    bench: Bench,
) -> None:
    asking = asyncio.create_task(bench.runner.run(ask(b"first", 0.1)))
    assert await bench.far.receive() == b"first\n"
    asking.cancel()
    await asyncio.wait([asking])
    asking = asyncio.create_task(bench.runner.run(ask(b"second")))
    assert await asyncio.wait_for(bench.far.receive(), 2) == b"second\n"
    await bench.far.send(b"to the second\n")
    assert await asking == b"to the second"


def ask_until_done(text: bytes, timeout_s: float = LONG_S) -> Exchange[Line, Line, list[bytes]]:
    """A device that talks before it answers."""
    said = []
    reply = yield Ask(Line(text), timeout_s)
    while reply is not None and reply.text != b"done":
        said.append(reply.text)
        reply = yield More()
    return said


async def test_a_device_may_talk_before_it_answers(bench: Bench) -> None:
    running = asyncio.create_task(bench.runner.run(ask_until_done(b"work")))
    assert await bench.far.receive() == b"work\n"
    for part in (b"one\ntwo\n", b"thr", b"ee\nunsaid#\ndo", b"ne\n"):
        await bench.far.send(part)
        await asyncio.sleep(0)
    assert await running == [b"one", b"two", b"three"]
    assert bench.noise == [("noise", 8)]


async def test_talk_does_not_lengthen_the_time_of_the_question(bench: Bench) -> None:
    running = asyncio.create_task(bench.runner.run(ask_until_done(b"work", 5 * SHORT_S)))
    await bench.far.receive()
    async with asyncio.timeout(LONG_S):
        while not running.done():
            await bench.far.send(b"talk\n")
            await asyncio.sleep(SHORT_S / 4)
    with pytest.raises(ReplyTimeout, match=r"no reply within 0\.1 s"):
        await running


async def test_talk_without_a_pause_does_not_either(bench: Bench) -> None:
    class Flood(MemoryLink):
        """Says something whenever it is listened to, from the first question on."""

        asked = False

        async def send(self, data: bytes) -> None:
            self.asked = True
            await super().send(data)

        async def receive(self) -> bytes:
            return b"talk\n" * 100 if self.asked else await super().receive()

    flood = Flood(bench.far._wire, 0)
    runner: ExchangeRunner[Line, Line] = ExchangeRunner(flood, LineDecoder(), noise=lambda _found: None)
    with pytest.raises(ReplyTimeout):
        await runner.run(ask_until_done(b"work", SHORT_S))


async def test_a_frame_that_pauses_too_long_is_given_up(bench: Bench) -> None:
    near, far = MemoryLink.pair()
    await near.open()
    await far.open()
    noise: list[tuple[str, int]] = []
    runner: ExchangeRunner[Line, Line] = ExchangeRunner(
        near, LineDecoder(), noise=lambda found: noise.append((found.reason, found.length)), gap_s=SHORT_S
    )
    running = asyncio.create_task(runner.run(ask(b"status")))
    await far.receive()
    await far.send(b"cut of")
    await asyncio.sleep(3 * SHORT_S)
    await far.send(b"ok\n")
    assert await running == b"ok"
    assert noise == [("truncated", 6)]


@pytest.mark.parametrize("urgent", [False, True])
async def test_after_a_cancelled_question_only_the_urgent_goes_out_at_once(
    bench: Bench, *, urgent: bool
) -> None:
    cancelled = asyncio.create_task(bench.runner.run(ask_until_done(b"work", 10 * SHORT_S)))
    await bench.far.receive()
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled

    def stop() -> Exchange[Line, Line, bytes]:
        reply = yield Ask(Line(b"stop"), LONG_S, urgent=urgent)
        return reply.text if reply else b""

    running = asyncio.create_task(bench.runner.run(stop()))
    started = asyncio.get_running_loop().time()
    assert await bench.far.receive() == b"stop\n"
    assert (asyncio.get_running_loop().time() - started < 5 * SHORT_S) == urgent
    await bench.far.send(b"ok\n")
    assert await running == b"ok"


async def test_distrust_lets_what_was_asked_before_pass(bench: Bench) -> None:
    bench.runner.distrust()
    running = asyncio.create_task(bench.runner.run(ask(b"status")))
    await asyncio.sleep(0)  # it listens; on a busy machine half of its quiet may be all of it
    await bench.far.send(b"late\n")
    assert await bench.far.receive() == b"status\n"
    await bench.far.send(b"ok\n")
    assert await running == b"ok"
    assert bench.noise == [("unsolicited", 5)]
