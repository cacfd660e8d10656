"""What the routes of staff have in common: who looks, at which day, and how a refusal is told."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated

from fastapi import Cookie, Query
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.responses import Response

from gateway.access.model import Principal
from gateway.api.page_routes import LANG_COOKIE, YEAR_S
from gateway.api.staff_desk import StaffDesk
from gateway.checkin.alarm_board import OpenAlarm, open_alarms
from gateway.checkin.day import Day
from gateway.checkin.roster import Person
from gateway.errors import ContractError, GatewayError, StoreTrouble
from gateway.view import Viewed
from gateway.web.bar import Bars
from gateway.web.messages import Lang
from gateway.web.staff import Frame, Seen, StaffRenderer

MOST_REASON = 200  # characters
Chosen = Annotated[Lang | None, Query(alias="lang")]
Remembered = Annotated[str | None, Cookie(alias=LANG_COOKIE)]


@dataclass(frozen=True, slots=True)
class Office:
    """The desk, the page's renderer and the gateway's state, together."""

    desk: StaffDesk
    viewed: Viewed
    renderer: StaffRenderer
    bars: Bars

    def frame(self, who: Principal, lang: Lang, path: str = "/staff") -> Frame:
        """What stands at the top of the page at `path`."""
        now = self.viewed.snapshot()
        return Frame(
            gateway=now.gateway,
            org=now.org,
            version=now.version,
            center=now.center,
            demo=now.demo,
            today=self.desk.book.today(),
            now_ms=self.desk.now_ms(),
            who=who,
            bar=self.bars.of(who, path),
            lang=lang,
        )

    def seen(self, day: Day, who: Principal) -> Seen:
        """What a viewer sees of a day now."""
        return Seen(
            day=day,
            alarms=self.alarms(),
            kiosks=[(one.id, one.view) for one in self.desk.kiosks()],
            calls=self.desk.calls.open_now,
            people=self.people(),
            shown=self.desk.audit.shown_to(who.name),
        )

    def alarms(self) -> Sequence[OpenAlarm]:
        """Those that stand."""
        return open_alarms(self.desk.alarms())

    def people(self) -> Sequence[Person]:
        """Everybody on the roster."""
        roster = self.desk.roster()
        return () if roster is None else roster.persons

    def person(self, ref: str) -> Person | None:
        """One of them."""
        roster = self.desk.roster()
        return None if roster is None else roster.of_ref(ref)

    def said(self, key: str, lang: Lang, **more: object) -> Response:
        """An answer to a script: it is done."""
        return JSONResponse({"ok": True, "text": self.renderer.speaker(lang)(key), **more})

    def refused(self, error: GatewayError, lang: Lang) -> Response:
        """An answer to a script: it is not."""
        return JSONResponse(
            {"ok": False, "code": error.code, "text": self.renderer.error(error.code, lang)}, status_of(error)
        )


def status_of(error: GatewayError) -> int:
    """503 where the store takes nothing, 409 where what was asked does not fit."""
    return 503 if isinstance(error, StoreTrouble) else 409


def language(remembered: str | None, chosen: Lang | None = None) -> Lang:
    """Chinese, unless somebody said otherwise."""
    return chosen or (Lang.EN if remembered == Lang.EN else Lang.ZH)


def page(html: str, chosen: Lang | None = None, status: int = 200) -> Response:
    """A page; a language that was chosen is remembered."""
    answer = HTMLResponse(html, status)
    if chosen is not None:
        answer.set_cookie(LANG_COOKIE, chosen, max_age=YEAR_S, httponly=True, samesite="strict")
    return answer


def day_of(asked: date | None, today: Callable[[], date]) -> date:
    """The day that was asked for; a day to come, or none, is today."""
    now = today()
    return now if asked is None or asked > now else asked


def reason_of(listed: str, typed: str, known: Sequence[str]) -> str:
    """The word of the list, and what was typed; raises `ContractError` (no_reason)."""
    more = " ".join("".join(one if one.isprintable() else " " for one in typed).split())[:MOST_REASON]
    if listed not in known or (listed == "other" and not more):
        raise ContractError(
            "no_reason", "a reason is needed: choose one of the list, or say in words what `other` is"
        )
    return f"{listed}: {more}" if more else listed
