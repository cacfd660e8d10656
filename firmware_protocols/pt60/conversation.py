"""One watch on one line: what has a time is answered with the time. No order has a frame in the sources."""

from collections.abc import Iterator
from datetime import UTC, datetime

from firmware_protocols.errors import LocalProtocolError
from firmware_protocols.framing import Discarded
from firmware_protocols.pt60.frames import B, Decoder, Frame, G
from firmware_protocols.pt60.reports import device_of, report_of, type_of
from firmware_protocols.tracking import Heard, Order

CLOCK = "38"  # type of the answer of form G


class Pt60Conversation:
    """`tracking.Conversation`."""

    def __init__(self) -> None:
        self.device_id: str | None = None
        self._decoder = Decoder()

    def feed(self, data: bytes, now: datetime) -> Iterator[Heard | Discarded]:
        """What came."""
        for found in self._decoder.feed(data):
            yield self._heard(found, now)

    def flush(self) -> Iterator[Heard | Discarded]:
        """A message without its end: it is not answered, for the time is not at hand."""
        for found in self._decoder.flush():
            yield self._heard(found, None)

    def order(self, order: Order, value: int | str | None, now: datetime) -> bytes:  # noqa: ARG002 - none is known
        """None is known."""
        raise LocalProtocolError("unsupported", f"no frame for the order {order} is public")

    def _heard(self, found: Frame | Discarded, now: datetime | None) -> Heard | Discarded:
        if isinstance(found, Discarded):
            return found
        report = report_of(found)
        self.device_id = report.device_id or self.device_id
        return Heard((report,), b"" if now is None else _answer(found, now))


def _answer(frame: Frame, now: datetime) -> bytes:
    """In UTC. Form B is answered by the type that follows."""
    imei, kind = device_of(frame), type_of(frame)
    if frame.time_at is None or imei is None or kind is None:
        return b""
    time = now.astimezone(UTC).strftime("%Y%m%d%H%M%S")
    if frame.form == G:
        return Frame(G, ("V01", CLOCK, time, "")).to_bytes()
    return Frame(B, ("01", f"{kind + 1:03d}", imei, "0", time, "")).to_bytes()
