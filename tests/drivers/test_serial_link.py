"""A serial port through real pyserial on a real pty: opening, moving bytes, losing the port, refusals."""

import asyncio
import os
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import serial

from drivers.errors import LinkLost, LinkUnavailable
from drivers.links import serial_link, serial_port
from drivers.links.serial_link import BUFFER_LIMIT, SerialLink
from drivers.links.serial_port import SerialSettings
from drivers.simulators.pty_host import PtyHost
from drivers.simulators.wire import send_at
from tests.drivers.bench import DEADLINE_S, until

NOBODY = 65534


@pytest.fixture
async def link(port: PtyHost) -> AsyncIterator[SerialLink]:
    near = SerialLink(str(port.link))
    await near.open()
    yield near
    await near.close()


async def receive_exactly(link: SerialLink | PtyHost, count: int) -> bytes:
    got = bytearray()
    async with asyncio.timeout(DEADLINE_S):
        while len(got) < count:
            got += await link.receive()
    return bytes(got)


async def test_bytes_pass_unchanged_both_ways(port: PtyHost, link: SerialLink) -> None:
    every_byte = bytes(range(256))  # XON, XOFF, ^C, ^D, CR and LF among them
    await link.send(every_byte)
    assert await receive_exactly(port, 256) == every_byte
    await port.send(every_byte)
    assert await receive_exactly(link, 256) == every_byte


@pytest.mark.parametrize("baud", [9600, 19200, 38400, 57600, 115200])
async def test_configured_speed_reaches_the_line(port: PtyHost, baud: int) -> None:
    link = SerialLink(str(port.link), SerialSettings(baud=baud))
    await link.open()
    assert port.baud == baud
    await link.close()


async def test_reading_stops_while_the_driver_is_behind_and_nothing_is_lost(
    port: PtyHost, link: SerialLink
) -> None:
    payload = os.urandom(200_000)
    sending = asyncio.create_task(port.send(payload))
    await until(lambda: link.buffered >= BUFFER_LIMIT)
    peak = 0
    got = bytearray()
    async with asyncio.timeout(DEADLINE_S):
        while len(got) < len(payload):
            for _ in range(20):  # a slow driver: the loop turns while nobody takes the bytes
                await asyncio.sleep(0)
            peak = max(peak, link.buffered)
            got += await link.receive()
    await sending
    assert bytes(got) == payload
    assert peak < BUFFER_LIMIT + serial_link.READ_SIZE


async def test_large_send_waits_for_a_slow_device(port: PtyHost, link: SerialLink) -> None:
    payload = os.urandom(100_000)
    sending = asyncio.create_task(link.send(payload))
    assert await receive_exactly(port, len(payload)) == payload
    await sending


async def test_device_that_takes_nothing_is_a_lost_link(port: PtyHost) -> None:
    link = SerialLink(str(port.link), SerialSettings(write_timeout_s=0.05))
    await link.open()
    with pytest.raises(LinkLost, match="takes no data") as caught:
        await link.send(bytes(1_000_000))
    assert caught.value.code == "write_failed"
    await link.close()


async def test_cancelled_receive_loses_no_byte(port: PtyHost, link: SerialLink) -> None:
    payload = os.urandom(2000)
    sending = asyncio.create_task(send_at(port, payload, 115200))
    got = bytearray()
    async with asyncio.timeout(DEADLINE_S):
        while len(got) < len(payload):
            try:
                async with asyncio.timeout(0.0005):
                    got += await link.receive()
            except TimeoutError:
                continue
    await sending
    assert bytes(got) == payload


async def test_unplugging_wakes_the_reader_and_the_cause_stays(port: PtyHost, link: SerialLink) -> None:
    receiving = asyncio.create_task(link.receive())
    await asyncio.sleep(0)
    port.unplug()
    async with asyncio.timeout(DEADLINE_S):
        with pytest.raises(LinkLost, match="unplugged") as caught:
            await receiving
    assert caught.value.code == "unplugged"
    with pytest.raises(LinkLost) as again:
        await link.send(b"x")
    assert again.value.code == "unplugged"


async def test_unplugging_wakes_the_writer(port: PtyHost, link: SerialLink) -> None:
    sending = asyncio.create_task(link.send(bytes(1_000_000)))
    await asyncio.sleep(0)
    port.unplug()
    async with asyncio.timeout(DEADLINE_S):
        with pytest.raises(LinkLost):
            await sending


async def test_what_came_before_the_loss_is_delivered_first(port: PtyHost, link: SerialLink) -> None:
    await port.send(b"last words")
    await until(lambda: link.buffered == 10)
    port.unplug()
    assert await link.receive() == b"last words"
    async with asyncio.timeout(DEADLINE_S):
        with pytest.raises(LinkLost):
            await link.receive()


async def test_lost_port_is_no_longer_watched(port: PtyHost, link: SerialLink) -> None:
    port.unplug()
    async with asyncio.timeout(DEADLINE_S):
        with pytest.raises(LinkLost):
            await link.receive()
    # A hung-up descriptor that is still watched would be ready in each turn of the loop.
    assert asyncio.get_running_loop().remove_reader(link._fd) is False


async def test_replugged_port_is_absent_until_it_is_back_and_works_then(
    port: PtyHost, link: SerialLink
) -> None:
    port.unplug()
    async with asyncio.timeout(DEADLINE_S):
        with pytest.raises(LinkLost):
            await link.receive()
    await link.close()
    with pytest.raises(LinkUnavailable, match="plug the adapter in") as caught:
        await link.open()
    assert caught.value.code == "absent"
    port.plug()
    await link.open()
    await port.send(b"back")
    assert await receive_exactly(link, 4) == b"back"
    await link.send(b"again")
    assert await receive_exactly(port, 5) == b"again"


async def test_port_can_be_closed_twice_and_opened_again(port: PtyHost, link: SerialLink) -> None:
    await link.close()
    await link.close()
    with pytest.raises(LinkLost) as caught:
        await link.receive()
    assert caught.value.code == "closed"
    await link.open()
    await link.send(b"x")
    assert await receive_exactly(port, 1) == b"x"


async def test_closing_wakes_a_waiting_reader_and_writer(port: PtyHost, link: SerialLink) -> None:
    receiving = asyncio.create_task(link.receive())
    sending = asyncio.create_task(link.send(bytes(1_000_000)))
    await asyncio.sleep(0)
    await link.close()
    async with asyncio.timeout(DEADLINE_S):
        results = await asyncio.gather(receiving, sending, return_exceptions=True)
    assert [getattr(r, "code", r) for r in results] == ["closed", "closed"]


async def test_second_opening_is_refused_while_another_program_has_the_port(
    port: PtyHost, link: SerialLink
) -> None:
    other = SerialLink(str(port.link))
    with pytest.raises(LinkUnavailable, match="stop it or choose another port") as caught:
        await other.open()
    assert caught.value.code == "in_use"
    with pytest.raises(serial.SerialException, match="lock"):
        serial.Serial(str(port.link), exclusive=True)
    await link.close()
    await other.open()
    await other.close()


async def test_absent_port_is_named(tmp_path: Path) -> None:
    name = str(tmp_path / "usb-Gone_0001-if00")
    with pytest.raises(LinkUnavailable) as caught:
        await SerialLink(name).open()
    assert caught.value.code == "absent"
    assert name in str(caught.value)
    assert "/dev/serial/by-id" in str(caught.value)


async def test_name_below_a_file_is_absent(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LinkUnavailable) as caught:
        await SerialLink(str(tmp_path / "file" / "port")).open()
    assert caught.value.code == "absent"


@pytest.mark.parametrize("make", ["file", "folder", "fifo", "null"])
async def test_what_is_no_tty_is_refused(tmp_path: Path, make: str) -> None:
    path = tmp_path / "thing"
    match make:
        case "file":
            path.touch()
        case "folder":
            path.mkdir()
        case "fifo":
            os.mkfifo(path)
        case "null":
            path.symlink_to("/dev/null")
    with pytest.raises(LinkUnavailable, match="not a serial port") as caught:
        await SerialLink(str(path)).open()
    assert caught.value.code == "not_a_port"


@contextmanager
def as_ordinary_user() -> Iterator[None]:
    """Root may open everything, so a test that runs as root lays that aside for a moment."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


async def test_missing_permission_names_the_group() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        async with PtyHost(Path(folder) / "usb-Test") as port:
            port.link.resolve().chmod(0)
            with as_ordinary_user(), pytest.raises(LinkUnavailable, match="group dialout") as caught:
                await SerialLink(str(port.link)).open()
            assert caught.value.code == "permission"


async def test_setting_that_the_port_refuses_is_named(port: PtyHost) -> None:
    with pytest.raises(LinkUnavailable, match="parity") as caught:
        await SerialLink(str(port.link), SerialSettings(parity="Q")).open()
    assert caught.value.code == "open_failed"


async def test_hanging_adapter_neither_blocks_the_loop_nor_leaks(
    port: PtyHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()
    real = serial_port.open_port

    def hang(path: str, settings: SerialSettings) -> serial.Serial:
        assert release.wait(DEADLINE_S)
        return real(path, settings)

    monkeypatch.setattr(serial_link, "open_port", hang)
    closed = record_closings(monkeypatch)
    link = SerialLink(str(port.link), SerialSettings(open_timeout_s=0.05))
    before = threading.active_count()
    for _ in range(3):
        with pytest.raises(LinkUnavailable, match="adapter hangs") as caught:
            await link.open()
        assert caught.value.code == "open_failed"
    assert threading.active_count() == before + 1
    release.set()
    # The call returns at last, with a port nobody waits for: it is closed in a thread, and the lock is free again.
    await until(lambda: len(closed) == 1)
    monkeypatch.undo()
    await open_at_last(link)
    await link.close()


async def test_cancelled_opening_leaves_the_port_free(port: PtyHost, monkeypatch: pytest.MonkeyPatch) -> None:
    entered, release = threading.Event(), threading.Event()
    real = serial_port.open_port

    def wait(path: str, settings: SerialSettings) -> serial.Serial:
        entered.set()
        assert release.wait(DEADLINE_S)
        return real(path, settings)

    monkeypatch.setattr(serial_link, "open_port", wait)
    opening = asyncio.create_task(SerialLink(str(port.link)).open())
    await asyncio.to_thread(entered.wait, DEADLINE_S)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    closed = record_closings(monkeypatch)
    release.set()
    await until(lambda: len(closed) == 1)
    monkeypatch.undo()
    other = SerialLink(str(port.link))
    await open_at_last(other)
    await other.close()


def record_closings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The threads in which ports were closed."""
    closed: list[str] = []

    def close(opened: serial.Serial) -> None:
        serial_port.close_port(opened)
        closed.append(threading.current_thread().name)

    monkeypatch.setattr(serial_link, "close_port", close)
    return closed


async def open_at_last(link: SerialLink) -> None:
    """Open, as soon as the thread of an earlier call has ended."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            try:
                return await link.open()
            except LinkUnavailable:
                await asyncio.sleep(0.01)
