"""One scan for the whole process, to which any number of listeners subscribe.

    silence of everybody for 90 s          -> a new scan: a controller may hang without a word
    bluetoothd restarts                    -> a new scan, patiently: the adapter needs a moment to come back
    adapter switched off or pulled out     -> a new scan, which fails after a moment and says why
    silence of the one device of a listener -> `LinkLost` for this listener alone

The scan begins with the first listener and ends with the last. A scan that cannot be had ends all listeners with
the same code; whoever listens again begins it anew.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

from drivers.errors import LinkLost, LinkUnavailable
from drivers.links.ble_advert import Advert, Wanted
from drivers.links.ble_changes import Change, Watch

MOST_WAITING = 64  # advertisements that a listener has not taken yet


class Scan(Protocol):
    """One scan of the door to the Bluetooth library."""

    async def start(self) -> None:
        """Begin; raises `LinkUnavailable`. Has a deadline of its own."""
        ...

    async def stop(self) -> None:
        """End. Never raises, has a deadline of its own."""
        ...


NewScan = Callable[[Callable[[Advert], None]], Scan]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScannerSettings:
    """How long silence may last. A room in which nothing advertises is scanned anew each `silent_s`: no harm."""

    silent_s: float = 90.0  # as long as others wait; a wearable tells itself every 0.5 to 10 s
    patience_s: float = 30.0  # after bluetoothd went: systemd restarts it, it loads the adapter
    settle_s: float = 1.0  # after the adapter went: a bluetoothd that ends in order takes that away first
    retry_s: float = 0.5  # between attempts meanwhile


class Listener:
    """What one subscriber hears, newest kept: when it is behind the oldest is dropped and counted, for an
    advertisement is repeated anyway and only the latest says where the device is now."""

    def __init__(self, wanted: Wanted, name: str, began: float) -> None:
        self._wanted = wanted
        self._name = name
        self._began = began
        self._waiting: deque[Advert] = deque(maxlen=MOST_WAITING)
        self._came = asyncio.Event()
        self._trouble: BaseException | None = None
        self._heard_any_at = began
        self._newest: Advert | None = None
        self.missed = 0

    @property
    def newest(self) -> Advert | None:
        """The last one that was wanted, taken or not."""
        return self._newest

    async def next(self) -> Advert:
        """The next one; raises `LinkLost` when the scan ends."""
        while not self._waiting:
            if self._trouble is not None:
                raise self._trouble
            self._came.clear()
            await self._came.wait()
        return self._waiting.popleft()

    async def next_within(self, lost_after_s: float) -> Advert:
        """The next one; raises `LinkLost` (not_near, nobody_heard) when none comes for so long since the last."""
        last = self._began if self._newest is None else self._newest.heard_at
        try:
            async with asyncio.timeout_at(last + lost_after_s):
                return await self.next()
        except TimeoutError:
            raise self._lost(last, lost_after_s) from None

    def heard(self, advert: Advert) -> None:
        """By the scanner: somebody was heard."""
        self._heard_any_at = advert.heard_at
        if not self._wanted.takes(advert):
            return
        if len(self._waiting) == MOST_WAITING:
            self.missed += 1
        self._waiting.append(advert)
        self._newest = advert
        self._came.set()

    def end(self, trouble: BaseException) -> None:
        """By the scanner: nothing more will come. What waits is handed out first."""
        self._trouble = trouble
        self._came.set()

    def _lost(self, since: float, lost_after_s: float) -> LinkLost:
        if self._heard_any_at > since:
            return LinkLost(
                "not_near",
                f"{self._name}: not heard for {lost_after_s:g} s while others are; bring it near, charge it",
            )
        return LinkLost(
            "nobody_heard",
            f"{self._name}: not heard for {lost_after_s:g} s, and nobody else; bring it near, "
            "and if others are near too restart bluetoothd: systemctl restart bluetooth",
        )


@dataclass(slots=True)
class _Run:
    """From the first listener to the last."""

    told: asyncio.Event = field(default_factory=asyncio.Event)  # it is up, or has failed
    nudged: asyncio.Event = field(default_factory=asyncio.Event)  # something changed, or it is to end
    was_up: bool = False
    leaving: bool = False
    change: Change | None = None
    trouble: BaseException | None = None
    task: asyncio.Task[None] | None = None

    def changed(self, change: Change) -> None:
        self.change = change
        self.nudged.set()


class Scanner:
    """The one scan of a process."""

    def __init__(self, watch: Watch, new_scan: NewScan, settings: ScannerSettings) -> None:
        self._watch = watch
        self._new_scan = new_scan
        self._settings = settings
        self._listeners: set[Listener] = set()
        self._run: _Run | None = None
        self._heard_at = 0.0
        self.scans = 0  # begun since the process started
        self.since: float | None = (
            None  # the loop's clock: when the scan began that runs; None while nobody can hear
        )

    @asynccontextmanager
    async def listen(self, wanted: Wanted, name: str = "Bluetooth") -> AsyncIterator[Listener]:
        """Subscribe; raises `LinkUnavailable` where the scan cannot be had. `name` is for errors."""
        listener = Listener(wanted, name, asyncio.get_running_loop().time())
        self._listeners.add(listener)
        try:
            run = self._running()
            await run.told.wait()  # each step of the run has a deadline
            if isinstance(run.trouble, LinkUnavailable):
                raise LinkUnavailable(run.trouble.code, str(run.trouble))
            if run.trouble is not None:
                raise run.trouble
            yield listener
        finally:
            self._listeners.discard(listener)
            if not self._listeners:
                await self._end()

    def _running(self) -> _Run:
        before = self._run
        if before is not None and before.trouble is None and not before.leaving:
            return before
        run = self._run = _Run()
        ending = None if before is None else before.task
        run.task = asyncio.create_task(self._serve(run, ending), name="Bluetooth scan")
        run.task.add_done_callback(lambda task: self._ended(run, task))
        return run

    async def _end(self) -> None:
        run = self._run
        if run is not None and run.task is not None:
            # Not cancelled: a StartDiscovery that is cut off leaves a scan behind which nobody can stop.
            run.leaving = True
            run.nudged.set()
            await asyncio.wait({run.task})  # it has deadlines

    async def _serve(self, run: _Run, ending: asyncio.Task[None] | None) -> None:
        if ending is not None:
            await asyncio.wait({ending})
        async with self._watch.held(run.changed):
            await self._scan_again_and_again(run)

    async def _scan_again_and_again(self, run: _Run) -> None:
        loop = asyncio.get_running_loop()
        patient_until = loop.time()
        while not run.leaving:
            run.nudged.clear()
            scan = self._new_scan(self._heard)
            try:
                await self._watch.ensure()
                await scan.start()
            except LinkUnavailable:
                patient_until = max(patient_until, loop.time() + self._patience_s(run))
                if loop.time() >= patient_until:
                    raise
                await self._nudged(run, self._settings.retry_s)
                continue
            self.scans += 1
            self._heard_at = self.since = loop.time()
            run.was_up = True
            run.told.set()
            try:
                await self._until_stale(run)
            finally:
                self.since = None
                await scan.stop()
            patient_until = loop.time() + self._patience_s(run)

    def _patience_s(self, run: _Run) -> float:
        """For how long a new scan may fail, by what happened since this was asked last."""
        change, run.change = run.change, None
        if change is None or not run.was_up:  # whoever opens is told at once
            return 0.0
        if change in {Change.GONE, Change.CAME}:
            return self._settings.patience_s
        return self._settings.settle_s

    async def _until_stale(self, run: _Run) -> None:
        """Returns when a new scan is needed, or none any more."""
        loop = asyncio.get_running_loop()
        while not run.nudged.is_set():
            left_s = self._heard_at + self._settings.silent_s - loop.time()
            if left_s <= 0:
                return
            await self._nudged(run, left_s)

    async def _nudged(self, run: _Run, at_most_s: float) -> None:
        try:
            async with asyncio.timeout(at_most_s):
                await run.nudged.wait()
        except TimeoutError:
            return

    def _heard(self, advert: Advert) -> None:
        self._heard_at = advert.heard_at
        for listener in tuple(self._listeners):
            listener.heard(advert)

    def _ended(self, run: _Run, task: asyncio.Task[None]) -> None:
        """Whatever ended the run, a bug too: nobody is left waiting for it."""
        trouble = asyncio.CancelledError() if task.cancelled() else task.exception()
        if trouble is not None:
            run.trouble = trouble
            if isinstance(trouble, LinkUnavailable) and run.was_up:
                trouble = LinkLost(trouble.code, str(trouble))
            for listener in tuple(self._listeners) if run is self._run else ():  # else those of the next run
                listener.end(trouble)
        run.told.set()
