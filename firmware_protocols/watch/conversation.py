"""One watch on one line: what it is answered, and what it can be told.

Positions are not answered; links, alarms and questions are. Every answer carries the watch's own letters and id.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime

from firmware_protocols.errors import LocalProtocolError
from firmware_protocols.framing import Discarded
from firmware_protocols.tracking import Heard, Order
from firmware_protocols.watch.frames import Decoder, Frame
from firmware_protocols.watch.messages import Message
from firmware_protocols.watch.reports import report_of

# Word without its network -> the answer's content; None: the same word.
ANSWERS: Mapping[str, str | None] = {
    "LK": None, "AL": None, "TKQ": None, "TKQ2": None, "INIT": "INIT,1", "JXTK": "JXTKR,1",
}  # fmt: skip
SHORTEST_S, LONGEST_S = 10, 65_535
MOST_TEXT = 200  # characters of a message


class WatchConversation:
    """`tracking.Conversation`."""

    def __init__(self) -> None:
        self.device_id: str | None = None
        self._manufacturer = ""
        self._decoder = Decoder()

    def feed(self, data: bytes, now: datetime) -> Iterator[Heard | Discarded]:  # noqa: ARG002 - no answer tells the time
        """Nothing that is said here depends on the time."""
        for found in self._decoder.feed(data):
            yield found if isinstance(found, Discarded) else self._heard(found)

    def flush(self) -> Iterator[Heard | Discarded]:
        """One that claimed more than came is heard now."""
        for found in self._decoder.flush():
            yield found if isinstance(found, Discarded) else self._heard(found)

    def _heard(self, frame: Frame) -> Heard:
        self.device_id, self._manufacturer = frame.device_id, frame.manufacturer
        word = Message.from_content(frame.content).base
        if word not in ANSWERS:
            return Heard((report_of(frame),))
        content = ANSWERS[word] or word
        answer = Frame(frame.manufacturer, frame.device_id, content.encode(), frame.serial)
        return Heard((report_of(frame),), answer.to_bytes())

    def order(self, order: Order, value: int | str | None, now: datetime) -> bytes:  # noqa: ARG002 - no order either
        """`tracking.Conversation`."""
        if self.device_id is None:
            raise LocalProtocolError("not_known", "the watch has not said who it is")
        return Frame(self._manufacturer, self.device_id, content_of(order, value)).to_bytes()


def content_of(order: Order, value: int | str | None) -> bytes:
    """The content of an order. Codes: unsupported, range."""
    match order, value:
        case Order.LOCATE, _:
            return b"CR"
        case Order.INTERVAL, int() if SHORTEST_S <= value <= LONGEST_S:
            return f"UPLOAD,{value}".encode()
        case Order.RESTART, _:
            return b"RESET"
        case Order.POWER_OFF, _:
            return b"POWEROFF"
        case Order.FIND, _:
            return b"FIND"
        case Order.TEXT, str() if 0 < len(value) <= MOST_TEXT:
            return b"MESSAGE," + value.encode("utf-16-be", "replace").hex().upper().encode()
        case ((Order.INTERVAL | Order.TEXT), _):
            raise LocalProtocolError(
                "range", f"an interval has {SHORTEST_S} to {LONGEST_S} s, a text 1 to {MOST_TEXT} characters"
            )
    raise LocalProtocolError("unsupported", f"watches know no order {order}")
