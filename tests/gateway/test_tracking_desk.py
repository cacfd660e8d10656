"""Reports of wearables over a real store: what is kept, of whom, and what is raised and cleared."""

import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from drivers.driver import EventsRefused
from firmware_protocols.tracking import Fix, Sign, TrackerReport
from gateway.checkin.roster import Roster, Tracker
from gateway.clock import ClockQuality, ManualClock
from gateway.errors import StoreRefused
from gateway.ingest.alarms import Alarms
from gateway.ingest.ingest import Ingest
from gateway.ingest.sealing import Sealer, unseal
from gateway.metrics import Metrics
from gateway.tracking.desk import STATUS_EVERY_S, STRANGER_EVERY_S, TrackingDesk
from gateway.tracking.watch import SILENT_S, TrackingWatch
from gateway.tracking.wearers import Wearers
from tests.gateway.enrolment_bench import person, roster_of
from tests.gateway.store_fixtures import GATEWAY, running_store

ZONE = ZoneInfo("Asia/Shanghai")
CENTER = X25519PrivateKey.from_private_bytes(bytes(range(32)))
TRACKER, STRANGER = "R16H-000017", "R16H-999999"
UNTIL = date(2026, 12, 31)


def roster(until: date = UNTIL, ref: str = "p-1", tracker: str = TRACKER) -> Roster:
    return roster_of([replace(person(ref), trackers=(Tracker(tracker, until),)), person("p-2")])


class Center:
    """The parts, and what can be seen of them."""

    def __init__(self, folder: Path, store: Any, clock: ManualClock) -> None:
        self.db, self.store, self.clock = folder / "events.db", store, clock
        self.roster: Roster | None = roster()
        self.counts: list[str] = []
        self.now_s = 1000.0
        sealer = Sealer(GATEWAY, bytes(32), ("center-1", CENTER.public_key()))
        self.ingest = Ingest(store, clock, sealer, Metrics(), GATEWAY)
        self.alarms = Alarms(self.ingest, store)
        self.wearers = Wearers(lambda: self.roster)
        self.desk = TrackingDesk(
            self.wearers, ingest=self.ingest, alarms=self.alarms, clock=clock, zone=ZONE,
            counted=self.counts.append, seconds=lambda: self.now_s,
        )  # fmt: skip
        self.watch = TrackingWatch(
            self.wearers, self.desk, ingest=self.ingest, alarms=self.alarms, clock=clock, zone=ZONE,
            seconds=lambda: self.now_s,
        )  # fmt: skip

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.clock.wall_ms / 1000, UTC)

    def fix(self, ago_s: float = 0.0, **changes: Any) -> Fix:
        base = Fix(
            lat=36.6683104,
            lon=117.0208435,
            valid=True,
            time=self.now() - timedelta(seconds=ago_s),
            speed_kmh=3.6,
        )
        return replace(base, **changes)

    def report(self, tracker: str | None = TRACKER, **changes: Any) -> TrackerReport:
        return replace(TrackerReport(kind="location", device_id=tracker), **changes)

    def events(self, kind: str = "tracker.") -> list[dict[str, Any]]:
        with sqlite3.connect(f"file:{self.db}?mode=ro", uri=True) as db:
            events = [json.loads(wire) for (wire,) in db.execute("SELECT wire FROM event ORDER BY n")]
        return [one for one in events if one["type"].startswith(f"cn.zhijiao.{kind}")]


@pytest.fixture
async def center(tmp_path: Path) -> AsyncIterator[Center]:
    async with at_work(tmp_path) as made:
        yield made


@asynccontextmanager
async def at_work(folder: Path) -> AsyncIterator[Center]:
    clock = ManualClock()
    async with running_store(folder / "events.db", clock) as store:
        yield Center(folder, store, clock)


async def test_a_fix_is_the_wearers_at_its_own_time_and_sealed(center: Center) -> None:
    await center.desk.take("dock-1", [center.report(fix=center.fix(ago_s=90))])
    (event,) = center.events("tracker.fix")
    assert event["subject"] == "person/p-1"
    assert (event["data"]["tracker"], event["data"]["time_believed"]) == (TRACKER, True)
    assert event["data"]["device_time"] == "2026-11-22T01:00:32.000Z"
    position = unseal(event["data"]["sealed"], CENTER, gateway=GATEWAY, event_id=event["id"])
    assert position == {"lat_e7": 366683104, "lon_e7": 1170208435, "speed_cms": 100}
    assert center.counts == ["kept"]


async def test_no_position_lies_anywhere_in_clear(center: Center) -> None:
    await center.desk.take("dock-1", [center.report(fix=center.fix(), raw={"lat": 36.6683104})])
    written = b"".join(one.read_bytes() for one in center.db.parent.iterdir() if one.is_file())
    assert b"36.668" not in written
    assert b"366683" not in written
    assert b"device_time" in written, "it looked where it would be"


async def test_the_same_record_sent_again_is_one_fact(center: Center) -> None:
    some = [center.report(fix=center.fix(ago_s=second, archived=True)) for second in (60, 30, 0)]
    await center.desk.take("dock-1", some)
    await center.desk.take("dock-1", some)
    assert len(center.events("tracker.fix")) == 3


@pytest.mark.parametrize("time", ["none", "1970", "ahead", "unvouched"])
async def test_without_a_time_to_believe_it_is_about_the_device(center: Center, time: str) -> None:
    fix = center.fix()
    if time == "none":
        fix = replace(fix, time=None)
    elif time == "1970":
        fix = replace(fix, time=datetime(1970, 1, 2, tzinfo=UTC))
    elif time == "ahead":
        fix = center.fix(ago_s=-3600)
    else:
        center.clock.set_quality(ClockQuality.UNSYNCED, error_ms=None)
    await center.desk.take("dock-1", [center.report(fix=fix)])
    (event,) = center.events("tracker.fix")
    assert (event["subject"], event["data"]["time_believed"]) == ("device/dock-1", False)


async def test_after_the_approval_no_position_is_kept_and_no_alarm_raised(center: Center) -> None:
    center.roster = roster(until=date(2026, 11, 21))
    said = center.report(fix=center.fix(), moments=frozenset({Sign.SOS}), battery_pct=10)
    await center.desk.take("dock-1", [said])
    assert center.events("tracker.fix") == []
    assert center.alarms.standing == {}
    assert center.counts == ["not_approved"]
    (status,) = center.events("tracker.status")
    assert status["subject"] == "device/dock-1"


async def test_a_position_of_the_last_approved_day_may_come_later(center: Center) -> None:
    center.roster = roster(until=date(2026, 11, 21))
    yesterday = center.report(fix=center.fix(ago_s=12 * 3600, archived=True))  # 21:02 on the 21st there
    await center.desk.take("dock-1", [yesterday])
    (event,) = center.events("tracker.fix")
    assert event["subject"] == "person/p-1"


async def test_of_a_wearable_that_nobody_wears_only_that_is_told_once_an_hour(center: Center) -> None:
    for _ in range(50):
        center.now_s += 10
        await center.desk.take("dock-1", [center.report(STRANGER, fix=center.fix(), battery_pct=50)])
    assert center.events("tracker.fix") == []
    assert [one["subject"] for one in center.events("tracker.status")] == ["device/dock-1"]
    center.now_s += STRANGER_EVERY_S
    await center.desk.take("dock-1", [center.report(STRANGER)])
    assert len(center.events("tracker.status")) == 2


async def test_how_it_is_is_told_when_it_changed_and_else_seldom(center: Center) -> None:
    for pct in (80, 80, 79, 74, 74):
        center.now_s += 10
        await center.desk.take("dock-1", [center.report(battery_pct=pct, charging=False)])
    assert [one["data"]["battery_pct"] for one in center.events("tracker.status")] == [80, 79, 74]
    center.now_s += STATUS_EVERY_S
    await center.desk.take("dock-1", [center.report(battery_pct=74, charging=False)])
    assert len(center.events("tracker.status")) == 4


async def test_a_strap_that_opens_is_an_alarm_about_the_person_until_it_is_closed(center: Center) -> None:
    await center.desk.take("dock-1", [center.report(standing={Sign.STRAP_OPEN: True})])
    (raised,) = center.events("alarm.raised")
    assert (raised["subject"], raised["data"]["kind"], raised["data"]["severity"]) == (
        "person/p-1", "strap_open", "critical",
    )  # fmt: skip
    assert raised["dataclassification"] == "restricted"
    assert raised["data"]["tracker"] == TRACKER
    await center.desk.take("dock-1", [center.report()])
    assert center.events("alarm.cleared") == []
    center.alarms._paid_s.clear()
    await center.desk.take("dock-1", [center.report(standing={Sign.STRAP_OPEN: False})])
    (cleared,) = center.events("alarm.cleared")
    assert cleared["data"]["raised"] == raised["id"]


async def test_tamper_is_told_at_once_however_often_it_flaps(center: Center) -> None:
    for opened in (True, False) * 3:
        await center.desk.take("dock-1", [center.report(standing={Sign.STRAP_OPEN: opened})])
        if opened:
            assert "strap_open/person/p-1/R16H-000017" in center.alarms.standing


async def test_two_wearables_of_one_person_do_not_end_each_others_alarms(center: Center) -> None:
    two = (Tracker(TRACKER, UNTIL), Tracker("T-2", UNTIL))
    center.roster = roster_of([replace(person("p-1"), trackers=two)])
    await center.desk.take("dock-1", [center.report(standing={Sign.STRAP_OPEN: True})])
    await center.desk.take("dock-1", [center.report("T-2", standing={Sign.STRAP_OPEN: False})])
    assert len(center.alarms.standing) == 1


async def test_what_the_disk_does_not_take_is_refused_so_that_nobody_answers(
    center: Center, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_args: object, **_named: object) -> int:
        raise StoreRefused("store_full", "full")

    monkeypatch.setattr(center.ingest, "store_records", refuse)
    with pytest.raises(EventsRefused) as told:
        await center.desk.take("dock-1", [center.report(fix=center.fix())])
    assert told.value.code == "store_full"


async def test_a_report_without_a_number_is_counted(center: Center) -> None:
    await center.desk.take("dock-1", [center.report(None, fix=center.fix())])
    assert center.counts == ["no_id"]
    assert center.events() == []


# -- what the clock says ------------------------------------------------------------------------------


async def test_binding_is_told_once_and_so_is_its_end(center: Center) -> None:
    for _ in range(3):
        await center.watch.look()
    center.roster = roster(ref="p-9")
    await center.watch.look()
    center.roster = None
    await center.watch.look()
    await center.watch.look()
    told = [(one["type"].removeprefix("cn.zhijiao.tracker."), one["subject"]) for one in center.events()]
    assert told == [
        ("bound", "person/p-1"), ("unbound", "person/p-1"), ("bound", "person/p-9"), ("unbound", "person/p-9"),
    ]  # fmt: skip


async def test_the_end_of_an_approval_is_told_the_day_after_and_not_again_after_a_restart(
    tmp_path: Path,
) -> None:
    async with at_work(tmp_path) as center:
        center.roster = roster(until=date(2026, 11, 22))
        await center.watch.look()
        center.clock.advance(24 * 3600 * 1000)
        await center.watch.look()
    async with at_work(tmp_path) as center:
        center.clock.advance(24 * 3600 * 1000)
        center.roster = roster(until=date(2026, 11, 22))
        await center.watch.look()
        kinds = [one["type"].removeprefix("cn.zhijiao.tracker.") for one in center.events()]
        assert kinds == ["bound", "approval_ended"]
        center.roster = roster(until=UNTIL)
        await center.watch.look()
        assert center.events()[-1]["data"]["approved_until"] == "2026-12-31"


async def test_a_wearable_that_is_not_heard_any_more_is_an_alarm_until_it_is(center: Center) -> None:
    await center.desk.take("dock-1", [center.report()])
    center.now_s += SILENT_S - 1
    await center.watch.look()
    assert center.alarms.standing == {}
    center.now_s += 2
    await center.watch.look()
    assert list(center.alarms.standing) == ["signal_lost/person/p-1/R16H-000017"]
    center.alarms._paid_s.clear()
    await center.desk.take("dock-1", [center.report()])
    assert center.alarms.standing == {}


async def test_the_alarms_of_a_wearable_end_when_it_is_somebody_elses(center: Center) -> None:
    await center.desk.take("dock-1", [center.report(standing={Sign.STRAP_OPEN: True})])
    center.alarms._paid_s.clear()
    center.roster = roster(ref="p-9")
    await center.watch.look()
    assert center.alarms.standing == {}
