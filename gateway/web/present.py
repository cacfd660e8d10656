"""From the snapshot to what the page says: which level a state is shown with, why, and what to do.

Tables and small functions, no HTML. Every state has a colour, a word and a shape, all three from its `Level`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.view import DeviceView, EventView, HealthItem, Level, Snapshot, Stage
from gateway.web.messages import Speaker

DEVICE_LEVELS: Mapping[str, Level] = {
    "online": Level.OK,
    "offline": Level.ATTENTION,
    "fault": Level.FAULT,
    "unknown": Level.UNKNOWN,
}
UPLINK_LEVELS: Mapping[str, Level] = {
    "online": Level.OK,
    "connecting": Level.UNKNOWN,
    "offline": Level.ATTENTION,  # nothing is lost while it lasts: events wait in the store
}
BUFFER_LEVELS: Mapping[str, Level] = {
    "ok": Level.OK,
    "store_full": Level.FAULT,
    "store_readonly": Level.FAULT,
    "store_io": Level.FAULT,
}
CLOCK_LEVELS: Mapping[str, Level] = {
    "synced": Level.OK,
    "holdover": Level.OK,  # usable with a known error; the page names the error
    "unsynced": Level.ATTENTION,
}
# What the health says of a part raises the level its card shows, so that the line on top and the card never disagree.
_CODES_OF = {
    "uplink": ("uplink_", "center_", "backlog_", "ack_mode_", "duplicate_identity", "certificate"),
    "buffer": ("store_", "events_refused"),
    "clock": ("clock",),
}
_SEVERITY = (Level.OK, Level.UNKNOWN, Level.ATTENTION, Level.FAULT)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why the gateway is not simply fine, in words."""

    key: str
    level: Level
    what: str
    subject: str | None
    cause: str | None
    todo: str | None
    detail: str | None  # technician's text, where no card below shows it


@dataclass(frozen=True, slots=True)
class Step:
    """One of the three places an event passes."""

    word: str
    mark: str  # "done" | "now" (done, and the last so far) | "open" | "bad"


def device_level(device: DeviceView, health: tuple[HealthItem, ...]) -> Level:
    """By its state, raised by what the health says of it."""
    levels = [DEVICE_LEVELS.get(device.state, Level.UNKNOWN)]
    levels += [item.level for item in health if item.subject == device.id]
    return max(levels, key=_SEVERITY.index)


def part_level(part: str, snapshot: Snapshot) -> Level:
    """Of the uplink, the buffer or the clock, likewise."""
    by_state = {
        "uplink": UPLINK_LEVELS.get(snapshot.uplink.state, Level.UNKNOWN),
        "buffer": BUFFER_LEVELS.get(snapshot.buffer.state, Level.UNKNOWN),
        "clock": CLOCK_LEVELS.get(snapshot.clock.quality, Level.UNKNOWN),
    }
    levels = [by_state[part]]
    levels += [item.level for item in snapshot.health if item.code.startswith(_CODES_OF[part])]
    return max(levels, key=_SEVERITY.index)


def reasons(snapshot: Snapshot, t: Speaker) -> list[Reason]:
    """The health in words, worst first."""
    devices = {device.id: device for device in snapshot.devices}
    ordered = sorted(snapshot.health, key=lambda item: -_SEVERITY.index(item.level))
    return [_reason(item, devices.get(item.subject or ""), snapshot, t) for item in ordered]


def _reason(item: HealthItem, device: DeviceView | None, snapshot: Snapshot, t: Speaker) -> Reason:
    # The part itself knows more than the health item: its cause leads to the better remedy.
    cause_key = None
    if device is not None and device.code is not None:
        cause_key = f"device.{device.code}"
    elif item.code.startswith("uplink_") and snapshot.uplink.code is not None:
        cause_key = f"uplink.{snapshot.uplink.code}"
    todo = (t.find(f"{cause_key}.do") if cause_key else None) or t.find(f"health.{item.code}.do")
    return Reason(
        key=f"{item.code} {item.subject or item.detail or ''}",
        level=item.level,
        what=t(f"health.{item.code}"),
        subject=item.subject,
        cause=None if cause_key is None else t(cause_key),
        todo=todo,
        detail=item.detail if cause_key is None and device is None else None,
    )


def device_todo(device: DeviceView, t: Speaker) -> str | None:
    """What to do about a device that is not online: by its code, else by its state."""
    return t.find(f"device.{device.code}.do") or t.find(f"health.device_{device.state}.do")


def event_detail(code: str, t: Speaker) -> str:
    """The reason an event carries: one of its own, or that of the device it speaks of."""
    return t.find(f"reason.{code}") or t(f"device.{code}")


def overall_todo(snapshot: Snapshot) -> str | None:
    """Catalogue key of what to say where the level stands without any reason."""
    return None if snapshot.health or snapshot.level is Level.OK else f"level.{snapshot.level}.do"


def steps(event: EventView, ack_mode: str, t: Speaker) -> list[Step]:
    """On disk, sent, confirmed: what is done and what is open.

    Where the center cannot acknowledge, the broker's receipt is all there is, and the page says no more than that.
    """
    last = "stage.settled" if ack_mode == "center" else "stage.settled_broker"
    match event.stage:
        case Stage.COMMITTED:
            marks = ("now", "open", "open")
        case Stage.SENT:
            marks = ("done", "now", "open")
        case Stage.SETTLED:
            marks = ("done", "done", "now")
        case Stage.REJECTED:
            marks, last = ("done", "done", "bad"), "stage.rejected"
    words = (t("stage.committed"), t("stage.sent"), t(last))
    return [Step(word, mark) for word, mark in zip(words, marks, strict=True)]


def steps_spoken(event: EventView, ack_mode: str, t: Speaker) -> str:
    """The same in one sentence, for a screen reader."""
    shown = steps(event, ack_mode, t)
    reached = [step.word for step in shown if step.mark != "open"]
    return t("stage.spoken", reached=reached[-1], done=len(reached), total=len(shown))


def online(snapshot: Snapshot) -> int:
    """How many devices answer."""
    return sum(device.state == "online" for device in snapshot.devices)
