"""The OSDP driver and a simulated reader: cards, codes, light, an open case, and everything that goes wrong between."""

import asyncio
from collections import deque
from pathlib import Path

import pytest

from drivers.aes import aes
from drivers.errors import DeviceFault, DeviceMismatch, DriverError, SettingsError
from drivers.events import BadgeForm, BadgeRead, DeviceReady
from drivers.links.memory_link import MemoryLink
from drivers.osdp_reader import OsdpReader
from drivers.osdp_settings import OsdpSettings
from drivers.simulators.faults import Fault, FaultKind
from drivers.simulators.osdp import SimulatedOsdpReader
from firmware_protocols.osdp.codes import Command
from firmware_protocols.osdp.commands import Buzz, Colour, Light
from firmware_protocols.osdp.decoder import CommandDecoder
from firmware_protocols.osdp.frames import Frame
from firmware_protocols.osdp.replies import CardText
from firmware_protocols.osdp.secure_keys import DEFAULT_KEY
from firmware_protocols.wiegand.card import Card
from tests.drivers.bench import RecordingHost, in_skipped_time, until
from tests.drivers.osdp_bench import CARD, SCBK, OsdpBench, osdp_bench, osdp_settings, place_at, secured

HARMLESS = {
    Command.POLL, Command.ID, Command.CAP, Command.LSTAT, Command.CHLNG, Command.SCRYPT, Command.LED, Command.BUZ,
}  # fmt: skip


BADGE = BadgeRead(form=BadgeForm.BITS, number=CARD)
GREEN, RED = (Colour.GREEN, 1), (Colour.RED, 3)


async def presented(bench: OsdpBench, card: str = CARD) -> BadgeRead:
    """The event of a badge that is held to the reader."""
    before = len(bench.host.events)
    bench.reader.present(card)
    await bench.until_read(before + 1)
    await bench.until(lambda: len(bench.reader.shown) >= 2)
    (event,) = bench.host.events[before:]
    assert isinstance(event, BadgeRead)
    return event


def verdicts(bench: OsdpBench) -> list[tuple[int, int]]:
    """Colour and tones of each verdict that the reader was told."""
    told = list(bench.reader.shown)
    lights = [one for one in told if isinstance(one, Light)]
    sounds = [one for one in told if isinstance(one, Buzz)]
    assert all(one.permanent == 0 for one in lights), "what the light did before comes back"
    return [(light.on_colour, sound.count) for light, sound in zip(lights, sounds, strict=True)]


@in_skipped_time
async def test_a_reader_introduces_itself_and_its_channel_is_secured() -> None:
    async with osdp_bench() as bench:
        assert bench.host.readies == [DeviceReady(model="53494D-1.2", firmware="1.2.3", serial="18700101")]
        assert bench.reader.asked[Command.CHLNG] == bench.reader.asked[Command.SCRYPT] == 1
        assert await presented(bench) == BADGE
        assert set(bench.reader.asked) <= HARMLESS


@in_skipped_time
async def test_in_clear_where_it_is_configured() -> None:
    async with osdp_bench(SimulatedOsdpReader(), settings=osdp_settings(None)) as bench:
        assert await presented(bench) == BADGE
        assert bench.reader.asked[Command.CHLNG] == 0


@in_skipped_time
async def test_nobody_comes_and_nothing_is_said() -> None:
    async with osdp_bench() as bench:
        await asyncio.sleep(60)
        assert not bench.host.noises
        assert not bench.host.events
        assert len(bench.host.readies) == 1


@in_skipped_time
async def test_a_badge_is_on_disk_before_it_is_shown_green() -> None:
    async with osdp_bench() as bench:
        bench.host.commit_s = 1.5
        bench.reader.present(CARD)
        await bench.until(lambda: bool(bench.host.offered_at))
        await asyncio.sleep(1.0)
        assert not bench.reader.shown, "green before the event is on disk"
        await bench.until(lambda: len(bench.reader.shown) == 2)
        assert bench.host.events == [BADGE]
        assert verdicts(bench) == [GREEN]


@in_skipped_time
async def test_what_the_store_refuses_is_shown_red_and_counts_when_it_is_presented_anew() -> None:
    async with osdp_bench() as bench:
        bench.host.refusing = True
        bench.reader.present(CARD)
        await bench.until(lambda: len(bench.reader.shown) == 2)
        assert verdicts(bench) == [RED]
        bench.host.refusing = False
        await asyncio.sleep(2.5)
        await presented(bench)
        await bench.until(lambda: len(bench.reader.shown) == 4)
        assert verdicts(bench) == [RED, GREEN]
        assert bench.host.events == [BADGE]


@in_skipped_time
async def test_a_store_that_takes_half_a_minute_is_not_taken_for_the_reader_s_fault() -> None:
    async with osdp_bench() as bench:
        bench.host.commit_s = 30
        bench.reader.present(CARD)
        await asyncio.sleep(29)
        bench.reader.forget()  # a reader that hears nothing for eight seconds gives its session up
        await asyncio.sleep(10)
        assert not bench.running.done()
        bench.host.commit_s = 0
        await presented(bench, CARD[::-1])
        assert len(bench.host.events) == 2


@in_skipped_time
async def test_a_badge_that_is_held_and_told_over_and_over_is_one() -> None:
    async with osdp_bench() as bench:
        for _ in range(40):
            bench.reader.present(CARD)
            await asyncio.sleep(0.7)
        assert bench.host.events == [BADGE]
        assert verdicts(bench) == [GREEN], "it beeps once"
        await asyncio.sleep(2.5)
        await presented(bench)
        assert bench.host.events == [BADGE, BADGE], "lifted and held there again"


@in_skipped_time
async def test_another_s_badge_is_never_passed_over() -> None:
    async with osdp_bench() as bench:
        others = [f"{number:026b}" for number in range(1, 30)]
        for card in others:
            bench.reader.present(CARD)
            bench.reader.present(card)
            await asyncio.sleep(0.6)
        await bench.until_read(30)
        numbers = [event.number for event in bench.host.events if isinstance(event, BadgeRead)]
        assert sorted(numbers) == sorted([CARD, *others])


@in_skipped_time
async def test_a_bored_hand_makes_no_flood_and_is_shown_red() -> None:
    async with osdp_bench() as bench:
        for _ in range(20):
            bench.reader.present(CARD)
            await asyncio.sleep(2.2)
        assert 6 <= len(bench.host.events) <= 6 + 44 // 10 + 1
        assert bench.host.noises["too_often"]
        assert verdicts(bench).count(RED) == 20 - len(bench.host.events)


@in_skipped_time
async def test_a_badge_of_26_bits_with_right_parity_is_called_that() -> None:
    async with osdp_bench() as bench:
        card = Card(0x0A1B2C).to_bits()
        assert await presented(bench, card) == BadgeRead(form=BadgeForm.WIEGAND_26, number=card)


@pytest.mark.parametrize(
    ("said", "number", "form"),
    [
        (CardText(0, 0, b"0010463020"), "0010463020", BadgeForm.TEXT),
        (CardText(0, 0, bytes([0x80, 0x01])), "1000000000000001", BadgeForm.BITS),
    ],
    ids=["characters", "characters that are none"],
)
def test_a_badge_of_characters(said: CardText, number: str, form: BadgeForm) -> None:
    @in_skipped_time
    async def run() -> None:
        async with osdp_bench() as bench:
            bench.reader.say(said)
            await bench.until_read()
            assert bench.host.events == [BadgeRead(form=form, number=number)]

    run()


@in_skipped_time
async def test_a_badge_without_a_number_is_shown_red_and_counted() -> None:
    async with osdp_bench() as bench:
        bench.reader.present("")
        await bench.until(lambda: len(bench.reader.shown) == 2)
        assert (verdicts(bench), bench.host.events) == ([RED], [])
        assert bench.host.noises["empty"]


@in_skipped_time
async def test_keys_are_dropped_and_that_some_were_pressed_is_counted() -> None:
    async with osdp_bench() as bench:
        for keys in (b"99", b"\x7f187", b"0\r"):
            bench.reader.press(keys)
        await bench.until(lambda: bench.host.noises["keys"] == 3)
        assert (bench.host.events, bench.reader.shown) == ([], [])


@in_skipped_time
async def test_a_reader_without_light_still_sounds_and_serves() -> None:
    async with osdp_bench() as bench:
        bench.reader.refusals[Command.LED] = 3
        for card in (CARD, CARD[::-1]):
            bench.reader.present(card)
        await bench.until(lambda: len(bench.reader.shown) == 2)
        assert all(isinstance(one, Buzz) for one in bench.reader.shown)
        assert len(bench.host.events) == 2
        assert bench.reader.asked[Command.ID] == 1


@in_skipped_time
async def test_an_open_case_is_a_fault_until_it_is_closed() -> None:
    async with osdp_bench() as bench:
        bench.reader.tampered(opened=True)
        error = await bench.end()
        assert (type(error), error.code) == (DeviceFault, "tampered")
        bench.restart()
        assert (await bench.end()).code == "tampered"
        assert len(bench.host.readies) == 1
        bench.reader.tampered(opened=False)
        bench.restart()
        await bench.until_ready(2)


@in_skipped_time
async def test_an_open_case_that_is_not_reported_is_found_by_asking() -> None:
    async with osdp_bench() as bench:
        bench.reader.tamper = 1
        assert (await bench.end()).code == "tampered"


@in_skipped_time
async def test_failing_power_is_known_and_stops_nothing() -> None:
    async with osdp_bench() as bench:
        bench.reader.power = 1
        await bench.until(lambda: bench.driver.power_failing)
        assert await presented(bench) == BADGE


@pytest.mark.parametrize(
    "kind",
    [
        FaultKind.NOISE_BEFORE, FaultKind.NOISE_INSIDE, FaultKind.CUT, FaultKind.CHECKSUM, FaultKind.MUTE,
        FaultKind.HUGE, FaultKind.TWICE, FaultKind.LATE, FaultKind.ASK_AGAIN,
    ],
)  # fmt: skip
@pytest.mark.parametrize("on", [Command.POLL, Command.ID, Command.CHLNG, Command.SCRYPT])
@pytest.mark.parametrize("key", [SCBK, None], ids=["secure", "clear"])
def test_one_spoilt_reply_loses_no_card_and_doubles_none(
    kind: FaultKind, on: Command, key: bytes | None
) -> None:
    """Nor is a second report passed off as a badge that is held: it counts anew here at once."""

    @in_skipped_time
    async def run() -> None:
        reader = SimulatedOsdpReader(scbk=key, aes=aes)
        reader.faults.add(Fault(kind, on))
        async with osdp_bench(reader, settings=osdp_settings(key, held_ms=1)) as bench:
            bench.reader.faults.add(Fault(kind, Command.POLL))
            bench.reader.faults.add(Fault(kind, Command.LED))
            bench.reader.present(CARD)
            await bench.until_read()
            await asyncio.sleep(3)
            assert bench.host.events == [BADGE], "one badge, one event"
            assert verdicts(bench) == [GREEN]
            assert not bench.running.done()

    run()


@in_skipped_time
async def test_a_busy_reader_is_asked_again_and_not_given_up() -> None:
    async with osdp_bench() as bench:
        bench.reader.busy = 8
        assert await presented(bench) == BADGE
        assert bench.reader.asked[Command.ID] == 1


@in_skipped_time
async def test_a_reader_that_restarts_is_secured_anew_and_is_not_announced_again() -> None:
    async with osdp_bench() as bench:
        bench.reader.forget()
        assert await presented(bench) == BADGE
        assert bench.reader.asked[Command.CHLNG] == 2
        assert len(bench.host.readies) == 1


@in_skipped_time
async def test_a_silent_reader_is_gone_after_eight_seconds_and_comes_back() -> None:
    async with osdp_bench() as bench:
        bench.reader.faults.add(Fault(FaultKind.MUTE, times=1000))
        began = asyncio.get_running_loop().time()
        error = await bench.end()
        assert (type(error), error.code) == (DeviceFault, "mute")
        assert 8 <= asyncio.get_running_loop().time() - began < 12
        bench.reader.faults.clear()
        bench.restart()
        await bench.until_ready(2)


@in_skipped_time
async def test_noise_without_an_answer_is_called_garbled() -> None:
    near, far = MemoryLink.pair("reader")
    await far.open()
    driver = OsdpReader("door-1", osdp_settings(), RecordingHost(), place_at(near))

    async def babble() -> None:
        while True:
            await far.receive()
            await far.send(b"\x00\xf0\x53\x99")

    babbling = asyncio.create_task(babble())
    with pytest.raises(DeviceFault) as caught:
        await driver.run()
    babbling.cancel()
    assert caught.value.code == "garbled"


@in_skipped_time
async def test_another_address_does_not_answer() -> None:
    async with osdp_bench(secured(address=3), ready=False) as bench:
        assert (await bench.end()).code == "mute"
    async with osdp_bench(secured(address=3), settings=osdp_settings(address=3)) as bench:
        assert await presented(bench) == BADGE


@pytest.mark.parametrize(
    ("reader", "settings", "code"),
    [
        (SimulatedOsdpReader(scbk=bytes(16), aes=aes), osdp_settings(), "wrong_key"),
        (SimulatedOsdpReader(scbk=DEFAULT_KEY, aes=aes), osdp_settings(), "wrong_key"),
        (SimulatedOsdpReader(), osdp_settings(), "no_secure_channel"),
        (secured(), osdp_settings(None), "nak"),
    ],
    ids=["another key", "the default key", "no channel", "in clear to one that insists"],
)
def test_a_channel_that_cannot_be_had_is_named(
    reader: SimulatedOsdpReader, settings: OsdpSettings, code: str
) -> None:
    @in_skipped_time
    async def run() -> None:
        async with osdp_bench(reader, settings=settings, ready=False) as bench:
            error = await bench.end()
            assert (type(error), error.code) == (DeviceMismatch, code)
            assert SCBK.hex() not in str(error)
            assert not bench.host.readies

    run()


@in_skipped_time
async def test_another_reader_on_the_same_line_is_noticed() -> None:
    async with osdp_bench() as bench:
        bench.reader.serial += 1
        bench.reader.forget()
        assert (await bench.end()).code == "unexpected"


@in_skipped_time
async def test_nothing_of_a_card_goes_over_a_secured_line_in_clear_and_none_into_repr() -> None:
    near, far = MemoryLink.pair("reader")
    await far.open()
    sent: list[bytes] = []

    class Tapped:
        async def send(self, data: bytes) -> None:
            sent.append(data)
            await far.send(data)

        async def receive(self) -> bytes:
            return await far.receive()

        def unplug(self) -> None:
            far.unplug()

    bench = OsdpBench(secured(), near, Tapped(), osdp_settings())
    await bench.until_ready()
    card = "10100101" * 8
    found = await presented(bench, card)
    assert found == BadgeRead(form=BadgeForm.BITS, number=card)
    assert bytes([0xA5] * 4) not in b"".join(sent)
    assert "1010" not in repr(found)
    await bench.stop()


@in_skipped_time
async def test_two_starts_never_send_the_same_random_number() -> None:
    seen: deque[bytes] = deque()
    for _ in range(4):
        async with osdp_bench(ready=False) as bench:
            bench.serving.cancel()
            decoder = CommandDecoder()
            reader = bench.reader
            near, far = MemoryLink.pair("listener")
            await far.open()
            driver = OsdpReader("door-1", osdp_settings(), RecordingHost(), place_at(near))
            running = asyncio.create_task(driver.run())
            listener = _Listener(far, decoder, seen)
            serving = asyncio.create_task(reader.serve(listener))
            count = len(seen)
            await until(lambda count=count: len(seen) > count)  # type: ignore[misc]  # bound now
            for task in (running, serving):
                task.cancel()
                await asyncio.wait([task])
    assert len(set(seen)) == len(seen) == 4


class _Listener:
    """A wire that notes the panel's random numbers."""

    def __init__(self, far: MemoryLink, decoder: CommandDecoder, seen: deque[bytes]) -> None:
        self._far, self._decoder, self._seen = far, decoder, seen

    async def send(self, data: bytes) -> None:
        await self._far.send(data)

    async def receive(self) -> bytes:
        data = await self._far.receive()
        for found in self._decoder.feed(data):
            if isinstance(found, Frame) and found.code == Command.CHLNG:
                self._seen.append(found.data)
        return data

    def unplug(self) -> None:
        self._far.unplug()


@in_skipped_time
async def test_a_recording_of_a_session_does_not_bring_the_reader_up() -> None:
    recorded: deque[bytes] = deque()
    near, far = MemoryLink.pair("recorded")
    await far.open()

    class Recorder:
        async def send(self, data: bytes) -> None:
            recorded.append(data)
            await far.send(data)

        async def receive(self) -> bytes:
            return await far.receive()

        def unplug(self) -> None:
            far.unplug()

    bench = OsdpBench(secured(), near, Recorder(), osdp_settings())
    await bench.until_ready()
    await presented(bench)
    await bench.stop()
    near, far = MemoryLink.pair("played")
    await far.open()
    host = RecordingHost()
    driver = OsdpReader("door-1", osdp_settings(), host, place_at(near))
    running = asyncio.create_task(driver.run())

    async def play() -> None:
        while recorded:
            await far.receive()
            await far.send(recorded.popleft())

    playing = asyncio.create_task(play())
    with pytest.raises(DriverError) as caught:
        await running
    playing.cancel()
    assert caught.value.code == "wrong_key"
    assert not host.readies


@pytest.mark.parametrize(
    ("settings", "code", "text"),
    [
        ({}, "missing_setting", "'key_file' is missing"),
        ({"channel": "open"}, "out_of_range", "'channel' must be one of clear, secure"),
        ({"channel": "clear", "address": 127}, "out_of_range", "'address' must be 0 to 126"),
        ({"channel": "clear", "baud": 1200}, "out_of_range", "'baud' must be one of 9600"),
        (
            {"channel": "clear", "poll_interval_ms": 20},
            "out_of_range",
            "'poll_interval_ms' must be 50 to 200",
        ),
        ({"channel": "clear", "biometrics": True}, "unknown_setting", "unknown setting 'biometrics'"),
    ],
)
def test_a_wrong_setting_is_named(settings: dict[str, object], code: str, text: str) -> None:
    with pytest.raises(SettingsError, match=text) as caught:
        OsdpSettings.parse("door-1", {"port": "/dev/x", **settings})
    assert caught.value.code == code


def test_the_key_comes_from_a_file_and_shows_nowhere(tmp_path: Path) -> None:
    key_file = tmp_path / "door-1.key"
    key_file.write_text(SCBK.hex())
    parsed = OsdpSettings.parse("door-1", {"port": "/dev/x", "key_file": str(key_file)})
    assert parsed == OsdpSettings(port="/dev/x", scbk=SCBK)
    assert "scbk" not in repr(parsed)
    key_file.write_text(DEFAULT_KEY.hex())
    with pytest.raises(SettingsError, match="default key that everybody knows"):
        OsdpSettings.parse("door-1", {"port": "/dev/x", "key_file": str(key_file)})
