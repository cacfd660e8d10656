"""The Nordic UART of a device as a link: bytes whole and in order however they are cut, and every way to lose it."""

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from drivers.errors import LinkLost, LinkUnavailable
from drivers.links.ble_link import BleLink
from drivers.links.ble_session import MOST_BYTES
from drivers.registry import build
from firmware_protocols.framing import Discarded
from firmware_protocols.gt06.frames import Decoder, Frame
from tests.drivers.bench import DEADLINE_S, RecordingHost, until

if TYPE_CHECKING:
    from tests.ble.bed import Bed

FIRST = "F0:F1:F2:F3:F4:01"
FRAMES = [
    Frame(number=0x01, serial=1, content=bytes.fromhex("0123456789012345")),  # login
    Frame(number=0x13, serial=2, content=bytes.fromhex("0004030001")),  # status
    Frame(number=0x13, serial=3, content=bytes.fromhex("0D0A78780D")),  # marks of other frames within
]
STREAM = b"".join(frame.to_bytes() for frame in FRAMES)


async def receive_exactly(link: BleLink, count: int) -> bytes:
    got = bytearray()
    while len(got) < count:
        got += await link.receive()
    return bytes(got)


def numbered(frame: Frame) -> tuple[int, int, bytes]:
    return frame.number, frame.serial, frame.content


async def test_bytes_pass_unchanged_both_ways(bed: "Bed") -> None:
    band = await bed.wearable()
    link = bed.link()
    every_byte = bytes(range(256))
    async with asyncio.timeout(DEADLINE_S):
        await link.open()
        await link.send(every_byte * 5)
        await band.say([every_byte[:100], b"", every_byte[100:]])
        assert await receive_exactly(link, 256) == every_byte
        await link.close()
    assert b"".join(band.written) == every_byte * 5
    assert [len(packet) for packet in band.written] == [512, 512, 256]


async def test_frames_cut_at_any_byte_are_found_by_their_decoder(bed: "Bed") -> None:
    band = await bed.wearable()
    link = bed.link()
    async with asyncio.timeout(DEADLINE_S):
        await link.open()
        for cut in range(1, len(STREAM)):
            await band.say([STREAM[:cut], STREAM[cut:]])
        await band.say([STREAM[at : at + 1] for at in range(len(STREAM))])
        decoder, found = Decoder(), list[Frame | Discarded]()
        while len(found) < len(FRAMES) * len(STREAM):
            found += list(decoder.feed(await link.receive()))
        await link.close()
    assert [numbered(one) if isinstance(one, Frame) else one for one in found] == (
        [numbered(frame) for frame in FRAMES] * len(STREAM)
    )


async def test_a_long_stream_is_whole_and_in_order(bed: "Bed") -> None:
    band = await bed.wearable()
    link = bed.link()
    payload = os.urandom(100_000)
    async with asyncio.timeout(DEADLINE_S):
        await link.open()
        saying = asyncio.create_task(band.say(payload[at : at + 200] for at in range(0, len(payload), 200)))
        assert await receive_exactly(link, len(payload)) == payload
        await saying
        await link.close()


async def test_a_flood_that_nobody_takes_is_bounded_and_ends_the_link(bed: "Bed") -> None:
    band = await bed.wearable()
    link = bed.link()
    payload = os.urandom(2 * MOST_BYTES)
    async with asyncio.timeout(DEADLINE_S):
        await link.open()
        most = 0
        for at in range(0, len(payload), 244):
            await band.say([payload[at : at + 244]])
            most = max(most, link.buffered)
        await until(lambda: link.buffered > MOST_BYTES - 244)
        assert most <= MOST_BYTES
        got = await link.receive()
        assert payload.startswith(got)  # no hole in what came
        with pytest.raises(LinkLost, match="begun anew") as caught:
            await link.receive()
        assert caught.value.code == "overrun"
        await link.close()
        await link.open()
        await band.say([b"again"])
        assert await link.receive() == b"again"
        await link.close()


async def test_a_cancelled_receive_loses_no_byte(bed: "Bed") -> None:
    band = await bed.wearable()
    link = bed.link()
    payload = os.urandom(4000)
    got = bytearray()
    async with asyncio.timeout(DEADLINE_S):
        await link.open()
        saying = asyncio.create_task(band.say(payload[at : at + 20] for at in range(0, len(payload), 20)))
        while len(got) < len(payload):
            try:
                async with asyncio.timeout(0.0005):
                    got += await link.receive()
            except TimeoutError:
                continue
        await saying
        await link.close()
    assert bytes(got) == payload


async def test_what_came_before_the_loss_is_delivered_first_and_the_cause_stays(bed: "Bed") -> None:
    band = await bed.wearable()
    link = bed.link()
    async with asyncio.timeout(DEADLINE_S):
        await link.open()
        await band.say([b"last words"])
        await until(lambda: link.buffered == 10)
        await band.hang_up()
        assert await link.receive() == b"last words"
        for _ in range(2):
            with pytest.raises(LinkLost, match="picked up by itself") as caught:
                await link.receive()
            assert caught.value.code == "disconnected"
        with pytest.raises(LinkLost) as again:
            await link.send(b"x")
        assert again.value.code == "disconnected"
        await link.close()


async def test_closing_wakes_a_waiting_reader_and_hangs_up(bed: "Bed") -> None:
    band = await bed.wearable()
    link = bed.link()
    async with asyncio.timeout(DEADLINE_S):
        await link.open()
        receiving = asyncio.create_task(link.receive())
        await asyncio.sleep(0)
        await link.close()
        await link.close()
        with pytest.raises(LinkLost) as caught:
            await receiving
        assert caught.value.code == "closed"
        with pytest.raises(LinkLost) as closed:
            await link.receive()
        assert closed.value.code == "closed"
        await until(lambda: not band.connected)
        await link.open()
        await link.send(b"x")
        assert band.written == [b"x"]
        await link.close()


async def test_a_device_without_the_service_is_no_port_and_is_let_go(bed: "Bed") -> None:
    band = await bed.wearable(uart=False)
    link = bed.link()
    async with asyncio.timeout(DEADLINE_S):
        with pytest.raises(LinkUnavailable, match="no Nordic UART") as caught:
            await link.open()
        await until(lambda: not band.connected)
    assert caught.value.code == "no_uart"


async def test_a_device_that_is_away_is_said_and_found_when_it_comes(bed: "Bed") -> None:
    band = await bed.wearable()
    link = bed.link(bed.radio(connect_s=0.6))
    band.walk_away()
    async with asyncio.timeout(DEADLINE_S):
        with pytest.raises(LinkUnavailable, match=f"ble:{FIRST}: not heard") as caught:
            await link.open()
        assert caught.value.code == "not_near"
        band.come_back()
        await link.open()
        await link.close()


@pytest.mark.fake_bluez
async def test_a_device_that_breaks_off_while_it_is_subscribed_to_is_not_opened(bed: "Bed") -> None:
    await bed.wearable()
    link = bed.link()
    bed.refuse("GattCharacteristic1.StartNotify", "Failed:Not connected")
    async with asyncio.timeout(DEADLINE_S):
        with pytest.raises(LinkUnavailable) as caught:
            await link.open()
        assert caught.value.code == "gatt_failed"
        await link.open()
        await link.close()


@pytest.mark.fake_bluez
async def test_bytes_that_the_device_refuses_lose_the_link(bed: "Bed") -> None:
    await bed.wearable()
    link = bed.link()
    async with asyncio.timeout(DEADLINE_S):
        await link.open()
        bed.refuse("GattCharacteristic1.WriteValue", "Failed:Operation failed with ATT error: 0x80 (fake)")
        with pytest.raises(LinkLost, match="ATT error 0x80") as caught:
            await link.send(b"x")
        assert caught.value.code == "att_error"
        with pytest.raises(LinkLost):
            await link.receive()
        await link.close()


async def test_a_restart_of_bluetoothd_loses_the_link_and_it_opens_again(bed: "Bed") -> None:
    band = await bed.wearable()
    link = bed.link()
    async with asyncio.timeout(DEADLINE_S):
        await link.open()
        await bed.kill_bluetoothd()
        await bed.start_bluetoothd()
        with pytest.raises(LinkLost, match="bluetoothd") as caught:
            await link.receive()
        assert caught.value.code == "no_bluetoothd"
        await link.close()
        await link.open()
        await band.say([b"again"])
        assert await link.receive() == b"again"
        await link.close()


async def test_a_configured_wearable_is_answered_when_its_report_is_on_disk(bed: "Bed") -> None:
    band = await bed.wearable()
    host = RecordingHost()
    driver = build("tracker.gt06", "band-1", {"port": f"ble:{FIRST.lower()}"}, host)
    running = asyncio.ensure_future(driver.run())
    async with asyncio.timeout(DEADLINE_S):
        await until(lambda: bool(host.readies) or running.done())
        login = FRAMES[0].to_bytes()
        await band.say([login[:7], login[7:]])
        await until(lambda: bool(band.written) or running.done())
        assert [report.device_id for report in host.reports] == ["123456789012345"]
        assert band.written == [Frame(number=0x01, serial=1).to_bytes()]
        await band.hang_up()
        with pytest.raises(LinkLost) as caught:
            await running
    assert caught.value.code == "disconnected"


async def test_where_the_device_cannot_acknowledge_bytes_are_sent_without(bed: "Bed") -> None:
    band = await bed.wearable(acknowledges=False)
    link = bed.link()
    async with asyncio.timeout(DEADLINE_S):
        await link.open()
        await link.send(bytes(1000))
        await until(lambda: sum(map(len, band.written)) == 1000)
        await link.close()
