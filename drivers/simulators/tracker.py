"""A simulated wearable that speaks JT/T 808 over TCP: it keeps its reports until they are answered.

It registers, authenticates, and sends one report after another; after a broken line, or without an answer, it begins
anew with the oldest that was not answered.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from firmware_protocols.framing import Discarded
from firmware_protocols.jt808.frames import Decoder, Frame
from firmware_protocols.jt808.location import Item, Location
from firmware_protocols.jt808.terminal import Authentication, Registration, Terminal

ANSWER_S = 5.0
FIXED = 1 << 1
STRAP_ITEM, STRAP_STATE, WORN = 0xEB, 0x0089, 1 << 12
BATTERY_ITEM = 0xD4
MOST_KEPT = 10_000


@dataclass(slots=True)
class SimulatedTracker:
    """One wearable. Places are invented."""

    host: str
    port: int
    phone: str = "013812345678"
    lat: float = 36.66831
    lon: float = 117.020844
    battery: int = 80
    worn: bool = True
    sos: bool = False
    kept: deque[Location] = field(default_factory=lambda: deque(maxlen=MOST_KEPT))
    answered: int = 0
    orders: list[Frame] = field(default_factory=list)  # what it was told
    _terminal: Terminal = field(init=False)

    def __post_init__(self) -> None:
        self._terminal = Terminal(self.phone)

    def take_fix(self, at: datetime | None = None) -> Location:
        """Where it is now, into its memory."""
        beijing = (at or datetime.now(UTC)).astimezone(UTC) + timedelta(hours=8)
        state = WORN if self.worn else 0
        nested = (6).to_bytes(2, "big") + STRAP_STATE.to_bytes(2, "big") + state.to_bytes(4, "big")
        found = Location(
            alarm=int(self.sos),
            status=FIXED,
            lat=self.lat,
            lon=self.lon,
            altitude_m=50,
            speed_kmh=0.0,
            course=0,
            time_bcd=beijing.strftime("%y%m%d%H%M%S"),
            items=[Item(STRAP_ITEM, nested), Item(BATTERY_ITEM, bytes([self.battery]))],
        )
        self.kept.append(found)
        return found

    async def serve(self, *, pause_s: float = 0.05, error_pause_s: float = 0.2) -> None:
        """For ever: send what is kept, until it is answered; after a failed line from the beginning."""
        while True:
            with suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
                await self._line(pause_s)
            await asyncio.sleep(error_pause_s)

    async def _line(self, pause_s: float) -> None:
        reader, writer = await asyncio.open_connection(self.host, self.port)
        decoder = Decoder()
        try:
            told = Registration(manufacturer="ZHIJI", model="SIM", terminal_id="0000001")
            welcome = await self._ask(reader, writer, decoder, self._terminal.register(told))
            code = welcome.body[3:].decode("gbk")
            await self._ask(reader, writer, decoder, self._terminal.authenticate(Authentication(code=code)))
            while True:
                if self.kept:
                    await self._ask(reader, writer, decoder, self._terminal.locate(self.kept[0]))
                    self.kept.popleft()
                    self.answered += 1
                await asyncio.sleep(pause_s)
        finally:
            writer.transport.abort()

    async def _ask(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        decoder: Decoder,
        frames: list[Frame],
    ) -> Frame:
        writer.writelines(frame.to_bytes() for frame in frames)
        serial = frames[-1].serial.to_bytes(2, "big")
        async with asyncio.timeout(ANSWER_S):
            while True:
                data = await reader.read(4096)
                if not data:
                    raise ConnectionError("the gateway closed the line")
                for found in decoder.feed(data):
                    if isinstance(found, Discarded):
                        continue
                    if found.msg_id in (0x8001, 0x8100) and found.body[:2] == serial:
                        return found
                    self.orders.append(found)
                    writer.writelines(frame.to_bytes() for frame in self._terminal.reply(found))


async def run_tracker(tracker: SimulatedTracker, *, interval_s: float, tell: Callable[[str], None]) -> None:
    """A fix now and then. For ever."""
    serving = asyncio.create_task(tracker.serve())
    try:
        while True:
            tracker.take_fix()
            tracker.battery = max(1, tracker.battery - (tracker.answered % 20 == 19))
            tell(f"fixes answered {tracker.answered}, kept {len(tracker.kept)}")
            await asyncio.sleep(interval_s)
    finally:
        serving.cancel()
        await asyncio.wait([serving])
