"""A fingerprint module that is not there: the far end of `finger.zfm`, of either vendor family.

    module = SimulatedModule(Family.GROW)
    serving = asyncio.create_task(module.serve(wire))
    module.press(Finger("right index"))
    module.lift()

Fingers are names, and a template is a hash of a name: invented bytes, opaque even here. A finger may be dry,
wet, smeared, or gone before the picture is taken. Left out: handing templates and images to the host and taking
them from it, which the module refuses, and the speed of the line.
"""

import asyncio
import hashlib
from collections import Counter
from dataclasses import dataclass
from enum import Enum

from drivers.errors import LinkLost
from drivers.simulators.faults import FaultKind, FaultMix, FaultPlan, Spoiling
from drivers.simulators.wire import Wire, emit
from firmware_protocols.errors import RemoteProtocolError
from firmware_protocols.framing import Discarded
from firmware_protocols.zfm import commands as c
from firmware_protocols.zfm import replies as r
from firmware_protocols.zfm import vendor_commands as v
from firmware_protocols.zfm.family import Family
from firmware_protocols.zfm.messages import Command
from firmware_protocols.zfm.packet import DEFAULT_ADDRESS, PREFIX_SIZE, READY, CommandDecoder, Packet, Pid

SPOILING = Spoiling(noise=bytes.fromhex("00FFEF5A01"), size_at=PREFIX_SIZE - 2)
LATE_S = 1.5  # later than a host waits
TEMPLATE_SIZE = 512
MODULE_BATCH = "0001"
SCORE = 128
PRESS_POSSIBLE_S = 8.0  # AutoEnroll and AutoIdentify give up after that


class Skin(Enum):
    """How a finger is; the value is what the module says of it, and when."""

    GOOD = (0x00, 0x00)  # of the picture, of the features
    DRY = (0x00, 0x04)
    WET = (0x00, 0x05)
    SMEARED = (0x00, 0x06)
    TOO_LITTLE = (0x00, 0x07)
    GONE = (0x03, 0x15)  # lifted too early
    RESIDUAL = (0x17, 0x15)  # only what the last one left on the glass


@dataclass(frozen=True, slots=True)
class Finger:
    """A finger of somebody invented."""

    name: str
    skin: Skin = Skin.GOOD

    @property
    def template(self) -> bytes:
        """What the module makes of it."""
        return hashlib.shake_256(self.name.encode()).digest(TEMPLATE_SIZE)


class SimulatedModule:
    """One module. The caller presses and lifts fingers; the rest happens on the wire."""

    def __init__(
        self,
        family: Family = Family.GROW,
        *,
        serial: bytes | None = b"SIM00001",
        capacity: int = 200,
        password: int = 0,
        address: int = DEFAULT_ADDRESS,
        baud: int | None = None,
        reply_s: float = 0.0,
        mix: FaultMix | None = None,
    ) -> None:
        self.family = family
        self.serial = serial  # None: a module that does not know the question
        self.library: dict[int, bytes] = {}
        self.refusals: dict[type[Command], int] = {}  # confirm code that a command is answered with
        self.faults = FaultPlan(mix)
        self.asked: Counter[type[Command] | None] = Counter()  # None: what no module of the family knows
        self.commands: list[Command] = []
        self.lights: list[Command] = []
        self.forgets = False  # says that it stored, and did not
        self.asleep = False
        self.reply_s = reply_s  # a module that is busy takes its time
        self._capacity = capacity
        self._password = password
        self._address = address
        self._baud = baud  # None: as fast as the wire takes it
        self._finger: Finger | None = None
        self._power_up()

    def press(self, finger: Finger) -> None:
        """Lay a finger on the sensor, in the place of one that lies there. Wakes the module."""
        self._finger = finger
        self.asleep = False

    def lift(self) -> None:
        """Take the finger off."""
        self._finger = None

    def know(self, slot: int, finger: Finger) -> None:
        """As if the finger had been enrolled."""
        self.library[slot] = finger.template

    def factory_reset(self) -> None:
        """Whoever has the module in hand empties it."""
        self.library.clear()

    async def serve(self, wire: Wire) -> None:
        """Say that it is ready and answer until the wire is pulled. Its library outlives that."""
        decoder = CommandDecoder(self._address)
        self._power_up()
        try:
            await wire.send(bytes([READY]))
            while True:
                for found in decoder.feed(await wire.receive()):
                    await self._handle(found, wire)
        except LinkLost:
            return

    def _power_up(self) -> None:
        self._verified = self._password == 0
        self._image: Finger | None = None
        self._buffers: dict[int, bytes] = {}
        self._notepad: dict[int, bytes] = {}

    async def _handle(self, found: Packet | Discarded, wire: Wire) -> None:
        if isinstance(found, Discarded):
            if found.reason == "checksum" and not self.asleep:
                await self._send(Packet(Pid.ACKNOWLEDGE, b"\x01", self._address), None, wire)
            return
        if self.asleep or found.pid is not Pid.COMMAND:
            return
        command = self._understood(found)
        self.asked[type(command) if command else None] += 1
        kind = self.faults.next(type(command) if command else None)
        await asyncio.sleep(self.reply_s)
        if kind is FaultKind.ASK_AGAIN:  # as if the command had arrived damaged: nothing is done
            await self._send(Packet(Pid.ACKNOWLEDGE, b"\x01", self._address), None, wire)
        elif command is None:
            unknown = 0xFC if self.family is Family.GROW else 0x01
            await self._send(Packet(Pid.ACKNOWLEDGE, bytes([unknown]), self._address), kind, wire)
        elif command is not None:
            self.commands.append(command)
            await self._say(command, self._answer(command), kind, wire)
            if isinstance(command, (*r.ENROLS, *r.IDENTIFIES)) and self._may(command) is None:
                await self._go_on(command, wire)

    def _understood(self, packet: Packet) -> Command | None:
        try:
            command = c.parse_command(self.family, packet)
        except RemoteProtocolError:
            return None
        if self.serial is None and isinstance(command, v.ReadProdInfo | v.ReadUuid):
            return None
        return command

    def _may(self, command: Command) -> int | None:
        """The confirm code that bars a command; None where nothing does."""
        if not self._verified and not isinstance(command, c.VfyPwd):
            return 0x21
        return self.refusals.get(type(command))

    def _answer(self, command: Command) -> r.Reply:
        barred = self._may(command)
        if barred is not None:
            return r.Refused(barred)
        match command:
            case c.VfyPwd(password):
                self._verified = password == self._password
                return r.Done() if self._verified else r.Refused(0x13)
            case c.GenImg() | v.GetImageEx() | v.GetEnrollImage():
                return self._picture()
            case c.Img2Tz(buffer):
                return self._features(buffer)
            case c.Match():
                return self._match()
            case c.Search(buffer, start, count) | c.HiSpeedSearch(buffer, start, count):
                return self._search(buffer, start, count)
            case c.RegModel():
                return self._merge()
            case c.Store(buffer, slot):
                return self._store(buffer, slot)
            case c.Load(buffer, slot):
                return self._load(buffer, slot)
            case c.Delete(slot, count):
                return self._delete(slot, count)
            case c.Empty():
                self.library.clear()
                return r.Done()
            case c.UpChar():
                return r.Refused(0x0D)
            case c.UpImage():
                return r.Refused(0x0F)
            case c.DownChar() | c.DownImage():
                return r.Refused(0x0E)
            case v.AuraLedConfig() | v.LedControl() | c.LedOn() | c.LedOff():
                self.lights.append(command)
                return r.Done()
            case v.Sleep():
                self.asleep = True
                return r.Done()
            case c.SetPwd(password):
                self._password = password
                return r.Done()
            case c.WriteNotepad(page, content):
                self._notepad[page] = content
                return r.Done()
            case _:
                return self._told(command)

    def _told(self, command: Command) -> r.Reply:
        """Answers that change nothing."""
        serial = self.serial or b""
        match command:
            case c.ReadSysPara():
                return r.SystemParameters(
                    self._verified << 2, 9, self._capacity, 3, self._address, 2, (self._baud or 57600) // 9600
                )
            case c.TemplateNum():
                return r.Count(len(self.library))
            case c.ReadIndexTable(page):
                return r.IndexTable.of(self.library, page)
            case c.ReadNotepad(page):
                return r.Notepad(self._notepad.get(page, bytes(32)))
            case v.ReadProdInfo():
                return r.ProductInfo(
                    b"R503-SIM",
                    MODULE_BATCH.encode(),
                    serial,
                    b"\1\2",
                    b"SIM",
                    192,
                    192,
                    1536,
                    self._capacity,
                )
            case v.ReadUuid():
                return r.ChipId(serial.ljust(32, b"\0"))
            case v.GetAlgVer() | v.GetFwVer():
                return r.Version(b"1.0-SIM".ljust(32, b"\0"))
            case c.GetRandomCode():
                return r.Random(0x18700101)
            case c.GetEcho():
                return r.Echo()
            case v.GrowAutoEnroll(slot):
                return r.EnrolProgress(0, 0, slot)
            case v.SynochipAutoEnroll():
                return r.EnrolProgress(0, 0, 0)
            case v.GrowAutoIdentify() | v.SynochipAutoIdentify():
                return r.IdentifyProgress(0, 0, 0, 0)
            case _:
                return r.Done()

    def _picture(self) -> r.Reply:
        if self._finger is None:
            return r.Refused(0x02)
        taken, _ = self._finger.skin.value
        self._image = self._finger
        if self._finger.skin is Skin.GONE:
            self._finger = None
        return r.Refused(taken) if taken else r.Done()

    def _features(self, buffer: int) -> r.Reply:
        if self._image is None:
            return r.Refused(0x15)
        _, made = self._image.skin.value
        if made:
            return r.Refused(made)
        if buffer == 1:
            self._buffers.clear()
        self._buffers[buffer] = self._image.template
        return r.Done()

    def _match(self) -> r.Reply:
        first, second = self._buffers.get(1), self._buffers.get(2)
        return r.Score(SCORE) if first is not None and first == second else r.Refused(0x08)

    def _search(self, buffer: int, start: int, count: int) -> r.Reply:
        wanted = self._buffers.get(buffer)
        for slot in range(start, start + count):
            if wanted is not None and self.library.get(slot) == wanted:
                return r.Found(slot, SCORE)
        return r.Refused(0x09)

    def _merge(self) -> r.Reply:
        if len(self._buffers) < 2 or len(set(self._buffers.values())) > 1:
            return r.Refused(0x0A)
        return r.Done()

    def _store(self, buffer: int, slot: int) -> r.Reply:
        if slot >= self._capacity:
            return r.Refused(0x0B)
        if len(self.library) >= self._capacity and slot not in self.library:
            return r.Refused(0x1F)
        if buffer not in self._buffers:
            return r.Refused(0x0C)
        if not self.forgets:
            self.library[slot] = self._buffers[buffer]
        return r.Done()

    def _load(self, buffer: int, slot: int) -> r.Reply:
        if slot not in self.library:
            return r.Refused(0x0C)
        self._buffers[buffer] = self.library[slot]
        return r.Done()

    def _delete(self, slot: int, count: int) -> r.Reply:
        if slot + count > self._capacity:
            return r.Refused(0x10)
        for one in range(slot, slot + count):
            self.library.pop(one, None)
        return r.Done()

    async def _go_on(self, command: Command, wire: Wire) -> None:
        """What AutoEnroll and AutoIdentify say after they were accepted. The finger is taken as it lies there."""
        finger = self._finger if self._finger is not None and self._finger.skin is Skin.GOOD else None
        if finger is None:
            await asyncio.sleep(PRESS_POSSIBLE_S)
        match command:
            case v.GrowAutoEnroll(slot) if finger:
                self.library[slot] = finger.template
                steps = [r.EnrolProgress(0, step, slot) for step in (*range(1, 13), 0x0D, 0x0E, 0x0F)]
            case v.SynochipAutoEnroll(slot, presses) if finger:
                self.library[slot] = finger.template
                steps = [
                    r.EnrolProgress(0, step, press)
                    for press in range(1, presses + 1)
                    for step in ((1, 2, 3) if press < presses else (1, 2))
                ]
                steps += [
                    r.EnrolProgress(0, 4, 0xF0),
                    r.EnrolProgress(0, 5, 0xF1),
                    r.EnrolProgress(0, 6, 0xF2),
                ]
            case v.GrowAutoEnroll() | v.SynochipAutoEnroll():
                steps = [r.EnrolProgress(0x26, 1, 1)]
            case _:
                await self._say(command, self._recognised(finger), None, wire)
                return
        for step in steps:
            await self._say(command, step, None, wire)

    def _recognised(self, finger: Finger | None) -> r.Reply:
        if finger is None:
            return r.IdentifyProgress(0x26, 1, 0, 0)
        for slot, template in self.library.items():
            if template == finger.template:
                return r.IdentifyProgress(0, 5, slot, SCORE)
        return r.IdentifyProgress(0x09, 5, 0, 0)

    async def _say(self, command: Command, reply: r.Reply, kind: FaultKind | None, wire: Wire) -> None:
        await self._send(r.reply_packet(command, reply, self._address), kind, wire)
        if isinstance(command, v.SoftReset):
            self._power_up()
            await wire.send(bytes([READY]))

    async def _send(self, packet: Packet, kind: FaultKind | None, wire: Wire) -> None:
        if kind is FaultKind.LATE:
            await asyncio.sleep(LATE_S)
        await emit(wire, SPOILING.apply(packet.to_bytes(), kind), self._baud)
        if kind is FaultKind.UNPLUG:
            wire.unplug()
