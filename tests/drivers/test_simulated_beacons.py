"""Simulated beacons: they are what their names say, and a script does what it says, with nothing in the air."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.beacons import names_of
from drivers.links.ble_advert import Advert, Payload
from drivers.simulators.beacons import KINDS, MOST, invented
from drivers.simulators.script import parse_script, read_script
from drivers.simulators.stage import play
from drivers.simulators.stage_beacon import beacon_stage, fading
from tests.drivers.bench import in_skipped_time
from tests.drivers.test_script_examples import SCRIPTS


class Log:
    """Begins and ends, and when."""

    def __init__(self) -> None:
        self.on: dict[str, float] = {}
        self.spans: list[tuple[str, float, float]] = []

    async def begin(self, key: str, payload: Payload) -> None:
        assert key not in self.on
        self.on[key] = asyncio.get_running_loop().time()

    async def end(self, key: str) -> None:
        if key in self.on:
            self.spans.append((key, self.on.pop(key), asyncio.get_running_loop().time()))


@given(st.sampled_from(KINDS), st.integers(1, MOST))
def test_a_listener_finds_it_under_its_name(kind: str, number: int) -> None:
    one = invented(kind, number)
    heard = Advert(
        address="F0:F1:F2:F3:F4:01",
        rssi=-60,
        heard_at=0.0,
        manufacturer_data=one.payload.manufacturer,
        service_data=one.payload.service,
    )
    assert one.name in names_of(heard)
    sizes = [4 + len(data) for data in (*one.payload.manufacturer.values(), *one.payload.service.values())]
    assert sum(sizes) + 4 * len(one.payload.service) <= 31, "with the list of its services, too"


def test_fading_is_heard_ever_more_rarely() -> None:
    gaps = [gap_s for gap_s, _ in fading(60)]
    assert gaps == sorted(set(gaps))
    assert len(gaps) >= 3
    assert sum(sum(one) for one in fading(60)) <= 60
    assert list(fading(0)) == []


@in_skipped_time
async def test_the_example_is_played_to_its_end() -> None:
    air, began = Log(), asyncio.get_running_loop().time()
    stage = beacon_stage("beacon.ble", air, lambda _: None, alone=False)
    script = read_script(SCRIPTS / "beacon.ble.jsonl", stage.kind, stage.words)
    assert await play(stage, script, lambda _: None) == 0
    assert air.on == {}
    times = [(key, round(on - began), round(off - began)) for key, on, off in air.spans]
    assert times[0] == ("ibeacon1", 0, 60), "whole until it fades"
    assert times[-1][0] == "eddystone2"
    fades = [one for one in times[1:] if one[0] == "ibeacon1"]
    assert len(fades) >= 3
    assert fades[-1][2] <= 120


@in_skipped_time
async def test_while_it_is_unplugged_nothing_is_sent() -> None:
    air, began = Log(), asyncio.get_running_loop().time()
    stage = beacon_stage("beacon.ble", air, lambda _: None, alone=False)
    lines = ['{"appear": 1}', '{"appear": 2}', '{"after_s": 5, "vanish": 2}', '{"after_s": 5, "unplug_s": 4}']
    await play(stage, parse_script("\n".join(lines), "x", stage.kind, stage.words), lambda _: None)
    times = [(key, round(on - began), round(off - began)) for key, on, off in air.spans]
    assert times == [("ibeacon2", 0, 5), ("ibeacon1", 0, 10)]
    assert {key: round(on - began) for key, on in air.on.items()} == {"ibeacon1": 14}


@pytest.mark.parametrize("alone", [True, False])
@in_skipped_time
async def test_without_a_script_the_first_one_is_there(alone: bool) -> None:  # noqa: FBT001
    air = Log()
    serving = asyncio.create_task(beacon_stage("beacon.ble", air, lambda _: None, alone=alone).serve())
    await asyncio.sleep(1)
    serving.cancel()
    await asyncio.wait([serving])
    assert list(air.on) == (["ibeacon1"] if alone else [])
