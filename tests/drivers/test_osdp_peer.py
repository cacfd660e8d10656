"""Driver and simulated reader against libosdp, which others wrote: its reader for ours to poll, its panel to poll ours.

The PyPI package libosdp has a module called osdp. Another package of the name osdp brings a module of the
same name, has no reader, and is no peer here.
"""

import asyncio
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import osdp  # type: ignore[import-untyped]  # libosdp has no types
import pytest

from drivers.aes import aes
from drivers.errors import DeviceMismatch
from drivers.exchange_runner import ExchangeRunner
from drivers.links.serial_link import SerialLink
from drivers.links.serial_port import SerialSettings
from drivers.osdp_keys import give_key
from drivers.osdp_reader import Badge, OsdpReader
from drivers.simulators.pty_host import PtyHost
from firmware_protocols.errors import RemoteProtocolError
from firmware_protocols.osdp import exchanges
from firmware_protocols.osdp.decoder import ReplyDecoder
from firmware_protocols.osdp.frames import Frame
from firmware_protocols.osdp.replies import CardBits, LocalStatus
from firmware_protocols.osdp.secure_keys import DEFAULT_KEY, RANDOM_SIZE
from firmware_protocols.osdp.session import PanelSession
from tests.drivers.bench import RecordingHost, until
from tests.drivers.osdp_bench import CARD, SCBK, osdp_settings, secured

BAUD = 115200
ADDRESS = 5
OTHER_KEY = bytes(range(0x40, 0x50))


class FileChannel(osdp.Channel):  # type: ignore[misc]  # its base has no types
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


@contextmanager
def reader_of_others(
    descriptor: int, *, scbk: bytes | None = SCBK, flags: Sequence[Any] = (osdp.LibFlag.EnforceSecure,)
) -> Iterator[Any]:
    """libosdp's reader with light, buzzer and secure channel, which it insists on."""
    info = osdp.PDInfo(ADDRESS, FileChannel(descriptor), scbk=scbk, flags=list(flags))
    able = (
        osdp.Capability.LEDControl,
        osdp.Capability.AudibleControl,
        osdp.Capability.CommunicationSecurity,
    )
    capabilities = osdp.PDCapabilities([(one, 1, 1) for one in able])
    peer = osdp.PeripheralDevice(info, capabilities, log_level=osdp.LogLevel.Error)
    peer.start()
    try:
        yield peer
    finally:
        peer.teardown()


def panel(name: str, host: RecordingHost, key: bytes = SCBK) -> OsdpReader:
    link = SerialLink(name, SerialSettings(baud=BAUD))
    return OsdpReader("door-1", osdp_settings(baud=BAUD, address=ADDRESS, scbk=key), host, link)


async def test_our_panel_secures_a_reader_of_others_and_reads_its_card(ends: tuple[int, str]) -> None:
    descriptor, name = ends
    host = RecordingHost()
    with reader_of_others(descriptor) as peer:
        driver = panel(name, host)
        running = asyncio.create_task(driver.run())
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
        told = []
        while one := await asyncio.to_thread(peer.get_command, 2):
            told.append(one["command"])
        assert [one for one in told if one != osdp.Command.Status] == [osdp.Command.LED, osdp.Command.Buzzer]
        running.cancel()
        await asyncio.wait([running])


async def test_a_reader_of_others_with_another_key_is_named(ends: tuple[int, str]) -> None:
    descriptor, name = ends
    host = RecordingHost()
    with reader_of_others(descriptor, scbk=OTHER_KEY) as peer:
        with pytest.raises(DeviceMismatch, match="key_file") as told:
            await asyncio.wait_for(panel(name, host).run(), 20)
        assert not peer.is_sc_active()
    assert told.value.code == "wrong_key"
    assert host.readies == []


async def test_a_reader_of_others_takes_another_key(ends: tuple[int, str]) -> None:
    """Over a secure channel with the old one; from then on the new one opens it, and the old one does not."""
    descriptor, name = ends
    link = SerialLink(name, SerialSettings(baud=BAUD))
    with reader_of_others(descriptor) as peer:
        await link.open()
        try:
            runner = ExchangeRunner[Frame, Frame](link, ReplyDecoder(), noise=lambda _found: None)
            session = PanelSession(ADDRESS)
            await secured_with(runner, session, SCBK)
            await runner.run(exchanges.set_key(session, OTHER_KEY))
            told = None
            while told is None or told["command"] != osdp.Command.Keyset:
                told = await asyncio.to_thread(peer.get_command, 5)
                assert told is not None, "it says nothing of a new key"
            assert bytes(told["data"]) == OTHER_KEY
            await secured_with(runner, session, OTHER_KEY)
            assert isinstance(await runner.run(exchanges.local_status(session)), LocalStatus)
            with pytest.raises(RemoteProtocolError):
                await secured_with(runner, session, SCBK)
        finally:
            await link.close()


async def test_a_reader_from_the_factory_is_given_its_key(ends: tuple[int, str]) -> None:
    """In install mode it answers to the key that everybody knows; afterwards to its own alone."""
    descriptor, name = ends
    told: list[str] = []
    with reader_of_others(descriptor, scbk=None, flags=[osdp.LibFlag.InstallMode]) as peer:
        link = SerialLink(name, SerialSettings(baud=BAUD))
        found = await give_key(link, ADDRESS, present=DEFAULT_KEY, new=OTHER_KEY, step=told.append)
        assert found.identity.serial == 0xDEADBEAF
        assert len(told) == 4
        host = RecordingHost()
        running = asyncio.create_task(panel(name, host, OTHER_KEY).run())
        await until(lambda: bool(host.readies) or running.done())
        assert peer.is_sc_active()
        running.cancel()
        await asyncio.wait([running])
        link = SerialLink(name, SerialSettings(baud=BAUD))
        with pytest.raises(DeviceMismatch, match="--present") as refused:
            await give_key(link, ADDRESS, present=SCBK, new=OTHER_KEY, step=told.append)
        assert refused.value.code == "wrong_key"


async def secured_with(runner: ExchangeRunner[Frame, Frame], session: PanelSession, key: bytes) -> None:
    await runner.run(exchanges.introduce(session))
    await runner.run(exchanges.secure(session, key, secrets.token_bytes(RANDOM_SIZE), aes))


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
