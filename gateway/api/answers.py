"""Answers that are not simply a part of the snapshot."""

from dataclasses import dataclass

from gateway.view import DeviceView, EventView, HealthItem, Level, Snapshot
from gateway.web.messages import Catalogue, Lang


@dataclass(frozen=True, slots=True, kw_only=True)
class Alive:
    """The loop turns: this answer is the proof."""

    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceList:
    """All configured devices."""

    now_ms: int
    devices: tuple[DeviceView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventList:
    """The last events, newest first, masked."""

    now_ms: int
    events: tuple[EventView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonText:
    """A health item in words."""

    code: str
    level: Level
    subject: str | None
    text_zh: str
    text_en: str
    todo_zh: str | None
    todo_en: str | None
    detail: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """Whether the gateway takes events and brings them to disk, and what is not fine."""

    ready: bool
    level: Level
    reasons: tuple[ReasonText, ...]


def readiness(snapshot: Snapshot, catalogue: Catalogue) -> Readiness:
    """The health in words; never empty-handed when not ready."""
    items = snapshot.health
    if not snapshot.ready and not items:
        items = (HealthItem(code="not_ready", level=snapshot.level),)
    return Readiness(
        ready=snapshot.ready,
        level=snapshot.level,
        reasons=tuple(_in_words(item, catalogue) for item in items),
    )


def _in_words(item: HealthItem, catalogue: Catalogue) -> ReasonText:
    key = f"health.{item.code}"
    return ReasonText(
        code=item.code,
        level=item.level,
        subject=item.subject,
        text_zh=catalogue.say(Lang.ZH, key),
        text_en=catalogue.say(Lang.EN, key),
        todo_zh=catalogue.find(Lang.ZH, f"{key}.do"),
        todo_en=catalogue.find(Lang.EN, f"{key}.do"),
        detail=item.detail,
    )
