"""A day as tables of text: the same rows for the CSV file and for the printed page.

Personal data in them: references, masked names, states, times. A protected person's name is left out: it is
behind a recorded click on the page, and a file knows no clicks.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from gateway.checkin.day import Day, Duty, Visit
from gateway.web.messages import Speaker
from gateway.web.staff_present import category, in_order
from gateway.web.times import Times


class Part(StrEnum):
    """Which table."""

    DUTIES = "duties"
    VISITS = "visits"


COLUMNS = {
    Part.DUTIES: (
        "ref", "name", "unit", "category", "windows", "state", "reason", "came", "late_arrival", "by_staff",
    ),
    Part.VISITS: (
        "time", "kiosk", "purpose", "outcome", "reason", "ref", "name", "method", "counts_as", "reviewed", "event",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Table:
    """Heads and rows, all of them text."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]


def table(day: Day, part: Part, t: Speaker, times: Times) -> Table:
    """One table of the day."""
    heads = [t(f"export_column.{name}") for name in COLUMNS[part]]
    rows: Iterator[Sequence[str]]
    if part is Part.DUTIES:
        rows = (_duty(duty, t, times) for duty in in_order(day.duties))
    else:
        rows = (_visit(visit, t, times) for visit in reversed(day.visits))
    return Table(heads, list(rows))


def windows(duty: Duty) -> str:
    """`08:30-11:30, 14:00-17:30`."""
    return ", ".join(f"{begin}-{end}" for begin, end in duty.windows)


def _duty(duty: Duty, t: Speaker, times: Times) -> Sequence[str]:
    return (
        duty.ref,
        t("staff.protected") if duty.protected else duty.name,
        duty.unit,
        category(duty.category, t),
        windows(duty),
        t(f"duty_state.{duty.state}"),
        "" if duty.reason is None else t(f"duty_reason.{duty.reason}"),
        "" if duty.came_ms is None else times.full(duty.came_ms),
        t("staff.yes") if duty.late_arrival else "",
        t("staff.yes") if duty.by_staff else "",
    )


def _visit(visit: Visit, t: Speaker, times: Times) -> Sequence[str]:
    name = t("staff.protected") if visit.protected else visit.name or ""
    return (
        times.full(visit.at_ms),
        visit.kiosk,
        "" if visit.purpose is None else t(f"staff_purpose.{visit.purpose}"),
        t(f"visit_outcome.{visit.outcome}"),
        "" if visit.reason is None else t(f"reason.{visit.reason}"),
        visit.ref or "",
        name,
        "" if visit.method is None else t(f"visit_method.{visit.method}"),
        "" if visit.counts_as is None else t(f"duty_state.{visit.counts_as}"),
        "" if visit.reviewed is None else t(f"visit_reviewed.{visit.reviewed}"),
        visit.event,
    )
