"""The simulated fingerprint module on its own: what it says is what modules in public logs say."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from drivers.links.memory_link import MemoryLink
from drivers.simulators.faults import Fault, FaultKind, FaultMix
from drivers.simulators.fingerprint import Finger, SimulatedModule, Skin
from firmware_protocols.framing import Discarded
from firmware_protocols.zfm import commands as c
from firmware_protocols.zfm import vendor_commands as v
from firmware_protocols.zfm.family import Family
from firmware_protocols.zfm.messages import Command
from firmware_protocols.zfm.packet import Packet, PacketDecoder, Pid
from firmware_protocols.zfm.replies import (
    Done,
    EnrolProgress,
    Found,
    IdentifyProgress,
    Notepad,
    Refused,
    Reply,
    Score,
    Version,
    parse_reply,
)
from tests.drivers.bench import in_skipped_time

GROW, SYNOCHIP = Family.GROW, Family.SYNOCHIP
LI, WANG = Finger("Li"), Finger("Wang")


class Host:
    """Speaks the wire and nothing more."""

    def __init__(self, module: SimulatedModule, near: MemoryLink) -> None:
        self.module = module
        self.near = near
        self._decoder = PacketDecoder()

    async def receive(self, within_s: float = 20.0) -> list[Packet | Discarded]:
        try:
            async with asyncio.timeout(within_s):
                return list(self._decoder.feed(await self.near.receive()))
        except TimeoutError:
            return []

    async def send(self, command: Command) -> None:
        await self.near.send(c.command_packet(self.module.family, command).to_bytes())

    async def ask(self, command: Command) -> Reply:
        await self.send(command)
        [packet] = await self.receive()
        assert isinstance(packet, Packet)
        return parse_reply(command, packet)

    async def hear(self, command: Command, count: int) -> list[Reply]:
        """What comes after `command`, `count` replies at least."""
        await self.send(command)
        found: list[Packet | Discarded] = []
        while len(found) < count:
            new = await self.receive()
            assert new, "nothing more came"
            found += new
        return [parse_reply(command, packet) for packet in found if isinstance(packet, Packet)]


@asynccontextmanager
async def on_wire(module: SimulatedModule) -> AsyncIterator[Host]:
    near, far = MemoryLink.pair("module")
    await near.open()
    await far.open()
    serving = asyncio.create_task(module.serve(far))
    host = Host(module, near)
    try:
        assert await host.receive() == [Discarded("ready", 1, b"\x55")]
        yield host
    finally:
        serving.cancel()
        await asyncio.wait([serving])


@in_skipped_time
async def test_auto_enrol_of_synochip_reports_as_in_the_log_of_a_real_module() -> None:
    async with on_wire(SimulatedModule(SYNOCHIP)) as host:
        host.module.press(LI)
        told = await host.hear(v.SynochipAutoEnroll(1, 2, 0x4B), 9)
        assert [(one.step, one.item) for one in told if isinstance(one, EnrolProgress)] == [
            (0, 0), (1, 1), (2, 1), (3, 1), (1, 2), (2, 2), (4, 0xF0), (5, 0xF1), (6, 0xF2),
        ]  # fmt: skip
        assert host.module.library == {1: LI.template}
        host.module.lift()
        told = await host.hear(v.SynochipAutoEnroll(2, 2, 0x4B), 2)
        assert told == [EnrolProgress(0, 0, 0), EnrolProgress(0x26, 1, 1)]


@in_skipped_time
async def test_auto_enrol_of_grow_reports_each_press() -> None:
    async with on_wire(SimulatedModule(GROW)) as host:
        host.module.press(LI)
        told = await host.hear(v.GrowAutoEnroll(9, 0, 0, 1, 1), 16)
        assert [one.step for one in told if isinstance(one, EnrolProgress)] == list(range(16))
        assert host.module.library == {9: LI.template}


@pytest.mark.parametrize(
    ("family", "command"),
    [(GROW, v.GrowAutoIdentify(3, 0, 200, 1, 1)), (SYNOCHIP, v.SynochipAutoIdentify(3, 0xFFFF, 0))],
)
@in_skipped_time
async def test_auto_identify_ends_with_slot_and_score(family: Family, command: Command) -> None:
    async with on_wire(SimulatedModule(family)) as host:
        host.module.know(7, LI)
        host.module.press(LI)
        assert (await host.hear(command, 2))[-1] == IdentifyProgress(0, 5, 7, 128)
        host.module.press(WANG)
        assert (await host.hear(command, 2))[-1] == IdentifyProgress(0x09, 5, 0, 0)
        host.module.lift()
        assert (await host.hear(command, 2))[-1] == IdentifyProgress(0x26, 1, 0, 0)


@in_skipped_time
async def test_a_sleeping_module_wakes_by_a_finger() -> None:
    async with on_wire(SimulatedModule(SYNOCHIP)) as host:
        assert await host.ask(v.Sleep()) == Done()
        await host.send(v.SynochipHandShake())
        assert await host.receive() == []
        host.module.press(LI)
        assert await host.ask(v.SynochipHandShake()) == Done()


@in_skipped_time
async def test_a_reset_module_says_that_it_is_ready_and_forgets_the_password() -> None:
    async with on_wire(SimulatedModule(GROW, password=5)) as host:
        assert await host.ask(c.GenImg()) == Refused(0x21)
        assert await host.ask(c.VfyPwd(4)) == Refused(0x13)
        assert await host.ask(c.VfyPwd(5)) == Done()
        assert await host.ask(c.GenImg()) == Refused(0x02)
        await host.send(v.SoftReset())
        found = [*await host.receive(), *await host.receive(0.1)]
        assert [item.reason for item in found if isinstance(item, Discarded)] == ["ready"]
        assert await host.ask(c.GenImg()) == Refused(0x21)
        assert await host.ask(c.VfyPwd(5)) == Done()
        assert await host.ask(c.SetPwd(6)) == Done()
        assert await host.ask(c.VfyPwd(5)) == Refused(0x13)


@in_skipped_time
async def test_what_arrives_damaged_unknown_or_for_another_is_treated_as_modules_do() -> None:
    async with on_wire(SimulatedModule(GROW)) as host:
        frame = c.command_packet(GROW, c.GenImg()).to_bytes()
        await host.near.send(frame[:-1] + b"\xff")
        assert await host.receive() == [Packet(Pid.ACKNOWLEDGE, b"\x01")]
        await host.near.send(Packet(Pid.COMMAND, b"\x77").to_bytes())
        assert await host.receive() == [Packet(Pid.ACKNOWLEDGE, b"\xfc")]
        await host.near.send(c.command_packet(GROW, c.GenImg(), address=7).to_bytes())
        await host.near.send(Packet(Pid.DATA, b"\x01").to_bytes())
        assert await host.receive() == []


@in_skipped_time
async def test_no_template_and_no_image_leaves_or_enters() -> None:
    for family in Family:
        async with on_wire(SimulatedModule(family)) as host:
            host.module.know(1, LI)
            assert await host.ask(c.Load(1, 1)) == Done()
            for command, code in (
                (c.UpChar(1), 0x0D),
                (c.UpImage(), 0x0F),
                (c.DownChar(1), 0x0E),
                (c.DownImage(), 0x0E),
            ):
                assert await host.ask(command) == Refused(code)
            assert await host.receive() == []


@in_skipped_time
async def test_buffers_slots_and_notepad() -> None:
    async with on_wire(SimulatedModule(GROW, capacity=3)) as host:
        ask, module = host.ask, host.module
        assert await ask(c.Img2Tz(1)) == Refused(0x15)
        for buffer, finger in ((1, LI), (2, WANG)):
            module.press(finger)
            assert await ask(c.GenImg()) == Done()
            assert await ask(c.Img2Tz(buffer)) == Done()
        assert await ask(c.Match()) == Refused(0x08)
        assert await ask(c.RegModel()) == Refused(0x0A)
        assert await ask(c.Img2Tz(1)) == Done()
        assert await ask(c.Img2Tz(2)) == Done()
        assert await ask(c.Match()) == Score(128)
        assert await ask(c.Store(1, 3)) == Refused(0x0B)
        assert await ask(c.Store(5, 1)) == Refused(0x0C)
        assert await ask(c.Load(1, 1)) == Refused(0x0C)
        assert await ask(c.Store(1, 2)) == Done()
        assert await ask(c.HiSpeedSearch(1, 0, 3)) == Found(2, 128)
        assert await ask(c.Search(1, 0, 2)) == Refused(0x09)
        assert await ask(c.Delete(2, 2)) == Refused(0x10)
        module.know(0, Finger("a"))
        module.know(1, Finger("b"))
        assert await ask(c.Delete(0, 2)) == Done()
        assert set(module.library) == {2}
        module.know(0, Finger("a"))
        module.know(1, Finger("b"))
        module._capacity = 4
        module.library[9] = b"beyond"
        assert await ask(c.Store(1, 3)) == Refused(0x1F)
        assert await ask(c.Empty()) == Done()
        assert await ask(c.WriteNotepad(1, b"x" * 32)) == Done()
        assert await ask(c.ReadNotepad(1)) == Notepad(b"x" * 32)
        assert isinstance(await ask(v.GetFwVer()), Version)
        assert await ask(v.CheckSensor()) == Done()


@pytest.mark.parametrize("skin", Skin)
@in_skipped_time
async def test_a_finger_is_as_it_is(skin: Skin) -> None:
    async with on_wire(SimulatedModule(GROW)) as host:
        host.module.press(Finger("Li", skin))
        picture, features = skin.value
        assert await host.ask(c.GenImg()) == (Refused(picture) if picture else Done())
        assert await host.ask(c.Img2Tz(1)) == (Refused(features) if features else Done())
        gone = await host.ask(c.GenImg()) == Refused(0x02)
        assert gone == (skin is Skin.GONE)


@in_skipped_time
async def test_random_faults_are_repeatable() -> None:
    async def played() -> list[str]:
        mix = FaultMix({FaultKind.CHECKSUM: 0.3, FaultKind.ASK_AGAIN: 0.2}, seed=5)
        async with on_wire(SimulatedModule(GROW, mix=mix)) as host:
            outcomes = []
            for _ in range(40):
                await host.send(c.TemplateNum())
                [found] = await host.receive()
                outcomes.append(found.reason if isinstance(found, Discarded) else found.payload.hex())
            return outcomes

    first = await played()
    assert first == await played()
    assert set(first) == {"checksum", "01", "000000"}


@in_skipped_time
async def test_a_late_reply_comes_after_the_host_has_given_up() -> None:
    async with on_wire(SimulatedModule(GROW)) as host:
        host.module.faults.add(Fault(FaultKind.LATE, c.TemplateNum))
        await host.send(c.TemplateNum())
        assert await host.receive(1.0) == []
        assert len(await host.receive(1.0)) == 1
