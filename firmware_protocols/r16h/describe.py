"""Frames of the ankle bracelet for machines and people."""

from firmware_protocols.describing import Field, Json
from firmware_protocols.r16h.frames import Decoder, Frame
from firmware_protocols.r16h.reports import report_of
from firmware_protocols.tracker_describing import described
from firmware_protocols.tracker_explaining import Part, explained, summary


def decode(data: bytes, direction: str | None) -> Json:  # noqa: ARG001 - both ways look the same
    """The keys of exactly one frame."""
    frame = Frame.from_bytes(data)
    return described([report_of(frame)], {"type": frame.kind, "device_id": frame.imei})


def explain(data: bytes, direction: str | None) -> list[Field]:  # noqa: ARG001 - both ways look the same
    """Every byte, frame by frame."""
    decoder = Decoder()
    return explained([*decoder.feed(data), *decoder.flush()], _parts)


def _parts(frame: Frame) -> list[Part]:
    head = 1 + len(frame.kind) + 1 + len(frame.imei)
    rest = len(frame.to_bytes()) - head - 1
    told = described([report_of(frame)], {})
    return [
        Part(head, "header", f"{frame.kind} {frame.imei}"),
        Part(rest, "data", summary(told), personal=True),
        Part(1, "end"),
    ]
