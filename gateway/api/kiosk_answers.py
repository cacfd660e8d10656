"""What programs are told of a kiosk, and what they may say: the models of /api/v1/kiosk."""

from datetime import date, datetime, tzinfo

from pydantic import BaseModel, ConfigDict, Field

from drivers.events import CardType
from drivers.factors import Factor, Step
from gateway.checkin.ended import Ended
from gateway.checkin.facts import Outcome, Shown, Standing
from gateway.checkin.kiosk import Kiosk, KioskView
from gateway.checkin.purposes import Purpose
from gateway.checkin.schedule import Where
from gateway.checkin.session import Stage
from gateway.clock import Stamp

COUNTS = frozenset({Outcome.COMPLETED})


class KioskResult(BaseModel):
    """How a session ended."""

    outcome: Outcome = Field(
        description="`completed` counts; `pending_review` is recorded and staff decide; `rejected` and `abandoned` are "
        "recorded and do not count; `not_stored` is not even recorded"
    )
    counts: bool = Field(description="True for `completed` only; show nothing green otherwise")
    reason: str | None = Field(description="Why; a code of the catalogue (`reason.*`, `store.*`)")
    where: Where | None = Field(
        description="Of a report: where it lies to the duty of today; null where nobody can say, the center judges"
    )
    next_day: date | None = Field(description="Of a report: the next day on which the person is due")


class KioskState(BaseModel):
    """What a kiosk shows now. Nothing of a session that is over."""

    number: int = Field(description="Rises with each change, begins again when the gateway starts")
    stage: Stage = Field(description="Where the session stands")
    session: str | None = Field(description="The session that runs, or whose result is shown")
    purpose: Purpose | None = Field(description="What the person came for, once it is chosen")
    purposes: list[Purpose] = Field(description="What may be chosen at this kiosk")
    name: str | None = Field(
        description="Masked, for the greeting; null for a protected person. Keep it nowhere"
    )
    wanted: list[Factor] = Field(description="Second factors that are asked for now")
    step: Step | None = Field(description="What the device asks of the person")
    hint: str | None = Field(
        description="Why the last card, finger or face was not taken; a code (`reason.*`)"
    )
    lent: bool = Field(
        description="True while staff enrol somebody here: no check-in, and `enrolling` to requests"
    )
    tries_left: int = Field(description="Of the second factor")
    left_ms: int | None = Field(description="How long this stage lasts without anything happening")
    result: KioskResult | None = Field(description="While `stage` is `shown`: how the session ended")
    now_ms: int = Field(description="The gateway's clock")


class KioskAnswer(BaseModel):
    """What came of a request. It is on disk when this is told."""

    session: str | None = Field(description="The session it was about, or that it began")
    changed: bool = Field(description="False: it had nothing to say to this session, or came too late")


class KioskSession(BaseModel):
    """One session of this kiosk."""

    session: str = Field(description="Its id, as in the events")
    running: bool = Field(description="True until it has ended")
    purpose: Purpose | None = Field(description="What the person came for")
    result: KioskResult | None = Field(description="How it ended")
    event: str | None = Field(
        description="Id of the event that records the ending; null where nothing is recorded"
    )
    ended_ms: int | None = Field(description="When, by the gateway's clock")


class KioskReceipt(BaseModel):
    """回执: what may be printed for a person. Holds no name and no number."""

    number: str = Field(description="Day and the end of the event's id: by it the center finds the event")
    event: str = Field(description="Id of the event that records it")
    gateway: str = Field(description="Which gateway")
    kiosk: str = Field(description="Which kiosk")
    at: str = Field(description="When, in the center's zone (RFC 3339)")
    purpose: Purpose | None = Field(description="What for")
    outcome: Outcome = Field(description="`completed`: there is a receipt for nothing else")
    where: Where | None = Field(description="Of a report: on time, late; null where the center judges")
    next_day: date | None = Field(description="Of a report: the next day on which the person is due")


class _Said(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class Touched(_Said):
    """A purpose was chosen on the screen."""

    purpose: Purpose = Field(description="One of `purposes`")


class CardSaid(_Said):
    """A card that a terminal has read. Hashed and sealed at once; nothing of it is kept in clear or repeated."""

    id_number: str = Field(description="As printed, X in capitals", pattern=r"^[0-9A-Z]{15,18}$", repr=False)
    name: str = Field(description="As printed; sealed to the center", min_length=1, max_length=64, repr=False)
    valid_from: str = Field(description="YYYYMMDD, as printed", pattern=r"^[0-9]{8}$", repr=False)
    valid_to: str = Field(
        description="YYYYMMDD or 长期, as printed", pattern=r"^([0-9]{8}|长期)$", repr=False
    )
    card_type: CardType = Field(default=CardType.RESIDENT, description="Kind of card")


class FactorSaid(_Said):
    """A finger or face that a terminal has compared."""

    session: str = Field(description="For which session it was asked", max_length=64)
    factor: Factor = Field(description="What was compared")
    matched: bool = Field(description="Whether somebody was recognised")
    module: str | None = Field(
        default=None,
        description="With `matched`: serial number of the module, as in the roster",
        max_length=64,
    )
    slot: int | None = Field(
        default=None,
        description="With `matched`: the place in that module, as in the roster",
        ge=0,
        le=1_000_000,
    )
    score: int | None = Field(default=None, description="The module's own measure", ge=0, le=1_000_000)
    reason: str = Field(
        default="unknown",
        description="Without `matched`: `unknown`, `poor`, `liveness` or `eyes_closed`",
        pattern=r"^(unknown|poor|liveness|eyes_closed)$",
    )


def purposes_of(kiosk: Kiosk) -> list[Purpose]:
    """What may be chosen there."""
    return list(Purpose) if kiosk.only is None else [kiosk.only]


def state_of(kiosk: Kiosk, view: KioskView, now: Stamp) -> KioskState:
    """The state for a program."""
    left_s = kiosk.left_s(view)
    return KioskState(
        number=view.number,
        stage=view.stage,
        session=view.session or kiosk.shown_session,
        purpose=view.purpose,
        purposes=purposes_of(kiosk),
        name=view.name or (None if view.shown is None else view.shown.name),
        wanted=sorted(view.wanted),
        step=view.step,
        hint=view.hint,
        lent=view.lent,
        tries_left=view.tries_left,
        left_ms=None if left_s is None else int(left_s * 1000),
        result=None if view.shown is None else _result(view.shown),
        now_ms=now.wall_ms,
    )


def _result(shown: Shown) -> KioskResult:
    standing = shown.standing or Standing(None, None)
    return KioskResult(
        outcome=shown.outcome,
        counts=shown.outcome in COUNTS,
        reason=None if shown.reason is None else str(shown.reason),
        where=standing.where,
        next_day=standing.next_day,
    )


def session_of(ended: Ended) -> KioskSession:
    """A session that is over."""
    return KioskSession(
        session=ended.session,
        running=False,
        purpose=ended.purpose,
        result=KioskResult(
            outcome=ended.outcome,
            counts=ended.outcome in COUNTS,
            reason=ended.reason,
            where=ended.where,
            next_day=ended.next_day,
        ),
        event=ended.event,
        ended_ms=ended.at_ms,
    )


def receipt_of(ended: Ended, gateway: str, kiosk: str, zone: tzinfo) -> KioskReceipt | None:
    """The receipt of a session; None where there is none: only for what counts."""
    if ended.outcome is not Outcome.COMPLETED or ended.event is None:
        return None
    at = datetime.fromtimestamp(ended.at_ms / 1000, zone)
    return KioskReceipt(
        number=f"{at:%Y%m%d}-{ended.event[-8:].upper()}",
        event=ended.event,
        gateway=gateway,
        kiosk=kiosk,
        at=at.isoformat(timespec="seconds"),
        purpose=ended.purpose,
        outcome=ended.outcome,
        where=ended.where,
        next_day=ended.next_day,
    )
