"""Frames of H02 for machines and people."""

from firmware_protocols.describing import Field, Json
from firmware_protocols.framing import Discarded
from firmware_protocols.h02.frames import Binary, Decoder, Frame, Text, from_bytes
from firmware_protocols.h02.reports import report_of
from firmware_protocols.tracker_describing import described
from firmware_protocols.tracker_explaining import Part, explained, summary


def decode(data: bytes, direction: str | None) -> Json:  # noqa: ARG001 - both ways look the same
    """The keys of exactly one frame."""
    frame = from_bytes(data)
    report = report_of(frame)
    told: Json = {"device_id": None, **described([report], frame_facts(frame))}
    if report.fix is None and report.raw.get("satellites") is not None:
        told["satellites"] = report.raw["satellites"]
    return told


def frame_facts(frame: Frame) -> dict[str, object]:
    """What the frame says of itself."""
    if isinstance(frame, Text):
        return {
            "kind": "text", "manufacturer": frame.manufacturer, "device_id": frame.device_id, "cmd": frame.cmd,
        }  # fmt: skip
    if isinstance(frame, Binary):
        return {"kind": "binary", "device_id": frame.device_id, "length": len(frame.data)}
    raise TypeError("a frame of H02 is text or binary")


def explain(data: bytes, direction: str | None) -> list[Field]:  # noqa: ARG001 - both ways look the same
    """Every byte, frame by frame."""
    decoder = Decoder()
    found: list[Frame | Discarded] = [*decoder.feed(data), *decoder.flush()]
    return explained(found, _parts)


def _parts(frame: Frame) -> list[Part]:
    facts, size = frame_facts(frame), len(frame.to_bytes())
    value = summary(described([report_of(frame)], {}))
    if isinstance(frame, Binary):
        head, end, name = size - len(frame.body), 0, "binary"
    else:
        name = str(facts["cmd"])
        head, end = 4 + len(str(facts["device_id"])) + 1 + len(name), 1
    return [
        Part(head, "header", f"{name} of {facts['device_id']}"),
        Part(size - head - end, "fields", value, personal=True),
        *([Part(1, "end")] if end else []),
    ]
