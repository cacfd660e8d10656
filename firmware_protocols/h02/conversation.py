"""One tracker on one line. Positions and neighbours are answered with the time, a heartbeat with itself."""

from collections.abc import Iterator
from datetime import UTC, datetime

from firmware_protocols.errors import LocalProtocolError
from firmware_protocols.framing import Discarded
from firmware_protocols.h02.frames import Decoder, Frame, Text
from firmware_protocols.h02.reports import report_of
from firmware_protocols.tracking import Heard, Order

ANSWERED_WITH_TIME = frozenset({"V1", "NBR"})
SHORTEST_S, LONGEST_S = 10, 65_535


class H02Conversation:
    """`tracking.Conversation`."""

    def __init__(self) -> None:
        self.device_id: str | None = None
        self._manufacturer = "HQ"
        self._decoder = Decoder()

    def feed(self, data: bytes, now: datetime) -> Iterator[Heard | Discarded]:
        """What came."""
        for found in self._decoder.feed(data):
            yield self._heard(found, now)

    def flush(self) -> Iterator[Heard | Discarded]:
        """A binary frame ends where the line is quiet."""
        for found in self._decoder.flush():
            yield self._heard(found, None)

    def order(self, order: Order, value: int | str | None, now: datetime) -> bytes:
        """`tracking.Conversation`."""
        if self.device_id is None:
            raise LocalProtocolError("not_known", "the tracker has not said who it is")
        match order, value:
            case Order.INTERVAL, int() if SHORTEST_S <= value <= LONGEST_S:
                return command(self._manufacturer, self.device_id, "S71", now, "22", str(value)).to_bytes()
            case Order.INTERVAL, _:
                raise LocalProtocolError("range", f"an interval has {SHORTEST_S} to {LONGEST_S} s")
        raise LocalProtocolError("unsupported", f"H02 has no order {order}")

    def _heard(self, found: Frame | Discarded, now: datetime | None) -> Heard | Discarded:
        if isinstance(found, Discarded):
            return found
        report = report_of(found)
        self.device_id = report.device_id or self.device_id
        return Heard((report,), self._answer(found, now))

    def _answer(self, frame: Frame, now: datetime | None) -> bytes:
        if not isinstance(frame, Text) or not frame.device_id:
            return b""
        self._manufacturer = frame.manufacturer
        if frame.cmd == "HTBT":
            return Text(frame.manufacturer, frame.device_id, "HTBT").to_bytes()
        if frame.cmd in ANSWERED_WITH_TIME and now is not None:
            moment = now.astimezone(UTC).strftime("%Y%m%d%H%M%S")
            return Text(frame.manufacturer, frame.device_id, "V4", (frame.cmd, moment)).to_bytes()
        return b""


def command(manufacturer: str, device_id: str, word: str, now: datetime, *args: str) -> Text:
    """A command with the time of day, UTC: SCF 0,0 arms, 1,1 disarms; S20 1,1 stops the engine; S71 22,s interval."""
    return Text(manufacturer, device_id, word, (now.astimezone(UTC).strftime("%H%M%S"), *args))
