"""The tracker's half of GT06: login, heartbeat, position and alarm as frames. The gateway is the platform.

A position says nothing of the battery, a heartbeat and an alarm do; an alarm has one sign, so a sighting with two
leaves as two. Every frame is answered by its number and serial.
"""

from collections.abc import Iterator

from firmware_protocols.errors import LocalProtocolError
from firmware_protocols.framing import Discarded
from firmware_protocols.gt06.blocks import ALARMS, Gps, State
from firmware_protocols.gt06.conversation import COMMAND
from firmware_protocols.gt06.frames import Decoder, Frame
from firmware_protocols.gt06.reports import HEARTBEAT, LOGIN
from firmware_protocols.tracker_terminal import Answer, Hello, Saying, Sighting, Told, codes_of, require
from firmware_protocols.tracking import Fix, Sign

POSITION, ALARM, COMMAND_ANSWER = 0x22, 0x26, 0x15
CELL = bytes.fromhex("01CC001A2B003C4D")  # MCC 460, MNC 0, and numbers of no cell
GPS_INFO_LENGTH, SIGNAL, ENGLISH = 12, 4, 2
NORTH, WEST, FIXED, NOT_REAL_TIME = 10, 11, 12, 13  # bits of a position's status
LEVELS = 6  # a voltage of so much or less is one of seven levels, above it per cent
MOST_KMH = 0xFF
CODES = codes_of(ALARMS)


def gps_of(fix: Fix) -> Gps:
    """The position block of a fix; whole km/h and degrees. Code: time."""
    if fix.time is None:
        raise LocalProtocolError("time", "a position of GT06 has a time")
    status = round(fix.course or 0) % 360 | (fix.lat >= 0) << NORTH | (fix.lon < 0) << WEST
    return Gps(
        time=fix.time,
        info_length=GPS_INFO_LENGTH,
        satellites=min(fix.satellites or 0, 0xF),
        lat=fix.lat,
        lon=fix.lon,
        speed_kmh=min(round(fix.speed_kmh or 0), MOST_KMH),
        status=status | fix.valid << FIXED | fix.archived << NOT_REAL_TIME,
    )


def state_of(battery_pct: int, alarm: Sign | None = None) -> State:
    """The terminal's state. Less than 7 per cent has no number of its own and is told as empty."""
    voltage = battery_pct if battery_pct > LEVELS else 0
    return State(0, voltage, SIGNAL, 0 if alarm is None else CODES[alarm], ENGLISH)


class Gt06Terminal:
    """`tracker_terminal.TrackerTerminal`."""

    says = frozenset(CODES)
    tells_strap = True  # that it is open; no message says that it is closed

    def __init__(self, device_id: str, serial: int = 1) -> None:
        """`device_id`: IMEI, at most 15 digits. Code: imei."""
        if not device_id.isascii() or not device_id.isdigit() or len(device_id) > 15:
            raise LocalProtocolError("imei", "an IMEI has 15 digits")
        self.device_id = device_id.zfill(15)
        self.serial = serial & 0xFFFF
        self._decoder = Decoder()

    def hello(self) -> Hello:
        """It logs in, or it is nobody."""
        yield self.login()

    def login(self) -> Saying:
        """01: the IMEI, a digit before it."""
        return self._said(LOGIN, bytes.fromhex("0" + self.device_id))

    def heartbeat(self, state: State) -> Saying:
        """13."""
        return self._said(HEARTBEAT, state.to_bytes())

    def position(self, gps: Gps, *, stored: bool = False) -> Saying:
        """22: with cell, ignition off, sent by the clock, and whether it was stored."""
        return self._said(POSITION, gps.to_bytes() + CELL + bytes([0, 0, stored]))

    def alarm(self, gps: Gps, state: State) -> Saying:
        """26."""
        return self._said(ALARM, gps.to_bytes() + bytes([1 + len(CELL)]) + CELL + state.to_bytes())

    def tell(self, sighting: Sighting) -> tuple[Saying, ...]:
        """A heartbeat, a position, or an alarm for each sign."""
        require(sighting, self.says)
        if sighting.fix is None:
            return (self.heartbeat(state_of(sighting.battery_pct)),)
        gps = gps_of(sighting.fix)
        if not sighting.signs:
            return (self.position(gps, stored=sighting.fix.archived),)
        return tuple(self.alarm(gps, state_of(sighting.battery_pct, sign)) for sign in sorted(sighting.signs))

    def hear(self, data: bytes) -> Iterator[Answer | Told | Discarded]:
        """Answers carry number and serial; a command carries a text of the maker's."""
        for found in self._decoder.feed(data):
            if isinstance(found, Discarded):
                yield found
            elif found.number == COMMAND:
                words = found.content[5 : 1 + found.content[0]] if found.content else b""
                yield Told(words.decode("ascii", "replace"), self._done(found))
            elif found.sound:
                yield Answer(_key(found), found.content)

    def _done(self, asked: Frame) -> bytes:
        words = b"OK"
        content = bytes([4 + len(words)]) + asked.content[1:5].ljust(4, b"\0") + words + bytes([0, ENGLISH])
        return self._framed(COMMAND_ANSWER, content).to_bytes()

    def _said(self, number: int, content: bytes) -> Saying:
        frame = self._framed(number, content)
        return Saying(frame.to_bytes(), _key(frame))

    def _framed(self, number: int, content: bytes) -> Frame:
        serial, self.serial = self.serial, self.serial + 1 & 0xFFFF
        return Frame(number, serial, content)


def _key(frame: Frame) -> str:
    return f"{frame.number:02X}/{frame.serial:04X}"
