"""What the kiosk's screen says: a view of the session in words, shapes and tones. Pure; the templates lay it out.

The screen knows nothing of its own: whatever it shows follows from the view that the gateway has now.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, tzinfo

from drivers.factors import Factor
from gateway.checkin.facts import Outcome, Shown, Standing
from gateway.checkin.purposes import Purpose
from gateway.checkin.schedule import Where
from gateway.checkin.screen import KioskView
from gateway.checkin.session import SHOWN_S, STEP_S, TRIES, Stage
from gateway.web.messages import Catalogue, Lang

_NOT_IN_WINDOW = frozenset({Where.EARLY, Where.OUTSIDE})


@dataclass(frozen=True, slots=True)
class Line:
    """One text: Chinese, and below it, small, English."""

    zh: str
    en: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How it ended, as it is shown."""

    tone: str  # ok, attention, fault: colour and shape
    head: Line
    lines: Sequence[Line] = ()
    todo: Line | None = None
    receipt: str | None = None  # the session, where a receipt may be printed


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreenView:
    """Everything one screen shows."""

    kind: str  # closed, idle, waiting, choosing, proving, storing, result
    head: Line
    lines: Sequence[Line] = ()
    name: str | None = field(default=None, repr=False)
    purposes: Sequence[tuple[Purpose, Line]] = ()
    purpose: Line | None = None
    pictures: Sequence[str] = ()
    alert: Line | None = None  # what went wrong just now
    left_ms: int | None = None
    total_ms: int = 0
    cancel: bool = False
    result: Result | None = None
    offline: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What a screen depends on beside the session."""

    zone: tzinfo
    now_ms: int
    store: str = "ok"  # state of the store
    reader_away: bool = False  # no card can be read here
    uplink: bool = True
    printer: bool = False
    shown_session: str | None = None
    left_s: float | None = None
    center: str | None = None  # its name


class Screens:
    """Makes screens in words of the catalogue."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def say(self, key: str, **values: object) -> Line:
        """A text in both languages; a code without a text as the code."""
        return Line(*(self._catalogue.say(lang, key, **values) for lang in (Lang.ZH, Lang.EN)))

    def of(self, view: KioskView, only: Purpose | None, around: Around) -> ScreenView:
        """The screen for a view."""
        screen = self._stage(view, only, around)
        left_ms = None if around.left_s is None else int(around.left_s * 1000)
        return replace(screen, left_ms=left_ms, offline=not around.uplink)

    def _stage(self, view: KioskView, only: Purpose | None, around: Around) -> ScreenView:
        purpose = None if view.purpose is None else self.say(f"kiosk.purpose.{view.purpose}")
        patience = int(STEP_S * 1000)
        match view.stage:
            case Stage.SHOWN if view.shown is not None:
                return ScreenView(
                    kind="result",
                    head=self.say("kiosk.result"),
                    name=view.shown.name,
                    purpose=purpose,
                    result=self._result(view.shown, view.purpose, around),
                    total_ms=int(SHOWN_S * 1000),
                )
            case Stage.CHOOSING:
                return ScreenView(
                    kind="choosing",
                    head=self.say("kiosk.choose"),
                    name=view.name,
                    purposes=self._purposes(),
                    total_ms=patience,
                    cancel=True,
                )
            case Stage.WAITING:
                return ScreenView(
                    kind="waiting",
                    head=self.say("kiosk.lay_card"),
                    purpose=purpose,
                    pictures=("card",),
                    alert=self._card_alert(view.hint),
                    total_ms=patience,
                    cancel=True,
                )
            case Stage.PROVING:
                return self._proving(view, purpose)
            case Stage.STORING:
                return ScreenView(
                    kind="storing", head=self.say("kiosk.storing"), name=view.name, purpose=purpose
                )
        return self._idle(view, only, around)

    def _idle(self, view: KioskView, only: Purpose | None, around: Around) -> ScreenView:
        if around.store != "ok":
            return ScreenView(
                kind="closed",
                head=self.say("kiosk.closed"),
                lines=(self.say(f"kiosk.closed.{_known(around.store)}"), self.say("kiosk.ask_staff")),
            )
        if around.reader_away:
            lines = (self.say("kiosk.closed.reader"), self.say("kiosk.ask_staff"))
            return ScreenView(kind="closed", head=self.say("kiosk.closed"), lines=lines)
        if view.lent:
            return ScreenView(
                kind="closed", head=self.say("kiosk.closed"), lines=(self.say("kiosk.closed.enrolment"),)
            )
        return ScreenView(
            kind="idle",
            head=self.say("kiosk.lay_card"),
            purposes=self._purposes() if only is None else (),
            purpose=None if only is None else self.say(f"kiosk.purpose.{only}"),
            pictures=("card",),
            alert=self._card_alert(view.hint),
        )

    def _proving(self, view: KioskView, purpose: Line | None) -> ScreenView:
        wanted = sorted(view.wanted)
        by = "_or_".join(str(one) for one in wanted) if wanted else "staff"
        lines = [] if view.step is None else [self.say(f"kiosk.step.{_of(wanted)}{view.step}")]
        alert = None
        if view.hint == "away":
            alert = self.say("kiosk.hint.away")
        elif view.tries_left < TRIES and view.hint is not None:
            why = self.say(f"reason.{view.hint}")
            alert = Line(
                self._catalogue.say(Lang.ZH, "kiosk.again", why=why.zh, n=view.tries_left),
                self._catalogue.say(Lang.EN, "kiosk.again", why=why.en, n=view.tries_left),
            )
        return ScreenView(
            kind="proving",
            head=self.say(f"kiosk.prove.{by}"),
            lines=lines,
            name=view.name,
            purpose=purpose,
            pictures=[str(one) for one in wanted] or ["staff"],
            alert=alert,
            total_ms=int(STEP_S * 1000),
            cancel=True,
        )

    def _result(self, shown: Shown, purpose: Purpose | None, around: Around) -> Result:
        standing = shown.standing or Standing(None, None)
        lines: list[Line] = []
        if shown.recalled_ms is not None:
            at = datetime.fromtimestamp(shown.recalled_ms / 1000, around.zone)
            lines.append(self.say("kiosk.recalled", time=f"{at:%H:%M}"))
        if shown.outcome is Outcome.COMPLETED:
            tone, head, todo = self._counted(standing)
            if standing.next_day is not None and purpose is Purpose.REPORT:
                lines.append(self._next_day(standing.next_day))
            receipt = around.shown_session if around.printer else None
            return Result(tone=tone, head=head, lines=lines, todo=todo, receipt=receipt)
        reason = "" if shown.reason is None else str(shown.reason)
        if shown.outcome is Outcome.NOT_STORED:
            lines.insert(0, self.say(f"kiosk.closed.{_known(reason)}"))
            return Result(
                tone="fault",
                head=self.say("kiosk.outcome.not_stored"),
                lines=lines,
                todo=self.say("kiosk.ask_staff"),
            )
        why = self.say(f"reason.{reason}")
        lines.insert(0, Line(why.zh, why.en[:1].upper() + why.en[1:]))  # elsewhere it stands inside a line
        return Result(
            tone="attention" if shown.outcome is Outcome.PENDING_REVIEW else "fault",
            head=self.say(f"kiosk.outcome.{shown.outcome}"),
            lines=lines,
            todo=self.say(
                f"kiosk.todo.{reason}" if f"kiosk.todo.{reason}" in self._catalogue else "kiosk.ask_staff"
            ),
        )

    def _counted(self, standing: Standing) -> tuple[str, Line, Line | None]:
        if standing.where in _NOT_IN_WINDOW:
            return "attention", self.say(f"kiosk.counted.{standing.where}"), self.say("kiosk.todo.outside")
        if standing.where is Where.LATE:
            return "attention", self.say("kiosk.counted.late"), None
        where = "plain" if standing.where is None else str(standing.where)
        return "ok", self.say(f"kiosk.counted.{where}"), None

    def _next_day(self, day: date) -> Line:
        weekday = self.say(f"weekday.{day.isoweekday()}")
        return Line(
            self._catalogue.say(
                Lang.ZH, "kiosk.next", day=f"{day.year}年{day.month}月{day.day}日", weekday=weekday.zh
            ),
            self._catalogue.say(Lang.EN, "kiosk.next", day=day.isoformat(), weekday=weekday.en),
        )

    def _card_alert(self, hint: str | None) -> Line | None:
        if hint is None:
            return None
        if f"kiosk.hint.{hint}" in self._catalogue:
            return self.say(f"kiosk.hint.{hint}")
        why = self.say(f"reason.{hint}")
        return Line(
            self._catalogue.say(Lang.ZH, "kiosk.card_unread", why=why.zh),
            self._catalogue.say(Lang.EN, "kiosk.card_unread", why=why.en),
        )

    def _purposes(self) -> Sequence[tuple[Purpose, Line]]:
        return [(one, self.say(f"kiosk.purpose.{one}")) for one in Purpose]

    def clock(self, around: Around) -> tuple[str, Line]:
        """The time of day, and the date in both languages, in the center's zone."""
        at = datetime.fromtimestamp(around.now_ms / 1000, around.zone)
        weekday = self.say(f"weekday.{at.isoweekday()}")
        return f"{at:%H:%M}", Line(
            f"{at.year}年{at.month}月{at.day}日 {weekday.zh}", f"{weekday.en}, {at:%Y-%m-%d}"
        )


def _known(state: str) -> str:
    return state if state in {"store_full", "store_readonly", "store_io", "unencodable"} else "store_io"


def _of(wanted: Sequence[Factor]) -> str:
    """A step that means something else for a finger and for a face has a text for each."""
    return f"{wanted[0]}." if len(wanted) == 1 else "any."
