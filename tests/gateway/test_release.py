"""Whose templates are to be deleted: sure enough, and no later."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from gateway.checkin.references import Book, Origin, Reference, State
from gateway.checkin.release import ABSENT_MS, ENDED, LEFT_OUT, due, released, to_erase
from gateway.checkin.roster import Leave, Method, Roster
from tests.gateway.enrolment_bench import person, roster_of

TODAY, NOW_MS = date(2026, 11, 22), 1_795_309_322_000
NAMES = [f"p-{number}" for number in range(40)]


def reference(ref: str, **changes: object) -> Reference:
    base = Reference(
        id=f"e-{ref}",
        person=ref,
        method=Method.FINGER,
        module="M1",
        slot=int(ref[2:]),
        origin=Origin.HERE,
        state=State.ACTIVE,
    )
    return replace(base, **changes)  # type: ignore[arg-type]  # the test names the field


def book(count: int = 10, **changes: object) -> Book:
    return Book(reference(ref, **changes) for ref in NAMES[:count])


def roster(*, without: set[str] | None = None, **of_first: Any) -> Roster:
    people = [person(ref, **(of_first if ref == "p-0" else {})) for ref in NAMES]
    return roster_of([one for one in people if one.ref not in (without or set())])


def reasons(
    found: Book, said: Roster | None, now_ms: int = NOW_MS, *, vouched: bool = True
) -> dict[str, str]:
    return dict(due(found, said, today=TODAY, now_ms=now_ms, vouched=vouched).reasons)


def test_the_day_after_the_last_one_and_not_on_it() -> None:
    assert reasons(book(), roster(until=TODAY)) == {}
    assert reasons(book(), roster(until=date(2026, 11, 21))) == {"p-0": ENDED}


def test_leave_deletes_nobody() -> None:
    away = roster(leave=(Leave(date(2026, 11, 1), date(2026, 12, 31)),))
    assert reasons(book(), away) == {}


@pytest.mark.parametrize("said", ["none", "expired", "clock"])
def test_a_doubt_about_roster_or_clock_deletes_nobody(said: str) -> None:
    over = roster(until=date(2026, 11, 1), without={"p-3"})
    long_absent = book(absent_ms=NOW_MS - 10 * ABSENT_MS)
    if said == "expired":
        over.head = replace(over.head, expires_ms=NOW_MS)
    found = reasons(long_absent, None if said == "none" else over, vouched=said != "clock")
    assert found == {}
    assert reasons(long_absent, roster(until=date(2026, 11, 1), without={"p-3"})) != {}, "control"


def test_who_is_left_out_has_a_day_and_whoever_is_named_again_keeps_everything() -> None:
    less = roster(without={"p-3"})
    first = due(book(), less, today=TODAY, now_ms=NOW_MS, vouched=True)
    assert (first.reasons, [one.person for one in first.marked]) == ({}, ["p-3"])
    marked = Book([*book(), *first.marked])
    assert reasons(marked, less, NOW_MS + ABSENT_MS - 1) == {}
    assert reasons(marked, less, NOW_MS + ABSENT_MS) == {"p-3": LEFT_OUT}
    back = due(marked, roster(), today=TODAY, now_ms=NOW_MS + ABSENT_MS, vouched=True)
    assert (back.reasons, [one.absent_ms for one in back.marked]) == ({}, [None])


@pytest.mark.parametrize(("missing", "held"), [(5, False), (6, True)])
def test_a_roster_that_was_cut_is_asked_about(missing: int, *, held: bool) -> None:
    gone = set(NAMES[:missing])
    found = due(
        book(12, absent_ms=NOW_MS - ABSENT_MS),
        roster(without=gone),
        today=TODAY,
        now_ms=NOW_MS,
        vouched=True,
    )
    assert found.held_back == (gone if held else frozenset())
    assert set(found.reasons) == (set() if held else gone)


def test_a_release_takes_everything_of_one_person_in_every_module() -> None:
    found = Book(
        [
            reference("p-1"),
            reference("p-1", id="e-other", module="M2"),
            reference("p-1", id="e-void", slot=9, state=State.VOID, held=False),
            reference("p-2"),
        ]
    )
    found.take(released(found, "p-1", by="staff-1", reason="staff", now_ms=NOW_MS))
    assert found.owner("M1", 1, None) is None
    assert found.owner("M1", 2, None) == "p-2"
    assert [one.id for one in to_erase(found, "M1")["p-1"]] == ["e-p-1"]
    assert [one.id for one in to_erase(found, "M2")["p-1"]] == ["e-other"]
    assert [one.id for one in to_erase(found, None)["p-1"]] == ["e-void"]
