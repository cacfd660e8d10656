"""Messages of TRV and IW for machines and people."""

from firmware_protocols.describing import Field, Json
from firmware_protocols.framing import Discarded
from firmware_protocols.tracker_describing import described, lifted
from firmware_protocols.tracker_explaining import Part, explained, summary
from firmware_protocols.trv.frames import Decoder, Frame
from firmware_protocols.trv.reports import report_of


def decode(data: bytes, direction: str | None) -> Json:  # noqa: ARG001 - both ways look the same
    """The keys of exactly one message, with its # or without."""
    frame = Frame.from_bytes(data)
    return lifted(described([report_of(frame)], frame_facts(frame)))


def frame_facts(frame: Frame) -> dict[str, object]:
    """What the message says of itself."""
    return {"maker": frame.maker, "cmd": frame.word, "ended": frame.ended}


def explain(data: bytes, direction: str | None) -> list[Field]:  # noqa: ARG001 - both ways look the same
    """Every byte, message by message."""
    decoder = Decoder()
    found: list[Frame | Discarded] = [*decoder.feed(data), *decoder.flush()]
    return explained(found, _parts)


def _parts(frame: Frame) -> list[Part]:
    told = summary(described([report_of(frame)], {}))
    return [
        Part(len(frame.maker) + len(frame.word), "word", f"{frame.maker} {frame.word}"),
        Part(len(frame.body), "text", told, personal=True),
        *([Part(1, "end")] if frame.ended else []),
    ]
