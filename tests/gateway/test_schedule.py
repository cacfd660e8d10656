"""Duties to come: the worked examples of the documentation, and what holds for every schedule and cut."""

import itertools
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.checkin.roster import DayOff, Leave, Person, Repeat, Schedule, Window
from gateway.checkin.schedule import (
    Occurrence,
    Where,
    local_day,
    next_occurrence,
    nominal_days,
    occurrence_at,
    occurrences,
)
from gateway.checkin.workdays import Workdays
from tests.gateway.rosters import read_person, schedule

SHANGHAI = ZoneInfo("Asia/Shanghai")
ZONES = [
    SHANGHAI,
    UTC,
    ZoneInfo("Europe/Berlin"),
    ZoneInfo("Australia/Lord_Howe"),
    ZoneInfo("America/Santiago"),
]
DAY = timedelta(days=1)
PAGE = (Path(__file__).parents[2] / "docs/checkin.md").read_text("utf-8")


def days(first: str, last: str) -> frozenset[date]:
    start, stop = date.fromisoformat(first), date.fromisoformat(last)
    return frozenset(start + n * DAY for n in range((stop - start).days + 1))


# 2026, as the page says: National Day and its make-up workdays.
CALENDAR = Workdays(
    first=date(2026, 1, 1),
    last=date(2026, 12, 31),
    holidays=days("2026-10-01", "2026-10-07"),
    workdays=frozenset({date(2026, 9, 20), date(2026, 10, 10)}),
)


def ms(text: str, zone: Any = SHANGHAI) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp() * 1000)


def of(
    first: str, end: str, *, person: Person | None = None, zone: Any = SHANGHAI, **rule: Any
) -> list[Occurrence]:
    someone = person or read_person(schedule=schedule(**rule))
    return list(occurrences(someone, CALENDAR, zone, date.fromisoformat(first), date.fromisoformat(end)))


def due_days(*args: Any, **rule: Any) -> list[str]:
    return [one.day.isoformat() for one in of(*args, **rule)]


# -- the worked examples of docs/checkin.md ------------------------------------------------------------------

ROW = re.compile(r"^\| `(\w+)` (.*?) \| `(\w+)` \| (\S+) \| (\S+) \| (.*?) \|$", re.MULTILINE)
EXAMPLES = ROW.findall(PAGE)


def test_the_page_has_examples() -> None:
    assert len(EXAMPLES) >= 12


@pytest.mark.parametrize("row", EXAMPLES, ids=lambda row: " ".join(row[:4]))
def test_an_example_of_the_page_is_what_the_program_says(row: tuple[str, ...]) -> None:
    repeat, named, day_off, first, end, expected = row
    rule: dict[str, Any] = {"repeat": repeat, "day_off": day_off}
    if repeat == "dates":
        rule |= {"days": None, "dates": named.split(", ")}
    else:
        rule["days"] = [int(number) for number in named.split(", ")]
    wanted = [] if expected == "none" else expected.split(", ")
    assert due_days(first, end, **rule) == wanted


# -- single rules --------------------------------------------------------------------------------------------


def test_a_day_has_its_windows_and_its_grace() -> None:
    (one,) = of("2026-11-23", "2026-11-24", days=[1], grace_min=30)
    assert one.windows == (
        (ms("2026-11-23 08:30"), ms("2026-11-23 11:30")),
        (ms("2026-11-23 14:00"), ms("2026-11-23 17:30")),
    )
    assert one.late_until_ms == ms("2026-11-23 18:00")
    assert one.nominal == (one.day,)
    assert one.known


@pytest.mark.parametrize(
    ("at", "where"),
    [
        ("2026-11-22 23:59:59.999", Where.NOT_DUE),
        ("2026-11-23 00:00", Where.EARLY),
        ("2026-11-23 08:29:59.999", Where.EARLY),
        ("2026-11-23 08:30", Where.ON_TIME),
        ("2026-11-23 11:29:59.999", Where.ON_TIME),
        ("2026-11-23 11:30", Where.OUTSIDE),
        ("2026-11-23 14:00", Where.ON_TIME),
        ("2026-11-23 17:30", Where.LATE),
        ("2026-11-23 17:59:59.999", Where.LATE),
        ("2026-11-23 18:00", Where.OUTSIDE),
        ("2026-11-23 23:59:59.999", Where.OUTSIDE),
        ("2026-11-24 00:00", Where.NOT_DUE),
    ],
)
def test_a_moment_lies_in_one_place(at: str, where: Where) -> None:
    (one,) = of("2026-11-23", "2026-11-24", days=[1], grace_min=30)
    assert one.where(ms(at)) is where
    found = occurrence_at(read_person(), CALENDAR, SHANGHAI, ms(at))
    assert (found is None) == (where is Where.NOT_DUE)


def test_grace_ends_with_the_day() -> None:
    (one,) = of("2026-11-23", "2026-11-24", windows=[["08:00", "23:30"]], grace_min=1440)
    assert one.late_until_ms == one.day_end_ms == ms("2026-11-24 00:00")
    (whole,) = of("2026-11-23", "2026-11-24", windows=[["00:00", "24:00"]], grace_min=60)
    assert whole.windows == ((whole.day_start_ms, whole.day_end_ms),)
    assert whole.late_until_ms == whole.day_end_ms


def test_leave_cancels_the_duty_of_the_day_it_is_really_due() -> None:
    away = {"from": "2026-10-08", "to": "2026-10-08"}
    person = read_person(schedule=schedule(repeat="monthly", days=[1]), leave=[away])
    (one,) = of("2026-10-01", "2026-10-31", person=person)
    assert (one.day, one.nominal, one.on_leave) == (date(2026, 10, 8), (date(2026, 10, 1),), True)
    assert one.where(ms("2026-10-08 09:00")) is Where.NOT_DUE
    back = read_person(
        schedule=schedule(repeat="monthly", days=[1]), leave=[{"from": "2026-10-01", "to": "2026-10-07"}]
    )
    (one,) = of("2026-10-01", "2026-10-31", person=back)
    assert not one.on_leave, "back in time for the day it was moved to"


def test_two_duties_moved_onto_one_day_are_one() -> None:
    person = read_person(
        schedule=schedule(repeat="dates", days=None, dates=["2026-10-01", "2026-10-06", "2026-10-08"])
    )
    (one,) = of("2026-09-25", "2026-10-31", person=person)
    assert one.day == date(2026, 10, 8)
    assert [day.day for day in one.nominal] == [1, 6, 8]


def test_nothing_is_due_before_supervision_and_after_its_end() -> None:
    person = read_person(since="2026-11-10", until="2026-11-23", schedule=schedule(days=[1]))
    assert due_days("2026-01-01", "2027-01-01", person=person) == ["2026-11-16", "2026-11-23"]
    # Its day would come after the end: it falls away; so does one whose nominal day lay before the begin.
    moved = read_person(since="2026-10-03", until="2026-10-07", schedule=schedule(repeat="monthly", days=[5]))
    assert due_days("2026-01-01", "2027-01-01", person=moved) == []
    begun = read_person(
        since="2026-10-03", schedule=schedule(repeat="dates", days=None, dates=["2026-10-02"])
    )
    assert due_days("2026-01-01", "2027-01-01", person=begun) == []


def test_beyond_the_calendar_an_ordinary_week_is_assumed_and_said() -> None:
    found = of("2026-12-28", "2027-01-05", days=[1, 5], grace_min=0)
    assert [(one.day.isoformat(), one.known) for one in found] == [
        ("2026-12-28", True),
        ("2027-01-01", False),
        ("2027-01-04", False),
    ]
    assert all(one.known for one in of("2026-12-28", "2027-01-05", days=[1, 5], day_off="keep"))


def test_the_next_duty_is_the_one_that_no_leave_covers() -> None:
    away = {"from": "2026-11-01", "to": "2026-12-05"}
    person = read_person(schedule=schedule(days=[1]), leave=[away])
    one = next_occurrence(person, CALENDAR, SHANGHAI, date(2026, 11, 2))
    assert one is not None
    assert one.day == date(2026, 12, 7)
    assert next_occurrence(person, CALENDAR, SHANGHAI, date(2027, 12, 31)) is None
    assert next_occurrence(read_person(schedule=None), CALENDAR, SHANGHAI, date(2026, 11, 2)) is None
    far = read_person(schedule=schedule(repeat="dates", days=None, dates=["2027-12-30"]))
    one = next_occurrence(far, CALENDAR, SHANGHAI, date(2026, 1, 5))
    assert one is not None
    assert one.day == date(2027, 12, 30)


@pytest.mark.parametrize(
    ("opens", "closes"), [("01:30", "02:15"), ("02:15", "02:45"), ("02:30", "03:15"), ("02:10", "02:20")]
)
@pytest.mark.parametrize("change", ["2026-03-29", "2026-10-25"])
def test_a_window_in_the_change_of_clocks_is_no_shorter(change: str, opens: str, closes: str) -> None:
    person = read_person(
        schedule=schedule(
            repeat="dates", days=None, dates=[change], windows=[[opens, closes]], grace_min=0, day_off="keep"
        )
    )
    berlin = ZoneInfo("Europe/Berlin")
    (one,) = of(change, "2026-12-31", person=person, zone=berlin)
    assert one.close_ms - one.open_ms >= 10 * 60_000
    hours = (one.day_end_ms - one.day_start_ms) / 3_600_000
    assert hours == {"2026-03-29": 23, "2026-10-25": 25}[change]


# -- for every schedule --------------------------------------------------------------------------------------

START, STOP = date(2025, 12, 1), date(2028, 4, 1)  # a leap year lies inside
any_day = st.dates(START, STOP)
minutes = st.lists(st.integers(0, 1439), min_size=2, max_size=6, unique=True).map(sorted)


def _time(minute: int) -> Any:
    return datetime(2026, 1, 1, minute // 60, minute % 60, tzinfo=UTC).time()


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    repeat = draw(st.sampled_from(Repeat))
    marks = draw(minutes)
    pairs = list(zip(marks[::2], marks[1::2], strict=False))
    numbers = {
        Repeat.WEEKLY: st.lists(st.integers(1, 7), min_size=1, unique=True).map(sorted),
        Repeat.HALF_MONTHLY: st.tuples(st.integers(1, 15), st.integers(16, 31)),
        Repeat.MONTHLY: st.tuples(st.integers(1, 31)),
        Repeat.DATES: st.just(()),
    }[repeat]
    dates = (
        draw(st.lists(any_day, min_size=1, max_size=30, unique=True).map(sorted))
        if repeat is Repeat.DATES
        else ()
    )
    return Schedule(
        repeat=repeat,
        days=tuple(draw(numbers)),
        dates=tuple(dates),
        windows=tuple(Window(_time(a), _time(b)) for a, b in pairs),
        grace_min=draw(st.integers(0, 1440)),
        day_off=draw(st.sampled_from(DayOff)),
    )


@st.composite
def calendars(draw: st.DrawFn) -> Workdays:
    holidays: set[date] = set()
    for first in draw(st.lists(any_day, max_size=12)):
        holidays |= {first + n * DAY for n in range(draw(st.integers(1, 8)))}
    workdays = set(draw(st.lists(any_day, max_size=12))) - holidays
    return Workdays(
        first=START, last=draw(any_day), holidays=frozenset(holidays), workdays=frozenset(workdays)
    )


@st.composite
def persons(draw: st.DrawFn) -> Person:
    since, until = sorted(draw(st.tuples(any_day, any_day)))
    leave = [
        Leave(first, first + draw(st.integers(0, 40)) * DAY) for first in draw(st.lists(any_day, max_size=4))
    ]
    base = read_person()
    members = {name: getattr(base, name) for name in base.__dataclass_fields__}
    return Person(
        **{**members, "schedule": draw(schedules()), "since": since, "until": until, "leave": tuple(leave)}
    )


@settings(max_examples=150)
@given(persons(), calendars(), st.sampled_from(ZONES), st.lists(any_day, max_size=6))
def test_cuts_lose_and_double_nothing(
    person: Person, workdays: Workdays, zone: Any, cuts: list[date]
) -> None:
    whole = occurrences(person, workdays, zone, START, STOP)
    edges = [START, *sorted(cuts), STOP]
    parts = [one for a, b in itertools.pairwise(edges) for one in occurrences(person, workdays, zone, a, b)]
    assert tuple(parts) == whole
    assert [one.day for one in whole] == sorted({one.day for one in whole}), "in order, one for each day"


@settings(max_examples=150)
@given(persons(), calendars(), st.sampled_from(ZONES))
def test_every_nominal_day_is_in_one_duty_or_falls_away_by_a_rule(
    person: Person, workdays: Workdays, zone: Any
) -> None:
    assert person.schedule is not None
    whole = occurrences(person, workdays, zone, START - 60 * DAY, STOP + 60 * DAY)
    placed = [day for one in whole for day in one.nominal]
    assert len(placed) == len(set(placed)), "none is in two"
    for nominal in nominal_days(person.schedule, person.since, person.until + DAY):
        off = workdays.is_off(nominal)
        rule = person.schedule.day_off
        expected = {
            DayOff.KEEP: nominal,
            DayOff.SKIP: None if off else nominal,
            DayOff.NEXT: next(
                nominal + n * DAY for n in range(200) if not workdays.is_off(nominal + n * DAY)
            ),
            DayOff.PREVIOUS: next(
                nominal - n * DAY for n in range(200) if not workdays.is_off(nominal - n * DAY)
            ),
        }[rule]
        if expected is not None and (
            abs((expected - nominal).days) > 31 or not person.since <= expected <= person.until
        ):
            continue
        home = [one.day for one in whole if nominal in one.nominal]
        assert home == ([] if expected is None else [expected])


@settings(max_examples=150)
@given(persons(), calendars(), st.sampled_from(ZONES), st.data())
def test_times_of_a_duty_are_in_order_and_every_moment_has_one_place(
    person: Person, workdays: Workdays, zone: Any, data: st.DataObject
) -> None:
    whole = occurrences(person, workdays, zone, START, STOP)
    for one in whole:
        assert one.day_start_ms <= one.open_ms
        assert all(opens < closes for opens, closes in one.windows)
        assert one.close_ms <= one.late_until_ms
        assert one.on_leave == person.on_leave(one.day)
        assert local_day(one.day_start_ms, zone) == one.day
        assert local_day(one.day_end_ms, zone) == one.day + DAY
    if not whole:
        return
    one = data.draw(st.sampled_from(whole))
    at = data.draw(st.integers(one.day_start_ms - 1000, one.day_end_ms + 1000))
    where = one.where(at)
    same_day = local_day(at, zone) == one.day
    assert (where is not Where.NOT_DUE) == (same_day and not one.on_leave)
    found = occurrence_at(person, workdays, zone, at)
    assert (found == one) == same_day


@given(st.integers(1, 31), st.integers(2024, 2032))
def test_every_month_has_one_monthly_duty(day: int, year: int) -> None:
    rule = Schedule(repeat=Repeat.MONTHLY, days=(day,), windows=(), grace_min=0, day_off=DayOff.KEEP)
    found = list(nominal_days(rule, date(year, 1, 1), date(year + 1, 1, 1)))
    assert [one.month for one in found] == list(range(1, 13))
    leap = date(year, 12, 31).timetuple().tm_yday == 366
    assert found[1].day == min(day, 29 if leap else 28)
