"""Frames of GT06 for machines and people."""

from firmware_protocols.describing import Field, Json
from firmware_protocols.framing import Discarded
from firmware_protocols.gt06.frames import Decoder, Frame
from firmware_protocols.gt06.reports import report_of
from firmware_protocols.tracker_describing import described, lifted
from firmware_protocols.tracker_explaining import Part, explained, summary


def decode(data: bytes, direction: str | None) -> Json:  # noqa: ARG001 - both ways look the same
    """The keys of exactly one frame; one with a wrong length or CRC too, which `frame` says."""
    frame = Frame.from_bytes(data)
    return lifted(described([report_of(frame)], frame_facts(frame)))


def frame_facts(frame: Frame) -> dict[str, object]:
    """What the frame says of itself."""
    return {
        "start": "7979" if frame.long else "7878",
        "length": frame.length,
        "length_ok": frame.length_ok,
        "proto": f"0x{frame.number:02X}",
        "serial": frame.serial,
        "checksum_ok": frame.crc == frame.computed,
        "checksum_in_frame": f"{frame.crc or 0:04x}",
        "checksum_computed": f"{frame.computed:04x}",
    }


def explain(data: bytes, direction: str | None) -> list[Field]:  # noqa: ARG001 - both ways look the same
    """Every byte, frame by frame."""
    decoder = Decoder()
    found: list[Frame | Discarded] = [*decoder.feed(data), *decoder.flush()]
    return explained(found, _parts)


def _parts(frame: Frame) -> list[Part]:
    head = 5 if frame.long else 4
    wrong = (
        ""
        if frame.sound
        else f"; length {frame.length}, CRC {frame.crc:04x} where {frame.computed:04x} is right"
    )
    told = described([report_of(frame)], {})
    return [
        Part(head, "header", f"0x{frame.number:02X}, serial {frame.serial}{wrong}", wrong=not frame.sound),
        Part(len(frame.content), "content", summary(told), personal=True),
        Part(6, "serial, CRC, end"),
    ]
