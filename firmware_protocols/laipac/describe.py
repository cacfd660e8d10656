"""Lines of the bracelet for machines and people."""

from dataclasses import replace

from firmware_protocols.describing import Field, Json
from firmware_protocols.framing import Discarded
from firmware_protocols.laipac.frames import LINE_END, Decoder, Frame
from firmware_protocols.laipac.reports import report_of
from firmware_protocols.tracker_describing import described, lifted
from firmware_protocols.tracker_explaining import Part, explained, summary


def decode(data: bytes, direction: str | None) -> Json:  # noqa: ARG001 - both ways look the same
    """The keys of exactly one line; one with a wrong check too, which `frame` says."""
    frame = Frame.from_bytes(data)
    return lifted(described([report_of(frame)], frame_facts(frame)))


def frame_facts(frame: Frame) -> dict[str, object]:
    """What the line says of itself."""
    return {
        "word": frame.word,
        "checksum_ok": frame.sound,
        "checksum_in_frame": (frame.check or frame.computed).lower(),
        "checksum_computed": frame.computed.lower(),
    }


def explain(data: bytes, direction: str | None) -> list[Field]:  # noqa: ARG001 - both ways look the same
    """Every byte, line by line."""
    decoder = Decoder()
    found: list[Frame | Discarded] = [*decoder.feed(data), *decoder.flush()]
    return [
        replace(one, name="line end", note="", wrong=False) if one.wrong and one.note == LINE_END else one
        for one in explained(found, _parts)
    ]


def _parts(frame: Frame) -> list[Part]:
    head, size = 1 + len(frame.word), len(frame.to_bytes())
    check = "" if frame.sound else f"{frame.check} where {frame.computed} is right"
    told = summary(described([report_of(frame)], {}))
    return [
        Part(head, "word", frame.word),
        Part(size - head - 3, "fields", told, personal=True),
        Part(3, "check", check, wrong=not frame.sound),
    ]
