"""The pages of staff and of the auditor: whole for the first paint, region by region while they are open."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from gateway.access.model import Principal, Role
from gateway.checkin.alarm_board import OpenAlarm
from gateway.checkin.day import Day
from gateway.checkin.kiosk import KioskView
from gateway.checkin.rollcall import Answer, Note, RollCall
from gateway.checkin.roster import Person
from gateway.web import staff_present, wording
from gateway.web.assets import Assets
from gateway.web.bar import Bar
from gateway.web.day_table import Part, Table, windows
from gateway.web.environment import templates
from gateway.web.messages import Catalogue, Lang, Speaker
from gateway.web.times import Times

DAY_REGIONS = ("summary", "review", "here", "duties", "visits")
NOW_REGIONS = ("alarms", "grave", "kiosks", "calls")  # what also changes without the day
ROWS_ON_SHEET = 22  # of A4 landscape, so that a sheet carries its own head and number


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What every page of staff says at its top."""

    gateway: str
    org: str
    version: str
    center: str | None
    demo: bool
    today: date
    now_ms: int
    who: Principal
    bar: Bar
    lang: Lang

    @property
    def acts(self) -> bool:
        """Whether this person may change something here."""
        return self.who.role in {Role.STAFF, Role.ADMIN}


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the page of a day shows."""

    day: Day
    alarms: Sequence[OpenAlarm]
    kiosks: Sequence[tuple[str, KioskView]]
    calls: Sequence[RollCall]
    people: Sequence[Person]  # of the roster, for a review of somebody unknown
    shown: Collection[str]  # protected persons whose names this viewer may see now


class StaffRenderer:
    """Templates and texts, loaded once."""

    def __init__(self, catalogue: Catalogue, assets: Assets, times: Times) -> None:
        self.assets = assets
        self.times = times
        self._catalogue = catalogue
        self._templates = templates(times.zone)
        self._templates.filters.update(windows=windows)

    def speaker(self, lang: Lang) -> Speaker:
        """The texts in one language."""
        return Speaker(self._catalogue, lang)

    # -- the day --------------------------------------------------------------------------------------

    def day(self, frame: Frame, seen: Seen) -> str:
        """The whole page of a day."""
        return self._render(
            "staff.html",
            frame,
            seen=seen,
            regions=self.regions(frame, seen),
            title=self.title(frame, seen),
            script_texts=self._script_texts(frame.lang),
        )

    def regions(
        self, frame: Frame, seen: Seen, names: Sequence[str] = (*NOW_REGIONS, *DAY_REGIONS)
    ) -> dict[str, str]:
        """Inner HTML of regions by their element ids."""
        context = self._context(frame)
        return {
            name: self._templates.get_template(f"staff_{name}.html").render(
                context, seen=seen, alarms=seen.alarms
            )
            for name in names
        }

    def title(self, frame: Frame, seen: Seen) -> str:
        """The tab's title: what asks for somebody first."""
        t = self.speaker(frame.lang)
        waiting = len(staff_present.to_review(seen.day))
        front = f"({waiting}) " if waiting else ""
        return f"{front}{t('staff.title')} {seen.day.day.isoformat()} · {t('page.product')}"

    def _script_texts(self, lang: Lang) -> str:
        t = self.speaker(lang)
        keys = {key: f"live.{key}" for key in ("on", "off", "age_s", "age_min", "age_h")}
        keys |= {key: f"staff_script.{key}" for key in ("alarm", "failed", "shown")}
        return json.dumps({name: t(key) for name, key in keys.items()}, ensure_ascii=False)

    # -- other pages ----------------------------------------------------------------------------------

    def entry(
        self,
        frame: Frame,
        people: Sequence[Person],
        *,
        form: Mapping[str, str],
        error: str | None = None,
        step: str = "form",
        person: Person | None = None,
        event: str | None = None,
        alarms: Sequence[OpenAlarm] = (),
    ) -> str:
        """Manual entry: the form, the question whether it is right, or what was recorded."""
        return self._render(
            "staff_entry.html",
            frame,
            people=_by_unit(people),
            form=form,
            error=error,
            step=step,
            person=person,
            event=event,
            grave=self.grave(frame, alarms),
            script_texts=self._script_texts(frame.lang),
            weekday=_weekday(form["day"], self.speaker(frame.lang)),
            purposes=staff_present.BY_HAND,
            reasons=staff_present.ENTRY_REASONS,
        )

    def rollcall(
        self,
        frame: Frame,
        calls: Sequence[RollCall],
        people: Mapping[str, Person],
        shown: Collection[str],
        alarms: Sequence[OpenAlarm],
    ) -> str:
        """The roll calls that are open, with a form to begin one."""
        return self._render(
            "staff_rollcall.html",
            frame,
            body=self.calls(frame, calls, people, shown),
            grave=self.grave(frame, alarms),
            groups=_by_unit(list(people.values())),
            script_texts=self._script_texts(frame.lang),
        )

    def calls(
        self, frame: Frame, calls: Sequence[RollCall], people: Mapping[str, Person], shown: Collection[str]
    ) -> str:
        """Inner HTML of the part that changes."""
        return self._render(
            "staff_calls_full.html",
            frame,
            calls=calls,
            people=people,
            shown=shown,
            answers=tuple(Answer),
            notes=tuple(Note),
        )

    def grave(self, frame: Frame, alarms: Sequence[OpenAlarm]) -> str:
        """Inner HTML of what lies over every page while a grave alarm stands."""
        return self._render("staff_grave.html", frame, alarms=alarms)

    def sheets(self, frame: Frame, day: Day, part: Part, shown: Table) -> str:
        """The printed day: one section for each sheet of paper."""
        rows = shown.rows
        sheets = [rows[at : at + ROWS_ON_SHEET] for at in range(0, len(rows), ROWS_ON_SHEET)] or [[]]
        return self._render("staff_print.html", frame, day=day, part=part, heads=shown.heads, sheets=sheets)

    def page(self, template: str, frame: Frame, **more: object) -> str:
        """Another page in the same frame."""
        return self._render(template, frame, **more)

    def error(self, code: str, lang: Lang) -> str:
        """What a refusal means for whoever asked, and what to do."""
        t = self.speaker(lang)
        for family in ("staff_error", "store"):
            text = t.find(f"{family}.{code}")
            if text is not None:
                return f"{text} {t.find(f'{family}.{code}.do') or ''}".strip()
        return t("staff_error.unknown")

    def _render(self, template: str, frame: Frame, **more: object) -> str:
        return self._templates.get_template(template).render(self._context(frame), **more)

    def _context(self, frame: Frame) -> dict[str, object]:
        t = self.speaker(frame.lang)
        return {
            "f": frame,
            "t": t,
            "lang": frame.lang,
            "assets": self.assets,
            "sp": staff_present,
            "times": self.times,
            "duration": lambda length_ms: wording.duration(length_ms, t),
        }


def _by_unit(people: Sequence[Person]) -> Sequence[tuple[str, Sequence[Person]]]:
    """Persons by unit, both in order."""
    groups: dict[str, list[Person]] = {}
    for one in sorted(people, key=lambda one: (one.unit, one.name, one.ref)):
        groups.setdefault(one.unit, []).append(one)
    return list(groups.items())


def _weekday(day: str, t: Speaker) -> str:
    """Of a day as it was typed; nothing where it is none."""
    try:
        return t(f"weekday.{date.fromisoformat(day).isoweekday()}")
    except ValueError:
        return ""
