"""One bracelet on one line: what is acknowledged, what is echoed, and what it can be told."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from types import MappingProxyType

from firmware_protocols.errors import LocalProtocolError
from firmware_protocols.framing import Discarded
from firmware_protocols.laipac.frames import LINE_END, Decoder, Frame
from firmware_protocols.laipac.reports import ECHO, POSITION, report_of
from firmware_protocols.text_values import pair
from firmware_protocols.tracking import Heard, Order

PASSWORD = "00000000"  # noqa: S105 - as the bracelet leaves the factory
# Event -> letter by which it is told that its alarm arrived.
SETTLED: Mapping[str, str] = MappingProxyType(
    {"3": "d", "S": "t", "T": "t", "X": "x", "4": "x", "Y": "y", "Z": "z", "M": "m"}
)


class LaipacConversation:
    """`tracking.Conversation`."""

    def __init__(self, *, password: str = PASSWORD) -> None:
        self.device_id: str | None = None
        self._password = password
        self._decoder = Decoder()

    def feed(self, data: bytes, now: datetime) -> Iterator[Heard | Discarded]:  # noqa: ARG002 - no answer tells the time
        """What came."""
        return self._heard(self._decoder.feed(data))

    def flush(self) -> Iterator[Heard | Discarded]:
        """A line that was not finished."""
        return self._heard(self._decoder.flush())

    def order(self, order: Order, value: int | str | None, now: datetime) -> bytes:  # noqa: ARG002 - no time in it
        """`tracking.Conversation`. The forms are those of one source; no line of them was seen."""
        if self.device_id is None:
            raise LocalProtocolError("not_known", "the bracelet has not said who it is")
        match order:
            case Order.LOCATE:
                return Frame("AVREQ", (self._password, "1")).to_line()
            case Order.RESTART:
                return Frame("AVRESET", (self.device_id, self._password)).to_line()
        raise LocalProtocolError("unsupported", f"this bracelet knows no order {order}")

    def _heard(self, found: Iterator[Frame | Discarded]) -> Iterator[Heard | Discarded]:
        for one in found:
            if isinstance(one, Discarded):
                if one.reason != LINE_END:
                    yield one
                continue
            if not one.sound:
                data = one.to_bytes()
                yield Discarded("checksum", len(data), data)
                continue
            report = report_of(one)
            self.device_id = report.device_id or self.device_id
            yield Heard((report,), self._answer(one))

    def _answer(self, frame: Frame) -> bytes:
        if frame.word == ECHO:
            return frame.to_line()
        if frame.word != POSITION:
            return b""
        status, event = pair(list(frame.fields), 2), pair(list(frame.fields), 10)
        answer = b""
        if status.islower():
            answer = Frame("EAVACK", (event, frame.check or frame.computed)).to_line()
        if event in SETTLED:
            answer += Frame("AVCFG", (self._password, SETTLED[event])).to_line()
        return answer


def handshake() -> bytes:
    """Asks a bracelet that has just called who it is; it answers with AVSYS."""
    return Frame("AVREQ", ("?",)).to_line()
