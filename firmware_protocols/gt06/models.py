"""Layouts that single models have under everybody's numbers, told by start and size of the frame.

Each is from one source (the public decoder that published the frame), which is why nothing else is read into them.
A message of another size is read as its number says, or not at all.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import MappingProxyType

from firmware_protocols.cursor import Cursor
from firmware_protocols.gt06.blocks import GPS_SIZE, INFO_ALARMS, Gps, State, alarm_of, cell_of, clock_time
from firmware_protocols.gt06.events import az735, event_of, wifi_alarm
from firmware_protocols.gt06.modular import alarm_and_modules, state_and_modules
from firmware_protocols.gt06.telling import Message, fix_of, gps_raw
from firmware_protocols.tracking import Sign, TrackerReport

Reader = Callable[[Message], TrackerReport]
CELL = 8  # bytes: MCC, MNC, LAC, CID of 3
CELL_4G = 15  # MCC, MNC, LAC DWORD, CID of 8
BEHIND_CELL = GPS_SIZE + CELL


def _parts(message: Message) -> tuple[Gps, dict[str, object], Cursor]:
    """Of position and cell: the block, what is told of both as it stands, and what is behind them."""
    gps = Gps.from_bytes(message.content)
    cell = cell_of(message.content[GPS_SIZE:])
    raw = gps_raw(gps, message.content[GPS_SIZE:]) | ({} if cell is None else cell[0])
    return gps, raw, Cursor(message.content[BEHIND_CELL:])


def _vxt01(message: Message) -> TrackerReport:
    """12: info, in which 7 is not "taken off" but overspeed, supply WORD in 0.01 V, signal, one more."""
    gps, raw, read = _parts(message)
    info, volts = read.byte(), read.word()
    kind = info >> 3 & 7
    sign = Sign.OVERSPEED if kind == 7 else INFO_ALARMS.get(kind)
    return message.report(
        fix=fix_of(gps),
        signs=frozenset() if sign is None else {sign},
        charging=bool(info >> 2 & 1),
        raw={**raw, "power_v": volts / 100, "rssi": read.byte()},
    )


def _s5(message: Message) -> TrackerReport:
    """12: info, supply WORD in 0.01 V, signal, alarm, oil WORD, degrees Celsius, mileage DWORD in 10 m."""
    gps, raw, read = _parts(message)
    info, volts, signal, alarm = read.byte(), read.word(), read.byte(), read.byte()
    raw |= {
        "power_v": volts / 100,
        "rssi": signal,
        "oil": read.word(),
        "temperature_c": _signed(read.byte(), 7),
    }
    return message.report(
        fix=fix_of(gps),
        signs=State(info, 0, signal).signs | alarm_of(alarm),
        charging=bool(info >> 2 & 1),
        odometer_m=read.dword() * 10.0,
        raw=raw,
    )


def _card(message: Message) -> TrackerReport:
    """12: mileage DWORD in m, then the text of a licence, which is not looked at."""
    gps, raw, read = _parts(message)
    return message.report(fix=fix_of(gps), odometer_m=float(read.dword()), raw=raw)


def _weather(message: Message) -> TrackerReport:
    """22: the CID has 4 bytes; ignition, why, stored, mileage DWORD m, travelled DWORD s, 0.01 degrees, 0.01 %."""
    gps, raw, read = _parts(message)
    read.take(3)
    stored, odometer_m = read.byte() == 1, float(read.dword())
    read.dword()
    raw |= {"temperature_c": _signed(read.word(), 15) / 100, "humidity": read.word() / 100}
    return message.report(fix=fix_of(gps, archived=stored), odometer_m=odometer_m, raw=raw)


def _signed(value: int, bits: int) -> int:
    """A magnitude, and its sign in the bit above."""
    return -(value & (1 << bits) - 1) if value >> bits else value


def _obd(message: Message) -> TrackerReport:
    """13: info, satellites and signal in a WORD, alarm, language, battery %, mode, 0.01 V, …"""
    state, data = State(*message.content[:5]), message.content
    signal = int.from_bytes(data[1:3], "big")
    raw = {
        **state.raw(),
        "satellites": (signal >> 10 & 0x1F) + (signal >> 5 & 0x1F),
        "rssi": signal & 0x1F,
        "power_v": int.from_bytes(data[7:9], "big") / 100,
    }
    return message.report(signs=state.signs, battery_pct=_percent(data[5]), charging=state.charging, raw=raw)


def _cold_chain(message: Message) -> TrackerReport:
    """13: as `_obd`, but the first byte says something else; at the end 0.1 degrees, above zero with bit 15."""
    data = message.content
    raw = {**State(*data[:5]).raw(), "temperature_c": -_signed(int.from_bytes(data[14:16], "big"), 15) / 10}
    return message.report(signs=alarm_of(data[3]), battery_pct=_percent(data[5]), raw=raw)


def _percent(value: int) -> int | None:
    return value if value <= 100 else None


def _x1(message: Message) -> TrackerReport:
    """34: data and alarm DWORD, position, info WORD, mileage DWORD m, cell of 9, driver DWORD, two voltages."""
    read = Cursor(message.content)
    read.dword()
    gps = Gps.from_bytes(read.take(GPS_SIZE))
    read.word()
    odometer_m = float(read.dword())
    read.take(9 + 4)
    raw = {"battery_v": read.word() / 100, "power_v": read.word() / 100}
    return message.report(fix=fix_of(gps), odometer_m=odometer_m, raw={**gps_raw(gps, b""), **raw})


def _lw4g(message: Message) -> TrackerReport:
    """A2: position, 4G cell, network, info, supply 0.01 V, voltage, signal, alarm, language, mileage DWORD m, …"""
    read = Cursor(message.content)
    gps = Gps.from_bytes(read.take(GPS_SIZE))
    read.take(CELL_4G + 1)
    info, volts = read.byte(), read.word()
    state = State(info, *read.take(4))
    found = message.of_state(state, fix_of(gps), {**gps_raw(gps, b""), **state.raw(), "power_v": volts / 100})
    return replace(found, odometer_m=float(read.dword()))


def _info(message: Message) -> TrackerReport:
    """94: a number, then 00 supply in 0.01 V; 05 a time in newer models, and bits: 0 the door."""
    read = Cursor(message.content)
    match read.byte():
        case 0x00:
            return message.report(raw={"power_v": read.word() / 100})
        case 0x05:
            time = clock_time(read.take(6)) if read.left > 6 else None
            return message.report(time=time, raw={"door": bool(read.byte() & 1)})
    return message.report()


def _by_seconds(message: Message) -> TrackerReport:
    """F1, F2: seconds since 1970, then what its accessories say."""
    return message.report(time=datetime.fromtimestamp(Cursor(message.content).dword(), UTC))


def _charger(message: Message) -> TrackerReport:
    """23: bits 0 armed, 1 ignition, 2 charging; where they are there 0.01 V, signal."""
    read = Cursor(message.content)
    status = read.byte()
    raw: dict[str, object] = {"armed": bool(status & 1), "ignition": bool(status >> 1 & 1)}
    if read.left >= 2:
        raw["battery_v"] = read.word() / 100
    if read.left:
        raw["rssi"] = read.byte()
    return message.report(charging=bool(status >> 2 & 1), raw=raw)


def _cell_and_state(message: Message) -> TrackerReport:
    """19: a cell, then the state."""
    found = cell_of(message.content)
    state = None if found is None else State.from_bytes(message.content[found[1] :])
    return message.report() if state is None else message.of_state(state, None, state.raw())


@dataclass(frozen=True, slots=True)
class Model:
    """One layout."""

    number: int
    sizes: Collection[int]  # of the content
    read: Reader
    long: bool = False  # 79 79


SHORT, LONG = range(0x100), range(0x10000)
MODELS = (
    Model(0x12, {BEHIND_CELL + 5}, _vxt01),
    Model(0x12, {BEHIND_CELL + 12}, _s5),
    Model(0x12, range(108, 0x100), _card),
    Model(0x13, {14}, _obd),
    Model(0x13, {16}, _cold_chain),
    Model(0x19, range(11, 18), _cell_and_state),  # longer ones are cells
    Model(0x22, {42}, _weather),
    Model(0x23, range(1, 0x100), _charger),
    Model(0x32, LONG, az735, long=True),
    Model(0x33, LONG, az735, long=True),
    Model(0x34, range(51, 0x100), _x1),  # shorter ones are cells
    Model(0x36, SHORT, state_and_modules),
    Model(0x39, SHORT, alarm_and_modules),
    Model(0x94, LONG, _info, long=True),
    Model(0x95, SHORT, event_of),
    Model(0xA2, {59}, _lw4g),
    Model(0xA9, SHORT, wifi_alarm),
    Model(0xF1, LONG, _by_seconds, long=True),
    Model(0xF2, LONG, _by_seconds, long=True),
)


_BY_NUMBER: Mapping[tuple[int, bool], Sequence[Model]] = MappingProxyType(
    {
        key: tuple(one for one in MODELS if (one.number, one.long) == key)
        for key in {(one.number, one.long) for one in MODELS}
    }
)


def reader_of(message: Message) -> Reader | None:
    """Who reads a message that has the layout of a model."""
    for one in _BY_NUMBER.get((message.number, message.frame.long), ()):
        if len(message.content) in one.sizes:
            return one.read
    return None
