"""One tracker on one line: every frame is answered by its own head and a 1, but for what answers us.

A command is a text of the maker's; those of `of`, `reset` and `tracking_send` are known from an encoder.
"""

from collections.abc import Iterator
from datetime import datetime

from firmware_protocols.errors import LocalProtocolError
from firmware_protocols.framing import Discarded
from firmware_protocols.tracking import Heard, Order
from firmware_protocols.xexun2.frames import Decoder, Frame
from firmware_protocols.xexun2.reports import COMMAND, reports_of

SHORTEST_S, LONGEST_S = 10, 86_400
MOST_TEXT = 200


class Xexun2Conversation:
    """`tracking.Conversation`."""

    def __init__(self) -> None:
        self.device_id: str | None = None
        self._identity = b""
        self._serial = 0
        self._decoder = Decoder()

    def feed(self, data: bytes, now: datetime) -> Iterator[Heard | Discarded]:  # noqa: ARG002 - no answer tells the time
        """What came."""
        for found in self._decoder.feed(data):
            yield found if isinstance(found, Discarded) else self._heard(found)

    def flush(self) -> Iterator[Heard | Discarded]:
        """What was not finished."""
        for found in self._decoder.flush():
            yield found if isinstance(found, Discarded) else self._heard(found)

    def order(self, order: Order, value: int | str | None, now: datetime) -> bytes:  # noqa: ARG002 - none tells the time
        """`tracking.Conversation`."""
        if self.device_id is None:
            raise LocalProtocolError("not_known", "the tracker has not said who it is")
        text = text_of(order, value)
        self._serial = self._serial + 1 & 0xFFFF
        return Frame(COMMAND, self._serial, self._identity, text.encode("ascii")).to_bytes()

    def _heard(self, frame: Frame) -> Heard:
        self.device_id, self._identity = frame.imei, frame.identity
        if frame.msg == COMMAND:
            return Heard(reports_of(frame))
        return Heard(reports_of(frame), Frame(frame.msg, frame.serial, frame.identity, b"\1").to_bytes())


def text_of(order: Order, value: int | str | None) -> str:
    """The text of an order. Codes: unsupported, range."""
    match order, value:
        case Order.POWER_OFF, _:
            return "of=1"
        case Order.RESTART, _:
            return "reset"
        case Order.INTERVAL, int() if SHORTEST_S <= value <= LONGEST_S:
            return f"tracking_send={value},{value}"
        case Order.TEXT, str() if 0 < len(value) <= MOST_TEXT and value.isascii():
            return value
        case Order.TEXT, str() if not value.isascii():
            raise LocalProtocolError("unsupported", "a text is a command of the maker's, in ASCII")
        case ((Order.INTERVAL | Order.TEXT), _):
            raise LocalProtocolError(
                "range",
                f"an interval has {SHORTEST_S} to {LONGEST_S} s, a command 1 to {MOST_TEXT} characters",
            )
    raise LocalProtocolError("unsupported", f"xexun2 knows no order {order}")
