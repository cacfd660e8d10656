"""Questions to a device: in turn, ended when nobody wants the answer, refused when nobody is there."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from drivers.errors import DriverError, LinkLost, LinkUnavailable
from drivers.questions import MOST_WAITING, Questions


async def nothing() -> None:
    return


@asynccontextmanager
async def served(
    questions: Questions, idle: Callable[[], Awaitable[None]] = nothing, every_s: float = 60
) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(questions.serve(idle, every_s=every_s))
    await asyncio.sleep(0)
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, DriverError):
            await task


async def test_answers_come_one_at_a_time_in_the_order_asked() -> None:
    questions, log = Questions("finger-1"), []

    async def work(n: int) -> int:
        log.append(("begin", n))
        await asyncio.sleep(0.01)
        log.append(("end", n))
        return n

    async with served(questions):
        answers = await asyncio.gather(*(questions.ask(lambda n=n: work(n)) for n in range(5)))  # type: ignore[misc]
    assert answers == list(range(5))
    assert log == [(what, n) for n in range(5) for what in ("begin", "end")]


async def test_nobody_there_says_so_at_once() -> None:
    with pytest.raises(LinkUnavailable) as refused:
        await Questions("finger-1").ask(nothing)
    assert refused.value.code == "away"
    assert "finger-1" in str(refused.value)


async def test_an_error_of_the_device_reaches_the_asker_and_ends_serving() -> None:
    questions = Questions("finger-1")

    async def lost() -> None:
        raise LinkLost("unplugged", "gone")

    async with served(questions) as task:
        with pytest.raises(LinkLost):
            await questions.ask(lost)
        with pytest.raises(LinkLost):
            await task
    with pytest.raises(LinkUnavailable):
        await questions.ask(nothing)


async def test_a_cancelled_question_is_ended_at_the_device_and_the_next_is_answered() -> None:
    questions, ended = Questions("finger-1"), asyncio.Event()

    async def endless() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.set()

    async with served(questions) as task:
        first = asyncio.create_task(questions.ask(endless))
        waiting = asyncio.create_task(questions.ask(endless))
        await asyncio.sleep(0.01)
        waiting.cancel()
        first.cancel()
        assert await asyncio.wait_for(questions.ask(lambda: asyncio.sleep(0, "next")), 5) == "next"
        assert ended.is_set()
        assert not task.done()


async def test_a_driver_that_ends_tells_all_who_wait() -> None:
    questions = Questions("finger-1")
    async with served(questions):
        asking = [asyncio.create_task(questions.ask(lambda: asyncio.sleep(3600))) for _ in range(3)]
        await asyncio.sleep(0.01)
    told = await asyncio.gather(*asking, return_exceptions=True)
    assert [type(one) for one in told] == [LinkUnavailable] * 3


async def test_too_many_questions_are_refused_and_none_of_the_others_is_lost() -> None:
    questions, go = Questions("finger-1"), asyncio.Event()
    async with served(questions):
        asking = [asyncio.create_task(questions.ask(go.wait))]
        await asyncio.sleep(0.01)
        asking += [asyncio.create_task(questions.ask(go.wait)) for _ in range(MOST_WAITING)]
        await asyncio.sleep(0.01)
        with pytest.raises(LinkUnavailable) as refused:
            await questions.ask(nothing)
        assert refused.value.code == "busy"
        go.set()
        assert all(await asyncio.gather(*asking, return_exceptions=True))


async def test_idle_is_called_while_nobody_asks() -> None:
    questions, looks = Questions("finger-1"), 0

    async def look() -> None:
        nonlocal looks
        looks += 1

    async with served(questions, look, every_s=0.01):
        await asyncio.sleep(0.1)
    assert 2 <= looks <= 11


async def test_an_error_of_ours_leaves_nobody_waiting() -> None:
    questions = Questions("finger-1")

    async def wrong() -> None:
        raise ValueError("a bug")

    task = asyncio.create_task(questions.serve(nothing, every_s=60))
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        with pytest.raises(LinkUnavailable):
            await questions.ask(wrong)
    with pytest.raises(ValueError, match="a bug"):
        await task


async def test_a_driver_that_is_stopped_lets_a_question_undo_what_it_began() -> None:
    questions, undone = Questions("finger-1"), asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0.02)  # something at the device
            undone.set()

    async with served(questions) as task:
        asking = asyncio.create_task(questions.ask(work))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(LinkUnavailable):
            await asking
        assert undone.is_set()
