"""What people may see of the gateway: a snapshot without any person's data, and a stream of notices.

The API and the page know only this file; `app` builds the snapshot. All times are UTC, milliseconds
since 1970 (`*_ms`), None where not known.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


class Level(StrEnum):
    """State of a part, as the page shows it (by colour, word and shape)."""

    OK = "ok"
    ATTENTION = "attention"
    FAULT = "fault"
    UNKNOWN = "unknown"


class Stage(StrEnum):
    """How far an event has come. Order matters: each follows the one before."""

    COMMITTED = "committed"  # on disk, signed
    SENT = "sent"  # handed to the broker at least once
    SETTLED = "settled"  # the center's signed ack covers it
    REJECTED = "rejected"  # the center stored it and refused its content


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceView:
    """One configured device."""

    id: str
    kind: str  # registry name, e.g. "idcard.sam"
    state: str  # "online" | "offline" | "fault" | "unknown"
    since_ms: int
    port: str
    model: str | None = None
    firmware: str | None = None
    serial: str | None = None
    code: str | None = None  # why it is not online: catalogue key `device.<code>`
    detail: str | None = None  # technician's text: cause and remedy, English
    events_total: int = 0
    noise_total: int = 0
    last_event_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventView:
    """One event, masked: nothing in it identifies a person."""

    epoch: str
    seq: int
    type: str  # "identity.card_read", without the cn.zhijiao. prefix
    device: str
    time_ms: int
    stage: Stage
    settled_after_ms: int | None = None  # commit to settle, for events settled in this run
    detail: str | None = None  # catalogue key of a reason, e.g. "read_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class BufferView:
    """The durable store."""

    epoch: str
    last_seq: int
    backlog: int  # unsettled events
    oldest_unsettled_s: int | None
    bytes_used: int
    state: str  # "ok" | "store_full" | "store_readonly" | "store_io"
    committed_total: int  # in this run
    settled_total: int  # in this run


@dataclass(frozen=True, slots=True, kw_only=True)
class UplinkView:
    """The connection to the province's broker and the center behind it."""

    state: str  # "online" | "connecting" | "offline"
    broker: str  # host:port
    tls: bool
    mqtt: str  # "5" | "3.1.1"
    ack_mode: str  # "center" | "broker"
    since_ms: int
    last_ack_ms: int | None = None
    in_flight: int = 0  # sent, not settled
    window: int = 0
    code: str | None = None  # why it is not online: catalogue key `uplink.<code>`
    detail: str | None = None  # technician's text: cause and remedy, English


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockView:
    """The clock and how far it can be trusted."""

    now_ms: int
    quality: str  # "synced" | "holdover" | "unsynced"
    error_ms: int | None
    uptime_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthItem:
    """One reason why the gateway is not simply fine. Text: catalogue key `health.<code>`."""

    code: str
    level: Level
    subject: str | None = None  # device id, where it is about a device
    detail: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything the first page shows."""

    org: str
    gateway: str
    version: str
    demo: bool
    started_ms: int
    level: Level
    ready: bool
    devices: tuple[DeviceView, ...]
    events: tuple[EventView, ...]  # newest first, at most 50
    buffer: BufferView
    uplink: UplinkView
    clock: ClockView
    health: tuple[HealthItem, ...] = field(default=())
    center: str | None = None  # the center's name, once the first run has given it


class Viewed(Protocol):
    """What the API asks of the running gateway."""

    def snapshot(self) -> Snapshot:
        """The state now. Cheap: built from memory, never from disk."""
        ...

    def changes(self) -> AsyncIterator[Snapshot]:
        """A snapshot at once, then one after each change, at most five a second, at least one in 15 s."""
        ...
