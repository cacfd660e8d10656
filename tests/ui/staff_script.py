"""Test code: a day, kiosks, alarms and roll calls by a script, behind the real routes of staff."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from drivers.factors import Factor
from gateway.access.closed import ClosedAccess
from gateway.access.model import Principal, Role
from gateway.api.parts import Parts
from gateway.api.staff_desk import StaffDesk
from gateway.checkin import rollcall
from gateway.checkin.audit import Audit
from gateway.checkin.day import Day, Duty, Here, Hours, Visit
from gateway.checkin.due import Coverage, Reason, State
from gateway.checkin.kiosk import KioskView
from gateway.checkin.purposes import Purpose
from gateway.checkin.rollcall import Answer, Ended, Note, RollCall
from gateway.checkin.roster import (
    DayOff,
    Head,
    Method,
    Person,
    Repeat,
    Roster,
    Schedule,
    Window,
)
from gateway.checkin.session import Stage
from gateway.checkin.workdays import Workdays
from gateway.errors import ContractError, StoreRefused
from gateway.ingest.facts import Fact
from gateway.uuid7 import uuid7
from tests.ui.scripted import NOW_MS, ScriptedGateway, healthy

ZONE = ZoneInfo("Asia/Shanghai")
TODAY = date(2026, 11, 22)
MIN_MS = 60_000
MINOR = "p-440305-0003"
SURNAMES = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨"
REVIEW_EVENT = "019ff000-0000-7000-8000-0000000000aa"
UNKNOWN_EVENT = "019ff000-0000-7000-8000-0000000000ab"
ALARM = "store_full/gateway", uuid7(NOW_MS - 3 * MIN_MS)
WINDOWS = (("08:30", "11:30"), ("14:00", "17:30"))


def person(number: int, *, protected: bool = False) -> Person:
    return Person(
        ref=f"p-440305-{number:04d}",
        number_hmac=number.to_bytes(32, "big"),
        name=f"{SURNAMES[number % len(SURNAMES)]}*{'甲乙丙丁戊己庚辛壬癸'[number % 10]}",
        unit=f"44030500{1 + number % 3}",
        category="strict" if number % 5 == 0 else "ordinary",
        since=date(2026, 1, 5),
        until=date(2027, 1, 4),
        responsible="gw-440305-01",
        protected=protected,
        methods=frozenset(Method),
        schedule=Schedule(
            repeat=Repeat.WEEKLY,
            days=(7,),
            windows=(Window(time(8, 30), time(11, 30)), Window(time(14, 0), time(17, 30))),
            grace_min=30,
            day_off=DayOff.KEEP,
        ),
        leave=(),
        references=(),
        trackers=(),
    )


def roster(count: int = 14) -> Roster:
    head = Head(
        org="440305",
        gateway="gw-440305-01",
        version=7,
        minor=0,
        issued_ms=NOW_MS - 40 * 3_600_000,
        expires_ms=NOW_MS + 90 * 86_400_000,
        workdays=Workdays(
            first=date(2026, 1, 1), last=date(2026, 12, 31), holidays=frozenset(), workdays=frozenset()
        ),
    )
    persons = [person(number, protected=f"p-440305-{number:04d}" == MINOR) for number in range(1, count + 1)]
    return Roster(head, persons, digest=bytes(32), left_out=0)


_STATES: Sequence[dict[str, Any]] = (
    {"state": State.DONE, "came_ms": NOW_MS - 300 * MIN_MS},
    {"state": State.LATE, "came_ms": NOW_MS - 20 * MIN_MS, "by_staff": True},
    {"state": State.OPEN},
    {"state": State.MISSED, "said": "019ff000-0000-7000-8000-00000000000b"},
    {
        "state": State.UNASSESSED,
        "reason": Reason.UNAVAILABLE,
        "coverage": Coverage(23_400, 17_100, 5_400, through=False),
        "said": "019ff000-0000-7000-8000-00000000000c",
    },
    {"state": State.OPEN},
    {"state": State.DONE, "came_ms": NOW_MS - 200 * MIN_MS},
    {"state": State.ON_LEAVE},
    {"state": State.UPCOMING},
    {"state": State.ELSEWHERE},
    {"state": State.OVER, "reason": Reason.CLOCK},
    {"state": State.MISSED, "late_arrival": True, "came_ms": NOW_MS - 5 * MIN_MS},
)


def duties(book: Roster) -> Sequence[Duty]:
    return [
        Duty(
            ref=one.ref,
            name=one.name,
            protected=one.protected,
            unit=one.unit,
            category=one.category,
            windows=WINDOWS,
            **_STATES[place % len(_STATES)],
        )
        for place, one in enumerate(book.persons)
    ]


def visit(number: int, book: Roster, **changes: Any) -> Visit:
    whose = book.persons[number % len(book.persons)]
    base = Visit(
        event=f"019ff000-0000-7000-8000-{number:012d}",
        at_ms=NOW_MS - number * 7 * MIN_MS,
        kiosk="kiosk-1",
        purpose=Purpose.REPORT,
        outcome="completed",
        reason=None,
        ref=whose.ref,
        name=whose.name,
        protected=whose.protected,
        method="finger",
        counts_as=State.DONE,
    )
    return replace(base, **changes)


def full_day(count: int = 14) -> Day:
    book = roster(count)
    return Day(
        day=TODAY,
        roster_version=7,
        roster_age_s=40 * 3600,
        roster_expired=False,
        duties=duties(book),
        visits=[
            visit(0, book, method="staff", counts_as=State.LATE),
            visit(
                1,
                book,
                event=REVIEW_EVENT,
                outcome="pending_review",
                reason="roster_expired",
                method=None,
                counts_as=None,
            ),
            visit(
                2,
                book,
                event=UNKNOWN_EVENT,
                purpose=None,
                outcome="pending_review",
                reason="unknown_person",
                ref=None,
                name=None,
                protected=False,
                method=None,
                counts_as=None,
            ),
            visit(3, book, outcome="rejected", reason="not_the_same_person", counts_as=None),
            visit(4, book, outcome="abandoned", reason="timeout", method=None, counts_as=None),
            visit(2, book),
            visit(5, book, purpose=Purpose.STUDY_IN, counts_as=None, kiosk="kiosk-2"),
        ],
        here=[
            Here(
                ref=one.ref,
                name=one.name,
                protected=one.protected,
                purpose=Purpose.STUDY_IN,
                since_ms=NOW_MS - 35 * MIN_MS,
            )
            for one in book.persons[2:5]
        ],
        hours=[
            Hours(
                ref=book.persons[5].ref,
                name=book.persons[5].name,
                protected=False,
                study_s=5400,
                service_s=0,
                open_pairs=1,
            )
        ],
    )


class ScriptedBook:
    """`DayBook` by a script."""

    def __init__(self, day: Day) -> None:
        self.shown = day
        self.now = TODAY
        self.refusal: StoreRefused | ContractError | None = None
        self.entered: list[dict[str, Any]] = []
        self.reviewed: list[dict[str, Any]] = []
        self._changed = asyncio.Event()

    def show(self, day: Day) -> None:
        self.shown = day
        self._changed.set()
        self._changed = asyncio.Event()

    def today(self) -> date:
        return self.now

    async def month(self, first: date) -> Sequence[Hours]:
        return self.shown.hours

    async def day(self, day: date) -> Day:
        if isinstance(self.refusal, StoreRefused):
            raise self.refusal
        if day == self.shown.day:
            return self.shown
        return replace(self.shown, day=day, visits=[], here=[], hours=[])

    async def changes(self) -> AsyncIterator[None]:
        while True:
            changed = self._changed
            yield None
            await changed.wait()

    async def enter(
        self, *, ref: str, purpose: Purpose, at_ms: int, staff: str, reason: str, key: str
    ) -> str:
        if self.refusal is not None:
            raise self.refusal
        for one in self.entered:
            if one["key"] == key:
                return str(one["event"])
        event = uuid7(NOW_MS)
        self.entered.append(
            {"ref": ref, "purpose": purpose, "at_ms": at_ms, "staff": staff, "reason": reason, "key": key,
             "event": event}
        )  # fmt: skip
        return event

    async def review(
        self, *, event: str, accept: bool, staff: str, reason: str, ref: str | None, purpose: Purpose | None
    ) -> str:
        if self.refusal is not None:
            raise self.refusal
        if any(one["event"] == event for one in self.reviewed):
            raise ContractError("not_waiting", "decided already")
        waiting = next(one for one in self.shown.visits if one.event == event)
        if accept and waiting.purpose is None and purpose is None:
            raise ContractError("no_purpose", "what was it for?")
        told = {"event": event, "accept": accept, "staff": staff, "reason": reason, "ref": ref}
        self.reviewed.append({**told, "purpose": purpose})
        said = "accepted" if accept else "refused"
        self.show(
            replace(
                self.shown,
                visits=[
                    replace(one, reviewed=said) if one.event == event else one for one in self.shown.visits
                ],
            )
        )
        return uuid7(NOW_MS)


class ScriptedKiosk:
    """A kiosk that only shows what it is told to."""

    def __init__(self, name: str, view: KioskView) -> None:
        self.id = name
        self.view = view
        self.words: list[tuple[str, str, str]] = []

    def staff_word(self, session: str, staff: str, reason: str) -> bool:
        self.words.append((session, staff, reason))
        return True


class ScriptedCalls:
    """Roll calls by the real rules, without a store."""

    def __init__(self, day: ScriptedBook) -> None:
        self._book = day
        self.calls: dict[str, RollCall] = {}
        self.ended: list[dict[str, Any]] = []

    @property
    def open_now(self) -> Sequence[RollCall]:
        return list(self.calls.values())

    async def begin(self, call: str, persons: Sequence[str] | None, *, deadline_ms: int, by: str) -> str:
        named = [one.ref for one in self._book.shown.here] if persons is None else persons
        self.calls[call] = rollcall.opened(call, named, now_ms=NOW_MS, deadline_ms=deadline_ms, by=by)
        return call

    async def answer(self, call: str, ref: str, answer: Answer, note: Note | None, by: str) -> None:
        if call not in self.calls:
            raise ContractError("no_rollcall", "over")
        self.calls[call] = rollcall.answered(self.calls[call], ref, answer, note, by)

    async def end(self, call: str, *, by: str) -> str:
        if call not in self.calls:
            raise ContractError("no_rollcall", "over")
        self.ended.append(rollcall.event_data(self.calls.pop(call), Ended.CLOSED, by))
        return uuid7(NOW_MS)


@dataclass
class Recorded:
    """`Recorder` of the audit: keeps, or refuses."""

    facts: list[Fact] = field(default_factory=list)
    refusal: StoreRefused | None = None

    async def store(self, facts: Sequence[Fact], _device: str) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.facts += facts


class ScriptedAccess(ClosedAccess):
    """Cookies are names of roles."""

    def session(self, cookie: str, *, used: bool = True) -> Principal | None:
        return Principal(Role(cookie), f"{cookie}-1", f"csrf-of-{cookie}") if cookie in set(Role) else None


class Office:
    """All of it."""

    def __init__(self, store: Path = Path("/nonexistent/events.db"), count: int = 14) -> None:
        self.gateway = ScriptedGateway(healthy())
        self.book = ScriptedBook(full_day(count))
        self.kiosks = [
            ScriptedKiosk("kiosk-1", proving()),
            ScriptedKiosk("kiosk-2", KioskView()),
        ]
        self.alarms: dict[str, str] = {}
        self.calls = ScriptedCalls(self.book)
        self.recorded = Recorded()
        self.roster = roster(count)
        self.now_s = 1000.0
        self.audit = Audit(self.recorded, "gw-440305-01", clock=lambda: self.now_s)
        self.store = store

    def parts(self) -> Parts:
        desk = StaffDesk(
            book=self.book,
            kiosks=lambda: self.kiosks,
            alarms=lambda: self.alarms,
            calls=self.calls,
            audit=self.audit,
            roster=lambda: self.roster,
            store=self.store,
            zone=ZONE,
            now_ms=lambda: NOW_MS,
            new_id=lambda: uuid7(NOW_MS),
        )
        return Parts(viewed=self.gateway, metrics=bytes, access=ScriptedAccess(), staff=desk)

    def raise_alarm(self, key: str = ALARM[0], event: str = ALARM[1]) -> None:
        self.alarms = {**self.alarms, key: event}
        self.touch()

    def touch(self) -> None:
        self.gateway.show(self.gateway.snapshot())


def proving(session: str = "019ff000-0000-7000-8000-0000000000f1") -> KioskView:
    return KioskView(
        stage=Stage.PROVING,
        session=session,
        purpose=Purpose.REPORT,
        name="钱*乙",
        wanted=frozenset({Factor.FINGER}),
        hint="poor",
    )
