"""A wearable that is not there: the far end of `tracker.<family>`, on a dock or calling over TCP.

    tracker = SimulatedTracker("gt06")
    serving = asyncio.create_task(serve_port(tracker, port))   # a PtyHost, or a Call
    tracker.take_fix()
    await tracker.until_delivered()

Where the protocol answers a record, it is kept until then, and sent again on a new line or after silence. Where it
answers nothing (R16H, positions of a watch), what the line took counts as delivered: what is spoilt or lost on the
way is gone, as with the real one. An answer of H02 names no record, so one that comes after `ANSWER_S` and the
quiet after it can be taken for the next one's.
"""

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum

from drivers.errors import LinkLost
from drivers.simulators.faults import FaultKind, FaultMix, FaultPlan
from drivers.simulators.tracker_families import FAMILIES
from drivers.simulators.wire import Wire
from firmware_protocols.tracker_terminal import Answer, Saying, Sighting, Told, TrackerTerminal
from firmware_protocols.tracking import Fix, Sign

ANSWER_S = 5.0  # then it begins its line anew
QUIET_S = 1.0  # after silence: late answers are not those to what comes next
LATE_S = 3.0
BEAT_S = 300.0  # it says that it is there, where it has nothing else to say
MOST_KEPT = 10_000
MOST_UNREAD = 64


class Part(StrEnum):
    """What a fault may wait for."""

    HELLO = "hello"
    BEAT = "beat"
    RECORD = "record"


class SimulatedTracker:
    """One wearable. The caller moves it; the rest happens on the wire. Places are invented."""

    def __init__(
        self,
        family: str,
        device_id: str | None = None,
        *,
        pause_s: float = 0.0,
        mix: FaultMix | None = None,
    ) -> None:
        """`family`: of `tracker_families`; `pause_s`: between two records."""
        line = FAMILIES[family]
        self.device_id = device_id or line.device_id
        self.terminal: TrackerTerminal = line.terminal(self.device_id)
        self.faults = FaultPlan(mix)
        self.lat, self.lon = 36.66831, 117.020844
        self.speed_kmh, self.course = 0.0, 0.0
        self.valid = True
        self.battery_pct = 80
        self.worn = True
        self.kept: deque[Sighting] = deque(maxlen=MOST_KEPT)
        self.delivered = 0  # answered; without answers, sent
        self.orders: list[str] = []  # what it was told
        self._pause_s = pause_s
        self._spoiling = line.spoiling(self.device_id)
        self._online = False
        self._unread: deque[Answer] = deque(maxlen=MOST_UNREAD)
        self._broken = False
        self._changed = asyncio.Event()

    def take_fix(self, at: datetime | None = None, moments: Iterable[Sign] = ()) -> Sighting:
        """Where and how it is now, into its memory."""
        fix = Fix(
            lat=self.lat,
            lon=self.lon,
            valid=self.valid,
            time=(at or datetime.now(UTC)).replace(microsecond=0),
            altitude_m=50.0,
            speed_kmh=self.speed_kmh,
            course=self.course,
            satellites=9,
            archived=not self._online,
        )
        return self._keep(replace(self._state(), fix=fix, moments=frozenset(moments)))

    def beat(self) -> Sighting:
        """How it is, without where, into its memory."""
        return self._keep(self._state())

    async def until_delivered(self) -> None:
        """Wait until nothing is kept any more."""
        while self.kept:
            self._changed.clear()
            await self._changed.wait()

    async def serve(self, wire: Wire) -> None:
        """Say what is kept until the wire is pulled, or an answer does not come: then begin anew."""
        self._unread.clear()
        self._broken = False
        listening = asyncio.create_task(self._listen(wire))
        try:
            await self._speak(wire)
        except LinkLost:
            return
        except TimeoutError:
            await asyncio.sleep(QUIET_S)
        finally:
            self._online = False
            listening.cancel()
            await asyncio.wait([listening])

    # -- its line -------------------------------------------------------------------------------------

    async def _speak(self, wire: Wire) -> None:
        await self._greet(wire)
        self._online = True
        while True:
            while self.kept:
                sighting = self.kept[0]
                part = Part.BEAT if sighting.fix is None else Part.RECORD
                for saying in self.terminal.tell(sighting):
                    await self._say(saying, part, wire)
                if self.kept[0] is sighting:  # else its memory overflowed meanwhile
                    self.kept.popleft()
                self.delivered += 1
                self._changed.set()
                await asyncio.sleep(self._pause_s)
            try:
                async with asyncio.timeout(BEAT_S):
                    await self._news()
            except TimeoutError:
                self.beat()

    async def _greet(self, wire: Wire) -> None:
        opening = self.terminal.hello()
        try:
            saying = next(opening)
            while True:
                saying = opening.send(await self._say(saying, Part.HELLO, wire))
        except StopIteration:
            return

    async def _say(self, saying: Saying, part: Part, wire: Wire) -> Answer | None:
        """One frame, and its answer where there is one; as many as it went over the line."""
        kind = self.faults.next(part)
        if kind is FaultKind.LATE:
            await asyncio.sleep(LATE_S)
        self._unread.clear()
        data = self._spoiling.apply(saying.data, kind)
        if data:
            await wire.send(data)
        if kind is FaultKind.UNPLUG:
            wire.unplug()
            raise LinkLost("unplugged", "the line was cut in the middle of a frame")
        if saying.answer is None:
            return None
        answer = await self._answer(saying.answer)
        return await self._answer(saying.answer) if kind is FaultKind.TWICE else answer

    async def _answer(self, to: str) -> Answer:
        async with asyncio.timeout(ANSWER_S):
            while True:
                while self._unread:
                    answer = self._unread.popleft()
                    if answer.to == to:
                        return answer
                await self._news()

    async def _news(self) -> None:
        """Wait until something comes or is kept; raises `LinkLost`."""
        if self._broken:
            raise LinkLost("unplugged", "the line broke")
        self._changed.clear()
        await self._changed.wait()

    async def _listen(self, wire: Wire) -> None:
        try:
            while True:
                for found in self.terminal.hear(await wire.receive()):
                    if isinstance(found, Answer):
                        self._unread.append(found)
                    elif isinstance(found, Told):
                        self.orders.append(found.order)
                        await wire.send(found.reply)
                self._changed.set()
        except LinkLost:
            self._broken = True
            self._changed.set()

    def _state(self) -> Sighting:
        return Sighting(battery_pct=self.battery_pct, strap_open=not self.worn)

    def _keep(self, sighting: Sighting) -> Sighting:
        self.kept.append(sighting)
        self._changed.set()
        return sighting
