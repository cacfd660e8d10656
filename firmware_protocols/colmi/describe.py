"""Frames by name and key. Of a command that both sides send with other contents, the band's side is read."""

from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType

from firmware_protocols.colmi.frames import SIZE, Frame
from firmware_protocols.describing import Field, Json
from firmware_protocols.errors import RemoteProtocolError

NO_DATA, HEADER = 0xFF, 0xF0
ON = 1
NAMES: Mapping[int, str] = MappingProxyType(
    {
        0x01: "set time",
        0x03: "battery",
        0x15: "heart rate log",
        0x16: "heart rate settings",
        0x43: "steps",
        0x69: "start real time",
        0x6A: "stop real time",
    }
)


def _decimal(byte: int) -> int:
    """Two decimal digits in a byte."""
    if byte >> 4 > 9 or byte & 0xF > 9:
        raise RemoteProtocolError("time", "digits that are none")
    return (byte >> 4) * 10 + (byte & 0xF)


def _time(data: bytes) -> Json:
    year, month, day, hour, minute, second = (_decimal(one) for one in data[:6])
    try:
        moment = datetime(2000 + year, month, day, hour, minute, second)  # noqa: DTZ001 - as sent
    except ValueError:
        raise RemoteProtocolError("time", "no date and time") from None
    return {"time": f"{moment.isoformat()}Z", "language": data[6]}


def _battery(data: bytes) -> Json:
    return {"battery": data[0], "charging": bool(data[1])}


def _log(data: bytes) -> Json:
    sub = data[0]
    if sub == NO_DATA:
        return {"sub": sub, "no_data": True}
    if sub == 0:
        return {"sub": sub, "packets": data[1], "interval_min": data[2]}
    if sub == 1:
        start, values = int.from_bytes(data[1:5], "little"), data[5:]
        return {"sub": sub, "start": start, "nonzero": [one for one in values if one]}
    return {"sub": sub, "nonzero": [one for one in data[1:] if one]}


def _settings(data: bytes) -> Json:
    return {"enabled": data[1] == ON, "interval_min": data[2]}


def _steps(data: bytes) -> Json:
    if data[0] == NO_DATA:
        return {"no_data": True}
    if data[0] == HEADER:
        return {"packets": data[1]}
    year, month, day = (_decimal(one) for one in data[:3])
    found: Json = {"date": f"{2000 + year}-{month:02}-{day:02}", "quarter": data[3]}
    for name, at in (("calories", 6), ("steps", 8), ("distance_m", 10)):
        found[name] = int.from_bytes(data[at : at + 2], "little")
    return found


def _real_time(data: bytes) -> Json:
    return {"kind": data[0], "error": data[1], "heart_rate": data[2]}


READERS: Mapping[int, Callable[[bytes], Json]] = MappingProxyType(
    {0x01: _time, 0x03: _battery, 0x15: _log, 0x16: _settings, 0x43: _steps, 0x69: _real_time}
)


def decode(data: bytes, direction: str | None) -> Json:
    """The keys of exactly one frame. Codes: length, checksum, time."""
    del direction
    frame = Frame.from_bytes(data)
    found: Json = {
        "cmd": frame.command,
        "name": NAMES.get(frame.command, "unknown"),
        "refused": frame.refused,
    }
    reader = READERS.get(frame.command)
    if frame.refused or reader is None:
        return {**found, "data": frame.data.hex()}
    return {**found, **reader(frame.data)}


def explain(data: bytes, direction: str | None) -> list[Field]:
    """Every byte of `data`: frames of 16 bytes, one behind the other."""
    del direction
    return [one for at in range(0, len(data), SIZE) for one in _fields(data[at : at + SIZE], at)]


def _fields(raw: bytes, at: int) -> list[Field]:
    try:
        found = decode(raw, None)
    except RemoteProtocolError as exc:
        advice = "have it sent again; if it repeats, another kind of band speaks here"
        return [Field(at, len(raw), "frame", "not decoded", str(exc), advice, personal=True, wrong=True)]
    name = f"{found.pop('cmd'):02X} {found.pop('name')}"
    note = "refused by the band" if found.pop("refused") else ""
    value = ", ".join(f"{key} {it}" for key, it in found.items())
    return [
        Field(at, 1, "command", name, note),
        Field(at + 1, SIZE - 2, "data", value, personal=True),
        Field(at + SIZE - 1, 1, "sum", "fits"),
    ]
