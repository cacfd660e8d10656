"""Messages of the watch for machines and people."""

from firmware_protocols.describing import Field, Json
from firmware_protocols.framing import Discarded
from firmware_protocols.pt60.frames import END, MARK, Decoder, Frame
from firmware_protocols.pt60.reports import TYPE, report_of
from firmware_protocols.text_values import pair
from firmware_protocols.tracker_describing import described, lifted
from firmware_protocols.tracker_explaining import Part, explained, summary


def decode(data: bytes, direction: str | None) -> Json:  # noqa: ARG001 - both ways look the same
    """The keys of exactly one message, with its end or without."""
    frame = Frame.from_bytes(data)
    return lifted(described([report_of(frame)], frame_facts(frame)))


def frame_facts(frame: Frame) -> dict[str, object]:
    """What the message says of itself."""
    return {"form": frame.form, "type": pair(list(frame.fields), TYPE), "ended": frame.ended}


def explain(data: bytes, direction: str | None) -> list[Field]:  # noqa: ARG001 - both ways look the same
    """Every byte, message by message."""
    decoder = Decoder()
    found: list[Frame | Discarded] = [*decoder.feed(data), *decoder.flush()]
    return explained(found, _parts)


def _parts(frame: Frame) -> list[Part]:
    told, end = summary(described([report_of(frame)], {})), len(END[frame.form]) if frame.ended else 0
    return [
        Part(MARK, "head", f"form {frame.form}"),
        Part(len(frame.to_bytes()) - MARK - end, "fields", told, personal=True),
        *([Part(end, "end")] if end else []),
    ]
