"""Questions to a device, answered one at a time by the driver's own `run`, which alone talks on the link.

await questions.ask(lambda: self._identify(...))    anybody, on the loop
await questions.serve(self._look, every_s=5.0)      `run`, while the link is open
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

from drivers.errors import DriverError, LinkUnavailable

ResultT = TypeVar("ResultT")
MOST_WAITING = 16


@dataclass(slots=True, eq=False)
class _Question(Generic[ResultT]):
    work: Callable[[], Awaitable[ResultT]]
    answer: "asyncio.Future[ResultT]"


class Questions:
    """The queue of one driver."""

    def __init__(self, device_id: str) -> None:
        self._device_id = device_id
        self._waiting: asyncio.Queue[_Question[object]] = asyncio.Queue(MOST_WAITING)
        self._serving = False

    async def ask(self, work: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """The result of `work`, done by whoever serves; raises what it raises.

        Raises `LinkUnavailable` (away, busy) when the device is not there or too many wait. Cancelled, the
        question is withdrawn, or ended where it is being asked.
        """
        if not self._serving:
            raise LinkUnavailable("away", f"device '{self._device_id}' is not connected")
        question = _Question(work, asyncio.get_running_loop().create_future())
        try:
            self._waiting.put_nowait(cast("_Question[object]", question))
        except asyncio.QueueFull:
            raise LinkUnavailable(
                "busy", f"device '{self._device_id}': {MOST_WAITING} questions wait already"
            ) from None
        result: ResultT = await question.answer
        return result

    async def serve(self, idle: Callable[[], Awaitable[None]], *, every_s: float) -> None:
        """Answer for ever; `idle` is called whenever nobody has asked for `every_s`. Raises `DriverError`."""
        self._serving = True
        try:
            while True:
                try:
                    async with asyncio.timeout(every_s):
                        question = await self._waiting.get()
                except TimeoutError:
                    await idle()
                    continue
                await self._answer(question)
        finally:
            self._serving = False
            self._refuse_rest()

    async def _answer(self, question: _Question[object]) -> None:
        if question.answer.done():  # withdrawn
            return
        working = asyncio.ensure_future(question.work())
        question.answer.add_done_callback(lambda answer: working.cancel() if answer.cancelled() else None)
        try:
            result = await working
        except asyncio.CancelledError:
            # `working` has ended by now: it is cancelled first, and may undo at the device what it began.
            current = asyncio.current_task()
            if current is not None and current.cancelling():  # `run` itself is being cancelled
                raise
        except DriverError as exc:  # the link or the device: the asker is told, and `run` ends with it
            if not question.answer.done():
                question.answer.set_exception(exc)
            raise
        else:
            if not question.answer.done():
                question.answer.set_result(result)
        finally:  # a cancelled `run`, or an error of ours: nobody waits for an answer that never comes
            if not question.answer.done():
                question.answer.set_exception(self._gone())

    def _refuse_rest(self) -> None:
        while not self._waiting.empty():
            question = self._waiting.get_nowait()
            if not question.answer.done():
                question.answer.set_exception(self._gone())

    def _gone(self) -> LinkUnavailable:
        return LinkUnavailable("away", f"device '{self._device_id}' was lost before it answered")
