"""One tracker on one line: what it is answered, and what it can be told.

It says who it is in its login alone; what comes before belongs to nobody. Answers carry the length that came.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

from firmware_protocols.errors import LocalProtocolError
from firmware_protocols.framing import Discarded
from firmware_protocols.topin.frames import Decoder, Frame
from firmware_protocols.topin.reports import GPS, GPS_STORED, LOGIN, STATUS, TIME, report_of
from firmware_protocols.topin.sizes import CLOCK, WIFI
from firmware_protocols.tracking import Heard, Order

WELCOME = b"\x01"
ANSWERED_WITH_ITS_TIME = WIFI | {GPS, GPS_STORED}


class TopinConversation:
    """`tracking.Conversation`."""

    def __init__(self) -> None:
        self.device_id: str | None = None
        self._decoder = Decoder()

    def feed(self, data: bytes, now: datetime) -> Iterator[Heard | Discarded]:
        """What came."""
        for found in self._decoder.feed(data):
            yield self._heard(found, now)

    def flush(self) -> Iterator[Heard | Discarded]:
        """A frame whose length was none."""
        for found in self._decoder.flush():
            yield self._heard(found, None)

    def order(self, order: Order, value: int | str | None, now: datetime) -> bytes:  # noqa: ARG002 - none is known
        """None of the shared orders has a frame that is public."""
        raise LocalProtocolError("unsupported", f"no frame for the order {order} is public")

    def _heard(self, found: Frame | Discarded, now: datetime | None) -> Heard | Discarded:
        if isinstance(found, Discarded):
            return found
        report = report_of(found, self.device_id)
        if found.number == LOGIN and report.device_id is not None:
            self.device_id = report.device_id
        return Heard((report,), b"" if "trouble" in report.raw else _answer(found, now))


def _answer(frame: Frame, now: datetime | None) -> bytes:
    if frame.number == LOGIN and len(frame.content) > 1:
        return Frame(LOGIN, WELCOME, frame.length).to_bytes() + _clock(now)
    if frame.number == TIME and not frame.content:
        return _clock(now)
    if frame.number == STATUS:
        return frame.to_bytes()
    if frame.number in ANSWERED_WITH_ITS_TIME and len(frame.content) > CLOCK:
        return Frame(frame.number, frame.content[:CLOCK], frame.length).to_bytes()
    return b""


def _clock(now: datetime | None) -> bytes:
    """Year in two bytes, month, day, hour, minute, second; nothing where the time is not at hand."""
    if now is None:
        return b""
    at = now.astimezone(UTC)
    content = at.year.to_bytes(2, "big") + bytes([at.month, at.day, at.hour, at.minute, at.second])
    return Frame(TIME, content, len(content)).to_bytes()
