"""From the center's JSON to the model: every member has its form, every rule of the contract is checked.

Raises `RosterError`: what is wrong, where (the path of the member, never its value), what to do.
"""

import re
from collections.abc import Iterable
from datetime import date, time

from gateway.checkin.roster import (
    MOST_PERSONS,
    DayOff,
    DeviceReference,
    Head,
    Leave,
    Method,
    Person,
    Repeat,
    Schedule,
    Tracker,
    Window,
)
from gateway.checkin.strict import Members, RosterError, Tally, as_day, as_text, as_whole, wrong
from gateway.checkin.workdays import Workdays
from gateway.evidence.canonical import Json

MAJOR, MINOR = 1, 0
MOST_PAGES = 256
MINUTES_OF_DAY = MOST_GRACE_MIN = 1440
MOST_SLOT = 65_535
MOST_DATES, MOST_LEAVES, MOST_WINDOWS, MOST_REFERENCES, MOST_TRACKERS = 366, 64, 8, 16, 8
MOST_HOLIDAYS = 732  # two years of them
HALF = 15  # the first half of a month ends on this day

_ORG = re.compile(r"[0-9]{6}", re.ASCII)
_GATEWAY = re.compile(r"gw-[0-9]{6}-[0-9]{2}", re.ASCII)
_REF = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)
_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)
_SHORT_HASH = re.compile(r"[0-9a-f]{16}", re.ASCII)
_CODE = re.compile(r"[A-Za-z0-9._-]{1,32}", re.ASCII)
_SERIAL = re.compile(r"[A-Za-z0-9._:-]{1,64}", re.ASCII)
# At least one character is masked: a full name has no place on a gateway.
_MASKED = re.compile(r"(?=.*[*＊○])[^\x00-\x1f\x7f]{1,32}")
_CLOCK = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d|24:00", re.ASCII)
_METHODS = frozenset(Method)
_DAYS_OFF = frozenset(DayOff)
_REPEATS = frozenset(Repeat)


def read_head(value: Json) -> tuple[Head, str, int, list[tuple[int, bytes]], Tally]:
    """(head, check value of the number key, persons in all, (persons, SHA-256) of each page, tally)."""
    version = value.get("v") if isinstance(value, dict) else None
    if version != MAJOR:
        raise RosterError(
            "roster_major", f"v must be {MAJOR}; a roster of another major version needs another release"
        )
    tally = Tally(newer=_is_newer(value))
    members = Members(value, "", tally)
    members.take("v")
    members.word("kind", frozenset({"roster"}))
    minor = members.whole("minor", 0)
    head = Head(
        org=members.text("org", _ORG, "six digits"),
        gateway=members.text("gw", _GATEWAY, "the name of a gateway"),
        version=members.whole("version", 1),
        minor=minor,
        issued_ms=members.time_ms("issued"),
        expires_ms=members.time_ms("expires"),
        workdays=_workdays(members.inner("calendar")),
    )
    if head.expires_ms <= head.issued_ms:
        raise wrong("expires", "later than issued")
    number_key = members.text("number_key", _SHORT_HASH, "16 hexadecimal digits")
    count = members.whole("count", 0, MOST_PERSONS)
    pages = [_page_mark(page) for page in members.objects("pages", MOST_PAGES)]
    members.end()
    if sum(persons for persons, _ in pages) != count:
        raise wrong("count", "the sum of the persons of all pages")
    return head, number_key, count, pages, tally


def _is_newer(value: Json) -> bool:
    minor = value.get("minor") if isinstance(value, dict) else None
    return isinstance(minor, int) and minor > MINOR


def _page_mark(page: Members) -> tuple[int, bytes]:
    mark = page.whole("count", 1, MOST_PERSONS), bytes.fromhex(page.text("sha256", _HASH, "a SHA-256 in hex"))
    page.end()
    return mark


def _workdays(members: Members) -> Workdays:
    first, last = _period(members)
    days = Workdays(
        first=first,
        last=last,
        holidays=frozenset(as_day(*item) for item in members.items("holidays", MOST_HOLIDAYS)),
        workdays=frozenset(as_day(*item) for item in members.items("workdays", MOST_HOLIDAYS)),
    )
    members.end()
    if days.holidays & days.workdays:
        raise wrong(members.at("workdays"), "days that are no holidays")
    for day in days.holidays:
        if days.next_workday(day) is None or days.previous_workday(day) is None:
            raise wrong(members.at("holidays"), "no more than a month of days off in a row")
    return days


def _period(members: Members) -> tuple[date, date]:
    first, last = members.day("from"), members.day("to")
    if last < first:
        raise wrong(members.at("to"), "no earlier than from")
    return first, last


class PersonReader:
    """Reads persons and holds what must differ from one to the next."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._owners: dict[tuple[str, object], str] = {}  # what only one may have -> path of who has it
        self._schedules: dict[Schedule, Schedule] = {}  # most persons share a few: kept once

    def read_page(self, value: Json, number: int) -> list[Person]:
        """The persons of a page."""
        page = Members(value, f"pages[{number}]", self._tally)
        if page.whole("page", 0) != number:
            raise wrong(page.at("page"), "its place in the list of pages, from 0")
        persons = [self._person(one) for one in page.objects("persons", MOST_PERSONS, least=1)]
        page.end()
        return persons

    def _person(self, members: Members) -> Person:
        since, until = members.day("since"), members.day("until")
        if until < since:
            raise wrong(members.at("until"), "no earlier than since")
        person = Person(
            ref=members.text("ref", _REF, "1 to 64 letters, digits or dashes"),
            number_hmac=bytes.fromhex(members.text("number_hmac", _HASH, "an HMAC-SHA256 in hex")),
            name=members.text("name", _MASKED, "a name of at most 32 characters, masked with *"),
            unit=members.text("unit", _CODE, "the code of a unit"),
            category=members.text("class", _CODE, "the code of a class"),
            since=since,
            until=until,
            responsible=members.text("responsible", _GATEWAY, "the name of a gateway"),
            protected=members.flag("protected"),
            methods=self._methods(members),
            schedule=self._schedule(members),
            leave=tuple(self._leave(one) for one in members.objects("leave", MOST_LEAVES)),
            references=tuple(self._reference(one) for one in members.objects("references", MOST_REFERENCES)),
            trackers=tuple(self._tracker(one) for one in members.objects("trackers", MOST_TRACKERS)),
        )
        members.end()
        self._alone("ref", person.ref, members.path)
        self._alone("number_hmac", person.number_hmac, members.path)
        return person

    def _alone(self, what: str, value: object, path: str) -> None:
        other = self._owners.setdefault((what, value), path)
        if other != path:
            raise RosterError(
                "roster_double",
                f"{path}: {what} is that of {other} too; each may stand once, have the center issue it anew",
            )

    def _methods(self, members: Members) -> frozenset[Method]:
        path = members.at("methods")
        found = [str(item) for item, _ in members.items("methods", len(Method), least=1)]
        methods = frozenset(Method(one) for one in found if one in _METHODS)
        if len(methods) != len(found):
            raise wrong(path, "different ones of " + ", ".join(sorted(_METHODS)))
        if methods == {Method.FACE}:
            raise wrong(path, "more than face: a way without it must exist (人脸识别技术应用安全管理办法)")
        return methods

    def _leave(self, members: Members) -> Leave:
        leave = Leave(*_period(members))
        members.end()
        return leave

    def _reference(self, members: Members) -> DeviceReference:
        reference = DeviceReference(
            method=Method(members.word("method", _METHODS - {Method.STAFF})),
            module=members.text("module", _SERIAL, "the serial number of a module"),
            slot=members.whole("slot", 0, MOST_SLOT),
            enrolment=members.text("enrolment", _REF, "1 to 64 letters, digits or dashes"),
        )
        members.end()
        self._alone("module and slot", (reference.module, reference.slot), members.path)
        return reference

    def _tracker(self, members: Members) -> Tracker:
        tracker = Tracker(members.text("id", _SERIAL, "the id of a wearable"), members.day("approved_until"))
        members.end()
        self._alone("tracker", tracker.id, members.path)
        return tracker

    def _schedule(self, members: Members) -> Schedule | None:
        value = members.take("schedule")
        if value is None:
            return None
        schedule = read_schedule(Members(value, members.at("schedule"), self._tally))
        return self._schedules.setdefault(schedule, schedule)


def read_schedule(members: Members) -> Schedule:
    """When somebody has to come."""
    repeat = Repeat(members.word("repeat", _REPEATS))
    days: tuple[int, ...] = ()
    dates: tuple[date, ...] = ()
    if repeat is Repeat.DATES:
        dates = tuple(as_day(*item) for item in members.items("dates", MOST_DATES, least=1))
        _rising(dates, members.at("dates"), "dates")
    else:
        days = _days(members, repeat)
    schedule = Schedule(
        repeat=repeat,
        days=days,
        dates=dates,
        windows=_windows(members),
        grace_min=members.whole("grace_min", 0, MOST_GRACE_MIN),
        day_off=DayOff(members.word("day_off", _DAYS_OFF)),
    )
    members.end()
    return schedule


def _days(members: Members, repeat: Repeat) -> tuple[int, ...]:
    path = members.at("days")
    least, most, high = {
        Repeat.WEEKLY: (1, 7, 7),
        Repeat.HALF_MONTHLY: (2, 2, 31),
        Repeat.MONTHLY: (1, 1, 31),
    }[repeat]
    days = tuple(as_whole(*item, 1, high) for item in members.items("days", most, least=least))
    _rising(days, path, "days")
    if repeat is Repeat.HALF_MONTHLY and not days[0] <= HALF < days[1]:
        raise wrong(path, f"one day up to {HALF} and one after it")
    return days


def _rising(values: Iterable[int] | Iterable[date], path: str, what: str) -> None:
    listed = list(values)
    if sorted(set(listed)) != listed:  # type: ignore[type-var]  # all of one kind
        raise wrong(path, f"different {what} in rising order")


def _windows(members: Members) -> tuple[Window, ...]:
    windows: list[Window] = []
    before = -1
    for item, path in members.items("windows", MOST_WINDOWS, least=1):
        pair = item if isinstance(item, list) else []
        if len(pair) != 2:
            raise wrong(path, "a pair of times")
        opens, closes = (_minutes(value, f"{path}[{at}]") for at, value in enumerate(pair))
        if not before < opens < closes:
            raise wrong(path, "later than the window before, and its end later than its begin")
        before = closes
        windows.append(Window(_clock(opens), None if closes == MINUTES_OF_DAY else _clock(closes)))
    return tuple(windows)


def _minutes(value: Json, path: str) -> int:
    text = as_text(value, path, _CLOCK, "a local time of the form 08:30, at most 24:00")
    return int(text[:2]) * 60 + int(text[3:])


def _clock(minutes: int) -> time:
    hours, rest = divmod(minutes, 60)
    return time(hours, rest)
