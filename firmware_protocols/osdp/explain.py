"""A dump of the bus explained byte by byte, for a person.

Takes any bytes: frames of both directions, noise between them, frames cut off or damaged.
What is not understood counts as personal; templates and keys are never shown.
"""

from collections.abc import Iterator

from firmware_protocols.describing import Field, Json
from firmware_protocols.errors import RemoteProtocolError
from firmware_protocols.framing import Discarded
from firmware_protocols.osdp.catalogue import Other, parse_command, parse_reply
from firmware_protocols.osdp.codes import name_of
from firmware_protocols.osdp.decoder import AnyDecoder
from firmware_protocols.osdp.frames import EVERYBODY, HEADER_SIZE, Frame
from firmware_protocols.osdp.recognise import DATA, check_direction, goes_wrong_way
from firmware_protocols.osdp.replies import Nak
from firmware_protocols.osdp.telling import PERSONAL, WITHHELD, told

RESEND = "have it sent again; if it repeats, check cable, termination and baud rate"
REASONS = {
    "noise": "no frame begins here",
    "control": "a control byte with bits that have no meaning",
    "length": "a length that cannot be",
    "security_block": "a security block that is not known",
    "checksum": "the check does not fit",
    "truncated": "cut off",
}


def explain(data: bytes, direction: str | None) -> list[Field]:
    """Every byte of `data`, in order."""
    check_direction(direction)
    if direction == DATA:
        return (
            [Field(0, len(data), "data", f"{len(data)} bytes without a frame", opaque=True)] if data else []
        )
    return list(_walk(data, direction))


def _walk(data: bytes, direction: str | None) -> Iterator[Field]:
    decoder = AnyDecoder()
    at = 0
    for found in [*decoder.feed(data), *decoder.flush()]:
        if isinstance(found, Discarded):
            note = REASONS.get(found.reason, found.reason)
            yield Field(at, found.length, "noise", found.reason, note, RESEND, personal=True, wrong=True)
            at += found.length
        else:
            yield from _frame(found, at, direction)
            at += len(found.to_bytes())


def _frame(frame: Frame, at: int, direction: str | None) -> Iterator[Field]:
    if frame.mark:
        yield Field(at, 1, "mark", note="lets receivers settle; not counted")
        at += 1
    size = len(frame.to_bytes()) - frame.mark
    yield Field(at, 1, "start", "53", "begins every frame")
    way = "reader -> panel" if frame.reply else "panel -> reader"
    place = "everybody" if frame.address == EVERYBODY else str(frame.address)
    wrong = goes_wrong_way(frame, direction)
    yield Field(at + 1, 1, "address", place, "goes the other way" if wrong else way, wrong=wrong)
    yield Field(at + 2, 2, "length", str(size), "from 53 to the check")
    yield Field(at + 4, 1, "control", f"sequence {frame.sequence}", f"check: {frame.check}")
    at += HEADER_SIZE
    if frame.security is not None:
        block = frame.security.to_bytes()
        yield Field(at, len(block), "security block", block.hex(" "), _secured(frame))
        at += len(block)
    yield Field(at, 1, "code", name_of(frame.code, reply=frame.reply), f"{frame.code:02X}")
    yield from _data(frame, at + 1)
    at += 1 + len(frame.data)
    if frame.mac:
        yield Field(
            at, len(frame.mac), "MAC", frame.mac.hex(), "only who has the keys can tell whether it fits"
        )
        at += len(frame.mac)
    yield Field(at, frame.check.size, "check", "fits", str(frame.check))


def _secured(frame: Frame) -> str:
    block = frame.security
    if block is None or block.value is not None:
        return "handshake of the secure channel"
    return "data encrypted, and a MAC" if block.is_sealed else "data in clear, and a MAC"


def _data(frame: Frame, at: int) -> Iterator[Field]:
    size = len(frame.data)
    if not size:
        return
    if frame.security is not None and frame.security.is_sealed:
        yield Field(
            at, size, "data", f"{size} bytes, encrypted", "decoded where the keys are known", opaque=True
        )
        return
    try:
        message = (parse_reply if frame.reply else parse_command)(frame.code, frame.data)
    except RemoteProtocolError as exc:
        yield Field(at, size, "data", "not decoded", str(exc), RESEND, personal=True, wrong=True)
        return
    hidden = isinstance(message, WITHHELD)
    personal = hidden or isinstance(message, (*PERSONAL, Other))
    note = str(told(message)["meaning"]) if isinstance(message, Nak) else ""
    yield Field(at, size, "data", _words(told(message), frame), note, personal=personal, opaque=hidden)


def _words(keys: Json, frame: Frame) -> str:
    words = ", ".join(f"{name} {value}" for name, value in keys.items() if name != "meaning")
    return words or frame.data.hex(" ")
