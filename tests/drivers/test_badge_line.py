"""A converter that tells badges by lines: every format, every fault, one event for each presentation."""

import asyncio
from typing import Any

import pytest

from drivers.badge_line import MOST_UNUSABLE
from drivers.badge_line_settings import BadgeLineSettings
from drivers.driver import Settings
from drivers.errors import DeviceFault, LinkLost, LinkUnavailable, SettingsError
from drivers.events import BadgeForm, BadgeRead
from drivers.links.lines import wired
from drivers.links.serial_port import SerialSettings
from drivers.registry import build
from drivers.simulators.badge_line import SimulatedConverter
from drivers.simulators.faults import Fault, FaultKind
from drivers.simulators.pty_host import PtyHost
from firmware_protocols.wiegand.lines import Marks
from tests.drivers.badge_bench import BadgeBench, badge_bench, badge_settings, bits
from tests.drivers.bench import RecordingHost, in_skipped_time
from tests.drivers.port_server import Rfc2217Server, raw_server

ONE, TWO, THREE = bits(0x0A1B2C), bits(0x123456), bits(0xFFFFFF)
WIEGAND = BadgeForm.WIEGAND_26


@pytest.mark.parametrize(
    ("settings", "stream", "badge"),
    [
        ({}, f"{int(ONE, 2):07X}\r\n", BadgeRead(form=WIEGAND, number=ONE)),
        ({}, f"{ONE}\r\n", BadgeRead(form=WIEGAND, number=ONE)),
        ({"line": "cr"}, f" {int(ONE, 2):07x}\r", BadgeRead(form=WIEGAND, number=ONE)),
        ({"line": "lf"}, f"{ONE}\r\n", BadgeRead(form=WIEGAND, number=ONE)),
        ({"line": "stx"}, f"\x02{ONE}\x03", BadgeRead(form=WIEGAND, number=ONE)),
        (
            {"line": "words", "start": "ID:", "end": ";;"},
            f"hello ID:{int(ONE, 2):07X};;",
            BadgeRead(form=WIEGAND, number=ONE),
        ),
        ({"content": "text"}, "0010463020\r\n", BadgeRead(form=BadgeForm.TEXT, number="0010463020")),
        (
            {"content": "text", "line": "words", "end": "."},
            "159,42796.",
            BadgeRead(form=BadgeForm.TEXT, number="159,42796"),
        ),
    ],
)
@pytest.mark.parametrize("whole", [True, False], ids=["whole", "byte by byte"])
def test_each_format_is_read(settings: dict[str, Any], stream: str, badge: BadgeRead, *, whole: bool) -> None:
    @in_skipped_time
    async def run() -> None:
        async with badge_bench(**settings) as bench:
            data = stream.encode()
            for piece in [data] if whole else [data[at : at + 1] for at in range(len(data))]:
                await bench.far.send(piece)
                await asyncio.sleep(0.01)
            await bench.until(lambda: bench.host.events == [badge])

    run()


@in_skipped_time
async def test_a_wrong_parity_is_counted_and_makes_no_event() -> None:
    async with badge_bench() as bench:
        bench.converter.faults.add(Fault(FaultKind.CHECKSUM))
        bench.converter.present(ONE)
        await bench.until(lambda: bool(bench.host.noises["parity"]))
        bench.converter.present(TWO)
        await bench.until(lambda: bench.numbers == [TWO])
        assert set(bench.host.noises) == {"parity"}


@pytest.mark.parametrize(
    ("kind", "read", "reasons"),
    [
        (FaultKind.NOISE_BEFORE, [THREE], {"digits"}),
        (FaultKind.NOISE_INSIDE, [THREE], {"digits"}),
        (FaultKind.CUT, [THREE], {"truncated"}),
        (FaultKind.MUTE, [THREE], set[str]()),
        (FaultKind.HUGE, [ONE, THREE], {"length"}),
        (FaultKind.TWICE, [ONE, THREE], set[str]()),
        (FaultKind.LATE, [ONE, THREE], set[str]()),
    ],
)
def test_a_spoilt_line_is_no_badge_and_takes_no_other_with_it(
    kind: FaultKind, read: list[str], reasons: set[str]
) -> None:
    @in_skipped_time
    async def run() -> None:
        async with badge_bench() as bench:
            bench.converter.faults.add(Fault(kind))
            bench.converter.present(ONE)
            await asyncio.sleep(2)
            bench.converter.present(THREE)
            await bench.until(lambda: bench.numbers[-1:] == [THREE])
            assert bench.numbers == read
            assert set(bench.host.noises) == reasons
            assert not bench.running.done()

    run()


@in_skipped_time
async def test_between_an_stx_and_an_etx_noise_takes_no_badge() -> None:
    marks = badge_settings(line="stx").marks
    async with badge_bench(SimulatedConverter(marks), line="stx") as bench:
        for kind in (FaultKind.NOISE_BEFORE, FaultKind.CUT, FaultKind.TWICE):
            bench.converter.faults.add(Fault(kind))
        for card in (ONE, TWO, THREE):
            bench.converter.present(card)
        await bench.until(lambda: bench.numbers == [ONE, THREE])


@in_skipped_time
async def test_a_badge_that_is_held_is_one_and_another_s_is_never_passed_over() -> None:
    async with badge_bench() as bench:
        for _ in range(30):
            bench.converter.present(ONE)
            await asyncio.sleep(0.5)
        bench.converter.present(TWO)
        bench.converter.present(ONE)
        await asyncio.sleep(1)
        assert bench.numbers == [ONE, TWO]
        await asyncio.sleep(2)
        bench.converter.present(ONE)
        await bench.until(lambda: bench.numbers == [ONE, TWO, ONE])


@in_skipped_time
async def test_a_reader_that_repeats_slowly_is_waited_for_longer() -> None:
    async with badge_bench(held_ms=6000) as bench:
        for _ in range(20):
            bench.converter.present(ONE)
            await asyncio.sleep(5)
        assert bench.numbers == [ONE]
        await asyncio.sleep(2)
        bench.converter.present(ONE)
        await bench.until(lambda: bench.numbers == [ONE, ONE])


@in_skipped_time
async def test_a_loose_contact_makes_no_flood() -> None:
    async with badge_bench() as bench:
        for _ in range(100):
            bench.converter.present(ONE)
            await asyncio.sleep(2.1)
        assert len(bench.host.events) <= 6 + 210 / 10 + 1
        assert bench.host.noises["too_often"]


@in_skipped_time
async def test_what_the_store_refuses_counts_when_it_is_presented_anew() -> None:
    async with badge_bench() as bench:
        bench.host.refusing = True
        for _ in range(4):
            bench.converter.present(ONE)
            await asyncio.sleep(0.5)
        assert len(bench.host.offered_at) == 1, "not tried at every report"
        bench.host.refusing = False
        await asyncio.sleep(2.5)
        bench.converter.present(ONE)
        await bench.until(lambda: bench.numbers == [ONE])


@in_skipped_time
async def test_a_burst_while_the_store_is_slow_is_kept() -> None:
    async with badge_bench() as bench:
        bench.host.commit_s = 0.8
        cards = [bits(number) for number in range(40)]
        for card in cards:
            bench.converter.present(card)
        await asyncio.sleep(60)
        assert bench.numbers == cards


@in_skipped_time
async def test_bytes_that_were_never_a_badge_are_a_fault() -> None:
    async with badge_bench() as bench:
        for _ in range(MOST_UNUSABLE):
            assert not bench.running.done()
            await bench.far.send(b"\xfe\x80\x00\r\n")
            await asyncio.sleep(1)
        error = await bench.end()
        assert (type(error), error.code) == (DeviceFault, "garbled")
        bench.restart()
        await bench.until(lambda: len(bench.host.readies) == 2)
        await bench.far.send(f"{ONE}\r\n".encode())
        await bench.until(lambda: bench.numbers == [ONE])
        for _ in range(3 * MOST_UNUSABLE):
            await bench.far.send(b"\xfe\x80\x00\r\n")
            await asyncio.sleep(1)
        assert not bench.running.done(), "once a badge was read, bad ones close the door to nobody"


@in_skipped_time
async def test_a_line_that_never_pauses_is_a_fault() -> None:
    async with badge_bench() as bench:

        async def babble() -> None:
            while True:
                await bench.far.send(b"\xfe" * 1000)
                await asyncio.sleep(0.1)

        babbling = asyncio.create_task(babble())
        assert (await bench.end()).code == "garbled"
        babbling.cancel()


@in_skipped_time
async def test_nothing_is_ever_said_to_a_converter() -> None:
    async with badge_bench() as bench:
        bench.serving.cancel()
        bench.converter.present(ONE)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(bench.far.receive(), 60)


# -- ports --------------------------------------------------------------------------------------------------


async def test_on_a_pty_unplugged_and_plugged_in_again(port: PtyHost) -> None:
    link = wired("badge-1", str(port.link), SerialSettings(baud=9600))
    bench = BadgeBench(SimulatedConverter(baud=9600), link, port)
    await bench.until(lambda: bool(bench.host.readies))
    assert port.baud == 9600
    bench.converter.present(ONE)
    await bench.until(lambda: bench.numbers == [ONE])
    bench.converter.faults.add(Fault(FaultKind.UNPLUG))
    bench.converter.present(TWO)
    error = await bench.end()
    assert (type(error), error.code) == (LinkLost, "unplugged")
    bench.restart()
    error = await bench.end()
    assert (type(error), error.code) == (LinkUnavailable, "absent")
    port.plug()
    bench.serving = asyncio.create_task(bench.converter.serve(port))
    bench.restart()
    await bench.until(lambda: len(bench.host.readies) == 2)
    bench.converter.present(THREE)
    await bench.until(lambda: bench.numbers == [ONE, THREE])
    await bench.stop()


async def test_behind_a_port_server_of_raw_bytes(port: PtyHost) -> None:
    async with raw_server(str(port.link)) as number:
        link = wired("badge-1", f"socket://127.0.0.1:{number}", SerialSettings())
        bench = BadgeBench(SimulatedConverter(), link, port)
        await bench.until(lambda: bool(bench.host.readies))
        await asyncio.sleep(0.2)  # the server opens its port when somebody calls
        bench.converter.present(ONE)
        await bench.until(lambda: bench.numbers == [ONE])
        await bench.stop()


@pytest.mark.filterwarnings("ignore:set(Daemon|Name):DeprecationWarning")  # pyserial's
async def test_behind_a_port_server_that_takes_the_speed(port: PtyHost) -> None:
    server = Rfc2217Server(str(port.link))
    try:
        link = wired("badge-1", f"rfc2217://127.0.0.1:{server.port}", SerialSettings(baud=19200))
        bench = BadgeBench(SimulatedConverter(), link, port)
        await bench.until(lambda: bool(bench.host.readies))
        assert server.serial.baudrate == 19200
        bench.converter.present(ONE)
        await bench.until(lambda: bench.numbers == [ONE])
        await bench.stop()
    finally:
        await asyncio.to_thread(server.close)


# -- settings -----------------------------------------------------------------------------------------------


def test_settings_are_read_with_their_defaults() -> None:
    assert BadgeLineSettings.parse("badge-1", {"port": "/dev/x"}) == BadgeLineSettings(
        port="/dev/x", marks=Marks(b"", b"\r\n", 64), content="wiegand26", baud=9600
    )


@pytest.mark.parametrize(
    ("settings", "code", "text"),
    [
        ({"line": "cr/lf"}, "out_of_range", "'line' must be one of cr, crlf, lf, stx, words"),
        ({"content": "wiegand34"}, "out_of_range", "did you mean 'wiegand26'"),
        ({"line": "words"}, "missing_setting", "'end' is missing"),
        ({"line": "words", "start": "卡", "end": ";"}, "out_of_range", "'start' must be 1 to 16 characters"),
        ({"line": "words", "start": ";", "end": ";;"}, "out_of_range", "part of the other"),
        ({"start": "ID:"}, "out_of_range", "'start' goes with line"),
        ({"characters": 10}, "out_of_range", "'characters' must be 0 to 0"),
        ({"content": "text", "characters": 65}, "out_of_range", "'characters' must be 0 to 64"),
        ({"longest": 300}, "out_of_range", "'longest' must be 1 to 256"),
        ({"held_ms": 100}, "out_of_range", "'held_ms' must be 500 to 60000"),
        ({"baud": 14400}, "out_of_range", "'baud' must be one of 1200"),
        ({"port": "ble:AA:BB:CC:DD:EE:FF"}, "wrong_type", "not reached over Bluetooth"),
        ({"parity_check": False}, "unknown_setting", "unknown setting 'parity_check'"),
    ],
)
def test_a_wrong_setting_is_named(settings: Settings, code: str, text: str) -> None:
    with pytest.raises(SettingsError, match=text) as caught:
        build("badge.line", "badge-1", {"port": "/dev/x", **settings}, RecordingHost())
    assert caught.value.code == code


@in_skipped_time
async def test_a_text_of_another_length_is_no_badge() -> None:
    """All that can be checked of characters: two lines that ran into each other are none."""
    async with badge_bench(content="text", characters=10) as bench:
        await bench.far.send(b"00104\r\n0010463020\r\n0010400104630\r\n")
        await bench.until(lambda: bench.numbers == ["0010463020"])
        assert bench.host.noises["length"]


def test_a_badge_stays_out_of_repr() -> None:
    assert ONE not in repr(BadgeRead(form=WIEGAND, number=ONE))
