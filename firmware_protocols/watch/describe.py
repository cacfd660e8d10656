"""Frames of the bracket protocol for machines and people."""

from firmware_protocols.describing import Field, Json
from firmware_protocols.tracker_describing import described
from firmware_protocols.tracker_explaining import Part, explained, summary
from firmware_protocols.watch.frames import Decoder, Frame
from firmware_protocols.watch.messages import Message
from firmware_protocols.watch.reports import report_of


def decode(data: bytes, direction: str | None) -> Json:  # noqa: ARG001 - both ways look the same
    """The keys of exactly one frame, of either direction."""
    frame = Frame.from_bytes(data)
    told = described([report_of(frame)], frame_facts(frame))
    heart = told["raw"]
    if isinstance(heart, dict) and "heart_rate" in heart:
        told["heart_rate"] = heart["heart_rate"]
    return told


def frame_facts(frame: Frame) -> dict[str, object]:
    """What the frame says of itself."""
    return {
        "manufacturer": frame.manufacturer,
        "device_id": frame.device_id,
        "serial": frame.serial,
        "length": frame.length,
        "length_ok": frame.length_ok,
        "cmd": Message.from_content(frame.content).cmd,
    }


def explain(data: bytes, direction: str | None) -> list[Field]:  # noqa: ARG001 - both ways look the same
    """Every byte, frame by frame."""
    decoder = Decoder()
    return explained([*decoder.feed(data), *decoder.flush()], _parts)


def _parts(frame: Frame) -> list[Part]:
    size = len(frame.to_bytes())
    facts = frame_facts(frame)
    length = "" if frame.length_ok else f", length {frame.length} where {len(frame.content)} bytes are"
    told = described([report_of(frame)], facts)
    return [
        Part(size - len(frame.content) - 1, "header", f"{frame.manufacturer} {frame.device_id}{length}"),
        Part(len(frame.content), str(facts["cmd"]), summary(told), personal=True),
        Part(1, "end"),
    ]
