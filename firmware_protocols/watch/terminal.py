"""The watch's half of the bracket protocol: link, position and alarm. The gateway is the platform.

Links and alarms are answered by their word; a position is not, so it counts as delivered when the line took it.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo

from firmware_protocols.errors import LocalProtocolError
from firmware_protocols.framing import Discarded
from firmware_protocols.text_values import decimal
from firmware_protocols.tracker_terminal import Answer, Hello, Saying, Sighting, Told, codes_of, require
from firmware_protocols.tracking import Fix
from firmware_protocols.watch.frames import Decoder, Frame
from firmware_protocols.watch.messages import MOMENTS, Message

MAKER = "3G"
ANSWERED = frozenset({"LK", "AL"})
BITS = codes_of(MOMENTS)
NO_CELLS_NO_WIFI = ("0", "0", "0")
SIGNAL = "100"


def position_fields(fix: Fix, sighting: Sighting, time: datetime) -> tuple[str, ...]:
    """The fields of a position; `time` by the watch's own clock."""
    status = sum(1 << BITS[sign] for sign in sighting.signs)
    return (
        time.strftime("%d%m%y"),
        time.strftime("%H%M%S"),
        "A" if fix.valid else "V",
        decimal(abs(fix.lat), 6),
        "S" if fix.lat < 0 else "N",
        decimal(abs(fix.lon), 6),
        "W" if fix.lon < 0 else "E",
        decimal(fix.speed_kmh, 2),
        decimal(fix.course, 1),
        decimal(fix.altitude_m, 1),
        "" if fix.satellites is None else str(fix.satellites),
        SIGNAL,
        str(sighting.battery_pct),
        "0",
        "0",
        f"{status:08X}",
        *NO_CELLS_NO_WIFI,
    )


class WatchTerminal:
    """`tracker_terminal.TrackerTerminal`."""

    says = frozenset(BITS)
    tells_strap = True  # at the moment that it is opened

    def __init__(self, device_id: str, zone: tzinfo = UTC) -> None:
        """`zone`: of its clock, which no frame tells. Code: header, for an id that no frame carries."""
        self.device_id = device_id
        self.link(None)
        self._zone = zone
        self._decoder = Decoder()

    def hello(self) -> Hello:
        """A link."""
        yield self.link(None)

    def link(self, battery_pct: int | None) -> Saying:
        """LK, with steps, rolls and battery where the battery is told."""
        return self._said("LK") if battery_pct is None else self._said("LK", "0", "0", str(battery_pct))

    def position(self, sighting: Sighting, fix: Fix) -> Saying:
        """UD; UD2 where it was stored; AL where something is wrong. Code: time."""
        if fix.time is None:
            raise LocalProtocolError("time", "a position of a watch has a time")
        time = fix.time if fix.time.tzinfo is None else fix.time.astimezone(self._zone)
        word = "AL" if sighting.signs else "UD2" if fix.archived else "UD"
        return self._said(word, *position_fields(fix, sighting, time))

    def tell(self, sighting: Sighting) -> tuple[Saying, ...]:
        """A link, a position or an alarm."""
        require(sighting, self.says)
        fix = sighting.fix
        return (self.link(sighting.battery_pct) if fix is None else self.position(sighting, fix),)

    def hear(self, data: bytes) -> Iterator[Answer | Told | Discarded]:
        """An order is answered with its word."""
        for found in self._decoder.feed(data):
            if isinstance(found, Discarded):
                yield found
                continue
            message = Message.from_content(found.content)
            if message.cmd in ANSWERED:
                yield Answer(message.cmd)
            else:
                yield Told(",".join((message.cmd, *message.args)), self._said(message.cmd).data)

    def _said(self, word: str, *args: str) -> Saying:
        frame = Frame(MAKER, self.device_id, ",".join((word, *args)).encode())
        return Saying(frame.to_bytes(), word if word in ANSWERED else None)
