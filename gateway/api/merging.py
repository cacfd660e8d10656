"""Several streams of changes as one: whoever watches learns which of them had something, and none is queued."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping


async def merged(sources: Mapping[str, AsyncIterator[object]]) -> AsyncGenerator[frozenset[str], None]:
    """The names of those that had something since the last time; ends, or fails, with the first that does."""
    told: set[str] = set()
    pulse = asyncio.Event()

    async def follow(name: str, source: AsyncIterator[object]) -> None:
        async for _ in source:
            told.add(name)
            pulse.set()

    following = [
        asyncio.create_task(follow(name, source), name=f"follow-{name}") for name, source in sources.items()
    ]
    for task in following:
        task.add_done_callback(lambda _task: pulse.set())
    try:
        while True:
            await pulse.wait()
            pulse.clear()
            ended = [task for task in following if task.done()]
            if ended:
                for task in ended:
                    task.result()
                return
            now = frozenset(told)
            told.clear()
            yield now
    finally:
        for task in following:
            task.cancel()
        await asyncio.wait(following)
        for source in sources.values():
            if isinstance(source, AsyncGenerator):
                await source.aclose()


class Pulse:
    """Wakes whoever follows it; what was changed is looked up by them."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()

    def beat(self) -> None:
        """Something has changed."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def changes(self) -> AsyncIterator[None]:
        """After each change."""
        changed = self._changed
        while True:
            await changed.wait()
            changed = self._changed
            yield
