"""The card forgets its tail: an older state lies under the gateway than the center knows of.

What the gateway took after the copy is at the center; then the copy is put back and check-ins are taken
with the broker down. Whichever way the older state came about, the new events must find a place of
their own: no fork, no stall, and the center names the rollback. Control: a gateway that goes on in its
last epoch must be seen to fork.
"""

import shutil
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.broker import Mosquitto
from tests.drills.ground import RATED, alarms_of, drained, form, rated, weighed
from tests.e2e.bench_center import Center, center

pytestmark = [pytest.mark.drill, pytest.mark.timeout(form(ci=120, long=600))]

FORKING = ("-m", "tests.drills.forking_gateway")
FORGOTTEN = form(ci=(40,), long=(1, 40, 2000))  # receipted events that the copy does not hold


@dataclass(frozen=True, slots=True)
class Way:
    """How the older state comes under the gateway."""

    clean: bool  # the copy was made after a stop in order
    new_boot: bool  # the machine was started anew since


WAYS = {
    "power lost, card forgot": Way(clean=False, new_boot=True),
    "stopped in order, card forgot": Way(clean=True, new_boot=True),
    "backup put back by hand": Way(clean=True, new_boot=False),
}


async def some_events(bench: Center, count: int, program: tuple[str, ...]) -> None:
    before = len(bench.receipts())
    bench.start_gateway(*program)
    await bench.until(lambda: len(bench.receipts()) >= before + count, "events")


async def all_at_the_center(bench: Center, program: tuple[str, ...]) -> None:
    """Nobody comes any more, and everything is settled."""
    source, bench.device_config = bench.device_config, ""
    bench.write_config()
    runs = bench.log_text("gateway").count("gateway runs")
    bench.start_gateway(*program)
    await bench.until(lambda: bench.log_text("gateway").count("gateway runs") > runs, "the gateway")
    await bench.until(lambda: bench.waiting() == 0, "the center to hold what the card forgets")
    bench.device_config = source
    bench.write_config()


def end(bench: Center, *, clean: bool) -> None:
    if clean:
        assert bench.stop_gateway() == 0
    else:
        bench.kill_gateway()


async def put_back(bench: Center, way: Way, forgotten: int, program: tuple[str, ...] = RATED) -> None:
    """Copy, run on, put the copy back, take check-ins offline, let everything arrive."""
    state, copy = bench.store.parent, bench.folder / "copy"
    bench.env["ZHIJIAO_BOOT_ID"] = uuid.uuid4().hex
    bench.start_receiver()
    await some_events(bench, 30, program)
    end(bench, clean=way.clean)
    shutil.copytree(state, copy)
    await some_events(bench, forgotten, program)
    end(bench, clean=way.clean)
    await all_at_the_center(bench, program)  # what the card alone held would be gone for good
    end(bench, clean=way.clean)
    bench.stop_receiver()
    bench.broker.stop()
    shutil.rmtree(state)
    shutil.copytree(copy, state)
    if way.new_boot:
        bench.env["ZHIJIAO_BOOT_ID"] = uuid.uuid4().hex
    await some_events(bench, forgotten + 20, program)
    end(bench, clean=False)
    bench.broker.start()
    bench.start_receiver()


@pytest.mark.parametrize("forgotten", FORGOTTEN)
@pytest.mark.parametrize("way", list(WAYS))
async def test_no_fork_and_no_stall_after_the_card_forgot(
    tmp_path: Path, mosquitto: Mosquitto, tell: Callable[[str], None], way: str, forgotten: int
) -> None:
    with center(tmp_path, mosquitto, readers=0, device_config=rated(150)) as bench:
        await put_back(bench, WAYS[way], forgotten)
        await drained(bench, 90)
        result = weighed(bench)
        tell(f"forgotten {forgotten}, {result}, center's alarms {sorted(alarms_of(bench))}")
        assert result.doubled == []
        assert result.lost == []
        assert result.faults == []
        assert len(result.last) == 2
        assert "fork" not in alarms_of(bench)
        assert "store_rollback" in alarms_of(bench), "the center names the rollback"


async def test_the_drill_notices_a_gateway_that_goes_on_in_its_epoch(
    tmp_path: Path, mosquitto: Mosquitto, tell: Callable[[str], None]
) -> None:
    with center(tmp_path, mosquitto, readers=0, device_config=rated(150)) as bench:
        await put_back(bench, WAYS["power lost, card forgot"], 40, FORKING)
        await drained(bench, 90)
        result = weighed(bench)
        tell(f"control, must lose or fork: {result}, center's alarms {sorted(alarms_of(bench))}")
        assert result.faults
