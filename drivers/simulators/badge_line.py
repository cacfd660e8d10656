"""A converter that tells badges by lines, and is not there: the far end of `badge.line`.

    converter = SimulatedConverter()
    serving = asyncio.create_task(converter.serve(wire))
    converter.present(bits)             # seven hex digits and CR LF

Each badge is told once, and nothing is listened to: real ones take no answer either. What nobody hears is gone.
"""

import asyncio
from collections import deque

from drivers.errors import LinkLost
from drivers.simulators.faults import FaultKind, FaultMix, FaultPlan
from drivers.simulators.wire import Wire, emit
from firmware_protocols.wiegand.lines import Line, Marks

CRLF = Marks(b"", b"\r\n")
NOISE = bytes.fromhex("00FF")
TOO_LONG = b"0" * 300
LATE_S = 1.0
FAULTS = (
    FaultKind.NOISE_BEFORE, FaultKind.NOISE_INSIDE, FaultKind.CUT, FaultKind.CHECKSUM, FaultKind.MUTE, FaultKind.HUGE,
    FaultKind.TWICE, FaultKind.LATE, FaultKind.UNPLUG,
)  # fmt: skip


class SimulatedConverter:
    """One converter."""

    def __init__(self, marks: Marks = CRLF, *, baud: int | None = None, mix: FaultMix | None = None) -> None:
        self.faults = FaultPlan(mix)
        self._marks = marks
        self._baud = baud
        self._waiting: deque[str] = deque()
        self._came = asyncio.Event()

    @property
    def said_everything(self) -> bool:
        """Whether every badge was told."""
        return not self._waiting

    def present(self, bits: str) -> None:
        """A badge; its bits as digits 0 and 1."""
        self._waiting.append(bits)
        self._came.set()

    async def serve(self, wire: Wire) -> None:
        """Tell badges until the wire is pulled."""
        deaf = asyncio.create_task(self._listen(wire))  # it notices the pulled wire
        try:
            while not deaf.done():
                coming = asyncio.create_task(self._came.wait())
                await asyncio.wait({deaf, coming}, return_when=asyncio.FIRST_COMPLETED)
                coming.cancel()
                while self._waiting and not deaf.done():
                    try:
                        await self._tell(self._waiting[0], wire)
                    finally:
                        self._waiting.popleft()
                self._came.clear()
        except LinkLost:
            return
        finally:
            deaf.cancel()
            await asyncio.wait({deaf})

    async def _listen(self, wire: Wire) -> None:
        try:
            while True:
                await wire.receive()
        except LinkLost:
            return

    async def _tell(self, bits: str, wire: Wire) -> None:
        kind = self.faults.next("badge")
        if kind is FaultKind.LATE:
            await asyncio.sleep(LATE_S)
        await emit(wire, self._spoilt(bits, kind), self._baud)
        if kind is FaultKind.UNPLUG:
            wire.unplug()

    def _line(self, bits: str) -> bytes:
        return self._marks.to_bytes(Line(f"{int(bits, 2):0{(len(bits) + 3) // 4}X}".encode()))

    def _spoilt(self, bits: str, kind: FaultKind | None) -> bytes:
        line = self._line(bits)
        half = len(self._marks.start) + (len(line) - len(self._marks.start) - len(self._marks.end)) // 2
        match kind:
            case FaultKind.NOISE_BEFORE:
                return NOISE + line
            case FaultKind.NOISE_INSIDE:
                return line[:half] + NOISE + line[half:]
            case FaultKind.CUT | FaultKind.UNPLUG:
                return line[:half]
            case FaultKind.CHECKSUM:  # its last parity bit
                return self._line(bits[:-1] + ("1" if bits[-1] == "0" else "0"))
            case FaultKind.HUGE:
                return self._marks.start + TOO_LONG + self._marks.end + line
            case FaultKind.TWICE:
                return line + line
            case FaultKind.MUTE:
                return b""
            case _:
                return line
