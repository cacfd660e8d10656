"""A device and its supervision: a driver's bug is its own, a failure of the core is not."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest

from drivers.driver import EventsRefused
from drivers.events import CardRefused, DeviceEvent
from gateway.clock import ManualClock
from gateway.metrics import Metrics
from gateway.store.database import StoreDamaged
from gateway.supervisor import AFTER_BUG_S, DeviceTask
from gateway.view import DeviceView

EVENT = CardRefused(reason="card_auth")


class Ingest:
    """Takes events, or fails as it is told."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.taken = 0
        self.go = asyncio.Event()
        self.go.set()

    async def accept(self, _device: str, events: Sequence[DeviceEvent]) -> Sequence[object]:
        await self.go.wait()
        if self.error is not None:
            raise self.error
        self.taken += len(events)
        return ()


class Driver:
    """Runs what a test gives it."""

    def __init__(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self.run = work


def task_of(ingest: Ingest) -> DeviceTask:
    view = DeviceView(id="idcard-1", kind="idcard.sam", state="unknown", since_ms=0, port="/dev/x")
    return DeviceTask(
        view, ingest=ingest, alarms=None, clock=ManualClock(), metrics=Metrics(), changed=lambda: None,  # type: ignore[arg-type]
    )  # fmt: skip


async def test_a_bug_in_a_driver_stays_its_own() -> None:
    task = task_of(Ingest())

    async def work() -> None:
        await task.committed([EVENT])
        raise LookupError("a bug")

    assert await task._serve_once(Driver(work)) == AFTER_BUG_S
    assert (task.view.state, task.view.code, task.view.events_total) == ("fault", "driver_bug", 1)


@pytest.mark.parametrize(
    "error", [StoreDamaged("a page is torn"), LookupError("a bug of ours")], ids=["disk", "bug"]
)
async def test_what_fails_while_an_event_is_stored_rises(error: Exception) -> None:
    task = task_of(Ingest(error))

    async def work() -> None:
        await task.committed([EVENT])

    with pytest.raises(type(error)):
        await task._serve_once(Driver(work))


async def test_a_refusal_is_the_driver_s_to_deal_with_and_a_bug_after_it_its_own() -> None:
    task = task_of(Ingest(EventsRefused("store_full", "no room")))

    async def work() -> None:
        with pytest.raises(EventsRefused):
            await task.committed([EVENT])
        raise LookupError("a bug")

    assert await task._serve_once(Driver(work)) == AFTER_BUG_S
    assert task.view.events_total == 0


async def test_a_driver_that_is_cancelled_while_it_hands_over_leaves_no_trace_of_that() -> None:
    ingest = Ingest()
    task = task_of(ingest)
    ingest.go.clear()
    handing = asyncio.create_task(task.committed([EVENT]))
    await asyncio.sleep(0)
    handing.cancel()
    await asyncio.wait([handing])
    ingest.go.set()

    async def work() -> None:
        raise LookupError("a bug")

    assert await task._serve_once(Driver(work)) == AFTER_BUG_S


async def test_of_two_events_handed_over_at_once_the_failing_one_rises() -> None:
    ingest = Ingest()
    task = task_of(ingest)
    ingest.go.clear()

    async def work() -> None:
        both = asyncio.gather(task.committed([EVENT]), task.committed([EVENT]))
        await asyncio.sleep(0)
        ingest.error = StoreDamaged("a page is torn")
        ingest.go.set()
        await both

    with pytest.raises(StoreDamaged):
        await task._serve_once(Driver(work))
