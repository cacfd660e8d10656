"""Driver and simulated reader against libosdp, which others wrote: its reader for ours to poll, its panel to poll ours.

The PyPI package libosdp has a module called osdp. Another package of the name osdp brings a module of the
same name, has no reader, and is no peer here.
"""

import asyncio
import os
import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import osdp  # type: ignore[import-untyped]  # libosdp has no types
import pytest

from drivers.aes import aes
from drivers.errors import DeviceMismatch
from drivers.events import BadgeForm, BadgeRead
from drivers.exchange_runner import ExchangeRunner
from drivers.links.serial_link import SerialLink
from drivers.links.serial_port import SerialSettings
from drivers.links.shared_line import Place
from drivers.osdp_keys import give_key
from drivers.osdp_probe import readers_on
from drivers.osdp_reader import OsdpReader
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


class Tap(osdp.Channel):  # type: ignore[misc]  # its base has no types
    """The place of one reader of libosdp's on a line: it hears everything, and all may talk."""

    def __init__(self, bus: "Bus") -> None:
        super().__init__()
        self._bus = bus
        self.waiting = bytearray()

    def read(self, max_bytes: int) -> bytes:
        with self._bus.lock:
            self._bus.pump()
            data = bytes(self.waiting[:max_bytes])
            del self.waiting[:max_bytes]
        return data

    def write(self, buf: bytes) -> int:
        return os.write(self._bus.descriptor, bytes(buf))

    def flush(self) -> None:
        """Nothing is held back."""


class Bus:
    """What the panel says, handed to every reader of the line."""

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self.descriptor = descriptor
        self.lock = threading.Lock()  # each reader of libosdp's runs in a thread of its own
        self._taps: list[Tap] = []

    def tap(self) -> Tap:
        self._taps.append(Tap(self))
        return self._taps[-1]

    def pump(self) -> None:
        with suppress(BlockingIOError):
            data = os.read(self.descriptor, 4096)
            for one in self._taps:
                one.waiting += data


@contextmanager
def reader_of_others(
    channel: Any,
    *,
    address: int = ADDRESS,
    scbk: bytes | None = SCBK,
    flags: Sequence[Any] = (osdp.LibFlag.EnforceSecure,),
) -> Iterator[Any]:
    """libosdp's reader with light, buzzer and secure channel, which it insists on."""
    info = osdp.PDInfo(address, channel, scbk=scbk, flags=list(flags))
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


def panel(name: str, host: RecordingHost, key: bytes = SCBK, address: int = ADDRESS) -> OsdpReader:
    """Those of one port are on one line."""
    place = Place(name, address, SerialSettings(baud=BAUD))
    return OsdpReader("door-1", osdp_settings(baud=BAUD, address=address, scbk=key), host, place)


def card_read(bits: str) -> dict[str, object]:
    """As libosdp's reader is told of a card."""
    return {
        "event": osdp.Event.CardRead,
        "reader_no": 0,
        "direction": 0,
        "format": osdp.CardFormat.Unspecified,
        "length": len(bits),
        "data": CardBits.of_bits(0, bits).content,
    }


async def told_of(peer: Any, *wanted: Any) -> list[Any]:
    """What libosdp's reader was told, until the last of these."""
    told: list[Any] = []
    while wanted[-1] not in told:
        one = await asyncio.to_thread(peer.get_command, 5)
        assert one is not None, f"it was told {told}"
        if one["command"] in wanted:
            told.append(one["command"])
    return told


def badge(bits: str) -> BadgeRead:
    return BadgeRead(form=BadgeForm.BITS, number=bits)


async def test_our_panel_secures_a_reader_of_others_and_reads_its_card(ends: tuple[int, str]) -> None:
    descriptor, name = ends
    host = RecordingHost()
    with reader_of_others(FileChannel(descriptor)) as peer:
        driver = panel(name, host)
        running = asyncio.create_task(driver.run())
        await until(lambda: bool(host.readies) or running.done())
        assert host.readies
        assert peer.is_sc_active()
        peer.submit_event(card_read(CARD))
        await until(lambda: bool(host.events))
        assert host.events == [badge(CARD)]
        lights = await told_of(peer, osdp.Command.LED, osdp.Command.Buzzer)
        assert lights == [osdp.Command.LED, osdp.Command.Buzzer]
        keys = {"event": osdp.Event.KeyPress, "reader_no": 0, "data": b"1870"}
        peer.submit_event(keys)
        await until(lambda: bool(host.noises["keys"]))
        assert host.events == [badge(CARD)], "keys are no event"
        running.cancel()
        await asyncio.wait([running])


async def test_three_readers_of_others_on_one_line(ends: tuple[int, str]) -> None:
    """Each with its own key; one that is not there holds up nobody."""
    descriptor, name = ends
    bus = Bus(descriptor)
    keys = {1: SCBK, 2: OTHER_KEY, 3: bytes(range(0x70, 0x80))}
    hosts = {address: RecordingHost() for address in keys}
    with ExitStack() as there:
        peers = {
            address: there.enter_context(reader_of_others(bus.tap(), address=address, scbk=key))
            for address, key in keys.items()
            if address != 3
        }
        running = [
            asyncio.create_task(panel(name, hosts[address], key, address).run())
            for address, key in keys.items()
        ]
        await until(lambda: all(hosts[address].readies for address in peers))
        assert all(peer.is_sc_active() for peer in peers.values())
        for turn in range(5):
            for address, peer in peers.items():
                peer.submit_event(card_read(f"{100 * address + turn:032b}"))
            await until(lambda turn=turn: all(len(hosts[one].events) == turn + 1 for one in peers))  # type: ignore[misc]
        for address in peers:
            assert hosts[address].events == [badge(f"{100 * address + turn:032b}") for turn in range(5)]
            await told_of(peers[address], osdp.Command.LED, osdp.Command.Buzzer)
        assert not hosts[3].readies
        for task in running:
            task.cancel()
        ended = await asyncio.gather(*running, return_exceptions=True)
        assert all(isinstance(one, asyncio.CancelledError) for one in ended[:2])


async def test_readers_of_others_are_found_on_their_line(
    ends: tuple[int, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drivers.osdp_probe.ADDRESSES", range(4))
    descriptor, name = ends
    for addresses in ((2,), (1, 3), ()):
        bus = Bus(descriptor)
        with ExitStack() as there:
            for address in addresses:
                there.enter_context(reader_of_others(bus.tap(), address=address))
            found = await readers_on(SerialLink(name, SerialSettings(baud=BAUD)))
        assert [address for address, _ in found] == list(addresses)
        assert all(told.capabilities.secures for _, told in found)


async def test_a_reader_of_others_with_another_key_is_named(ends: tuple[int, str]) -> None:
    descriptor, name = ends
    host = RecordingHost()
    with reader_of_others(FileChannel(descriptor), scbk=OTHER_KEY) as peer:
        with pytest.raises(DeviceMismatch, match="key_file") as told:
            await asyncio.wait_for(panel(name, host).run(), 20)
        assert not peer.is_sc_active()
    assert told.value.code == "wrong_key"
    assert host.readies == []


async def test_a_reader_of_others_takes_another_key(ends: tuple[int, str]) -> None:
    """Over a secure channel with the old one; from then on the new one opens it, and the old one does not."""
    descriptor, name = ends
    link = SerialLink(name, SerialSettings(baud=BAUD))
    with reader_of_others(FileChannel(descriptor)) as peer:
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
    with reader_of_others(FileChannel(descriptor), scbk=None, flags=[osdp.LibFlag.InstallMode]) as peer:
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
