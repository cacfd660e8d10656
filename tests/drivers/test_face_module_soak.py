"""A long bad day: people come and go, the line is bad, questions are given up; nobody is taken for another."""

import asyncio
import random
from contextlib import suppress

import pytest

from drivers.errors import DriverError
from drivers.factors import Enrolled, Matched
from drivers.simulators.face import SimulatedFaceModule
from drivers.simulators.face_answers import FirmwareHabits
from drivers.simulators.faces import Face
from drivers.simulators.faults import FaultKind, FaultMix
from tests.drivers.bench import in_skipped_time
from tests.drivers.face_bench import FaceBench, face_bench

SHARES = {
    FaultKind.NOISE_BEFORE: 0.02,
    FaultKind.NOISE_INSIDE: 0.02,
    FaultKind.CUT: 0.03,
    FaultKind.CHECKSUM: 0.02,
    FaultKind.MUTE: 0.02,
    FaultKind.HUGE: 0.01,
    FaultKind.TWICE: 0.02,
    FaultKind.LATE: 0.01,
}
PEOPLE = [Face(f"face-{number}") for number in range(6)]


async def back(bench: FaceBench) -> None:
    """What the supervisor does after a fault."""
    while bench.running.done():
        assert isinstance(bench.running.exception(), DriverError)
        bench.host.readies.clear()
        bench.restart()
        with suppress(DriverError):
            await bench.until_ready()


@pytest.mark.parametrize("aborted_after_s", [None, 0.03])
@pytest.mark.parametrize("seed", range(6))
@in_skipped_time
async def test_nobody_is_taken_for_another_on_a_bad_day(seed: int, aborted_after_s: float | None) -> None:
    rng = random.Random(seed)
    habits = FirmwareHabits(
        unknown_result=rng.choice([1, 8]), full_refusals=rng.random() < 0.5, aborted_after_s=aborted_after_s
    )
    outcomes = {"matched": 0, "cancelled": 0, "fault": 0, "enrolled": 0}
    async with face_bench(
        SimulatedFaceModule(habits=habits), direction=rng.choice(["single", "five"])
    ) as bench:
        bench.module.faults._mix = FaultMix(SHARES, seed=seed)
        # What the gateway's roster would hold.
        mine = {bench.module.know(face): face.label for face in PEOPLE[:3]}
        for _ in range(80):
            face = rng.choice(PEOPLE)
            bench.module.stand(face)
            enrolling = rng.random() < 0.25
            asking = asyncio.ensure_future(
                bench.enrol(timeout_s=25) if enrolling else bench.identify(timeout_s=6)
            )
            if rng.random() < 0.4:
                await asyncio.sleep(rng.uniform(0, 2))
                if not asking.done():
                    asking.cancel()
            try:
                result = await asking
            except asyncio.CancelledError:
                outcomes["cancelled"] += 1
            except DriverError:
                outcomes["fault"] += 1
            else:
                if isinstance(result, Matched):
                    assert bench.module.users[result.slot] == face.label
                    outcomes["matched"] += 1
                if isinstance(result, Enrolled):
                    mine[result.slot] = face.label
                    assert bench.module.users[result.slot] == face.label
                    outcomes["enrolled"] += 1
            await back(bench)
            if rng.random() < 0.1 and mine:
                slot = rng.choice(list(mine))
                del mine[slot]  # gone, or nobody can tell
                try:
                    await bench.driver.erase([slot])
                    assert slot not in bench.module.users
                except DriverError:
                    await back(bench)
        bench.module.faults._mix = FaultMix()
        bench.module.leave()
        slots = await bench.driver.slots()
        assert not bench.module.working
        assert set(mine) <= slots
    assert outcomes["matched"] > 0, outcomes
    assert outcomes["cancelled"] > 0, outcomes
