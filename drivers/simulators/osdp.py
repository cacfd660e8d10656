"""A card reader with keypad on an OSDP bus that is not there: the far end of `reader.osdp`.

    reader = SimulatedOsdpReader(scbk=key, aes=aes)
    serving = asyncio.create_task(reader.serve(wire))
    reader.present("10110...")        # bits of a card
    reader.press(b"1870\\r")

It repeats its reply to a repeated command and does nothing twice, as the standard wants it. The cipher is handed in.
Left out: biometrics, files, displays; address and speed stay as they are.
"""

import asyncio
import secrets
from collections import Counter, deque
from dataclasses import replace

from drivers.errors import LinkLost
from drivers.simulators.faults import FaultKind, FaultMix, FaultPlan, Spoiling
from drivers.simulators.wire import Wire, emit
from firmware_protocols.errors import RemoteProtocolError
from firmware_protocols.framing import Discarded
from firmware_protocols.osdp import commands as c
from firmware_protocols.osdp import replies as r
from firmware_protocols.osdp.catalogue import parse_command
from firmware_protocols.osdp.codes import Command
from firmware_protocols.osdp.decoder import CommandDecoder
from firmware_protocols.osdp.frames import EVERYBODY, Frame
from firmware_protocols.osdp.handshake import ReaderHandshake
from firmware_protocols.osdp.layout import Message
from firmware_protocols.osdp.secure_channel import Channel
from firmware_protocols.osdp.secure_keys import Aes
from firmware_protocols.osdp.security_block import SecurityBlock

SPOILING = Spoiling(noise=bytes.fromhex("0053FF5380"), size_at=2)
LATE_S = 0.6  # later than a panel waits
OPEN_TO_ALL = frozenset({Command.ID, Command.CAP, Command.CHLNG, Command.SCRYPT})
UNKNOWN_COMMAND, SEQUENCE, NO_CHANNEL, CONDITIONS = 3, 4, 5, 6


class SimulatedOsdpReader:
    """One reader. The caller presents cards and presses keys; the rest happens on the wire."""

    def __init__(
        self,
        *,
        address: int = 0,
        scbk: bytes | None = None,
        aes: Aes | None = None,
        serial: int = 0x18700101,
        baud: int | None = None,
        mix: FaultMix | None = None,
    ) -> None:
        self.address = address
        self.serial = serial
        self.scbk = scbk  # None: it cannot secure its channel; else it insists on it
        self.faults = FaultPlan(mix)
        self.asked: Counter[int] = Counter()
        self.shown: list[Message] = []  # what its light and buzzer were told
        self.refusals: dict[int, int] = {}  # NAK that a command is answered with
        self.busy = 0  # so many commands are put off
        self.tamper = self.power = 0
        self._aes = aes
        self._baud = baud
        self._waiting: deque[Message] = deque()
        self.forget()

    def present(self, bits: str) -> None:
        """A card."""
        self._waiting.append(r.CardBits.of_bits(0, bits))

    def press(self, keys: bytes) -> None:
        """Keys of its keypad."""
        self._waiting.append(r.Keys(0, keys))

    def say(self, message: Message) -> None:
        """Anything at all, at the next poll."""
        self._waiting.append(message)

    def leave(self) -> None:
        """Whoever was not read has gone."""
        self._waiting.clear()

    def tampered(self, *, opened: bool) -> None:
        """Somebody opens its case, or closes it again."""
        self.tamper = int(opened)
        self._waiting.append(r.LocalStatus(self.tamper, self.power))

    @property
    def said_everything(self) -> bool:
        """Whether nothing waits to be polled."""
        return not self._waiting

    def forget(self) -> None:
        """Power off and on: no session, no channel."""
        self._channel: Channel | None = None
        self._handshake: ReaderHandshake | None = None
        self._sequence: int | None = None
        self._last: tuple[Frame, Frame] | None = None  # command and reply, as they went over the wire

    async def serve(self, wire: Wire) -> None:
        """Answer until the wire is pulled."""
        decoder = CommandDecoder()
        try:
            while True:
                for found in decoder.feed(await wire.receive()):
                    if not isinstance(found, Discarded):
                        await self.hear(found, wire)
        except LinkLost:
            return

    async def hear(self, frame: Frame, wire: Wire) -> None:
        """Answer one command, unless it is for another reader of the line."""
        if frame.address not in {self.address, EVERYBODY}:
            return
        self.asked[frame.code] += 1
        kind = self.faults.next(frame.code)
        if kind is FaultKind.ASK_AGAIN or self.busy:
            self.busy = max(0, self.busy - 1)
            await self._send(self._framed(frame, r.BUSY, sequence=0), kind=None, wire=wire)
            return
        if frame.sequence and self._last is not None and self._last[0] == frame:
            reply = self._last[1]
        else:
            reply = self._reply(frame)
            self._last = (frame, reply)
        await self._send(reply, kind=kind, wire=wire)

    def _reply(self, frame: Frame) -> Frame:
        if frame.sequence == 0:
            self.forget()
        elif self._sequence is None or frame.sequence != 1 + self._sequence % 3:
            return self._framed(frame, r.Nak(SEQUENCE))
        self._sequence = frame.sequence
        if frame.security is not None and frame.security.has_mac:
            return self._on_channel(frame)
        if frame.security is not None:
            return self._shake(frame)
        if self.scbk is not None and frame.code not in OPEN_TO_ALL:
            return self._framed(frame, r.Nak(CONDITIONS))
        return self._framed(frame, self._answer(frame))

    def _on_channel(self, frame: Frame) -> Frame:
        try:
            if self._channel is None:
                return self._framed(frame, r.Nak(CONDITIONS))
            opened = self._channel.open_command(frame)
        except RemoteProtocolError:
            self._channel = None
            return self._framed(frame, r.Nak(CONDITIONS))
        return self._channel.seal_reply(self._framed(frame, self._answer(opened)))

    def _shake(self, frame: Frame) -> Frame:
        if self.scbk is None or self._aes is None:
            return self._framed(frame, r.Nak(NO_CHANNEL))
        try:
            if frame.code == Command.CHLNG:
                uid = self.serial.to_bytes(8, "little")
                self._handshake = ReaderHandshake(self.scbk, secrets.token_bytes(8), uid, self._aes)
                step = self._handshake.answer(frame)
            elif self._handshake is None:
                return self._framed(frame, r.Nak(CONDITIONS))
            else:
                step, self._channel = self._handshake.accept(frame)
        except RemoteProtocolError:
            return self._framed(frame, r.Nak(CONDITIONS))
        return self._framed(frame, step.message, block=step.block)

    def _answer(self, frame: Frame) -> Message:
        if frame.code in self.refusals:
            return r.Nak(self.refusals[frame.code])
        try:
            command = parse_command(frame.code, frame.data)
        except RemoteProtocolError:
            return r.Nak(2)
        match command:
            case c.Bare(Command.POLL):
                return self._waiting.popleft() if self._waiting else r.ACK
            case c.Bare(Command.LSTAT):
                return r.LocalStatus(self.tamper, self.power)
            case c.Identify():
                return r.Identity(b"SIM", 1, 2, self.serial, b"\1\2\3")
            case c.AskCapabilities():
                return r.Capabilities((r.Capability(r.SECURITY, int(self.scbk is not None), 0),))
            case c.Light() | c.Buzz():
                self.shown.append(command)
                return r.ACK
            case c.SetKey(key):
                self.scbk = key
                return r.ACK
            case _:
                return r.Nak(UNKNOWN_COMMAND)

    def _framed(
        self, to: Frame, message: Message, *, sequence: int | None = None, block: SecurityBlock | None = None
    ) -> Frame:
        return replace(
            to,
            address=to.address,  # everybody's, where everybody was asked
            sequence=to.sequence if sequence is None else sequence,
            code=message.code,
            data=message.to_data(),
            reply=True,
            security=block,
            mac=None,
            mark=False,
        )

    async def _send(self, reply: Frame, *, kind: FaultKind | None, wire: Wire) -> None:
        if kind is FaultKind.LATE:
            await asyncio.sleep(LATE_S)
        await emit(wire, SPOILING.apply(reply.to_bytes(), kind), self._baud)
        if kind is FaultKind.UNPLUG:
            wire.unplug()
