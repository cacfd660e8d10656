"""A box, its clock, its kiosk and its people in true time: what was stated is held against what happened."""

import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from gateway.checkin.directory import RosterDirectory
from gateway.checkin.keeper import InForce, RosterKeeper
from gateway.checkin.roster import Roster
from gateway.checkin.said import Said
from gateway.checkin.schedule import occurrences
from gateway.checkin.staff_day import StaffDay
from gateway.checkin.timeline import Moment
from gateway.clock import ClockQuality, ClockSource, ClockSynced, ClockWatch, ManualClock
from gateway.config import KioskConfig
from gateway.ingest.facts import Fact
from gateway.ingest.ingest import Ingest
from gateway.ingest.sealing import Sealer
from gateway.metrics import Metrics
from gateway.store import rosters as stored_rosters
from gateway.store.rosters import StoredRoster
from gateway.store.store import Store
from tests.gateway.rosters import opened, person, schedule, signed
from tests.gateway.store_fixtures import GATEWAY, running_store

ZONE = ZoneInfo("Asia/Shanghai")
MONDAY = date(2026, 11, 23)
S, MIN, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000
KIOSK = KioskConfig(id="kiosk-1", devices=("idcard-1",), purpose="report")


def at(text: str) -> int:
    """Local time; `08:30` is on the Monday."""
    day, _, clock = text.rpartition(" ")
    return int(datetime.fromisoformat(f"{day or MONDAY} {clock}").replace(tzinfo=ZONE).timestamp() * 1000)


def people(count: int, version: int = 1, repeat: dict[str, Any] | None = None, **head: Any) -> Roster:
    return opened(
        signed([person(n, schedule=repeat or schedule()) for n in range(count)], version=version, **head)
    )


def ref(serial: int) -> str:
    return f"p-{serial:04d}"


class Keeper:
    """The roster in force, without files and keys."""

    def __init__(self) -> None:
        self.in_force: InForce | None = None


@dataclass
class Running:
    """One run of the gateway."""

    store: Store
    ingest: Ingest
    day: StaffDay
    watch: ClockWatch


@dataclass
class World:
    """True time, and what the machine makes of it."""

    folder: Path
    now: int
    clock: ManualClock = field(init=False)
    keeper: Keeper = field(default_factory=Keeper)
    online: bool = True
    lent: bool = False  # somebody is being enrolled at the kiosk
    came: list[tuple[str, int]] = field(default_factory=list)  # whom a kiosk told that it counts, true time
    boots: int = 0
    off_ms: int = 0  # how wrong the clock is
    quality: ClockQuality = ClockQuality.SYNCED
    run: Running | None = None
    tick_ms: int = 10_000
    up: list[tuple[int, int]] = field(default_factory=list)  # true time, box and kiosk
    ever: dict[str, dict[str, Any]] = field(default_factory=dict)  # statements by id, with true time

    @property
    def path(self) -> Path:
        return self.folder / "events.db"

    def power_on(self, quality: ClockQuality = ClockQuality.SYNCED, off_ms: int = 0) -> None:
        """Another boot; the clock as it is then."""
        self.boots += 1
        self.quality, self.off_ms = quality, off_ms
        self.clock = ManualClock(self.now + off_ms, 5_000, boot_id=f"{self.boots:032x}", quality=quality)
        self._tell_clock()

    def set_clock(self, quality: ClockQuality, off_ms: int = 0) -> None:
        self.clock.step(self.now + off_ms - self.clock.wall_ms)
        self.quality, self.off_ms = quality, off_ms
        self._tell_clock()

    def _tell_clock(self) -> None:
        source = ClockSource.NONE if self.quality is ClockQuality.UNSYNCED else ClockSource.NTP
        error_ms = None if self.quality is ClockQuality.UNSYNCED else 50
        self.clock.set_quality(self.quality, error_ms=error_ms, source=source)

    @asynccontextmanager
    async def running(self, *, clean: bool = False) -> AsyncIterator[Running]:
        """The gateway runs until the end; not cleanly, as a rule."""
        async with running_store(self.path, self.clock, clean=clean) as store:
            ingest = Ingest(store, self.clock, Sealer(GATEWAY, bytes(32), None), Metrics(), GATEWAY)
            keeper: RosterKeeper = self.keeper  # type: ignore[assignment]
            nobody_enrolled: Any = None  # nobody is recognised here
            said = Said()
            self.directory = RosterDirectory(keeper, nobody_enrolled, self.clock, ZONE, said)
            day = StaffDay(
                path=self.path, store=store, ingest=ingest, keeper=keeper,
                directory=self.directory, said=said, clock=self.clock, zone=ZONE,
                kiosks=lambda: [KIOSK], kinds=lambda: {"idcard-1": "idcard.sam"},
                online=lambda: {"idcard-1"} if self.online else set(),
                lent=lambda: {"kiosk-1"} if self.lent else set(),
            )  # fmt: skip
            store.on_commit(lambda _seconds, events, rows: day.committed(events, rows))
            await ingest.record("system.started", {"software": "0", "passed": "2026-11-01T00:00:00.000Z"})
            await day.load()
            self.run = Running(store, ingest, day, ClockWatch(self.clock))
            try:
                yield self.run
            finally:
                self.run = None

    async def apply(self, roster: Roster) -> None:
        assert self.run is not None
        stamp, head = self.clock.now(), roster.head
        stored = StoredRoster(
            version=head.version, digest=roster.digest, persons=len(roster.persons), left_out=0,
            issued_ms=head.issued_ms, expires_ms=head.expires_ms, applied_ms=stamp.wall_ms,
            applied_boot=stamp.boot_id, applied_mono_ms=stamp.mono_ms, sealed=b"",
        )  # fmt: skip
        await self.run.store.run(lambda _box: stored_rosters.put(stored))
        self.keeper.in_force = InForce(roster, stamp.wall_ms, Moment(stamp.boot_id, stamp.mono_ms), {})

    async def look(self) -> int:
        """One turn of the gateway's clock tasks."""
        assert self.run is not None
        for notice in self.run.watch.look():
            if isinstance(notice, ClockSynced):
                await self.run.ingest.record("clock.synced", {
                    "source": notice.source.value, "wall_ms": notice.wall_ms, "mono_ms": str(notice.mono_ms),
                    "step_ms": notice.step_ms, "error_ms": notice.error_ms,
                })  # fmt: skip
        said = await self.run.day.teller.look()
        if said:
            self.note_stated()
        return said

    def note_stated(self) -> None:
        """What was stated stays stated, whatever becomes of the store."""
        for one in self.statements():
            self.ever.setdefault(one["id"], {**one, "true_ms": self.now})

    async def until(self, true_ms: int) -> int:
        """Time passes while the gateway runs; how much was said meanwhile."""
        said = await self.look()
        while self.now < true_ms:
            step = min(self.tick_ms, true_ms - self.now)
            if self.online and not self.lent:
                self.up.append((self.now, self.now + step))
            self.now += step
            self.clock.advance(step)
            said += await self.look()
        return said

    def pass_off(self, true_ms: int) -> None:
        """Time passes while the box is off."""
        self.now = true_ms

    async def comes(self, *serials: int) -> None:
        """These report, and are told that it counts."""
        assert self.run is not None
        for serial in serials:
            await self.run.ingest.store([self.report(serial)], "kiosk-1")
            self.came.append((ref(serial), self.now))

    def report(self, serial: int, verb: str = "completed", **data: Any) -> Fact:
        assert self.run is not None
        standing = self.directory.standing(ref(serial))
        late = (
            {}
            if standing is None or standing.late_arrival_of is None
            else {"late_arrival_of": standing.late_arrival_of}
        )
        body = {"session": "s", "kiosk": "kiosk-1", "purpose": "report", "method": "finger", **late, **data}
        return Fact(f"checkin.{verb}", f"person/{ref(serial)}", body, restricted=True)

    # -- what was said ---------------------------------------------------------------------------------

    def events(self, kind: str = "checkin.") -> list[dict[str, Any]]:
        with closing(sqlite3.connect(self.path)) as db:
            wires = [json.loads(row[0]) for row in db.execute("SELECT wire FROM event ORDER BY n")]
        return [one for one in wires if one["type"].startswith(f"cn.zhijiao.{kind}")]

    def statements(self) -> list[dict[str, Any]]:
        return [
            {"id": one["id"], "verb": one["type"].rpartition(".")[2],
             "ref": one["subject"].removeprefix("person/"), **one["data"]}
            for one in self.events()
            if one["type"].endswith((".missed", ".unassessed"))
        ]  # fmt: skip

    def said(self) -> dict[tuple[str, str | None], int]:
        found: dict[tuple[str, str | None], int] = {}
        for one in self.statements():
            key = one["verb"], one.get("reason")
            found[key] = found.get(key, 0) + 1
        return found

    def false_ones(self, roster: Roster) -> list[str]:
        """Statements `missed` that are not true: an oracle that knows the true time and nothing of `due`."""
        wrong = []
        for one in self.ever.values():
            if one["verb"] != "missed":
                continue
            someone = roster.of_ref(one["ref"])
            day = date.fromisoformat(one["day"])
            duty = None
            if someone is not None:
                next_day = date.fromordinal(day.toordinal() + 1)
                duty = next(iter(occurrences(someone, roster.head.workdays, ZONE, day, next_day)), None)
            if duty is None:
                wrong.append(f"{one['ref']}: nothing was due on {day}")
                continue
            if one["true_ms"] < duty.late_until_ms:
                wrong.append(f"{one['ref']}: {day} was not over")
            if any(who == one["ref"] and duty.open_ms <= when < duty.late_until_ms
                   and not any(close <= when < open_ for (_, close), (open_, _) in
                               zip(duty.windows, duty.windows[1:], strict=False))
                   for who, when in self.came):  # fmt: skip
                wrong.append(f"{one['ref']}: came on {day}")
            if roster.head.expired(one["true_ms"]):
                wrong.append(f"{one['ref']}: the roster had expired")
            if self._dark(duty.windows, duty.late_until_ms):
                wrong.append(f"{one['ref']}: nobody could come on {day}")
        return wrong

    def _dark(self, windows: tuple[tuple[int, int], ...], late_until_ms: int) -> bool:
        """Whether box or kiosk was away for more than five minutes of a window, or at its end."""
        *before, (last_open, _) = windows
        for begin, end in [*before, (last_open, late_until_ms)]:
            reached = begin
            for start, stop in sorted(self.up):
                if start - reached > 5 * MIN and reached < end and start > begin:
                    return True
                reached = max(reached, stop)
            if reached < end:
                return True
        return False

    def doubled(self) -> list[tuple[str, str]]:
        pairs = [(one["ref"], one["day"]) for one in self.ever.values()]
        return [one for one in set(pairs) if pairs.count(one) > 1]
