"""What a tracker says, in words that all families share: reports, fixes, conditions, and what it can be told.

A family turns its frames into these; the raw fields stay beside them (`TrackerReport.raw`). A `Conversation` is one
family's side of a line, without the line: bytes in, what was heard out. It names the answer that the device waits
for and sends nothing: whoever owns the line sends it once the report is on disk.

Two kinds of thing happen to a tracker. A condition stands until it ends (strap open, battery low): a report says of
each condition that it carries whether it stands. A moment is over when it is told (a fall, a press of SOS).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol, TypeAlias

from firmware_protocols.framing import Discarded

Raw: TypeAlias = Mapping[str, object]


class Sign(StrEnum):
    """A condition or a moment. The value is how vectors and `zhijiao decode` spell it (traccar's words)."""

    SOS = "sos"
    STRAP_OPEN = "removing"
    CASE_TAMPER = "tampering"
    LOW_BATTERY = "lowBattery"
    LOW_POWER = "lowPower"  # supply from outside
    POWER_CUT = "powerCut"
    POWER_RESTORED = "powerRestored"
    POWER_OFF = "powerOff"  # the device is being switched off
    POWER_ON = "powerOn"
    FALL = "fallDown"
    VIBRATION = "vibration"
    MOVEMENT = "movement"
    FENCE = "geofence"
    FENCE_ENTER = "geofenceEnter"
    FENCE_EXIT = "geofenceExit"
    JAMMING = "jamming"
    OVERSPEED = "overspeed"
    FAULT = "fault"
    ANTENNA_CUT = "gpsAntennaCut"
    ACCIDENT = "accident"
    TOW = "tow"
    DOOR = "door"
    LOCK = "lock"
    UNLOCK = "unlock"
    HARD_ACCELERATION = "hardAcceleration"
    HARD_BRAKING = "hardBraking"
    HARD_CORNERING = "hardCornering"
    FATIGUE = "fatigueDriving"
    IDLE = "idle"
    PARKING = "parking"
    TEMPERATURE = "temperature"
    GENERAL = "general"  # the device says that something is wrong, and not what


class FixSource(StrEnum):
    """What a position rests on."""

    SATELLITES = "satellites"
    NETWORK = "network"  # cells or WiFi, worked out by the device
    BEACON = "beacon"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """Where the device says that it was. Degrees WGS-84 as sent, metres, km/h.

    `time` is aware where the protocol fixes its zone; naive where it is by the device's own clock, whose zone is in
    the configuration. `valid`: the device vouches for it; otherwise it is the last known place, or none.
    """

    lat: float = field(repr=False)
    lon: float = field(repr=False)
    valid: bool
    time: datetime | None = None
    altitude_m: float | None = field(default=None, repr=False)
    speed_kmh: float | None = None
    course: float | None = None
    satellites: int | None = None
    source: FixSource = FixSource.SATELLITES
    archived: bool = False  # stored while there was no network, and sent later


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackerReport:
    """One record of a frame: most frames carry one, a bulk upload many."""

    kind: str  # the family's name of the message
    device_id: str | None = None  # IMEI, phone number or serial number, as the device names itself
    device_time: datetime | None = None  # of a message without a fix
    fix: Fix | None = None
    standing: Mapping[Sign, bool] = field(default_factory=dict)  # conditions that the message carries
    moments: frozenset[Sign] = frozenset()
    battery_pct: int | None = None
    charging: bool | None = None
    odometer_m: float | None = None
    raw: Raw = field(default_factory=dict, repr=False)

    @property
    def alarms(self) -> frozenset[Sign]:
        """Everything that stands or happened."""
        return self.moments | {sign for sign, stands in self.standing.items() if stands}


@dataclass(frozen=True, slots=True)
class Heard:
    """One frame that was understood as far as its family goes."""

    reports: tuple[TrackerReport, ...]  # as the device wrote them; at least one
    answer: bytes = b""  # to be sent when they are on disk; without it the device repeats itself, or goes


class Order(StrEnum):
    """What a tracker can be told; which of these a family knows, it says itself."""

    LOCATE = "locate"
    INTERVAL = "interval"  # value: seconds between reports
    RESTART = "restart"
    POWER_OFF = "power_off"
    FIND = "find"  # let it ring or vibrate
    TEXT = "text"  # value: what to show


class Conversation(Protocol):
    """One family on one line, of one device. No clock: `now` is aware, UTC."""

    device_id: str | None  # as heard so far

    def feed(self, data: bytes, now: datetime) -> Iterable[Heard | Discarded]:
        """Take bytes in; any cut of the same bytes gives the same."""
        ...

    def flush(self) -> Iterable[Heard | Discarded]:
        """Give up an unfinished frame: nothing came for a while. One that claimed too much may be whole."""
        ...

    def order(self, order: Order, value: int | str | None, now: datetime) -> bytes:
        """The frame for an order. Raises `LocalProtocolError` (unsupported, range, not_known: no id heard yet)."""
        ...
