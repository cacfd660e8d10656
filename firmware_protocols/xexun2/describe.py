"""Frames of xexun2 for machines and people."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from firmware_protocols.describing import Field, Json
from firmware_protocols.errors import RemoteProtocolError
from firmware_protocols.framing import Discarded
from firmware_protocols.tracker_describing import described, described_records
from firmware_protocols.tracker_explaining import Part, explained, summary
from firmware_protocols.xexun2.frames import FLAG, Decoder, Frame, escaped
from firmware_protocols.xexun2.reports import reports_of


def decode(data: bytes, direction: str | None) -> Json:  # noqa: ARG001 - both ways look the same
    """The keys of exactly one frame, one with a wrong length or checksum too, which `frame` says."""
    frame = Frame.from_bytes(data)
    return described_records(reports_of(frame), frame_facts(frame))


def frame_facts(frame: Frame) -> dict[str, object]:
    """What the frame says of itself."""
    return {
        "msg": f"0x{frame.msg:04X}",
        "serial": frame.serial,
        "imei": frame.imei,
        "length": frame.claimed,
        "length_ok": frame.length_ok,
        "checksum_ok": frame.check_ok,
    }


def explain(data: bytes, direction: str | None) -> list[Field]:  # noqa: ARG001 - both ways look the same
    """Every byte, frame by frame; of one that stands alone also where its length or checksum is wrong."""
    found: list[Frame | Discarded]
    try:
        found = [Frame.from_bytes(data)]
    except RemoteProtocolError:
        decoder = Decoder()
        found = [*decoder.feed(data), *decoder.flush()]
    return explained(_with_flags(found, data), lambda one: one)


def _with_flags(found: Iterable[Frame | Discarded], data: bytes) -> Iterator[list[Part] | Discarded]:
    """A flag that ended a frame is not shown again where it begins the next."""
    at = 0
    for one in found:
        if isinstance(one, Discarded):
            at += one.length
            yield one
            continue
        flag, inside, end = _parts(one)
        if data[at : at + len(FLAG)] == FLAG:
            parts = [flag, inside, end]
        else:
            parts = [replace(inside, value=f"{flag.value}, {inside.value}", wrong=flag.wrong), end]
        at += sum(part.length for part in parts)
        yield parts


def _parts(frame: Frame) -> list[Part]:
    sound = frame.length_ok and frame.check_ok
    wrong = (
        ""
        if sound
        else f"; length {frame.claimed}, checksum {frame.check or 0:04x} where {frame.computed:04x} is right"
    )
    reports = reports_of(frame)
    told = summary(described(reports, {})) if len(reports) == 1 else f"{len(reports)} records"
    name = f"type {frame.msg:04X}, serial {frame.serial}{wrong}"
    size = len(escaped(frame.content))
    return [
        Part(len(FLAG), "flag", name, wrong=not sound),
        Part(size, "head and payload", told, personal=True),
        Part(len(FLAG), "flag"),
    ]
