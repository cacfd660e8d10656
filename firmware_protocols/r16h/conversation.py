"""One bracelet on one line. It is not answered: what the line took, it counts as delivered."""

from collections.abc import Iterator
from datetime import datetime

from firmware_protocols.errors import LocalProtocolError
from firmware_protocols.framing import Discarded
from firmware_protocols.r16h.frames import Decoder, Frame
from firmware_protocols.r16h.reports import report_of
from firmware_protocols.tracking import Heard, Order

SHORTEST_S, LONGEST_S = 10, 86_400


class R16hConversation:
    """`tracking.Conversation`."""

    def __init__(self) -> None:
        self.device_id: str | None = None
        self._decoder = Decoder()

    def feed(self, data: bytes, now: datetime) -> Iterator[Heard | Discarded]:  # noqa: ARG002 - no answers
        """What came."""
        return self._heard(self._decoder.feed(data))

    def flush(self) -> Iterator[Heard | Discarded]:
        """A frame that was not finished."""
        return self._heard(self._decoder.flush())

    def _heard(self, found: Iterator[Frame | Discarded]) -> Iterator[Heard | Discarded]:
        for one in found:
            if isinstance(one, Discarded):
                yield one
                continue
            self.device_id = one.imei
            yield Heard((report_of(one),))

    def order(self, order: Order, value: int | str | None, now: datetime) -> bytes:  # noqa: ARG002 - no time in it
        """`tracking.Conversation`. The forms of the arguments stand in the document; no frame of them was seen."""
        if self.device_id is None:
            raise LocalProtocolError("not_known", "the bracelet has not said who it is")
        match order, value:
            case Order.LOCATE, _:
                return Frame("ROLL", self.device_id).to_bytes()
            case Order.INTERVAL, int() if SHORTEST_S <= value <= LONGEST_S:
                return Frame("STIN", self.device_id, (str(value),)).to_bytes()
            case Order.INTERVAL, _:
                raise LocalProtocolError("range", f"an interval has {SHORTEST_S} to {LONGEST_S} s")
        raise LocalProtocolError("unsupported", f"this bracelet knows no order {order}")
