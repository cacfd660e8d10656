"""Frames of the wristband for machines and people."""

from firmware_protocols.describing import Field, Json
from firmware_protocols.framing import Discarded
from firmware_protocols.tracker_describing import described, lifted
from firmware_protocols.tracker_explaining import Part, explained, summary
from firmware_protocols.wristband_yx.frames import END, HEAD, START, Decoder, Frame
from firmware_protocols.wristband_yx.reports import reports_of


def decode(data: bytes, direction: str | None) -> Json:  # noqa: ARG001 - both ways look the same
    """The keys of exactly one frame; one with a wrong length too, which `frame` says."""
    frame = Frame.from_bytes(data)
    return lifted(described(reports_of(frame), frame_facts(frame)))


def frame_facts(frame: Frame) -> dict[str, object]:
    """What the frame says of itself."""
    return {
        "head": START.hex(),
        "length": frame.length,
        "length_ok": frame.length_ok,
        "tail": END.hex(),
        "imei": frame.imei,
        "version": frame.version,
        "model": frame.model,
        "cmd": f"F{frame.function}",
    }


def explain(data: bytes, direction: str | None) -> list[Field]:  # noqa: ARG001 - both ways look the same
    """Every byte, frame by frame."""
    decoder = Decoder()
    found: list[Frame | Discarded] = [*decoder.feed(data), *decoder.flush()]
    return explained(found, _parts)


def _parts(frame: Frame) -> list[Part]:
    length = "" if frame.length_ok else f"length {frame.length} for {len(frame.text)} bytes"
    told = summary(described(reports_of(frame), {}))
    return [
        Part(HEAD, "start, length", length, wrong=not frame.length_ok),
        Part(len(frame.text), f"F{frame.function}", told, personal=True),
        Part(len(END), "end"),
    ]
