"""Lines of a converter for a person, by the marks and the content that were configured for it."""

from collections.abc import Callable

from firmware_protocols.describing import Field, Json
from firmware_protocols.errors import RemoteProtocolError
from firmware_protocols.framing import Discarded
from firmware_protocols.wiegand.lines import Line, LineDecoder, Marks

ADVICE = "present the badge again; if it repeats, check baud rate, `line` and `content` of the device"


class LinesDescriber:
    """A `Describer` of one converter."""

    def __init__(self, marks: Marks, read: Callable[[bytes], str]) -> None:
        """`read`: what a content says; raises `RemoteProtocolError`."""
        self._marks = marks
        self._read = read

    def decode(self, data: bytes, direction: str | None) -> Json:
        """The keys of exactly one line."""
        del direction
        found = self._found(data)
        if len(found) != 1 or isinstance(found[0], Discarded):
            raise RemoteProtocolError("length", "not exactly one line")
        return {"name": "badge", "number": self._read(found[0].content)}

    def explain(self, data: bytes, direction: str | None) -> list[Field]:
        """Every byte of `data`, as lines and what is none. `direction` says nothing: only the converter speaks."""
        del direction
        fields: list[Field] = []
        at = 0
        for one in self._found(data):
            if isinstance(one, Discarded):
                fields.append(Field(at, one.length, one.reason, personal=True, advice=ADVICE, wrong=True))
                at += one.length
            else:
                size = len(self._marks.to_bytes(one))
                fields.append(self._line(at, size, one.content))
                at += size
        return fields

    def _found(self, data: bytes) -> list[Line | Discarded]:
        decoder = LineDecoder(self._marks)
        return [*decoder.feed(data), *decoder.flush()]

    def _line(self, at: int, size: int, content: bytes) -> Field:
        try:
            number = self._read(content)
        except RemoteProtocolError as exc:
            return Field(at, size, "badge", "not decoded", str(exc), ADVICE, personal=True, wrong=True)
        return Field(at, size, "badge", number, f"{len(number)} bits or characters", personal=True)
