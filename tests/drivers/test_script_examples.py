"""The scripts of docs/scripts against the real drivers: each is played to its end, and what it says comes of it."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from drivers.aes import aes
from drivers.badge_line import BadgeLine
from drivers.driver import Driver
from drivers.errors import DriverError
from drivers.events import BadgeRead, CardRead, CardRefused
from drivers.face_module import FaceModule
from drivers.face_settings import FaceSettings
from drivers.factors import FactorDevice, Matched
from drivers.fingerprint_reader import FingerprintReader
from drivers.idcard_reader import IdCardReader
from drivers.links.ble_advertiser import Advertiser
from drivers.osdp_reader import OsdpReader
from drivers.simulators.badge_line import SimulatedConverter
from drivers.simulators.face import SimulatedFaceModule
from drivers.simulators.fingerprint import SimulatedModule
from drivers.simulators.idcard import SimulatedReader
from drivers.simulators.osdp import SimulatedOsdpReader
from drivers.simulators.script import parse_script, read_script
from drivers.simulators.stage import Stage, play
from drivers.simulators.stage_beacon import beacon_stage
from drivers.simulators.stage_kiosk import kiosk_stage
from drivers.simulators.stage_people import (
    SITE,
    badge_line_stage,
    face_stage,
    finger_stage,
    idcard_stage,
    osdp_stage,
)
from drivers.simulators.stage_terminal import terminal_stage
from drivers.simulators.stage_tracker import tracker_stage
from drivers.simulators.step import ScriptError
from drivers.simulators.terminal import SimulatedTerminal
from drivers.simulators.tracker import SimulatedTracker
from drivers.simulators.tracker_families import FAMILIES
from drivers.tracker_line import TrackerLine, TrackerSettings
from drivers.trackers import conversation_type
from firmware_protocols.tracking import Sign, TrackerReport
from firmware_protocols.wiegand.card import Card
from tests.drivers.badge_bench import badge_settings
from tests.drivers.bench import RecordingHost, idcard_settings, in_skipped_time
from tests.drivers.finger_bench import finger_settings
from tests.drivers.memory_port import MemoryPort
from tests.drivers.osdp_bench import SCBK, osdp_settings, place_at
from tests.drivers.tracker_bench import NOW

SCRIPTS = Path(__file__).parents[2] / "docs" / "scripts"
AGAIN_S = 1.0  # a driver begins anew so long after a fault


def quiet(_line: str) -> None:
    return


@asynccontextmanager
async def driven(*works: Callable[[], Awaitable[object]]) -> AsyncIterator[None]:
    """Each of them for ever, begun anew after a fault."""

    async def forever(work: Callable[[], Awaitable[object]]) -> None:
        while True:
            try:
                await work()
            except DriverError:
                await asyncio.sleep(AGAIN_S)

    running = [asyncio.create_task(forever(work)) for work in works]
    try:
        yield
    finally:
        for task in running:
            task.cancel()
        await asyncio.wait(running)


async def played(stage: Stage, *works: Callable[[], Awaitable[object]]) -> None:
    script = read_script(SCRIPTS / f"{stage.kind}.jsonl", stage.kind, stage.words)
    async with driven(*works):
        assert await play(stage, script, quiet) == 0
        await asyncio.sleep(5)


def asked(driver: FactorDevice, answers: list[str]) -> Callable[[], Awaitable[object]]:
    """Somebody asks who is there, over and over."""

    async def ask() -> None:
        found = await driver.identify(timeout_s=20, guide=lambda _step: None)
        if isinstance(found, Matched):
            answers.append(f"slot {found.slot}")
            await asyncio.sleep(2)
        elif found.reason != "nothing_presented":
            answers.append(found.reason)
            await asyncio.sleep(1)

    return ask


def test_every_kind_has_an_example() -> None:
    assert {path.stem for path in SCRIPTS.glob("*.jsonl")} == {
        "idcard.sam",
        "finger.zfm",
        "face.efaa_xor16",
        "reader.osdp",
        "badge.line",
        "kiosk",
        "beacon.ble",  # its words are played in tests/ble/test_simulated_beacon.py
        "terminal.zk_adms",  # played in tests/gateway/test_cli_simulate.py
        *(f"tracker.{family}" for family in FAMILIES),
    }


def stages() -> dict[str, Stage]:
    """By the heading of docs/simulate.md."""
    port = MemoryPort()
    made = [
        idcard_stage(SimulatedReader(), port, 1, quiet),
        finger_stage(SimulatedModule(), port, 1),
        face_stage(SimulatedFaceModule(), port, 1),
        osdp_stage(SimulatedOsdpReader(), port),
        badge_line_stage(SimulatedConverter(), port),
        terminal_stage(SimulatedTerminal("127.0.0.1", 9)),
        beacon_stage("beacon.ble", Advertiser(), quiet, alone=False),
    ]
    tracker = tracker_stage("tracker", SimulatedTracker("gt06"), port)
    return {stage.kind: stage for stage in [*made, tracker]}


def test_every_word_is_on_the_page() -> None:
    """With its options; those of every kind stand in a table of their own."""
    page = (SCRIPTS.parent / "simulate.md").read_text("utf-8")
    common = {"fault", "unplug_s"}
    for kind, stage in stages().items():
        part = page.split(f"\n### {kind}\n")[1].split("\n##")[0]
        rows = re.findall(r"^\| `(\w+)` \|(.*?)\|", part, re.MULTILINE)
        assert {word for word, _ in rows} == set(stage.words) - common, kind
        for word, told in rows:
            with pytest.raises(ScriptError) as known:
                parse_script(f'{{"{word}": {SAMPLES[word]}, "nothing": 1}}', "x", kind, stage.words)
            options = set(str(known.value).partition("known: ")[2].split(" [")[0].split(", "))
            assert options - {word, "after_s"} == set(re.findall(r"`(\w+)`", re.sub(r"\(.*?\)", "", told)))


SAMPLES = {
    "appear": "1", "fade": "1", "vanish": "1",
    "card": "1", "finger": "1", "know": "1", "face": "1", "keys": '"1"', "case": '"open"', "punch": '"1"',
    "fix": "[36, 117]", "alarm": '"sos"', "strap": '"off"', "battery": "1",
}  # fmt: skip


@in_skipped_time
async def test_a_card_reader() -> None:
    port, host, reader = MemoryPort(), RecordingHost(), SimulatedReader(read_s=0.8)
    driver = IdCardReader(idcard_settings(), host, port.near)
    await played(idcard_stage(reader, port, 1, quiet), driver.run)
    counts = Counter(type(event) for event in host.events)
    assert counts[CardRead] == 4, "persons 1 and 2, and 5 twice"
    refused = [event.reason for event in host.events if isinstance(event, CardRefused)]
    assert refused == ["read_failed", "frame"]


@in_skipped_time
async def test_a_fingerprint_module() -> None:
    port, host, module, answers = MemoryPort(), RecordingHost(), SimulatedModule(), list[str]()
    driver = FingerprintReader("finger-1", finger_settings(module.family), host, port.near)
    await played(finger_stage(module, port, 1), driver.run, asked(driver, answers))
    assert list(dict.fromkeys(answers)) == ["slot 1", "unknown", "slot 2"]
    assert host.noises["noise"]


@in_skipped_time
async def test_a_face_module() -> None:
    port, host, module, answers = MemoryPort(), RecordingHost(), SimulatedFaceModule(), list[str]()
    settings = FaceSettings.parse("face-1", {"port": "/dev/serial/by-id/usb-Test"})
    driver = FaceModule("face-1", settings, host, port.near)
    await played(face_stage(module, port, 1), driver.run, asked(driver, answers))
    assert list(dict.fromkeys(answers)) == ["slot 1", "liveness", "unknown"]
    assert answers[-1] == "slot 1"


def badges(host: RecordingHost) -> list[int]:
    """Whose badges were read, by the number of the person."""
    numbers = [event.number for event in host.events if isinstance(event, BadgeRead)]
    return [Card.from_bits(number).number - SITE for number in numbers]


@in_skipped_time
async def test_a_reader_on_an_osdp_line() -> None:
    port, host, reader = MemoryPort(), RecordingHost(), SimulatedOsdpReader(scbk=SCBK, aes=aes)
    driver = OsdpReader("door-1", osdp_settings(), host, place_at(port.near))
    await played(osdp_stage(reader, port), driver.run)
    assert badges(host) == [1, 2, 3]
    assert host.noises["keys"]
    assert len(reader.shown) == 6


@in_skipped_time
async def test_a_converter() -> None:
    port, host = MemoryPort(), RecordingHost()
    driver = BadgeLine(badge_settings(), host, port.near)
    await played(badge_line_stage(SimulatedConverter(), port), driver.run)
    assert badges(host) == [1, 2, 3]
    assert set(host.noises) == {"parity", "truncated"}


@in_skipped_time
async def test_a_kiosk() -> None:
    ports, host, answers = (MemoryPort(), MemoryPort()), RecordingHost(), list[str]()
    module = SimulatedModule()
    cards: Driver = IdCardReader(idcard_settings(), host, ports[0].near)
    fingers = FingerprintReader("finger-1", finger_settings(module.family), host, ports[1].near)
    stage = kiosk_stage(
        {
            "card": idcard_stage(SimulatedReader(read_s=0.8), ports[0], 1, quiet),
            "finger": finger_stage(module, ports[1], 1),
        }
    )
    await played(stage, cards.run, fingers.run, asked(fingers, answers))
    assert [type(event) for event in host.events] == [CardRead] * 3
    assert list(dict.fromkeys(answers)) == ["slot 1", "unknown", "slot 3"]


async def reports_of(family: str) -> list[TrackerReport]:
    port, host = MemoryPort(), RecordingHost()
    line = TrackerLine(
        TrackerSettings(family=family, port="x"),
        host,
        converse=conversation_type(family),
        now=lambda: NOW,
    )

    async def talk() -> None:
        await port.near.open()
        await line.talk(port.near, conversation_type(family)(), silent_s=None)

    await played(tracker_stage(f"tracker.{family}", SimulatedTracker(family), port), talk)
    return host.reports


@pytest.mark.parametrize(
    ("family", "places"), [("gt06", 9), ("h02", 8), ("jt808", 9), ("r16h", 8), ("watch", 9)]
)
def test_a_wearable(family: str, places: int) -> None:
    """Of R16H a place is lost with the frame that is cut, as it must be; everywhere else all come."""

    @in_skipped_time
    async def run() -> None:
        reports = await reports_of(family)
        fixes = [one.fix for one in reports if one.fix is not None]
        assert len(fixes) == places
        alarms = Counter(sign for one in reports for sign in one.alarms)
        assert alarms[Sign.SOS] == 1
        assert alarms[Sign.STRAP_OPEN] == (0 if family == "h02" else 1)
        assert alarms[Sign.FALL] == (1 if family == "watch" else 0)
        assert 12 in {one.battery_pct for one in reports}

    run()
