"""A line of wearables: answered when it is on disk, each call its own conversation, bad lines stop no other."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_network

import pytest

from drivers import tracker_line
from drivers.errors import LinkLost, LinkUnavailable, SettingsError
from drivers.links.memory_link import MemoryLink
from drivers.links.tcp_server import Listener
from drivers.registry import build
from drivers.tracker_line import QUIET_S, SILENT_S, TrackerLine, TrackerSettings, allowed
from drivers.trackers import conversation_type
from firmware_protocols.errors import LocalProtocolError
from firmware_protocols.framing import Discarded
from firmware_protocols.minifinder2.frames import WANTS_ANSWER, Frame
from firmware_protocols.minifinder2.items import DATA, RESPONSE, Item
from firmware_protocols.tracking import Heard, Order, TrackerReport
from firmware_protocols.xexun2.frames import Frame as XexunFrame
from firmware_protocols.xexun2.reports import RECORDS
from tests.drivers.bench import RecordingHost, in_skipped_time

NOW = datetime(2026, 11, 27, 4, 0, tzinfo=UTC)
LOCAL = (ip_network("127.0.0.0/8"),)


class Lines:
    """A conversation of lines: the first names the device, `#` is noise, each is answered `ok <line>`."""

    def __init__(self) -> None:
        self.device_id: str | None = None
        self._rest = b""

    def feed(self, data: bytes, now: datetime) -> Iterable[Heard | Discarded]:
        assert now == NOW
        self._rest += data
        while b"\n" in self._rest:
            line, _, self._rest = self._rest.partition(b"\n")
            if line.startswith(b"#"):
                yield Discarded("noise", len(line))
                continue
            self.device_id = self.device_id or line.decode()
            report = TrackerReport(kind=line.decode(), device_id=self.device_id)
            yield Heard((report,), b"ok " + line + b"\n")

    def flush(self) -> Iterable[Discarded]:
        if self._rest:
            yield Discarded("truncated", len(self._rest))
        self._rest = b""

    def order(self, order: Order, value: int | str | None, now: datetime) -> bytes:
        raise LocalProtocolError("unsupported", f"{order} {value} {now}")


def line_of(host: RecordingHost, **settings: object) -> TrackerLine:
    parsed = TrackerSettings(family="lines", **settings)  # type: ignore[arg-type]
    return TrackerLine(parsed, host, converse=Lines, now=lambda: NOW)


@asynccontextmanager
async def dock(host: RecordingHost) -> AsyncIterator[tuple[MemoryLink, "asyncio.Task[None]"]]:
    near, far = MemoryLink.pair()
    await near.open()
    await far.open()
    talking = asyncio.create_task(line_of(host, port="x").talk(near, Lines(), silent_s=None))
    yield far, talking
    talking.cancel()
    await asyncio.wait([talking])


@in_skipped_time
async def test_a_report_is_answered_when_it_is_on_disk_and_not_before() -> None:
    host = RecordingHost()
    host.commit_s = 5.0
    async with dock(host) as (far, _):
        began = asyncio.get_running_loop().time()
        await far.send(b"T-")
        await far.send(b"1\n")
        assert await far.receive() == b"ok T-1\n"
        assert asyncio.get_running_loop().time() - began == pytest.approx(5.0)
        assert [one.device_id for one in host.reports] == ["T-1"]


@in_skipped_time
async def test_what_could_not_be_stored_is_not_answered_and_the_line_is_closed() -> None:
    host = RecordingHost()
    host.refusing = True
    async with dock(host) as (far, talking):
        await far.send(b"T-1\n")
        with pytest.raises(LinkLost) as lost:
            await talking
        assert lost.value.code == "not_stored"
        assert host.reports == []


@in_skipped_time
async def test_noise_is_counted_and_a_frame_that_is_not_finished_given_up() -> None:
    host = RecordingHost()
    async with dock(host) as (far, _):
        await far.send(b"#hum\nT-1\nT-")
        assert await far.receive() == b"ok T-1\n"
        await asyncio.sleep(QUIET_S * 2)
        await far.send(b"T-2\n")
        assert await far.receive() == b"ok T-2\n"
    assert host.noises == {"noise": 4, "truncated": 2}


@in_skipped_time
async def test_a_caller_that_says_nothing_for_long_is_gone() -> None:
    near, far = MemoryLink.pair()
    await near.open()
    await far.open()
    began = asyncio.get_running_loop().time()
    with pytest.raises(LinkLost) as lost:
        await line_of(RecordingHost(), port="x").talk(near, Lines(), silent_s=SILENT_S)
    assert lost.value.code == "silent"
    assert asyncio.get_running_loop().time() - began == pytest.approx(SILENT_S, abs=QUIET_S)


ITEMS = Item(0x01, b"352000000000017"), Item(0x24, bytes(8)), Item(0x24, bytes(8))
XEXUN = XexunFrame(RECORDS, 0x1234, bytes.fromhex("3520000000000170"), b"\1\0\x09" + bytes(9))


@pytest.mark.parametrize(
    ("kind", "sent", "answer", "reports"),
    [
        (
            "tracker.minifinder2",
            Frame(DATA, 0x1234, b"".join(one.to_bytes() for one in ITEMS), WANTS_ANSWER).to_bytes(),
            Frame(RESPONSE, 0x1234, Item(0).to_bytes()).to_bytes(),
            2,
        ),
        ("tracker.xexun2", XEXUN.to_bytes(), replace(XEXUN, payload=b"\1").to_bytes(), 1),
    ],
)
@in_skipped_time
async def test_a_wearable_is_answered_by_its_own_serial_when_its_records_are_on_disk(
    kind: str, sent: bytes, answer: bytes, reports: int
) -> None:
    host = RecordingHost()
    host.commit_s = 5.0
    near, far = MemoryLink.pair()
    await near.open()
    await far.open()
    line = build(kind, "band-1", {"port": "ble:AA:BB:CC:DD:EE:FF"}, host)
    assert isinstance(line, TrackerLine)
    conversation = conversation_type(kind.removeprefix("tracker."))()
    talking = asyncio.create_task(line.talk(near, conversation, silent_s=None))
    began = asyncio.get_running_loop().time()
    for at in range(0, len(sent), 20):  # as over the air
        await far.send(sent[at : at + 20])
    assert await far.receive() == answer
    assert asyncio.get_running_loop().time() - began == pytest.approx(5.0)
    assert [one.device_id for one in host.reports] == ["352000000000017"] * reports
    talking.cancel()
    await asyncio.wait([talking])


# -- over the network ---------------------------------------------------------------------------------


@asynccontextmanager
async def listening(
    host: RecordingHost, monkeypatch: pytest.MonkeyPatch, *, most: int = 8, allow: object = LOCAL
) -> AsyncIterator[int]:
    made: list[Listener] = []

    def listener(address: str, _port: int, *, most: int = most) -> Listener:
        made.append(Listener(address, 0, most=most))
        return made[0]

    monkeypatch.setattr(tracker_line, "Listener", listener)
    monkeypatch.setattr(tracker_line, "MOST_LINES", most)
    running = asyncio.create_task(line_of(host, listen=("127.0.0.1", 1), allow=allow).run())
    async with asyncio.timeout(5):
        while not host.readies:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    yield made[0].port
    running.cancel()
    await asyncio.wait([running])


async def call(port: int, *lines: bytes) -> list[bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        answers = []
        for line in lines:
            writer.write(line)
            answers.append(await asyncio.wait_for(reader.readline(), 5))
        return answers
    finally:
        writer.close()


async def test_each_call_is_a_conversation_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    host = RecordingHost()
    async with listening(host, monkeypatch) as port:
        await asyncio.gather(*(call(port, b"T-%d\n" % number, b"x\n") for number in range(5)))
    assert sorted(str(one.device_id) for one in host.reports) == sorted([f"T-{n}" for n in range(5)] * 2)


async def test_a_call_that_breaks_stops_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    host = RecordingHost()
    async with listening(host, monkeypatch) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"T-9")
        await writer.drain()
        writer.transport.abort()
        assert await call(port, b"T-1\n") == [b"ok T-1\n"]


async def test_a_foreign_address_is_not_talked_to(monkeypatch: pytest.MonkeyPatch) -> None:
    host = RecordingHost()
    async with listening(host, monkeypatch, allow=(ip_network("10.0.0.0/8"),)) as port:
        with pytest.raises(ConnectionError):
            await call(port, b"T-1\n")
    assert (list(host.noises), host.reports) == (["foreign_address"], [])


async def test_so_many_calls_at_a_time_and_the_next_when_one_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    host = RecordingHost()
    async with listening(host, monkeypatch, most=2) as port:
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        waiting = asyncio.create_task(call(port, b"T-3\n"))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        held[0][1].close()
        assert await waiting == [b"ok T-3\n"]
        held[1][1].close()


async def test_an_address_that_is_taken_or_not_ours_is_said() -> None:
    first = Listener("127.0.0.1", 0, most=1)
    await first.open()
    with pytest.raises(LinkUnavailable) as taken:
        await Listener("127.0.0.1", first.port, most=1).open()
    with pytest.raises(LinkUnavailable) as absent:
        await Listener("192.0.2.1", 7611, most=1).open()
    await first.close()
    assert (taken.value.code, absent.value.code) == ("in_use", "absent")


# -- settings -----------------------------------------------------------------------------------------


def test_a_dock_or_a_port_to_call() -> None:
    dock = TrackerSettings.parse("lines", "d", {"port": "/dev/ttyUSB0", "baud": 9600})
    assert (dock.port, dock.baud, dock.listen) == ("/dev/ttyUSB0", 9600, None)
    called = TrackerSettings.parse("lines", "d", {"listen": "[::1]:7611", "allow": "10.0.0.0/8, 10.1.2.3"})
    assert called.listen == ("::1", 7611)
    assert called.allow == (ip_network("10.0.0.0/8"), ip_network("10.1.2.3"))


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({}, "missing_setting"),
        ({"listen": "10.0.0.1:7611"}, "missing_setting"),
        ({"listen": "7611", "allow": "10.0.0.0/8"}, "wrong_type"),
        ({"listen": "10.0.0.1:70000", "allow": "10.0.0.0/8"}, "wrong_type"),
        ({"listen": "10.0.0.1:7611", "allow": "everybody"}, "wrong_type"),
        ({"port": "x", "baud": 300}, "out_of_range"),
        ({"port": "x", "lsten": "y"}, "unknown_setting"),
    ],
)
def test_a_table_that_cannot_be_used_is_said(settings: dict[str, object], code: str) -> None:
    with pytest.raises(SettingsError) as told:
        TrackerSettings.parse("lines", "d", settings)
    assert told.value.code == code


@pytest.mark.parametrize(
    ("source", "is_allowed"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("10.2.0.1", False),
        ("fe80::1%eth0", False),
        ("", False),
    ],
)
def test_who_may_call(source: str, *, is_allowed: bool) -> None:
    assert allowed(source, [ip_network("10.1.0.0/16")]) is is_allowed
