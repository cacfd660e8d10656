"""What stands at a port is recognised, within a bounded time, and nothing is written to it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from drivers import probing
from drivers.links.serial_ports import no_ports, serial_ports
from drivers.probing import QUESTIONS, Finding, probe
from drivers.simulators.face import SimulatedFaceModule
from drivers.simulators.fingerprint import SimulatedModule
from drivers.simulators.idcard import SimulatedReader
from drivers.simulators.osdp import SimulatedOsdpReader
from drivers.simulators.osdp_bus import SimulatedOsdpBus
from drivers.simulators.pty_host import PtyHost
from firmware_protocols.efaa_xor16.msg_ids import MsgId
from firmware_protocols.idcard_sam.commands import Command
from firmware_protocols.osdp.codes import Command as OsdpCommand
from firmware_protocols.zfm.family import Family
from tests.drivers.osdp_bench import secured

ASK_S = 2.5  # of a simulated device; real ones are given more


@asynccontextmanager
async def at_port(folder: Path, device: Any) -> AsyncIterator[PtyHost]:
    async with PtyHost(folder / "usb-Test_0001-if00-port0") as host:
        serving = asyncio.create_task(device.serve(host))
        yield host
        serving.cancel()
        await asyncio.wait([serving])


async def found(folder: Path, device: Any, ask_s: float = ASK_S) -> Finding:
    async with at_port(folder, device) as host:
        return await probe(str(host.link), ask_s=ask_s)


async def test_a_card_reader_is_recognised_and_nothing_but_asked(tmp_path: Path) -> None:
    reader = SimulatedReader()
    (answer,) = (await found(tmp_path, reader)).answers
    assert (answer.question.kind, answer.sure) == ("idcard.sam", True)
    assert answer.serial
    harmless = {Command.SAM_STATUS, Command.SAM_ID, Command.FIND_CARD, None}
    assert set(reader.asked) <= harmless


async def test_a_face_module_is_recognised_and_nothing_but_asked(tmp_path: Path) -> None:
    module = SimulatedFaceModule()
    (answer,) = (await found(tmp_path, module)).answers
    assert (answer.question.kind, answer.sure) == ("face.efaa_xor16", True)
    # FACERESET forgets the looks of an enrolment that was begun; nobody's is running at a port that is free.
    harmless = {MsgId.GETSTATUS, MsgId.GET_VERSION, MsgId.GET_SN, MsgId.RESET, MsgId.FACERESET}
    assert set(module.asked) <= harmless


@pytest.mark.parametrize("family", list(Family))
async def test_a_fingerprint_module_is_recognised_by_its_family(tmp_path: Path, family: Family) -> None:
    module = SimulatedModule(family)
    (answer,) = (await found(tmp_path, module)).answers
    assert (answer.question.kind, answer.question.settings["family"]) == ("finger.zfm", family)
    assert answer.sure
    asked = {None if one is None else one.__name__ for one in module.asked}
    assert asked <= {"VfyPwd", "ReadSysPara", "ReadProdInfo", "ReadUuid", None}


async def test_readers_on_a_line_are_recognised_with_their_addresses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    baud = 115200  # the second that is tried
    monkeypatch.setattr("drivers.osdp_probe.ADDRESSES", range(6))
    monkeypatch.setattr(probing, "QUESTIONS", [one for one in QUESTIONS if one.kind == "reader.osdp"])
    readers = [secured(address=2), secured(address=4), SimulatedOsdpReader(address=5)]

    class AtItsSpeed(SimulatedOsdpBus):
        async def serve(self, wire: Any) -> None:
            class Wire:
                """What comes at another speed is no frame."""

                async def receive(self) -> bytes:
                    data: bytes = await wire.receive()
                    return data if wire.baud == baud else b"\0"

                async def send(self, data: bytes) -> None:
                    await wire.send(data)

                def unplug(self) -> None:
                    wire.unplug()

            await super().serve(Wire())

    told = await found(tmp_path, AtItsSpeed(readers), ask_s=6)
    settings = [dict(answer.question.settings) for answer in told.answers]
    assert settings == [
        {"baud": baud, "address": 2},
        {"baud": baud, "address": 4},
        {"baud": baud, "address": 5, "channel": "clear"},
    ]
    assert all(answer.sure and answer.question.kind == "reader.osdp" for answer in told.answers)
    assert [answer.needs_key for answer in told.answers] == [True, True, False]
    assert {answer.serial for answer in told.answers} == {"18700101"}
    for reader in readers:
        assert set(reader.asked) <= {OsdpCommand.ID, OsdpCommand.CAP}, "nothing but who is there"


class Mute:
    """A device that says nothing, or talks by itself and answers nothing."""

    def __init__(self, says: bytes = b"") -> None:
        self.heard = bytearray()
        self._says = says

    async def serve(self, wire: Any) -> None:
        async def talk() -> None:
            while self._says:
                await wire.send(self._says)
                await asyncio.sleep(0.1)

        talking = asyncio.create_task(talk())
        try:
            while True:
                self.heard += await wire.receive()
        finally:
            talking.cancel()


async def test_a_mute_device_takes_a_bounded_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "LISTEN_S", 0.1)
    steps: list[int] = []
    began = asyncio.get_running_loop().time()
    async with at_port(tmp_path, Mute()) as host:
        told = await probe(str(host.link), ask_s=0.3, step=lambda done, _of: steps.append(done))
    assert (told.answers, told.talks, told.trouble) == ((), 0, None) or told.answers == []
    assert steps == list(range(len(QUESTIONS)))
    assert asyncio.get_running_loop().time() - began < 0.1 + len(QUESTIONS) * 0.3 + 5


async def test_one_that_talks_by_itself_is_said_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "QUESTIONS", QUESTIONS[:1])
    told = await found(tmp_path, Mute(b"$GPRMC,\r\n"))
    assert told.talks > 0
    assert not told.answers


async def test_a_port_that_is_not_there_or_in_use_is_said(tmp_path: Path) -> None:
    absent = await probe(str(tmp_path / "nothing"))
    assert (absent.trouble, absent.answers) == ("absent", ())
    async with at_port(tmp_path, Mute()) as host:
        first = asyncio.create_task(probe(str(host.link), ask_s=1.0))
        await asyncio.sleep(0.2)
        second = await probe(str(host.link))
        assert second.trouble == "in_use"
        first.cancel()
        await asyncio.wait([first])


async def test_a_device_that_is_unplugged_meanwhile_is_said(tmp_path: Path) -> None:
    async with at_port(tmp_path, Mute()) as host:
        asking = asyncio.create_task(probe(str(host.link), ask_s=1.0))
        await asyncio.sleep(0.8)
        host.unplug()
        told = await asyncio.wait_for(asking, 10)
    assert told.trouble in {"unplugged", "absent", "read_failed"}


# -- what this machine has ----------------------------------------------------------------------------


def test_ports_are_named_by_what_survives_replugging(tmp_path: Path) -> None:
    (tmp_path / "usb-ACME-if00").symlink_to("/dev/null")
    (port,) = [one for one in serial_ports(tmp_path) if one.device == "/dev/null"]
    assert (port.name, port.stable) == (str(tmp_path / "usb-ACME-if00"), True)


def usb(folder: Path, name: str, usb_id: str, *interfaces: tuple[str, str]) -> None:
    vendor, product = usb_id.split(":")
    (folder / name).mkdir()
    (folder / name / "idVendor").write_text(vendor + "\n")
    (folder / name / "idProduct").write_text(product + "\n")
    for number, (kind, protocol) in enumerate(interfaces):
        place = folder / f"{name}:1.{number}"
        place.mkdir()
        (place / "bInterfaceClass").write_text(kind + "\n")
        (place / "bInterfaceProtocol").write_text(protocol + "\n")


def test_readers_that_are_no_serial_model_are_recognised_and_others_left_out(tmp_path: Path) -> None:
    usb(tmp_path, "1-1", "0400:c35a", ("ff", "00"))
    usb(tmp_path, "1-2", "1234:5678", ("03", "00"))
    usb(tmp_path, "1-3", "046d:c31c", ("03", "01"))  # a keyboard
    usb(tmp_path, "1-4", "0403:6001", ("ff", "ff"), ("02", "01"))  # an adapter that is a port
    usb(tmp_path, "1-5", "1d6b:0002", ("09", "00"))  # a hub
    seen = {one.usb_id: (one.kind, one.known is not None) for one in no_ports(tmp_path)}
    assert seen == {"0400:c35a": ("vendor", True), "1234:5678": ("hid", False)}
