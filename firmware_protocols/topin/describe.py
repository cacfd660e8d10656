"""Frames of Topin for machines and people."""

from firmware_protocols.describing import Field, Json
from firmware_protocols.framing import Discarded
from firmware_protocols.topin.frames import Decoder, Frame
from firmware_protocols.topin.reports import report_of
from firmware_protocols.tracker_describing import described, lifted
from firmware_protocols.tracker_explaining import Part, explained, summary


def decode(data: bytes, direction: str | None) -> Json:  # noqa: ARG001 - both ways look the same
    """The keys of exactly one frame; one whose length is none too, which `frame` says."""
    frame = Frame.from_bytes(data)
    return lifted(described([report_of(frame)], frame_facts(frame)))


def frame_facts(frame: Frame) -> dict[str, object]:
    """What the frame says of itself."""
    return {"length": frame.length, "length_ok": frame.length_ok, "cmd": f"0x{frame.number:02X}"}


def explain(data: bytes, direction: str | None) -> list[Field]:  # noqa: ARG001 - both ways look the same
    """Every byte, frame by frame."""
    decoder = Decoder()
    found: list[Frame | Discarded] = [*decoder.feed(data), *decoder.flush()]
    return explained(found, _parts)


def _parts(frame: Frame) -> list[Part]:
    length = "" if frame.length_ok else f", length {frame.length} for {len(frame.content)} bytes"
    told = described([report_of(frame)], {})
    return [
        Part(4, "header", f"0x{frame.number:02X}{length}"),
        Part(len(frame.content), "content", summary(told), personal=True),
        Part(2, "end"),
    ]
