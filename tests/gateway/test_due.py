"""What can be said of who was due: and 0 false `missed`, whatever clock, power, kiosk and roster do."""

import itertools
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.checkin import due, timeline
from gateway.checkin.due import (
    Assessment,
    CheckIn,
    Now,
    Reason,
    Record,
    State,
    Statement,
    assess,
    coverage,
)
from gateway.checkin.roster import Roster
from gateway.checkin.schedule import Where
from gateway.checkin.timeline import Moment, Pairing, Span, Timeline
from tests.gateway.rosters import opened, person, schedule, signed

ZONE = ZoneInfo("Asia/Shanghai")
MONDAY = date(2026, 11, 23)
PERSONS = 300
S, MIN, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000
PATIENCE = 5 * MIN  # of a person before a dark kiosk


def at(text: str) -> int:
    """Local time; `08:30` is on the Monday."""
    day, _, clock = text.rpartition(" ")
    return int(datetime.fromisoformat(f"{day or MONDAY} {clock}").replace(tzinfo=ZONE).timestamp() * 1000)


def roster_of(persons: list[dict[str, Any]], **head: Any) -> Roster:
    return opened(signed(persons, **head))


DAILY = schedule(days=[1, 2, 3, 4, 5, 6, 7], day_off="keep", grace_min=30)
EVERYBODY = roster_of([person(n, schedule=schedule(grace_min=30)) for n in range(PERSONS)])
FEW = roster_of([person(n, schedule=DAILY) for n in range(12)])


@dataclass
class Boot:
    """One run of the machine in true time, and what its clock was told."""

    name: str
    begin: int
    end: int
    pairings: list[tuple[int, int, int | None]] = field(
        default_factory=list
    )  # true time, how far wrong, bound
    dark: list[tuple[int, int]] = field(default_factory=list)  # no kiosk, true time
    ppm: int = 0

    def moment(self, true_ms: int) -> Moment:
        elapsed = true_ms - self.begin
        return Moment(self.name, elapsed - elapsed * self.ppm // 1_000_000)

    def up(self, true_ms: int) -> bool:
        return self.begin <= true_ms < self.end and not any(a <= true_ms < b for a, b in self.dark)


@dataclass
class World:
    """A history in true time; what the gateway could record of it is handed to the judge."""

    boots: list[Boot]
    came: dict[str, list[int]] = field(default_factory=dict)  # person -> true times at the kiosk
    said: dict[tuple[str, date], Statement] = field(default_factory=dict)
    applied: int = at("2026-11-20 12:00")
    known_since: dict[str, int] = field(default_factory=dict)

    def recorded_ms(self, true_ms: int) -> int | None:
        """When somebody who comes now is recorded: at once, or after waiting for a dark kiosk."""
        for wait in range(0, PATIENCE + 1, 20 * S):
            if self.boot_at(true_ms + wait) is not None:
                return true_ms + wait
        return None

    def boot_at(self, true_ms: int) -> Boot | None:
        return next((boot for boot in self.boots if boot.up(true_ms)), None)

    def record(self, true_now: int) -> tuple[Record, Now]:
        begun = [boot for boot in self.boots if boot.begin <= true_now]
        running = begun[-1]
        pairings = [
            Pairing(boot.moment(when), when + wrong, error)
            for boot in begun
            for when, wrong, error in boot.pairings
            if when <= true_now
        ]
        check_ins = []
        for ref, times in self.came.items():
            for n, arrived in enumerate(times):
                when = self.recorded_ms(arrived)
                boot = None if when is None else self.boot_at(when)
                if when is None or boot is None or when > true_now:
                    continue
                said = [(wrong, error) for told, wrong, error in boot.pairings if told <= when]
                unsynced = not said or said[-1][1] is None
                if not unsynced:  # its own stamp
                    pairings.append(Pairing(boot.moment(when), when + said[-1][0], 500))
                check_ins.append(CheckIn(f"c-{ref}-{n}", ref, boot.moment(when), unsynced))
        gateway, kiosk = [], []
        for boot in begun:
            end = min(boot.end, true_now)
            gateway.append(Span(boot.name, 0, boot.moment(end).mono_ms))
            edges = [boot.begin, *(edge for gap in sorted(boot.dark) for edge in gap), end]
            for a, b in zip(edges[::2], edges[1::2], strict=False):
                if min(a, end) < min(b, end):
                    kiosk.append(Span(boot.name, boot.moment(a).mono_ms, boot.moment(min(b, end)).mono_ms))
        told = [one for one in running.pairings if one[0] <= true_now]
        wrong = told[-1][1] if told else -true_now
        steps = [b[0] for a, b in itertools.pairwise(told) if abs(a[1] - b[1]) > S]
        steady = (true_now - [told[0][0], *steps][-1]) // S if told else 0
        first = begun[0]
        home = next((boot for boot in begun if boot.begin <= self.applied < boot.end), first)
        record = Record(
            timeline=Timeline([boot.name for boot in begun], pairings, floor_ms=at("2026-11-01 00:00")),
            check_ins=check_ins,
            gateway_up=gateway,
            kiosk_up=kiosk,
            applied=home.moment(self.applied),
            known_since={ref: first.moment(when) for ref, when in self.known_since.items()},
            said=self.said,
        )
        return record, Now(at=running.moment(true_now), wall_ms=true_now + wrong, steady_s=max(0, steady))

    def judged(
        self, true_now: int, roster: Roster = EVERYBODY, first: date = MONDAY, count: int = 1
    ) -> list[Assessment]:
        record, now = self.record(true_now)
        return assess(roster, record, now, ZONE, first, first + timedelta(days=count))


def steady_boot(name: str = "a", begin: str = "2026-11-20 06:00", end: str = "2026-12-10 00:00") -> Boot:
    """A machine that runs, synchronised every few hours."""
    start, stop = at(begin), at(end)
    told: list[tuple[int, int, int | None]] = [
        (when, 0, 50) for when in range(start + 30 * S, stop, 6 * HOUR)
    ]
    return Boot(name, start, stop, told)


def states(judged: list[Assessment]) -> dict[tuple[State, Reason | None], int]:
    found: dict[tuple[State, Reason | None], int] = {}
    for one in judged:
        found[one.state, one.reason] = found.get((one.state, one.reason), 0) + 1
    return found


def came(times: dict[int, str]) -> dict[str, list[int]]:
    return {f"p-{serial:04d}": [at(when)] for serial, when in times.items()}


# -- a good day ----------------------------------------------------------------------------------------------


def test_a_good_day_says_what_happened() -> None:
    world = World(
        [steady_boot()],
        came({0: "08:30", 1: "17:29", 2: "17:30", 3: "17:59", 4: "08:00", 5: "12:00", 6: "18:01"}),
    )
    for when, expected in {
        "07:00": {(State.UPCOMING, None): PERSONS},
        "08:31": {(State.DONE, None): 1, (State.OPEN, None): PERSONS - 1},
        "17:45": {(State.DONE, None): 2, (State.LATE, None): 1, (State.OPEN, None): PERSONS - 3},
        "18:01": {
            (State.DONE, None): 2,
            (State.LATE, None): 2,
            (State.UNASSESSED, Reason.OUTSIDE_WINDOW): 2,
            (State.MISSED, None): PERSONS - 6,
        },
    }.items():
        assert states(world.judged(at(when))) == expected, when
    by_ref = {one.occurrence.person: one for one in world.judged(at("19:00"))}
    assert by_ref["p-0000"].check_in == "c-p-0000-0"
    assert [by_ref[f"p-000{n}"].where for n in (0, 1, 2, 3)] == [Where.ON_TIME] * 2 + [Where.LATE] * 2
    assert by_ref["p-0006"].state is State.MISSED
    assert by_ref["p-0006"].late_arrival == "c-p-0006-0", "came when it was over"
    missed = by_ref["p-0007"]
    assert (missed.roster_version, missed.late_arrival) == (1, None)
    assert missed.roster_age_s == (at("19:00") - EVERYBODY.head.issued_ms) // 1000
    assert missed.coverage is not None
    assert missed.coverage.window_s == missed.coverage.available_s == 7 * 3600


def test_the_moment_it_is_over_is_waited_for_not_doubted() -> None:
    world = World([steady_boot()])
    assert states(world.judged(at("18:00"))) == {(State.OVER, None): PERSONS}


def test_a_late_arrival_refers_to_what_was_said() -> None:
    said = Statement("event-1", State.MISSED, None)
    world = World([steady_boot()], came({0: "2026-11-24 09:00", 1: "2026-11-30 09:00", 2: "10:00"}))
    world.said = {(f"p-{n:04d}", MONDAY): said for n in range(3)}
    by_ref = {one.occurrence.person: one for one in world.judged(at("2026-11-30 10:00"), count=8)[::2]}
    assert by_ref["p-0000"].late_arrival == "c-p-0000-0"
    assert by_ref["p-0000"].said is said
    assert by_ref["p-0001"].late_arrival is None, "that is the next duty's"
    assert (by_ref["p-0002"].state, by_ref["p-0002"].said) == (State.DONE, said), "seen later, it counts"


def test_what_was_said_stands_though_the_box_would_now_say_something_else() -> None:
    world = World([steady_boot()])
    world.said = {("p-0000", MONDAY): Statement("event-1", State.UNASSESSED, Reason.UNAVAILABLE)}
    one = world.judged(at("19:00"))[0]
    assert (one.state, one.reason) == (State.UNASSESSED, Reason.UNAVAILABLE)


# -- the troubles of the design, 300 persons ------------------------------------------------------------------


def test_a_clock_at_1970_that_is_set_later() -> None:
    start = at("06:00")
    unset = Boot("b", start, at("2026-11-25 00:00"))
    world = World([unset], came({n: f"09:{n % 60:02d}" for n in range(100)}), applied=start + MIN)
    world.boots.insert(0, steady_boot("a", end="2026-11-23 05:00"))
    world.applied = at("2026-11-20 12:00")
    at_noon = world.judged(at("12:00"))
    # Nobody can say what day it is; check-ins count once they can be placed, the rest waits.
    assert {one.state for one in at_noon} <= {State.UPCOMING, State.OPEN, State.DONE}
    assert states(world.judged(at("19:00"))).keys() <= {(State.UPCOMING, None), (State.DONE, None)}
    unset.pairings.append((at("19:30"), 0, 50))
    assert states(world.judged(at("19:35"))) == {(State.DONE, None): 100, (State.OVER, Reason.CLOCK): 200}
    after = world.judged(at("19:41"))
    assert states(after) == {(State.DONE, None): 100, (State.MISSED, None): 200}
    assert all(one.where is None for one in after if one.state is State.DONE), (
        "the center judges on time or late"
    )


@pytest.mark.parametrize("wrong", [DAY, -DAY])
@pytest.mark.parametrize("stepped", ["07:00", "10:00", "15:00", "18:30"])
@pytest.mark.parametrize("back", [None, "11:00", "19:00"])
def test_steps_of_a_day_make_nobody_miss(wrong: int, stepped: str, back: str | None) -> None:
    boot = steady_boot(end="2026-11-26 00:00")
    boot.pairings = [one for one in boot.pairings if one[0] < at(stepped)] + [(at(stepped), wrong, 50)]
    if back is not None and at(back) > at(stepped):
        boot.pairings.append((at(back), 0, 50))
    everybody = {n: f"{9 + n % 2}:{n % 60:02d}".rjust(5, "0") for n in range(PERSONS)}
    world = World([boot], came(everybody))
    for day in range(-1, 3):
        for clock in ("12:00", "18:20", "23:59"):
            now = at(f"{MONDAY + timedelta(days=day)} {clock}")
            judged = world.judged(now, first=MONDAY - timedelta(days=3), count=8)
            assert State.MISSED not in {one.state for one in judged}


@pytest.mark.parametrize(
    ("off", "on"),
    [
        ("07:00", "19:00"),
        ("2026-11-22 12:00", "17:50"),
        ("08:00", "08:40"),
        ("17:20", "18:30"),
        ("11:27", "11:31"),
    ],
)
def test_a_box_that_was_off_in_a_window_says_so(off: str, on: str) -> None:
    world = World(
        [
            steady_boot("a", end=f"{off}" if " " in off else f"{MONDAY} {off}"),
            steady_boot("b", begin=on if " " in on else f"{MONDAY} {on}"),
        ]
    )
    judged = world.judged(at("20:00"))
    assert states(judged) == {(State.UNASSESSED, Reason.UNAVAILABLE): PERSONS}
    found = judged[0].coverage
    assert found is not None
    assert found.available_s < found.window_s


def test_a_short_restart_in_a_window_is_waited_out_by_people() -> None:
    world = World(
        [steady_boot("a", end=f"{MONDAY} 09:00"), steady_boot("b", begin=f"{MONDAY} 09:03")],
        came({0: "09:01"}),
    )
    judged = world.judged(at("20:00"))
    assert states(judged) == {(State.DONE, None): 1, (State.MISSED, None): PERSONS - 1}
    found = judged[1].coverage
    assert found is not None
    assert 180 <= found.longest_gap_s <= 185
    assert found.available_s < found.window_s


def test_a_kiosk_that_was_dark_counts_like_a_box_that_was_off() -> None:
    boot = steady_boot()
    boot.dark = [(at("14:00"), at("16:00"))]
    assert states(World([boot]).judged(at("20:00"))) == {(State.UNASSESSED, Reason.UNAVAILABLE): PERSONS}


@pytest.mark.parametrize("expires", ["2026-11-23T09:59:00.000Z", "2026-11-23T11:00:00.000Z"])  # 17:59, 19:00
def test_an_expired_roster_lets_nobody_miss(expires: str) -> None:
    roster = roster_of([person(n) for n in range(PERSONS)], expires=expires)
    judged = World([steady_boot()]).judged(at("20:00"), roster)
    assert states(judged) == {(State.UNASSESSED, Reason.ROSTER_EXPIRED): PERSONS}


def test_a_roster_that_came_in_the_window_lets_miss_only_whom_the_one_before_had() -> None:
    world = World([steady_boot()], applied=at("10:00"))
    assert states(world.judged(at("20:00"))) == {(State.UNASSESSED, Reason.ROSTER_LATE): PERSONS}
    world.known_since = {"p-0007": at("2026-11-21 10:00")}
    assert states(world.judged(at("20:00"))) == {
        (State.UNASSESSED, Reason.ROSTER_LATE): PERSONS - 1,
        (State.MISSED, None): 1,
    }


def test_leave_another_gateway_and_an_unknown_calendar() -> None:
    roster = roster_of(
        [
            person(0, leave=[{"from": "2026-11-23", "to": "2026-11-23"}]),
            person(1, responsible="gw-370102-02"),
            person(2, schedule=None),
            person(3),
        ],
        calendar={"from": "2025-01-01", "to": "2026-11-22", "holidays": [], "workdays": []},
    )
    world = World([steady_boot()])
    assert states(world.judged(at("20:00"), roster)) == {
        (State.ON_LEAVE, None): 1,
        (State.ELSEWHERE, None): 1,
        (State.UNASSESSED, Reason.CALENDAR_UNKNOWN): 1,
    }


def test_a_check_in_of_a_boot_that_was_never_set_may_be_anybodys_day() -> None:
    world = World(
        [
            steady_boot("a", end="2026-11-21 00:00"),
            Boot("b", at("2026-11-21 08:00"), at("2026-11-21 09:00")),
            steady_boot("c", begin=f"{MONDAY} 08:33"),
        ],
        came({0: "2026-11-21 08:30"}),
    )
    assert states(world.judged(at("20:00"))) == {
        (State.UNASSESSED, Reason.CHECKIN_TIME): 1,
        (State.MISSED, None): PERSONS - 1,
    }


def test_a_clock_chip_alone_lets_nobody_miss() -> None:
    chip = Boot("b", at("06:00"), at("2026-11-25 00:00"), [(at("06:00"), 0, None)])
    world = World([steady_boot("a", end=f"{MONDAY} 05:00"), chip])
    assert states(world.judged(at("20:00"))) == {(State.UNASSESSED, Reason.CLOCK): PERSONS}


# -- random histories ----------------------------------------------------------------------------------------

FIRST = MONDAY - timedelta(days=2)
LAST = MONDAY + timedelta(days=3)
HORIZON = (at(f"{FIRST} 00:00"), at(f"{LAST} 00:00"))


@st.composite
def boots(draw: st.DrawFn) -> list[Boot]:
    """Machines that start and die, clocks that are set late or never, and stepped by a day and back."""
    found: list[Boot] = []
    begin = HORIZON[0] - draw(st.integers(0, 2 * DAY))
    while begin < HORIZON[1] and len(found) < 8:
        end = begin + draw(
            st.one_of(st.integers(MIN, 3 * HOUR), st.integers(HOUR, 3 * DAY), st.just(9 * DAY))
        )
        boot = Boot(f"{len(found)}", begin, end, ppm=draw(st.integers(-90, 90)))
        if draw(st.integers(0, 5)):
            told = begin + draw(st.one_of(st.integers(0, 2 * MIN), st.integers(0, 12 * HOUR)))
            boot.pairings.append((told, draw(st.integers(-40, 40)), 50))
            # The first word is right: a clock that is wrong from the start to the end cannot be told.
            for wrong in draw(st.lists(st.sampled_from([DAY, -DAY, 0, 0]), max_size=4)):
                told += draw(st.integers(MIN, DAY))
                boot.pairings.append((told, wrong + draw(st.integers(-40, 40)), 50))
            boot.pairings = [one for one in boot.pairings if one[0] < end]
        elif draw(st.booleans()):
            boot.pairings.append((begin, draw(st.integers(-400 * DAY, 400 * DAY)), None))
        dark = begin
        for _ in range(draw(st.integers(0, 4))):
            dark += draw(st.integers(1, 10 * HOUR))
            until = dark + draw(st.one_of(st.integers(1, 6 * MIN), st.integers(1, 5 * HOUR)))
            if until >= end:
                break
            boot.dark.append((dark, until))
            dark = until + 1
        found.append(boot)
        begin = end + draw(st.one_of(st.integers(20 * S, 6 * MIN), st.integers(MIN, 12 * HOUR)))
    return found


@st.composite
def worlds(draw: st.DrawFn) -> tuple[World, dict[tuple[str, date], int]]:
    """A history, and who really came when a duty could be done."""
    world = World(draw(boots()))
    arrivals: dict[tuple[str, date], int] = {}
    for one in FEW.persons:
        times = []
        for n in range((LAST - FIRST).days):
            day = FIRST + timedelta(days=n)
            if draw(st.booleans()):
                opens, closes = draw(st.sampled_from([("08:30", "11:30"), ("14:00", "18:00")]))
                begin, end = at(f"{day} {opens}"), at(f"{day} {closes}")
                edge = draw(st.sampled_from([begin, end - 1, None, None]))
                arrivals[one.ref, day] = draw(st.integers(begin, end - 1)) if edge is None else edge
                times.append(arrivals[one.ref, day])
        world.came[one.ref] = times
    world.applied = draw(st.sampled_from([HORIZON[0] - DAY, at("10:00")]))
    return world, arrivals


def false_missed(world: World, arrivals: dict[tuple[str, date], int], moments: list[int]) -> list[Assessment]:
    found = []
    for now in moments:
        if not any(boot.begin <= now < boot.end for boot in world.boots):
            continue
        for one in world.judged(now, FEW, FIRST - timedelta(days=1), (LAST - FIRST).days + 2):
            key = one.occurrence.person, one.occurrence.day
            over = now >= one.occurrence.late_until_ms
            if one.state is State.MISSED and (key in arrivals or not over):
                found.append(one)
    return found


MOMENTS = st.lists(st.integers(HORIZON[0], HORIZON[1] + DAY), min_size=1, max_size=4)


@settings(
    max_examples=200, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None
)
@given(worlds(), MOMENTS)
def test_nobody_who_came_is_said_to_have_missed(
    drawn: tuple[World, dict[tuple[str, date], int]], moments: list[int]
) -> None:
    world, arrivals = drawn
    assert false_missed(world, arrivals, moments) == []


NAIVE = {
    "gaps are not looked at": (due, "MOST_GAP_MS", 99 * DAY),
    "the clocks of a boot always agree": (timeline, "AGREE_MS", 99 * DAY),
}


@pytest.mark.parametrize("naive", NAIVE)
def test_the_search_finds_the_fault_of_a_naive_judge(naive: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: without one of its doubts the judge does say so of somebody who came."""
    module, name, value = NAIVE[naive]
    if name == "MOST_GAP_MS":
        away = World(
            [steady_boot("a", end=f"{MONDAY} 09:00"), steady_boot("b", begin=f"{MONDAY} 11:00")],
            came({0: "10:00"}),
        )
        arrivals = {("p-0000", MONDAY): at("10:00")}
    else:
        # Here at nine; the clock was put back by a day and then set right.
        boot = steady_boot(end="2026-11-26 00:00")
        boot.pairings = [(at("2026-11-20 06:10"), 0, 50), (at("08:00"), DAY, 50), (at("12:00"), 0, 50)]
        away = World([boot], came({0: "09:00"}))
        arrivals = {("p-0000", MONDAY): at("09:00")}
    assert false_missed(away, arrivals, [at("20:00")]) == []
    monkeypatch.setattr(module, name, value)
    assert [one.occurrence.person for one in false_missed(away, arrivals, [at("20:00")])] == ["p-0000"]


def test_coverage_counts_what_is_certain() -> None:
    (duty,) = [one.occurrence for one in World([steady_boot()]).judged(at("07:00"))][:1]
    full = coverage(duty, [(duty.day_start_ms, duty.day_end_ms)])
    assert (full.window_s, full.available_s, full.longest_gap_s, full.through) == (25_200, 25_200, 0, True)
    none = coverage(duty, [])
    assert (none.available_s, none.through) == (0, False)
    assert none.longest_gap_s == 4 * 3600
