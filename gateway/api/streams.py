"""Streams that end when the server stops.

An open event stream never ends by itself: without this, stopping would wait for every browser tab to be closed.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TypeVar

from fastapi.sse import ServerSentEvent

T = TypeVar("T")
# The session has ended: a page that hears it is loaded again, which leads to the sign-in.
GONE = ServerSentEvent(event="gone", raw_data="{}")


async def until(stop: asyncio.Event, source: AsyncIterator[T]) -> AsyncGenerator[T, None]:
    """Yield what the source yields until it ends or `stop` is set; the source is closed in every case."""
    stopping = asyncio.create_task(stop.wait(), name="stream-stop")
    following: asyncio.Task[T] | None = None
    try:
        while not stop.is_set():
            following = asyncio.create_task(_next(source), name="stream-next")
            await asyncio.wait((stopping, following), return_when=asyncio.FIRST_COMPLETED)
            if not following.done():
                return
            try:
                item = following.result()
            except StopAsyncIteration:
                return
            yield item
    finally:
        stopping.cancel()
        if following is not None:
            following.cancel()
            await asyncio.wait((following,))
        if isinstance(source, AsyncGenerator):
            await source.aclose()  # its `finally` runs now, not when the collector finds it


async def _next(source: AsyncIterator[T]) -> T:
    return await anext(source)
