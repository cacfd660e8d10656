"""The tracker's half of H02: position, the same in digits, and heartbeat. The gateway is the platform.

A position is answered with V4, a heartbeat with itself; neither answer says which one it is for, so one at a time.
A position in digits is not answered. Nothing in H02 says how the strap is.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

from firmware_protocols.errors import LocalProtocolError
from firmware_protocols.framing import Discarded
from firmware_protocols.h02.frames import Binary, Decoder, Text
from firmware_protocols.h02.reports import KNOT_KMH, MOMENTS, STANDING
from firmware_protocols.text_values import decimal, nmea_text
from firmware_protocols.tracker_terminal import Answer, Hello, Saying, Sighting, Told, codes_of, require
from firmware_protocols.tracking import Fix, Sign

QUIET = 0xFFFFFBFF  # bits are active when they are clear, but for the ignition's, which is off
BITS = codes_of(MOMENTS, STANDING)
VALID, NORTH, EAST = 1, 2, 3  # bits of the flags of a position in digits
BINARY_TAIL = bytes(3)  # to 32 bytes
MAKER = "HQ"


def status_of(signs: frozenset[Sign]) -> int:
    """The status word. Bits of what is so are clear."""
    status = QUIET
    for sign in signs:
        status &= ~(1 << BITS[sign])
    return status


def _time(fix: Fix) -> datetime:
    if fix.time is None:
        raise LocalProtocolError("time", "a position of H02 has a time")
    return fix.time.astimezone(UTC)


def _knots(fix: Fix) -> float:
    return (fix.speed_kmh or 0.0) / KNOT_KMH


class H02Terminal:
    """`tracker_terminal.TrackerTerminal`."""

    says = frozenset(BITS)
    tells_strap = False

    def __init__(self, device_id: str) -> None:
        """`device_id`: at most 20 letters and digits; a position in digits carries ten digits of it. Code: form."""
        self.device_id = device_id
        self.heartbeat(0).to_bytes()  # refuses an id that no frame carries
        self._decoder = Decoder()

    def hello(self) -> Hello:
        """Nothing: each frame says who it is."""
        yield from ()

    def position(self, fix: Fix, signs: frozenset[Sign] = frozenset()) -> Text:
        """V1: ten-thousandths of a minute, hundredths of a knot. Code: time."""
        time = _time(fix)
        fields = (
            time.strftime("%H%M%S"),
            "A" if fix.valid else "V",
            nmea_text(fix.lat, 2),
            "S" if fix.lat < 0 else "N",
            nmea_text(fix.lon, 3),
            "W" if fix.lon < 0 else "E",
            f"{_knots(fix):06.2f}",
            decimal(fix.course or 0.0, 0),
            time.strftime("%d%m%y"),
            f"{status_of(signs):08X}",
        )
        return Text(MAKER, self.device_id, "V1", fields)

    def binary_position(self, fix: Fix, battery_pct: int = 0, signs: frozenset[Sign] = frozenset()) -> Binary:
        """The same in digits: whole knots and degrees. Codes: time, range (an id of other than ten digits)."""
        if len(self.device_id) != 10 or not self.device_id.isdigit():
            raise LocalProtocolError("range", "a position in digits carries an id of ten digits")
        flags = fix.valid << VALID | (fix.lat >= 0) << NORTH | (fix.lon >= 0) << EAST
        digits = f"24{self.device_id}{_time(fix):%H%M%S%d%m%y}{nmea_text(fix.lat, 2).replace('.', '')}"
        digits += f"{battery_pct:02X}{nmea_text(fix.lon, 3).replace('.', '')}{flags:X}"
        digits += (
            f"{min(round(_knots(fix)), 999):03d}{round(fix.course or 0) % 360:03d}{status_of(signs):08X}"
        )
        return Binary(bytes.fromhex(digits) + BINARY_TAIL)

    def heartbeat(self, battery_pct: int) -> Text:
        """HTBT."""
        return Text(MAKER, self.device_id, "HTBT", (str(battery_pct),))

    def tell(self, sighting: Sighting) -> tuple[Saying, ...]:
        """A heartbeat or a position."""
        require(sighting, self.says)
        frame = (
            self.heartbeat(sighting.battery_pct)
            if sighting.fix is None
            else self.position(sighting.fix, sighting.signs)
        )
        return (Saying(frame.to_bytes(), frame.cmd),)

    def hear(self, data: bytes) -> Iterator[Answer | Told | Discarded]:
        """V4 with the word that it answers, HTBT; the rest are orders, answered with V4."""
        for found in self._decoder.feed(data):
            if isinstance(found, Discarded):
                yield found
            elif not isinstance(found, Text):
                continue
            elif found.cmd == "V4":
                yield Answer("".join(found.fields[:1]), ",".join(found.fields[1:]).encode())
            elif found.cmd == "HTBT":
                yield Answer("HTBT")
            else:
                done = Text(MAKER, self.device_id, "V4", (found.cmd, *found.fields[:1]))
                yield Told(",".join((found.cmd, *found.fields)), done.to_bytes())
