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
        """Every byte of `data`, as lines and what is none. `direction` says nothing: only the converter speaks.

        What is wrong with a line stands in a field without bytes behind it: that may be shown where those may not.
        """
        del direction
        fields: list[Field] = []
        at = 0
        for one in self._found(data):
            if isinstance(one, Discarded):
                fields += _wrong(at, one.length, "no line", one.reason)
                at += one.length
            else:
                size = len(self._marks.to_bytes(one))
                fields += self._line(at, size, one.content)
                at += size
        return fields

    def _found(self, data: bytes) -> list[Line | Discarded]:
        decoder = LineDecoder(self._marks)
        return [*decoder.feed(data), *decoder.flush()]

    def _line(self, at: int, size: int, content: bytes) -> list[Field]:
        try:
            number = self._read(content)
        except RemoteProtocolError as exc:
            return _wrong(at, size, "badge", f"{exc.code}: {exc}")
        told = Field(at + size, 0, "understood", f"a badge of {len(number)} bits or characters")
        return [Field(at, size, "badge", number, personal=True), told]


def _wrong(at: int, size: int, name: str, why: str) -> list[Field]:
    return [
        Field(at, size, name, "not decoded", personal=True, wrong=True),
        Field(at + size, 0, "wrong", note=why, advice=ADVICE, wrong=True),
    ]
