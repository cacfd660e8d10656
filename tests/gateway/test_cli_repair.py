"""`zhijiao outbox repair` mends what a start does not see, and leaves a sound store alone."""

from pathlib import Path

import pytest

from gateway.clock import ManualClock
from gateway.store.lock import holding
from tests.gateway.technicians_box import Box, box, fill, wires


@pytest.fixture
def desk(tmp_path: Path) -> Box:
    return box(tmp_path)


async def test_a_running_gateway_refuses_a_repair(desk: Box) -> None:
    await fill(desk.store, ManualClock(), 1)
    with holding(desk.store):
        told = desk.run("outbox", "repair", "--yes")
    assert (told.code, "[store_in_use]" in told.err) == (69, True)
    assert "systemctl stop zhijiao" in told.err


async def test_a_sound_store_is_left_alone(desk: Box) -> None:
    await fill(desk.store, ManualClock(), 10)
    before = desk.store.read_bytes()
    told = desk.run("outbox", "repair")
    assert told.code == 0
    assert "nothing to mend" in told.out
    assert desk.store.read_bytes() == before


async def test_damage_that_a_start_does_not_see_is_mended_on_demand(desk: Box) -> None:
    clock = ManualClock()
    await fill(desk.store, clock, 300)
    with desk.database() as db:
        db.execute("UPDATE event SET hash = zeroblob(32) WHERE n IN (50, 51)")
    assert "[usage]" in desk.run("outbox", "repair").err, "it asks first"
    told = desk.run("outbox", "repair", "--yes")
    assert told.code == 1
    assert "events 50 to 51" in told.out
    assert "299 events" in told.out
    (aside,) = desk.store.parent.glob("events.db.damaged-*[0-9]")
    assert str(aside.name) in told.out
    assert desk.run("outbox", "repair").code == 0, "once is enough"
    await fill(desk.store, clock, 1)
    kinds = [
        wire.rpartition(b'"type":"cn.zhijiao.')[2].partition(b'"')[0].decode() for wire in wires(desk.store)
    ]
    assert kinds[299:301] == ["system.epoch_opened", "system.range_lost"], "the next start declares it"
    assert desk.run("outbox", "verify").code == 1


async def test_a_file_that_is_no_store_any_more_is_mended_too(desk: Box) -> None:
    clock = ManualClock()
    await fill(desk.store, clock, 10)
    desk.store.write_bytes(b"torn" * 5000)
    told = desk.run("outbox", "repair", "--yes", "--json")
    assert (told.code, told.json["mended"], told.json["salvage"]["kept"]) == (1, True, 0)
    assert [(lost["first"], lost["last"]) for lost in told.json["salvage"]["lost"]] == [(1, 11)]
    assert desk.run("outbox", "verify").code == 0
    await fill(desk.store, clock, 1)
    assert desk.run("outbox", "verify").code == 1
