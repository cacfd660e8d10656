"""Ports of other machines: raw, and by RFC 2217 against pyserial's own server side; a reader served over both."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from drivers.errors import LinkLost, LinkUnavailable, SettingsError
from drivers.links.lines import line_name, line_to, wired
from drivers.links.link import Link
from drivers.links.rfc2217_link import Rfc2217Link
from drivers.links.serial_port import SerialSettings
from drivers.links.socket_link import SocketLink
from drivers.registry import build
from drivers.simulators.cards import cards
from drivers.simulators.idcard import SimulatedReader
from drivers.simulators.pty_host import PtyHost
from tests.broker import free_port
from tests.drivers.bench import RecordingHost, until
from tests.drivers.port_server import Rfc2217Server, raw_server

SETTINGS = SerialSettings(baud=19200, open_timeout_s=8)
pytestmark = pytest.mark.filterwarnings(
    "ignore:set(Daemon|Name):DeprecationWarning"
)  # of pyserial's own thread
BOTH = pytest.mark.parametrize("scheme", ["socket", "rfc2217"])


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[PtyHost]:
    async with PtyHost(tmp_path / "far") as host:
        host.plug()
        yield host


@pytest.fixture
async def link(scheme: str, host: PtyHost) -> AsyncIterator[Link]:
    if scheme == "socket":
        async with raw_server(str(host.link)) as port:
            yield line_to(f"socket://127.0.0.1:{port}", SETTINGS)
        return
    server = Rfc2217Server(str(host.link))
    yield line_to(f"rfc2217://127.0.0.1:{server.port}", SETTINGS)
    await asyncio.to_thread(server.close)


@BOTH
async def test_bytes_go_both_ways_whole_and_in_order(link: Link, host: PtyHost) -> None:
    sent = bytes(range(256)) * 20  # every byte: RFC 2217 escapes one of them
    await link.open()
    try:
        await link.send(sent)
        there = b""
        async with asyncio.timeout(20):
            while len(there) < len(sent):
                there += await host.receive()
        assert there == sent
        await host.send(sent)
        back = b""
        async with asyncio.timeout(20):
            while len(back) < len(sent):
                back += await link.receive()
        assert back == sent
    finally:
        await link.close()
    with pytest.raises(LinkLost):
        await link.send(b"x")


@BOTH
async def test_a_reader_behind_a_port_server_is_served(link: Link, host: PtyHost) -> None:
    reader = SimulatedReader()
    serving = asyncio.create_task(reader.serve(host))
    recording = RecordingHost()
    driver = build("idcard.sam", "idcard-1", {"port": link.name, "poll_interval_ms": 100}, recording)
    running = asyncio.ensure_future(driver.run())
    try:
        await until(lambda: bool(recording.readies) or running.done())
        assert recording.readies
        reader.present(next(cards(3)))
        await until(lambda: bool(recording.events) or running.done())
        assert len(recording.events) == 1
    finally:
        for task in (running, serving):
            task.cancel()
        await asyncio.wait({running, serving})


async def test_the_line_is_set_as_it_is_configured(host: PtyHost) -> None:
    server = Rfc2217Server(str(host.link))
    link = Rfc2217Link(f"rfc2217://127.0.0.1:{server.port}", SerialSettings(baud=57600, open_timeout_s=8))
    await link.open()
    assert server.serial.baudrate == 57600, "a pty takes no parity"
    await link.close()
    await asyncio.to_thread(server.close)


async def test_a_connection_that_breaks_is_lost_and_can_be_opened_again(host: PtyHost) -> None:
    server = Rfc2217Server(str(host.link))
    link = Rfc2217Link(f"rfc2217://127.0.0.1:{server.port}", SETTINGS)
    for _ in range(2):
        await link.open()
        await asyncio.to_thread(server.drop)
        with pytest.raises(LinkLost, match="closed the connection"):
            async with asyncio.timeout(10):
                await link.receive()
        await link.close()
    await asyncio.to_thread(server.close)


@pytest.mark.parametrize("scheme", ["socket", "rfc2217"])
async def test_no_server_is_said_with_what_to_do(scheme: str) -> None:
    link = line_to(f"{scheme}://127.0.0.1:{free_port()}", SETTINGS)
    with pytest.raises(LinkUnavailable, match="check the port server") as told:
        await link.open()
    assert told.value.code == "no_server"
    await link.close()


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # pyserial leaves its socket to the end
async def test_one_that_is_silent_is_given_up() -> None:
    """It takes connections and says nothing: RFC 2217 is negotiated, raw bytes are not."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        link = Rfc2217Link(f"rfc2217://127.0.0.1:{port}", SerialSettings(open_timeout_s=0.5))
        with pytest.raises(LinkUnavailable, match="RFC 2217"):
            await link.open()
        await asyncio.sleep(3.2)  # until pyserial has given up, too, and closed


async def test_a_flood_that_nobody_takes_is_held_up_at_the_sender(host: PtyHost) -> None:
    sent, ended = 0, asyncio.Event()

    async def flood(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        try:
            with suppress(OSError):
                while True:
                    writer.write(bytes(65536))
                    await writer.drain()
                    sent += 65536
        finally:
            writer.transport.abort()
            ended.set()

    server = await asyncio.start_server(flood, "127.0.0.1", 0)
    link = SocketLink(f"socket://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    await link.open()
    await asyncio.sleep(1)
    held = sent
    await asyncio.sleep(0.5)
    assert sent == held, "the window is full"
    assert held < 32 << 20, "what the kernels hold"
    await link.close()
    await ended.wait()
    server.close()


@pytest.mark.parametrize(
    "port",
    [
        "socket://",
        "socket://host",
        "rfc2217://host:x",
        "socket://h:1/x",
        "rfc2217://u@h:1",
        "socket://h:99999",
    ],
)
def test_an_address_that_is_none_is_refused(port: str) -> None:
    with pytest.raises(ValueError, match="host:port"):
        line_name(port)
    with pytest.raises(SettingsError, match="'port'"):
        wired("idcard-1", port, SETTINGS)


def test_a_wired_kind_is_not_on_the_air() -> None:
    with pytest.raises(SettingsError, match="Bluetooth"):
        wired("idcard-1", "ble:F0:F1:F2:F3:F4:01", SETTINGS)
