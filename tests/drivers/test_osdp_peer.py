"""Driver and simulated reader against libosdp, which others wrote: its reader for ours to poll, its panel to poll ours.

Needs the PyPI package libosdp, whose module is called osdp. Another package of the name osdp brings a module of the
same name, has no reader, and is no peer here.
"""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.links.serial_link import SerialLink
from drivers.links.serial_port import SerialSettings
from drivers.osdp_reader import Badge, OsdpReader
from drivers.simulators.pty_host import PtyHost
from firmware_protocols.osdp.replies import CardBits
from tests.drivers.bench import RecordingHost, until
from tests.drivers.osdp_bench import CARD, SCBK, osdp_settings, secured

osdp = pytest.importorskip("osdp", reason="libosdp is not installed")
if not hasattr(osdp, "PeripheralDevice"):
    pytest.skip("the module osdp is not the one of libosdp", allow_module_level=True)

BAUD = 115200
ADDRESS = 5


class FileChannel(osdp.Channel):  # type: ignore[name-defined,misc]  # the package has no types
    """One end of a pty, as libosdp wants it."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor

    def read(self, max_bytes: int) -> bytes:
        try:
            return os.read(self._descriptor, max_bytes)
        except BlockingIOError:
            return b""

    def write(self, buf: bytes) -> int:
        return os.write(self._descriptor, bytes(buf))

    def flush(self) -> None:
        """Nothing is held back."""


@pytest.fixture
def ends() -> Iterator[tuple[int, str]]:
    """A pty: the descriptor of its far end, and the name that the near end is opened by."""
    master, slave = os.openpty()
    os.set_blocking(master, False)
    yield master, os.ttyname(slave)
    os.close(master)
    os.close(slave)


async def test_our_panel_secures_a_reader_of_others_and_reads_its_card(ends: tuple[int, str]) -> None:
    descriptor, name = ends
    info = osdp.PDInfo(ADDRESS, FileChannel(descriptor), scbk=SCBK, flags=[osdp.LibFlag.EnforceSecure])
    capabilities = osdp.PDCapabilities(
        [
            (osdp.Capability.LEDControl, 1, 1),
            (osdp.Capability.AudibleControl, 1, 1),
            (osdp.Capability.CommunicationSecurity, 1, 1),
        ]
    )
    peer = osdp.PeripheralDevice(info, capabilities, log_level=osdp.LogLevel.Error)
    peer.start()
    host = RecordingHost()
    link = SerialLink(name, SerialSettings(baud=BAUD))
    driver = OsdpReader("door-1", osdp_settings(baud=BAUD, address=ADDRESS), host, link)
    running = asyncio.create_task(driver.run())
    try:
        await until(lambda: bool(host.readies) or running.done())
        assert host.readies
        assert peer.is_sc_active()
        asking = asyncio.create_task(driver.presented(timeout_s=15))
        await asyncio.sleep(0.5)
        event = {
            "event": osdp.Event.CardRead,
            "reader_no": 0,
            "direction": 0,
            "format": osdp.CardFormat.Unspecified,
            "length": len(CARD),
            "data": CardBits.of_bits(0, CARD).content,
        }
        peer.submit_event(event)
        assert await asking == Badge(CARD)
        await driver.show(accepted=True)
        commands = [await asyncio.to_thread(peer.get_command, 5) for _ in range(2)]
        assert [one and one["command"] for one in commands] == [osdp.Command.LED, osdp.Command.Buzzer]
    finally:
        running.cancel()
        await asyncio.wait([running])
        await asyncio.to_thread(peer.teardown)


async def test_a_panel_of_others_secures_our_reader_and_reads_its_card(tmp_path: Path) -> None:
    reader = secured(address=ADDRESS)
    async with PtyHost(tmp_path / "reader") as port:
        descriptor = os.open(port.link, os.O_RDWR | os.O_NOCTTY)
        info = osdp.PDInfo(ADDRESS, FileChannel(descriptor), scbk=SCBK, flags=[osdp.LibFlag.EnforceSecure])
        peer = osdp.ControlPanel([info], log_level=osdp.LogLevel.Error)
        serving = asyncio.create_task(reader.serve(port))
        peer.start()
        try:
            assert await asyncio.to_thread(peer.sc_wait, ADDRESS, 10)
            reader.present(CARD)
            event = await asyncio.to_thread(peer.get_event, ADDRESS, 10)
            assert event["event"] == osdp.Event.CardRead
            assert bytes(event["data"]) == CardBits.of_bits(0, CARD).content
        finally:
            await asyncio.to_thread(peer.teardown)
            serving.cancel()
            await asyncio.wait([serving])
            os.close(descriptor)
