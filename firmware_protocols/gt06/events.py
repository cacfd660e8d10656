"""Messages of single models that say what happened by numbers of their own: 95, A9, and 32 and 33 of 79 79."""

from collections.abc import Mapping
from types import MappingProxyType

from firmware_protocols.cursor import Cursor
from firmware_protocols.gt06.blocks import Gps, alarm_of, clock_time
from firmware_protocols.gt06.telling import Message, fix_of
from firmware_protocols.tracking import Sign, TrackerReport

CLOCK = 6
EVENTS: Mapping[int, Sign] = MappingProxyType(
    {
        0x01: Sign.SOS, 0x0E: Sign.LOW_POWER, 0x76: Sign.TEMPERATURE, 0x80: Sign.VIBRATION,
        0x87: Sign.OVERSPEED, 0x88: Sign.POWER_CUT, 0x90: Sign.HARD_ACCELERATION, 0x91: Sign.HARD_BRAKING,
        0x92: Sign.HARD_CORNERING, 0x93: Sign.ACCIDENT,
    }
)  # fmt: skip
JC400 = b"\xff\xff"  # the first bytes of its 95
AZ735: Mapping[int, Sign] = MappingProxyType(
    {0xA2: Sign.LOW_BATTERY, 0xA3: Sign.LOW_BATTERY, 0xA4: Sign.GENERAL, 0xA5: Sign.DOOR}
)


def event_of(message: Message) -> TrackerReport:
    """95: time, where there is one a position without satellites and speed, event, more.

    01 is SOS with a position; without one it says only that something happened.
    """
    read = Cursor(message.content)
    if message.content.startswith(JC400):
        return _jc400(message, read)
    time, fix = clock_time(read.take(CLOCK)), None
    if read.left > 2:
        fix = fix_of(Gps.of(time=time, place=read.take(8), speed_kmh=0, status=read.word()))
    event = read.byte()
    sign = Sign.GENERAL if fix is None and event == 1 else EVENTS.get(event)
    return message.report(
        fix=fix,
        time=time if fix is None else None,
        signs=frozenset() if sign is None else {sign},
        raw={"event": event},
    )


def _jc400(message: Message, read: Cursor) -> TrackerReport:
    """Version, time, satellites, place, status, km/h WORD, supply WORD in 0.1 V, event, more."""
    read.take(3)
    time, satellites, place, status = (
        clock_time(read.take(CLOCK)),
        read.byte() & 0xF,
        read.take(8),
        read.word(),
    )
    gps = Gps.of(time=time, satellites=satellites, place=place, status=status, speed_kmh=read.word())
    volts, event = read.word() / 10, read.byte()
    sign, raw = EVENTS.get(event), {"power_v": volts, "event": event}
    return message.report(fix=fix_of(gps), signs=frozenset() if sign is None else {sign}, raw=raw)


def az735(message: Message) -> TrackerReport:
    """32, 33: time, length and block of a position, length and block of a cell with signal, cells, networks, status."""
    read = Cursor(message.content)
    time, fix = clock_time(read.take(CLOCK)), None
    block = Cursor(read.take(read.byte()))
    if block.left:
        satellites, place, speed = block.byte() & 0xF, block.take(8), block.byte()
        fix = fix_of(
            Gps.of(time=time, satellites=satellites, place=place, speed_kmh=speed, status=block.word())
        )
    sign = AZ735.get(_status(read)) if message.number == 0x33 else None
    return message.report(
        fix=fix, time=time if fix is None else None, signs=frozenset() if sign is None else {sign}
    )


def _status(read: Cursor) -> int:
    cell = read.byte()  # counts itself
    if cell:
        read.take(cell)  # its rest, and the signal
    for _ in ("cells", "networks"):
        read.take(read.byte())
    return read.byte()


def wifi_alarm(message: Message) -> TrackerReport:
    """A9: time, MCC, MNC, kind, count of cells, timing advance, count of networks, alarm, language."""
    read = Cursor(message.content)
    time = clock_time(read.take(CLOCK))
    read.take(2 if read.word() >> 15 else 1)
    lte = read.byte() > 0
    read.take(read.byte() * (4 + 8 + 1 if lte else 2 + 3 + 1) + 1)
    read.take(read.byte() * (6 + 1))
    code = read.byte()
    return message.report(time=time, signs=alarm_of(code, read.byte()), raw={"alarm_code": code})
