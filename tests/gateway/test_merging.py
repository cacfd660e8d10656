"""Several streams as one: nothing is queued, nothing is missed, and nothing is left behind."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from gateway.api.merging import Pulse, merged


async def test_a_change_while_somebody_is_busy_is_told_next() -> None:
    pulses = {"a": Pulse(), "b": Pulse()}
    async with aclosing(merged({name: pulse.changes() for name, pulse in pulses.items()})) as stream:
        following = asyncio.create_task(anext(stream))
        await asyncio.sleep(0.01)
        pulses["a"].beat()
        assert await following == {"a"}
        for _ in range(100):  # while the consumer is away
            pulses["a"].beat()
            pulses["b"].beat()
            await asyncio.sleep(0)
        assert await anext(stream) == {"a", "b"}
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await anext(stream)
    await asyncio.sleep(0)
    assert [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("follow-")] == []


async def test_a_source_that_fails_is_heard_and_the_others_are_closed() -> None:
    closed = []

    async def broken() -> AsyncIterator[None]:
        yield
        raise RuntimeError("bug")

    async def quiet() -> AsyncIterator[None]:
        try:
            await asyncio.sleep(60)
            yield
        finally:
            closed.append(True)

    with pytest.raises(RuntimeError, match="bug"):
        async for _ in merged({"broken": broken(), "quiet": quiet()}):
            pass
    assert closed == [True]


async def test_it_ends_with_the_first_that_ends() -> None:
    async def once() -> AsyncIterator[None]:
        yield

    async def never() -> AsyncIterator[None]:
        await asyncio.sleep(60)
        yield

    async with asyncio.timeout(5):
        assert [one async for one in merged({"once": once(), "never": never()})] in ([], [{"once"}])
