"""One device on one line. It is answered where it asks for it, by its own serial number, or it comes again.

It says who it is at the begin of its data; settings and responses belong to whom the line knows by then.
"""

from collections.abc import Iterator
from datetime import datetime

from firmware_protocols.errors import LocalProtocolError
from firmware_protocols.framing import Discarded
from firmware_protocols.minifinder2.commands import answer
from firmware_protocols.minifinder2.frames import Decoder, Frame
from firmware_protocols.minifinder2.reports import reports_of
from firmware_protocols.tracking import Heard, Order


class Minifinder2Conversation:
    """`tracking.Conversation`."""

    def __init__(self) -> None:
        self.device_id: str | None = None
        self._decoder = Decoder()

    def feed(self, data: bytes, now: datetime) -> Iterator[Heard | Discarded]:
        """What came."""
        for found in self._decoder.feed(data):
            yield self._heard(found, now)

    def flush(self) -> Iterator[Heard | Discarded]:
        """Frames inside one that claimed more than came."""
        for found in self._decoder.flush():
            yield self._heard(found, None)

    def order(self, order: Order, value: int | str | None, now: datetime) -> bytes:  # noqa: ARG002 - none is known
        """No order is established: the maker's document, not at hand, has them. Codes: not_known, unsupported."""
        if self.device_id is None:
            raise LocalProtocolError("not_known", "the device has not said who it is")
        raise LocalProtocolError("unsupported", f"no order {order} is known of minifinder2")

    def _heard(self, found: Frame | Discarded, now: datetime | None) -> Heard | Discarded:
        if isinstance(found, Discarded):
            return found
        reports = reports_of(found, self.device_id)
        self.device_id = reports[0].device_id
        return Heard(reports, answer(found, now).to_bytes() if found.wants_answer else b"")
