"""What the readers of messages share: a frame with the line's device, and its parts as a report."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import datetime

from firmware_protocols.gt06.blocks import Gps, State
from firmware_protocols.gt06.frames import Frame
from firmware_protocols.tracker_describing import utc
from firmware_protocols.tracking import Fix, Raw, Sign, TrackerReport


@dataclass(frozen=True, slots=True)
class Message:
    """A frame, and which device its line belongs to as far as that is known."""

    frame: Frame
    device_id: str | None = None

    @property
    def number(self) -> int:
        """Of the message."""
        return self.frame.number

    @property
    def content(self) -> bytes:
        """Between number and serial."""
        return self.frame.content

    def report(
        self,
        *,
        fix: Fix | None = None,
        time: datetime | None = None,
        signs: Set[Sign] = frozenset(),
        battery_pct: int | None = None,
        charging: bool | None = None,
        odometer_m: float | None = None,
        raw: Raw | None = None,
    ) -> TrackerReport:
        """`time`: of a message without a position."""
        return TrackerReport(
            kind=f"0x{self.number:02X}",
            device_id=self.device_id,
            device_time=time,
            fix=fix,
            # No message says that the strap is closed: it stands until staff have looked.
            standing={Sign.STRAP_OPEN: True} if Sign.STRAP_OPEN in signs else {},
            moments=frozenset(signs),
            battery_pct=battery_pct,
            charging=charging,
            odometer_m=odometer_m,
            raw=raw or {},
        )

    def of_state(self, state: State, fix: Fix | None, raw: Mapping[str, object]) -> TrackerReport:
        """Battery, charging and alarm, where `fix` is."""
        return self.report(
            fix=fix, signs=state.signs, battery_pct=state.battery_pct, charging=state.charging, raw=raw
        )


def fix_of(gps: Gps, *, altitude_m: float | None = None, archived: bool = False) -> Fix:
    """The position of a block."""
    return Fix(
        lat=gps.lat,
        lon=gps.lon,
        valid=gps.valid,
        time=gps.time,
        altitude_m=altitude_m,
        speed_kmh=gps.speed_kmh,
        course=gps.course,
        satellites=gps.satellites,
        archived=archived,
    )


def gps_raw(gps: Gps, rest: bytes) -> dict[str, object]:
    """The block as it stands, and what is behind it."""
    return {
        "time": None if gps.time is None else utc(gps.time),
        "gps_info_len": gps.info_length,
        "satellites": gps.satellites,
        "lat": gps.lat,
        "lon": gps.lon,
        "speed_kmh": gps.speed_kmh,
        "course": gps.course,
        "valid": gps.valid,
        "realtime": not gps.status >> 13 & 1,
        "course_status": f"0x{gps.status:04X}",
        "rest": rest.hex(),
    }
