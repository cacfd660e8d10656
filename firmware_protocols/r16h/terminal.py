"""The bracelet's half of R16H: keep-alive, position, and cells where it has none. The gateway is the platform.

Nothing is answered: what the line took is delivered, and what was stored meanwhile is sent later, marked S. Each of
them says how the strap is; the alarm is one word, so a sighting with two leaves as two.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, tzinfo
from types import MappingProxyType

from firmware_protocols.errors import LocalProtocolError
from firmware_protocols.framing import Discarded
from firmware_protocols.r16h.frames import Decoder, Frame
from firmware_protocols.r16h.reports import ALARMS, STORED, STRAP
from firmware_protocols.text_values import decimal
from firmware_protocols.tracker_terminal import Answer, Hello, Saying, Sighting, Told, codes_of, require
from firmware_protocols.tracking import Fix, Sign

NOW = "R"
CELL = "460-0-1A2B-3C4D:-70"  # numbers of no cell
WORDS = codes_of(ALARMS)
LETTERS: Mapping[bool, str] = MappingProxyType({is_open: letter for letter, is_open in STRAP.items()})


class R16hTerminal:
    """`tracker_terminal.TrackerTerminal`."""

    says = frozenset(WORDS)
    tells_strap = True

    def __init__(self, device_id: str, zone: tzinfo = UTC) -> None:
        """`device_id`: IMEI. `zone`: of its clock, which no frame tells. Code: form, for no IMEI."""
        self.device_id = device_id
        self.link().to_bytes()
        self._zone = zone
        self._decoder = Decoder()

    def hello(self) -> Hello:
        """A keep-alive, which nobody answers."""
        yield self._said(self.link())

    def link(self) -> Frame:
        """LINK: that it is there."""
        return Frame("LINK", self.device_id)

    def position(self, sighting: Sighting, fix: Fix, alarm: Sign | None) -> Frame:
        """GPSD. Code: time."""
        place = (
            decimal(abs(fix.lat), 6),
            "S" if fix.lat < 0 else "N",
            decimal(abs(fix.lon), 6),
            "W" if fix.lon < 0 else "E",
            decimal(fix.speed_kmh, 1),
            decimal(fix.course, 1),
            decimal(fix.altitude_m, 1),
        )
        return self._record("GPSD", place, sighting, fix, alarm)

    def cells(self, sighting: Sighting, fix: Fix, alarm: Sign | None) -> Frame:
        """LBSD: the same without a position. Code: time."""
        return self._record("LBSD", (CELL, "", ""), sighting, fix, alarm)

    def tell(self, sighting: Sighting) -> tuple[Saying, ...]:
        """A keep-alive, or a record for each alarm, and one where there is none."""
        require(sighting, self.says)
        fix = sighting.fix
        if fix is None:
            return (self._said(self.link()),)
        build = self.position if fix.valid else self.cells
        alarms: list[Sign | None] = [*sorted(sighting.moments)] or [None]
        return tuple(self._said(build(sighting, fix, alarm)) for alarm in alarms)

    def hear(self, data: bytes) -> Iterator[Answer | Told | Discarded]:
        """Orders alone, answered with RPLY."""
        for found in self._decoder.feed(data):
            if isinstance(found, Discarded):
                yield found
            else:
                done = Frame("RPLY", self.device_id, (found.kind, "OK"))
                yield Told(",".join((found.kind, *found.fields)), done.to_bytes())

    def _record(
        self, kind: str, place: tuple[str, ...], sighting: Sighting, fix: Fix, alarm: Sign | None
    ) -> Frame:
        if fix.time is None:
            raise LocalProtocolError("time", "a record of R16H has a time")
        time: datetime = fix.time if fix.time.tzinfo is None else fix.time.astimezone(self._zone)
        head = (STORED if fix.archived else NOW, time.strftime("%Y%m%d"), time.strftime("%H%M%S"))
        states = (
            str(sighting.battery_pct),
            LETTERS[sighting.strap_open],
            "" if alarm is None else WORDS[alarm],
        )
        return Frame(kind, self.device_id, (*head, *place, *states))

    def _said(self, frame: Frame) -> Saying:
        return Saying(frame.to_bytes())
