"""`zhijiao roster import` and `status`, and the gateway that takes what an import left."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gateway.checkin import incoming
from gateway.checkin.at_rest import Purpose
from gateway.checkin.keeper import RosterKeeper
from gateway.cli.roster_status import LocalTime
from gateway.clock import ClockQuality, ManualClock
from gateway.errors import StoreRefused
from gateway.store.outbox import Outbox
from gateway.store.rosters import REFUSED, UNREADABLE
from tests.gateway import rosters
from tests.gateway.roster_box import (
    applied,
    keys_of,
    roster_box,
    running,
    set_number_key,
    stored_versions,
)
from tests.gateway.rosters import person, signed
from tests.gateway.technicians_box import Box, Told

PERSONS = [person(n) for n in range(300)]


@pytest.fixture
def desk(tmp_path: Path) -> Box:
    return roster_box(tmp_path)


def give(desk: Box, data: bytes, *words: object) -> Told:
    file = desk.folder / "from-center.jsonl"
    file.write_bytes(data)
    return desk.run("roster", "import", file, *words)


def waiting(desk: Box) -> list[Path]:
    return incoming.inbox(desk.store.parent).waiting()


async def given(desk: Box, data: bytes) -> Told:
    return await asyncio.to_thread(give, desk, data)


async def test_a_stopped_gateway_applies_it_at_its_next_start(desk: Box) -> None:
    told = await given(desk, signed(PERSONS, version=7))
    assert told.code == 0, told.err
    assert "version 7 for gw-370102-01, 300 persons" in told.out
    assert "at its next start" in told.out
    (file,) = waiting(desk)
    assert file.stat().st_mode & 0o777 == 0o600
    async with running(desk) as box:
        assert box.version() == 7
        in_force = box.keeper.in_force
        assert in_force is not None
        assert in_force.roster.of_ref("p-0299") is not None
    assert waiting(desk) == []
    (said,) = applied(desk)
    roster = rosters.opened(signed(PERSONS, version=7))
    assert said == {
        "version": 7,
        "count": 300,
        "sha256": roster.digest.hex(),
        "issued": "2026-11-20T08:00:00.000Z",
        "expires": "2027-01-31T16:00:00.000Z",
        "expired": False,
        "left_out": 0,
        "source": "file",
    }
    async with running(desk) as box:
        assert box.version() == 7, "and it is there again after a restart"
    assert len(applied(desk)) == 1


async def test_a_running_gateway_takes_it_and_the_older_one_is_gone(
    desk: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.checkin.keeper.LOOK_EVERY_S", 0.01)
    async with running(desk) as box:
        assert box.version() is None
        serving = asyncio.create_task(box.keeper.run())
        for version in (1, 2):
            told = await given(desk, signed(PERSONS[:version], version=version))
            assert told.code == 0, told.err
            assert "within seconds" in told.out
            async with asyncio.timeout(10):
                while box.version() != version:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
        serving.cancel()
    assert stored_versions(desk) == [2]
    assert [one["version"] for one in applied(desk)] == [1, 2]


async def test_whom_the_one_before_had_unchanged_is_known_since_then(desk: Box) -> None:
    moved = person(2, schedule=rosters.schedule(days=[3]))
    for version, persons in (
        (1, [person(0), person(1), person(2)]),
        (2, [person(0), person(1), moved]),
        (3, [person(0), moved]),
    ):
        await given(desk, signed(persons, version=version))
        if version == 1:
            async with running(desk) as box:
                assert box.version() == 1
    clock = ManualClock()
    clock.advance(60_000)
    async with running(desk, clock) as box:
        in_force = box.keeper.in_force
        assert in_force is not None
        assert box.version() == 3
        assert in_force.applied.mono_ms == clock.mono_ms
        assert in_force.known_since["p-0000"].mono_ms == clock.mono_ms - 60_000
        assert in_force.known_since["p-0002"] == in_force.applied, "his days are new since version 2"
        assert "p-0001" not in in_force.known_since


@pytest.mark.parametrize("version", [1, 6, 7])
async def test_a_version_that_is_not_higher_is_refused(desk: Box, version: int) -> None:
    await given(desk, signed(PERSONS, version=7))
    async with running(desk):
        told = await given(desk, signed(PERSONS[:5], version=version))
        assert told.code == 65
        assert "[roster_version]" in told.err
        assert waiting(desk) == []


async def test_the_gateway_itself_refuses_what_slips_past_the_command(desk: Box) -> None:
    seal = keys_of(desk).seal
    await given(desk, signed(PERSONS, version=7))

    def leave(data: bytes) -> None:
        incoming.inbox(desk.store.parent).leave(seal.close(data, Purpose.INCOMING), 1_795_000_000_000)

    async with running(desk) as box:
        cases = {
            "roster_version": signed(PERSONS[:5], version=7),
            "wrong_role": signed(PERSONS, version=8, by=rosters.signer("center-ack#1")),
            "roster_foreign": signed(PERSONS, version=8, gw="gw-370102-02"),
            "roster_number_key": signed(PERSONS, version=8, number_key="0" * 16),
            "roster_page": signed(PERSONS, version=8)[:-2] + b"\n",
        }
        for code, data in cases.items():
            leave(data)
            assert await box.keeper.look()
            assert f'"code": "{code}"' in (await box.state(REFUSED) or "")
            assert box.version() == 7
            assert waiting(desk) == []
        told = await asyncio.to_thread(desk.run, "roster", "status")
        assert told.code == 1
        assert "refused" in told.out
        leave(signed(PERSONS, version=8))
        assert await box.keeper.look()
        assert await box.state(REFUSED) is None
        assert box.version() == 8
    assert [one["version"] for one in applied(desk)] == [7, 8]


async def test_bytes_that_we_did_not_seal_are_refused(desk: Box) -> None:
    async with running(desk) as box:
        folder = desk.store.parent
        incoming.inbox(folder).leave(b"ZJR1" + bytes(100), 1)
        incoming.inbox(folder).leave(b"", 2)
        # What was sealed for the database does not open as an import.
        incoming.inbox(folder).leave(keys_of(desk).seal.close(signed(), Purpose.APPLIED), 3)
        for _ in range(3):
            assert await box.keeper.look()
            assert "roster_sealed" in (await box.state(REFUSED) or "")
        assert not await box.keeper.look()
        assert box.version() is None


async def test_an_expired_one_is_taken_and_said(desk: Box) -> None:
    old = signed(PERSONS, issued="2020-01-01T00:00:00.000Z", expires="2020-02-01T00:00:00.000Z")
    told = await given(desk, old)
    assert told.code == 1
    assert "!!  expired" in told.out
    clock = ManualClock()
    async with running(desk, clock) as box:
        assert box.version() == 1
    assert applied(desk)[0]["expired"] is True
    told = await asyncio.to_thread(desk.run, "roster", "status", "--json")
    assert told.code == 1
    assert told.json["roster"]["expired"] is True


async def test_a_clock_that_nobody_vouches_for_says_nothing_of_expiry(desk: Box) -> None:
    await given(desk, signed(PERSONS))
    clock = ManualClock()
    clock.quality, clock.error_ms, clock.wall_ms = ClockQuality.UNSYNCED, None, 5_000
    async with running(desk, clock) as box:
        assert box.version() == 1
    assert applied(desk)[0]["expired"] is None


async def test_what_is_killed_after_the_commit_is_not_applied_twice(
    desk: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    await given(desk, signed(PERSONS, version=7))

    def die(_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("gateway.store.taking.remove", die)
    with pytest.raises(BaseException):  # noqa: B017, PT011 - however the process ends here
        async with running(desk, clean=False):
            pass
    monkeypatch.undo()
    assert len(waiting(desk)) == 1
    async with running(desk) as box:
        assert box.version() == 7
        assert await box.state(REFUSED) is None
    assert waiting(desk) == []
    assert len(applied(desk)) == 1


async def test_event_and_roster_are_one_transaction(desk: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    await given(desk, signed(PERSONS, version=7))

    def refuse(*_: Any) -> None:
        raise StoreRefused("store_full", "the disk is full")

    async with running(desk) as box:
        assert box.version() == 7
        await given(desk, signed(PERSONS, version=8))
        with monkeypatch.context() as patch:
            patch.setattr(Outbox, "append", refuse)
            with pytest.raises(StoreRefused):
                await box.keeper.look()
        assert box.version() == 7
        assert stored_versions(desk) == [7]
        assert len(waiting(desk)) == 1, "it stays until the disk takes it"
        assert await box.keeper.look()
        assert box.version() == 8
    assert [one["version"] for one in applied(desk)] == [7, 8]


async def test_another_key_leaves_it_closed_and_a_new_import_mends_it(desk: Box) -> None:
    data = signed(PERSONS, version=7)
    await given(desk, data)
    async with running(desk):
        pass
    set_number_key(desk, b"x" * 32)
    async with running(desk) as box:
        assert box.version() is None
        assert await box.state(UNREADABLE) == "roster_sealed"
        told = await asyncio.to_thread(desk.run, "roster", "status")
        assert "could not open it (roster_sealed)" in told.out
        assert told.code == 1
    set_number_key(desk, rosters.HMAC_KEY)
    with closing(sqlite3.connect(desk.store)) as db:  # a torn page, as a salvage would bring it over
        db.execute("UPDATE roster SET sealed = zeroblob(100), persons = 'x'")
        db.commit()
    async with running(desk) as box:
        assert box.version() is None
        told = await given(desk, data)
        assert told.code == 0, told.err
        assert await box.keeper.look()
        assert box.version() == 7
        assert await box.state(UNREADABLE) is None


async def test_imports_without_a_gateway_do_not_pile_up(desk: Box) -> None:
    for version in range(1, 9):
        assert (await given(desk, signed(version=version))).code == 0
    told = await given(desk, signed(version=9))
    assert told.code == 69
    assert "[roster_waits]" in told.err
    async with running(desk) as box:
        assert box.version() == 8
    assert waiting(desk) == []


def test_a_wrong_file_is_said_without_a_value(desk: Box) -> None:
    told = give(desk, signed([person(0), person(1, name="赵钱孙")]))
    assert told.code == 65
    assert told.err.startswith("zhijiao: pages[0].persons[1].name must be")
    assert "[roster_value]" in told.err
    assert "赵钱孙" not in told.err
    told = give(desk, b"not a roster\n", "--json")
    assert told.json == {"ok": False, "error": {"code": "not_json", "msg": told.json["error"]["msg"]}}
    told = desk.run("roster", "import", desk.folder / "absent")
    assert (told.code, "[file_unreadable]" in told.err) == (78, True)
    assert waiting(desk) == []


def test_a_box_that_never_ran_is_told_so(desk: Box) -> None:
    desk.store.parent.rmdir()
    told = give(desk, signed())
    assert (told.code, "[state_dir]" in told.err) == (69, True)


async def test_status_says_all_without_a_name(desk: Box) -> None:
    told = await given(desk, signed(PERSONS, version=7))
    assert told.code == 0
    async with running(desk):
        pass
    (desk.folder / "id-hmac.key").unlink()  # no key is needed
    told = await asyncio.to_thread(desk.run, "roster", "status")
    assert "version 7, 300 persons" in told.out
    assert "2027-02-01 00:00 (Asia/Shanghai)" in told.out
    said = (await asyncio.to_thread(desk.run, "roster", "status", "--json")).json
    assert said["roster"]["version"] == 7
    assert said["roster"]["expires"] == "2027-01-31T16:00:00.000Z"
    assert said["waiting"] == 0
    assert {line["state"] for line in said["lines"]} == {"ok"}


def test_a_machine_without_time_zones_still_answers() -> None:
    assert LocalTime("Nowhere/Such").text(0) == "1970-01-01 00:00 (UTC)"
    assert LocalTime("Asia/Shanghai").text(1 << 62) == "at no possible time"


async def test_status_before_the_first_roster(desk: Box) -> None:
    async with running(desk):
        pass
    told = await asyncio.to_thread(desk.run, "roster", "status")
    assert told.code == 1
    assert "none is in force" in told.out


async def test_a_disk_that_cannot_be_looked_at_stops_nothing(
    desk: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("gateway.store.inbox.Inbox.oldest", fail)
    async with running(desk) as box:
        assert isinstance(box.keeper, RosterKeeper)
