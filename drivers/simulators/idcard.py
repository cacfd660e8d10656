"""A resident ID card reader that is not there: the far end of `idcard.sam`.

    reader = SimulatedReader()
    serving = asyncio.create_task(reader.serve(wire))
    reader.present(card)
    await reader.until_settled()        # the reader has read the card for the host, or refused it
    reader.lift()

Keeps to the order that real readers ask for: find, select, read, and find again before the next reading.
What a reader says of a card that was read and still lies there depends on its `Habit`.
Leaves out: fingerprints (it says "none on this card"), and changing the speed of the line.
"""

import asyncio
from collections import Counter
from enum import StrEnum

from drivers.errors import LinkLost
from drivers.simulators.cards import Card
from drivers.simulators.faults import FaultKind, FaultMix, FaultPlan, Spoiling
from drivers.simulators.wire import Wire, emit
from firmware_protocols.checksums import sum8
from firmware_protocols.framing import Discarded
from firmware_protocols.idcard_sam.commands import Command, identify
from firmware_protocols.idcard_sam.envelope import PREAMBLE
from firmware_protocols.idcard_sam.frames import Reply, Request, RequestDecoder
from firmware_protocols.idcard_sam.messages import CardFound, CardSelected, Ok, Refusal, SamId, to_reply
from firmware_protocols.idcard_sam.status import NO_CARD, NO_CONTENT, OK

SAM_ID = "05.01-20130315-0000123456-4012345678"
READS = frozenset({Command.READ_CARD, Command.READ_CARD_WITH_FINGERPRINT})
REQUEST_CHECKSUM, REQUEST_LENGTH, COMMAND_ERROR, READ_FAILED, SELECT_FAILED = 0x10, 0x11, 0x21, 0x41, 0x81
DAMAGED_REQUESTS = {"checksum": REQUEST_CHECKSUM, "dialect": REQUEST_CHECKSUM, "length": REQUEST_LENGTH}
SPOILING = Spoiling(noise=bytes.fromhex("00FFAAAA5A"), size_at=len(PREAMBLE))
HARMLESS = frozenset({None, FaultKind.NOISE_BEFORE, FaultKind.TWICE})  # the reply gets there
LATE_S = 1.5  # later than any host waits for a short reply


def sam_id(seed: int) -> str:
    """The number of one reader's security module: no two readers share it."""
    return f"{SAM_ID[:-10]}{4_012_345_678 + seed:010d}"


class Habit(StrEnum):
    """What the reader says to "find" while a card lies there that it has read or refused."""

    LATCHING = "latching"  # no card, until it was lifted
    REFINDING = "refinding"  # card, each time
    ALTERNATING = "alternating"  # no card and card in turn


class SimulatedReader:
    """One reader. The caller lays cards down and lifts them; the rest happens on the wire."""

    def __init__(
        self,
        *,
        habit: Habit = Habit.REFINDING,
        sam_id: str = SAM_ID,
        baud: int | None = None,
        read_s: float = 0.0,
        mix: FaultMix | None = None,
    ) -> None:
        self.unfit: int | None = None  # status (60, 66) given to every command
        self.faults = FaultPlan(mix)
        self.reads: Counter[str] = Counter()  # records that went out whole, by the card's label
        self.asked: Counter[Command | None] = Counter()  # None: requests that no reader knows
        self._habit = habit
        self._sam_id = sam_id
        self._baud = baud  # None: as fast as the wire takes it
        self._read_s = read_s  # a real card takes about a second
        self._card: Card | None = None
        self._settled = asyncio.Event()
        self._forget()

    def present(self, card: Card) -> None:
        """Lay a card down, in the place of one that lies there."""
        self._card = card
        self._settled.clear()
        self._forget()

    def lift(self) -> None:
        """Take the card away, if one lies there."""
        self._card = None
        self._settled.clear()
        self._forget()

    async def until_settled(self) -> None:
        """Wait until the card that lies there was read or refused."""
        await self._settled.wait()

    async def serve(self, wire: Wire) -> None:
        """Answer until the wire is pulled. A card that lies there then is found anew when it is back."""
        decoder = RequestDecoder()
        self._forget()
        try:
            while True:
                for found in decoder.feed(await wire.receive()):
                    await self._handle(found, wire)
        except LinkLost:
            return

    def _forget(self) -> None:
        self._found = self._selected = self._done = self._blink = False

    async def _handle(self, found: Request | Discarded, wire: Wire) -> None:
        if isinstance(found, Discarded):
            if found.reason in DAMAGED_REQUESTS:
                await emit(wire, to_reply(Refusal(DAMAGED_REQUESTS[found.reason])).to_bytes(), self._baud)
            return
        command = identify(found)
        self.asked[command] += 1
        kind = self.faults.next(command)
        if kind is FaultKind.ASK_AGAIN:  # as if the request had arrived damaged: nothing is done
            await emit(wire, to_reply(Refusal(REQUEST_CHECKSUM)).to_bytes(), self._baud)
            return
        if command in READS and self._selected:
            await asyncio.sleep(self._read_s)  # the card may be lifted meanwhile
        card = self._card
        reply = self._reply(command)
        await self._send(reply.to_bytes(), kind, wire)
        if card is not None and reply.sw3 == OK and command in READS and kind in HARMLESS:
            self.reads[card.label] += 1
        if card is self._card and self._done:
            self._settled.set()

    def _reply(self, command: Command | None) -> Reply:
        if self.unfit is not None:
            return to_reply(Refusal(self.unfit))
        match command:
            case Command.SAM_STATUS | Command.RESET_SAM | Command.SET_BAUD | Command.SET_RF_FRAME:
                return to_reply(Ok())
            case Command.SAM_ID:
                return to_reply(SamId(self._sam_id))
            case Command.FIND_CARD:
                return self._find()
            case Command.SELECT_CARD:
                return self._select()
            case Command.READ_CARD | Command.READ_CARD_WITH_FINGERPRINT:
                return self._read(command)
            case Command.READ_NEW_ADDRESS | Command.READ_CHIP_NUMBER:
                return to_reply(Refusal(NO_CONTENT))
            case None:
                return to_reply(Refusal(COMMAND_ERROR))

    def _find(self) -> Reply:
        self._selected = False
        self._found = self._card is not None and self._shows()
        return to_reply(CardFound() if self._found else Refusal(NO_CARD))

    def _shows(self) -> bool:
        if not self._done or self._habit is Habit.REFINDING:
            return True
        self._blink = not self._blink
        return self._habit is Habit.ALTERNATING and not self._blink

    def _select(self) -> Reply:
        if self._card is None:
            return to_reply(Refusal(NO_CARD))
        if not self._found:
            return to_reply(Refusal(SELECT_FAILED))
        if self._card.refused_at is Command.SELECT_CARD:
            self._done = True
            return to_reply(Refusal(self._card.refused_with))
        self._selected = True
        return to_reply(CardSelected(self._card.serial))

    def _read(self, command: Command) -> Reply:
        if self._card is None or not self._selected:
            return to_reply(Refusal(READ_FAILED))
        self._found = self._selected = False
        self._done = True
        if self._card.refused_at is Command.READ_CARD:
            return to_reply(Refusal(self._card.refused_with))
        record = self._card.record
        if command is Command.READ_CARD_WITH_FINGERPRINT:
            record = record[:4] + bytes(2) + record[4:]
        return Reply(0, 0, OK, record)

    async def _send(self, frame: bytes, kind: FaultKind | None, wire: Wire) -> None:
        dialect = frame[:-1] + bytes([-sum8(frame[len(PREAMBLE) : -1]) & 0xFF])
        if kind is FaultKind.LATE:
            await asyncio.sleep(LATE_S)
        await emit(wire, SPOILING.apply(frame, kind, dialect), self._baud)
        if kind is FaultKind.UNPLUG:
            wire.unplug()
