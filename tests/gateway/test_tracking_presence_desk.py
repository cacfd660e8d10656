"""Presence by beacon over a real store: what is kept, of whom, and what a restart does not invent."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from drivers.listening import BeaconRules, Listened, Sighting
from gateway.checkin.roster import Roster, Tracker
from gateway.clock import ManualClock
from gateway.errors import StoreRefused
from gateway.ingest.alarms import Alarms
from gateway.ingest.ingest import Ingest
from gateway.ingest.sealing import Sealer
from gateway.logs import QUIET
from gateway.metrics import Metrics
from gateway.tracking.presence_desk import AGAIN_S, HERE, PresenceDesk
from gateway.tracking.wearers import Wearers
from tests.gateway.enrolment_bench import person, roster_of
from tests.gateway.store_fixtures import GATEWAY, running_store

ZONE = ZoneInfo("Asia/Shanghai")
CENTER = X25519PrivateKey.from_private_bytes(bytes(range(32)))
UNTIL = date(2026, 12, 31)
BAND, WRITTEN = "ble:F0:F1:F2:F3:F4:01", "ble:f0:f1:f2:f3:f4:01"
OTHER = "ibeacon:f7826da6-4fa2-4e98-8024-bc5b71e0893e:1:2"
RULES = BeaconRules()


def roster(until: date = UNTIL, **worn: str) -> Roster:
    worn = {"p-1": WRITTEN, "p-2": OTHER} | {ref.replace("_", "-"): one for ref, one in worn.items()}
    return roster_of([replace(person(ref), trackers=(Tracker(one, until),)) for ref, one in worn.items()])


class Room:
    """The desk, and what can be seen of it."""

    def __init__(self, folder: Path, store: Any, clock: ManualClock) -> None:
        self.db, self.clock, self.heard_s, self.rules = folder / "events.db", clock, 0.0, RULES
        self.roster: Roster | None = roster()
        self.counts = {"bound": 0, "unknown": 0}
        sealer = Sealer(GATEWAY, bytes(32), ("center-1", CENTER.public_key()))
        self.ingest = Ingest(store, clock, sealer, Metrics(), GATEWAY)
        self.alarms = Alarms(self.ingest, store)
        self.desk = PresenceDesk(
            Wearers(lambda: self.roster), ingest=self.ingest, clock=clock, zone=ZONE, counted=self.count
        )

    def count(self, whose: str, count: int) -> None:
        self.counts[whose] += count

    async def listen(
        self, seconds: float, *beacons: str, device: str = "ears", strangers: int = 0, quiet: bool = False
    ) -> int:
        """So long, and these are heard each second."""
        told = 0
        for _ in range(int(seconds)):
            began, self.heard_s = self.heard_s, self.heard_s + 1
            some = [Sighting(one, -70, self.heard_s - 0.5) for one in beacons]
            what = Listened(
                rules=self.rules,
                began_s=began,
                ended_s=self.heard_s,
                sightings=some,
                strangers=strangers,
                quiet=quiet,
            )
            told += await self.desk.take(device, what)
            self.clock.advance(1000)
        return told

    def events(self, kind: str = "presence.") -> list[dict[str, Any]]:
        with sqlite3.connect(f"file:{self.db}?mode=ro", uri=True) as db:
            events = [json.loads(wire) for (wire,) in db.execute("SELECT wire FROM event ORDER BY n")]
        return [one for one in events if one["type"].startswith(f"cn.zhijiao.{kind}")]

    def story(self) -> list[tuple[str, str]]:
        return [(one["type"].rpartition(".")[2], one["subject"].rpartition("/")[2]) for one in self.events()]

    def written(self) -> bytes:
        return b"".join(one.read_bytes() for one in self.db.parent.iterdir() if one.is_file())


@asynccontextmanager
async def at_work(folder: Path, *, clean: bool = True) -> AsyncIterator[Room]:
    clock = ManualClock()
    async with running_store(folder / "events.db", clock, clean=clean) as store:
        yield Room(folder, store, clock)


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    async with at_work(tmp_path) as made:
        yield made


async def test_coming_and_going_is_about_the_person_and_says_that_it_is_a_hint(room: Room) -> None:
    await room.listen(5, BAND)
    await room.listen(130, OTHER)
    await room.listen(3, OTHER)
    came, other, left = room.events()
    assert (came["type"], came["subject"]) == ("cn.zhijiao.presence.entered", "person/p-1")
    assert came["dataclassification"] == left["dataclassification"] == "restricted"
    assert came["data"] == {"tracker": WRITTEN, "source": "beacon", "signed": False, "signal": "fair"}
    assert other["subject"] == "person/p-2"
    assert (left["type"], left["subject"]) == ("cn.zhijiao.presence.left", "person/p-1")
    assert left["data"] == came["data"] | {"silent_s": 120, "quiet": False}


async def test_time_without_ears_is_nobodys_going(room: Room) -> None:
    await room.listen(5, BAND)
    room.clock.advance(24 * 3600 * 1000)  # the adapter was gone for a day
    await room.listen(100)
    assert room.story() == [("entered", "p-1")]


async def test_a_room_where_nobody_at_all_is_heard_is_said_to_be_quiet(room: Room) -> None:
    await room.listen(5, BAND)
    await room.listen(125, quiet=True)
    assert room.events()[-1]["data"]["quiet"] is True


async def test_of_a_stranger_there_is_a_number_and_nothing_else(room: Room) -> None:
    await room.listen(20, "ble:AA:BB:CC:00:11:22", strangers=1000)
    assert room.events() == []
    assert room.counts["unknown"] == 20_000
    assert b"AA:BB:CC:00:11:22" not in room.written()
    assert set(room.desk.beacons()) == {BAND, OTHER}


async def test_after_the_approval_nothing_is_kept_and_the_beacon_is_nobodys(room: Room) -> None:
    room.roster = roster(until=date(2026, 11, 21))
    assert room.desk.beacons() == set()
    before = room.written()
    await room.listen(20, BAND)
    assert room.events() == []
    assert room.written() == before


async def test_an_approval_that_ends_while_somebody_is_here_leaves_no_trace_of_it(room: Room) -> None:
    room.roster = roster(until=date(2026, 11, 22))
    await room.listen(5, BAND, OTHER)
    assert len(await room.ingest.notes(HERE)) == 2
    room.clock.advance(24 * 3600 * 1000)
    await room.listen(200)
    assert room.story() == [("entered", "p-1"), ("entered", "p-2")]
    assert await room.ingest.notes(HERE) == {}


async def test_a_beacon_that_two_people_are_said_to_have_is_nobodys(room: Room) -> None:
    room.roster = roster(p_3=BAND)
    assert set(room.desk.beacons()) == {OTHER}


async def test_a_second_listener_of_the_same_scan_adds_nothing(room: Room) -> None:
    await room.listen(1, BAND)
    await room.listen(5, BAND, device="ears-2")
    assert room.events() == []
    assert room.counts["bound"] == 1
    room.clock.advance(60_000)
    await room.listen(5, BAND, device="ears-2")
    assert room.story() == [("entered", "p-1")]


@pytest.mark.parametrize("clean", [True, False], ids=["restarted", "killed"])
async def test_a_restart_invents_no_coming_and_no_going(tmp_path: Path, clean: bool) -> None:  # noqa: FBT001
    async with at_work(tmp_path, clean=clean) as room:
        await room.listen(5, BAND, OTHER)
    async with at_work(tmp_path) as room:
        await room.listen(110, BAND)
        await room.listen(60, BAND)
    assert room.story() == [("entered", "p-1"), ("entered", "p-2"), ("left", "p-2")]
    assert "signal" not in room.events()[-1]["data"], "not heard in this run"


async def test_what_the_disk_does_not_take_is_told_later_and_once(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = 0

    async def refuse(*_args: object, **_named: object) -> Collection[object]:
        nonlocal tries
        tries += 1
        raise StoreRefused("store_full", "full")

    with monkeypatch.context() as full:
        full.setattr(room.ingest, "store", refuse)
        await room.listen(30, BAND)
    assert tries == 1, "a refusal is counted as a loss: it is not asked each second"
    assert await room.listen(AGAIN_S, BAND) == 1
    await room.listen(10, BAND)
    assert room.story() == [("entered", "p-1")]


async def test_a_listener_that_is_cancelled_over_the_commit_tells_nothing_twice(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, stored = room.ingest.store, asyncio.Event()

    async def slow(*args: Any, **named: Any) -> object:
        await store(*args, **named)
        stored.set()
        return await asyncio.Future()

    with monkeypatch.context() as late:
        late.setattr(room.ingest, "store", slow)
        listening = asyncio.create_task(room.listen(5, BAND))
        await stored.wait()
        listening.cancel()
        await asyncio.wait([listening])
    await room.listen(20, BAND)
    assert room.story() == [("entered", "p-1")]
    await room.listen(130)
    assert room.story()[1:] == [("left", "p-1")]


async def test_no_alarm_hangs_on_it(room: Room) -> None:
    await room.alarms.raise_("strap_open", f"person/p-1/{WRITTEN}", {"tracker": WRITTEN})
    standing = dict(room.alarms.standing)
    await room.listen(5, BAND)
    await room.listen(200)
    assert room.alarms.standing == standing
    assert len(room.story()) == 2
    assert len(room.events("alarm.")) == 1
    assert room.events("checkin.") == []


async def test_nothing_of_it_is_in_the_log(room: Room, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    await room.listen(5, BAND, "ble:AA:BB:CC:00:11:22", strangers=3)
    await room.listen(130)
    ours = [one for one in caplog.records if one.name.partition(".")[0] not in QUIET]
    text = " ".join(str(vars(one)) for one in ours).lower()
    assert "f0:f1" not in text
    assert "aa:bb" not in text
