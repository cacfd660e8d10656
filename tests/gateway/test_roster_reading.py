"""The strict reading of a roster: every rule can fail, says where, and repeats no value."""

from typing import Any

import pytest

from gateway.checkin.strict import RosterError
from tests.gateway.rosters import head, opened, person, schedule, signed

SECRET = "赵钱孙330102188801011234"
REFERENCE = {"method": "finger", "module": "ZFM-1", "slot": 17, "enrolment": "e-1"}
TRACKER = {"id": "R16H-1", "approved_until": "2026-12-31"}
CALENDAR = head()["calendar"]


def failing(persons: list[dict[str, Any]], **changes: Any) -> RosterError:
    with pytest.raises(RosterError) as caught:
        opened(signed(persons, **changes))
    return caught.value


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"ref": "p 1"}, "ref"),
        ({"ref": ""}, "ref"),
        ({"ref": "x" * 65}, "ref"),
        ({"ref": 7}, "ref"),
        ({"number_hmac": "ab"}, "number_hmac"),
        ({"number_hmac": "AB" * 32}, "number_hmac"),
        ({"name": "测试甲"}, "name"),
        ({"name": "*" * 33}, "name"),
        ({"name": "测*\n甲"}, "name"),
        ({"unit": ""}, "unit"),
        ({"class": "a b"}, "class"),
        ({"since": "20260105"}, "since"),
        ({"since": "2026-02-30"}, "since"),
        ({"since": "2026-W01-1"}, "since"),
        ({"until": "2026-01-04"}, "until"),
        ({"responsible": "gw-1"}, "responsible"),
        ({"protected": 0}, "protected"),
        ({"methods": []}, "methods"),
        ({"methods": ["face"]}, "methods"),
        ({"methods": ["finger", "finger"]}, "methods"),
        ({"methods": ["iris"]}, "methods"),
        ({"methods": [1, "staff"]}, "methods"),
        ({"methods": "staff"}, "methods"),
        ({"leave": [{"from": "2026-12-05", "to": "2026-12-01"}]}, "leave[0].to"),
        ({"leave": [{"from": "2026-12-05"}]}, "leave[0].to"),
        ({"leave": [7]}, "leave[0]"),
        ({"leave": None}, "leave"),
        ({"references": [{**REFERENCE, "method": "staff"}]}, "references[0].method"),
        ({"references": [{**REFERENCE, "slot": 65536}]}, "references[0].slot"),
        ({"references": [{**REFERENCE, "slot": True}]}, "references[0].slot"),
        ({"references": [{**REFERENCE, "template": SECRET}]}, "references[0]"),
        ({"trackers": [{**TRACKER, "approved_until": "soon"}]}, "trackers[0].approved_until"),
        ({"schedule": []}, "schedule"),
        ({"schedule": schedule(repeat="yearly")}, "schedule.repeat"),
        ({"schedule": schedule(days=[])}, "schedule.days"),
        ({"schedule": schedule(days=[0])}, "schedule.days[0]"),
        ({"schedule": schedule(days=[8])}, "schedule.days[0]"),
        ({"schedule": schedule(days=[2, 1])}, "schedule.days"),
        ({"schedule": schedule(days=[1, 1])}, "schedule.days"),
        ({"schedule": schedule(repeat="half_monthly", days=[1, 15])}, "schedule.days"),
        ({"schedule": schedule(repeat="half_monthly", days=[16, 31])}, "schedule.days"),
        ({"schedule": schedule(repeat="half_monthly", days=[1])}, "schedule.days"),
        ({"schedule": schedule(repeat="monthly", days=[32])}, "schedule.days[0]"),
        ({"schedule": schedule(repeat="monthly", days=[1, 2])}, "schedule.days"),
        ({"schedule": schedule(repeat="dates", days=None, dates=[])}, "schedule.dates"),
        (
            {"schedule": schedule(repeat="dates", days=None, dates=["2026-12-02", "2026-12-01"])},
            "schedule.dates",
        ),
        ({"schedule": schedule(dates=["2026-12-02"])}, "schedule"),
        ({"schedule": schedule(windows=[])}, "schedule.windows"),
        ({"schedule": schedule(windows=[["08:30"]])}, "schedule.windows[0]"),
        ({"schedule": schedule(windows=["08:30-11:30"])}, "schedule.windows[0]"),
        ({"schedule": schedule(windows=[["8:30", "11:30"]])}, "schedule.windows[0][0]"),
        ({"schedule": schedule(windows=[["08:30", "24:01"]])}, "schedule.windows[0][1]"),
        ({"schedule": schedule(windows=[["11:30", "08:30"]])}, "schedule.windows[0]"),
        ({"schedule": schedule(windows=[["08:30", "08:30"]])}, "schedule.windows[0]"),
        ({"schedule": schedule(windows=[["08:30", "11:30"], ["11:30", "12:00"]])}, "schedule.windows[1]"),
        ({"schedule": schedule(grace_min=1441)}, "schedule.grace_min"),
        ({"schedule": schedule(day_off="maybe")}, "schedule.day_off"),
    ],
)
def test_a_wrong_member_is_named_by_its_place(changes: dict[str, Any], path: str) -> None:
    error = failing([person(0), person(1, **changes)])
    assert f"pages[0].persons[1].{path} " in f"{error} ".replace(":", " ")
    assert error.code in {"roster_value", "roster_missing", "roster_unknown"}
    assert ";" in str(error), "it says what to do"


@pytest.mark.parametrize("name", sorted(person()))
def test_no_member_may_be_missing(name: str) -> None:
    one = person()
    del one[name]
    error = failing([one])
    assert error.code == "roster_missing"
    assert f"pages[0].persons[0].{name} is missing" in str(error)


@pytest.mark.parametrize("name", sorted(person()))
def test_no_error_repeats_a_value(name: str) -> None:
    assert SECRET not in str(failing([person(0, **{name: SECRET})]))
    assert SECRET[:3] not in str(failing([person(0, **{name: [SECRET]})]))
    assert "330102" not in str(failing([person(x330102188801011234=1)]))


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"ref": "p-0000"}, "ref"),
        ({"number_hmac": person(0)["number_hmac"]}, "number_hmac"),
        ({"references": [REFERENCE]}, "module and slot"),
        ({"trackers": [TRACKER]}, "tracker"),
    ],
)
def test_what_only_one_may_have_stands_once(changes: dict[str, Any], what: str) -> None:
    first = person(0, references=[REFERENCE], trackers=[TRACKER])
    error = failing([first, person(1, **changes)])
    assert error.code == "roster_double"
    assert f": {what} is that of pages[0].persons[0]" in str(error)


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"version": 0}, "version"),
        ({"version": "7"}, "version"),
        ({"expires": "2026-11-20T08:00:00.000Z"}, "expires"),
        ({"expires": "2026-11-20"}, "expires"),
        ({"issued": None}, "issued"),
        ({"kind": "schedule"}, "kind"),
        ({"number_key": "xyz"}, "number_key"),
        ({"calendar": {**CALENDAR, "to": "2025-12-31"}}, "calendar.to"),
        ({"calendar": {**CALENDAR, "workdays": ["2026-10-01"]}}, "calendar.workdays"),
        ({"calendar": {**CALENDAR, "holidays": ["2026-13-01"]}}, "calendar.holidays[0]"),
        (
            {
                "calendar": {
                    **CALENDAR,
                    "holidays": [f"2026-0{m}-{d:02d}" for m in (7, 8) for d in range(1, 32)],
                }
            },
            "calendar.holidays",
        ),
        ({"owner": SECRET}, "the head"),
    ],
)
def test_a_wrong_head_is_named_by_its_place(changes: dict[str, Any], path: str) -> None:
    error = failing([person()], **changes)
    assert str(error).startswith(path)
    assert SECRET not in str(error)


def test_members_of_a_newer_minor_version_are_left_out_and_counted() -> None:
    newer = person(1, colour="red", schedule=schedule(every=2), leave=[])
    assert failing([newer]).code == "roster_unknown"
    roster = opened(signed([person(0), newer], minor=1, province={"a": 1}))
    assert (roster.left_out, len(roster.persons), roster.head.minor) == (3, 2, 1)
    assert failing([person(0, ref=None)], minor=1).code == "roster_value", "what is known is read as strictly"
