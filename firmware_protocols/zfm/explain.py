"""A dump of the module's line explained byte by byte, for a person.

Takes any bytes: packets of either direction, noise between them, packets cut off or damaged. Data packets are
templates or images and are never shown; passwords, notepads and what is not understood are hidden.
"""

from collections.abc import Iterator
from dataclasses import fields

from firmware_protocols.describing import Field
from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError
from firmware_protocols.zfm import vendor_commands as v
from firmware_protocols.zfm.confirm import Action, confirm_of
from firmware_protocols.zfm.family import Family
from firmware_protocols.zfm.messages import Message
from firmware_protocols.zfm.packet import (
    DEFAULT_ADDRESS,
    HEADER,
    MAX_LENGTH,
    MIN_LENGTH,
    PREFIX_SIZE,
    READY,
    SUM_SIZE,
    Packet,
    Pid,
    checksum,
)
from firmware_protocols.zfm.progress import enrol_step
from firmware_protocols.zfm.recognise import (
    DEFAULT_FAMILY,
    DIRECTIONS,
    answered_command,
    check_direction,
    commands_of,
)
from firmware_protocols.zfm.replies import (
    ANSWERS,
    EnrolProgress,
    IdentifyProgress,
    IndexTable,
    ProductInfo,
    ascii_text,
    parse_reply,
)

RESEND = "have it sent again; if it repeats, check cable, shielding and baud rate"
PID_NAMES = {
    Pid.COMMAND: "command, host -> module",
    Pid.ACKNOWLEDGE: "acknowledge, module -> host",
    Pid.DATA: "data, more follow",
    Pid.LAST_DATA: "data, the last",
}
SECRETS = frozenset({"password", "content"})
WORDS = {
    "control": v.AURA_CONTROLS,
    "mode": v.AURA_CONTROLS,
    "color": v.AURA_COLORS,
    "color_start": v.LED_COLORS,
    "color_end": v.LED_COLORS,
}


def explain(data: bytes, direction: str | None, family: Family | None) -> list[Field]:
    """Every byte of `data`, in order."""
    if direction is not None and direction not in DIRECTIONS:
        raise LocalProtocolError("direction", f"unknown direction; known are {' and '.join(DIRECTIONS)}")
    return list(_explain(data, direction, family))


def _explain(data: bytes, direction: str | None, family: Family | None) -> Iterator[Field]:
    at = 0
    while at < len(data):
        if data.startswith(HEADER, at):
            end = _packet_end(data, at)
            yield from _packet(data[at:end], at, direction, family)
        elif data[at] == READY:
            end = at + 1
            yield Field(at, 1, "ready", "55", "the module has started (上电握手)")
        else:
            end = _noise_end(data, at)
            yield Field(
                at, end - at, "noise", note="no header EF 01 in it", advice=RESEND, personal=True, wrong=True
            )
        at = end


def _noise_end(data: bytes, at: int) -> int:
    ends = [found for found in (data.find(HEADER, at + 1), data.find(READY, at + 1)) if found > 0]
    return min(ends, default=len(data))


def _packet_end(data: bytes, at: int) -> int:
    """Where the packet at `at` ends: by its length, unless that is wrong and another one begins sooner."""
    length = int.from_bytes(data[at + 7 : at + PREFIX_SIZE], "big")
    end = at + PREFIX_SIZE + length
    if MIN_LENGTH <= length <= MAX_LENGTH and end <= len(data):
        counted = data[at + 6 : end - SUM_SIZE]
        if checksum(counted) == int.from_bytes(data[end - SUM_SIZE : end], "big"):
            return end
    following = data.find(HEADER, at + len(HEADER))
    possible = end if MIN_LENGTH <= length <= MAX_LENGTH else len(data)
    return min(possible, len(data), following if following > 0 else len(data))


def _packet(whole: bytes, at: int, direction: str | None, family: Family | None) -> Iterator[Field]:
    yield Field(at, len(HEADER), "header", "EF 01", "begins every packet")
    try:
        packet = Packet.from_bytes(whole)
        check_direction(packet.pid, direction)
    except RemoteProtocolError as exc:
        yield Field(
            at + len(HEADER),
            len(whole) - len(HEADER),
            "packet",
            "not decoded",
            str(exc),
            RESEND,
            personal=True,
            wrong=True,
        )
        return
    own = "the default" if packet.address == DEFAULT_ADDRESS else "set for this module"
    yield Field(at + 2, 4, "address", f"{packet.address:08X}", own)
    yield Field(at + 6, 1, "identifier", PID_NAMES[packet.pid])
    yield Field(at + 7, 2, "length", str(len(packet.payload) + SUM_SIZE), "bytes that follow")
    yield from _payload(packet, at + PREFIX_SIZE, family)
    yield Field(at + len(whole) - SUM_SIZE, SUM_SIZE, "sum", "fits", "sum of identifier, length and payload")


def _payload(packet: Packet, at: int, family: Family | None) -> Iterator[Field]:
    match packet.pid:
        case Pid.COMMAND:
            yield from _command(packet, at, family)
        case Pid.ACKNOWLEDGE:
            yield from _reply(packet, at, family)
        case Pid.DATA | Pid.LAST_DATA:
            note = "part of a template or an image"
            yield Field(at, len(packet.payload), "data", "", note, personal=True, opaque=True)


def _command(packet: Packet, at: int, family: Family | None) -> Iterator[Field]:
    rest = len(packet.payload) - 1
    try:
        readings = commands_of(packet, family)
    except RemoteProtocolError as exc:
        yield Field(at, 1, "command", f"{packet.payload[0]:02X}", str(exc), RESEND, wrong=True)
        if rest:
            yield Field(at + 1, rest, "parameters", personal=True)
        return
    if not readings:
        yield Field(at, 1, "command", "unknown command", "未知指令")
        if rest:
            yield Field(at + 1, rest, "parameters", packet.payload[1:].hex(" "), personal=True)
        return
    _, command = readings[0]
    advice = ""
    if len(readings) > 1:
        advice = f"a module of family {readings[1][0]} understands {readings[1][1].NAME}: give the family"
    yield Field(at, 1, "command", command.NAME, command.LABEL_ZH, advice)
    yield from _fields(command, at + 1, rest)


def _reply(packet: Packet, at: int, family: Family | None) -> Iterator[Field]:
    confirm = confirm_of(family or DEFAULT_FAMILY, packet.payload[0])
    advice = "" if confirm.action is Action.OK else f"{confirm.action}: {confirm.advice}"
    yield Field(at, 1, "confirm code", confirm.meaning, confirm.meaning_zh, advice)
    data = packet.payload[1:]
    if not data:
        return
    command = answered_command(packet, family)
    if command is None:
        yield Field(at + 1, len(data), "data", data.hex(" "), "no reply known has this size", personal=True)
        return
    reply = parse_reply(command, packet)
    match reply:
        case EnrolProgress(_, step, item):
            yield Field(at + 1, 1, "step", str(step), enrol_step(family or DEFAULT_FAMILY, step))
            yield Field(at + 2, 1, "slot" if family is Family.GROW else "press", str(item))
        case IdentifyProgress():
            yield Field(at + 1, 1, "step", str(reply.step))
            yield Field(at + 2, 2, "slot", str(reply.page_id))
            yield Field(at + 4, 2, "score", str(reply.score))
        case IndexTable():
            note = "or a version, a chip number, a notepad: only who asked knows"
            shown = ", ".join(str(slot) for slot in sorted(reply.slots())) or "none"
            yield Field(at + 1, len(data), "slots taken", shown, note, personal=True)
        case Message():
            yield from _fields(reply, at + 1, len(data))
        case _:
            kind = ANSWERS.get(type(command))
            shown = "" if kind is None else str(int.from_bytes(data, "big"))
            yield Field(at + 1, len(data), "data", shown, "without meaning in a refusal")


def _fields(message: Message, at: int, present: int) -> Iterator[Field]:
    names = {one.name for one in fields(message)}
    start = at
    for name, size in message.sizes():
        if name in names and start + size <= at + present:
            yield _field(message, name, start, size)
            start += size
    if start < at + present:
        yield Field(start, at + present - start, "reserved", "", "without meaning")


def _field(message: Message, name: str, at: int, size: int) -> Field:
    value = getattr(message, name)
    if isinstance(value, bytes):
        text = ascii_text(value)
        if name == "hw_version" and isinstance(message, ProductInfo):
            text = f"{value[0]}.{value[1]}"
    else:
        text = WORDS.get(name, {}).get(value, str(value))
    return Field(at, size, name.replace("_", " "), text, personal=name in SECRETS)
