"""One tracker on one line: nearly every message is answered by the word of the next letter.

It says who it is in its login alone; what comes before belongs to nobody. No order has a frame in the sources.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime

from firmware_protocols.errors import LocalProtocolError
from firmware_protocols.framing import Discarded
from firmware_protocols.tracking import Heard, Order
from firmware_protocols.trv.frames import Decoder, Frame
from firmware_protocols.trv.reports import LOGIN, report_of

# Words by which a device answers an order: they are not answered.
ANSWERS_OF_DEVICE = frozenset(
    {"AP12", "AP14", "AP33", "AP34", "AP40", "AP76", "AP77", "AP84", "AP85", "AP86", "AP87"}
)
_SERIAL = re.compile(r",\d{6}")  # the same: the number of the order alone
FROM_DEVICE = frozenset("ACY")
WHERE_UNKNOWN = ",0.000,0.000"  # TRVAP14 asks where its cells are


class TrvConversation:
    """`tracking.Conversation`."""

    def __init__(self) -> None:
        self.device_id: str | None = None
        self._decoder = Decoder()

    def feed(self, data: bytes, now: datetime) -> Iterator[Heard | Discarded]:
        """What came."""
        for found in self._decoder.feed(data):
            yield self._heard(found, now)

    def flush(self) -> Iterator[Heard | Discarded]:
        """A message without its #."""
        for found in self._decoder.flush():
            yield self._heard(found, None)

    def order(self, order: Order, value: int | str | None, now: datetime) -> bytes:  # noqa: ARG002 - none is known
        """None is known."""
        raise LocalProtocolError("unsupported", f"no frame for the order {order} is public")

    def _heard(self, found: Frame | Discarded, now: datetime | None) -> Heard | Discarded:
        if isinstance(found, Discarded):
            return found
        report = report_of(found, self.device_id)
        if found.word == LOGIN and report.device_id is not None:
            self.device_id = report.device_id
        return Heard((report,), _answer(found, now))


def _answer(frame: Frame, now: datetime | None) -> bytes:
    if frame.word[0] not in FROM_DEVICE:
        return b""
    word, body = chr(ord(frame.word[0]) + 1) + frame.word[1:], ""
    if (frame.maker, frame.word) == ("TRV", "AP14"):
        body = WHERE_UNKNOWN
    elif (frame.maker, frame.word) == ("IW", LOGIN):
        if now is None:
            return b""
        body = now.astimezone(UTC).strftime(",%Y%m%d%H%M%S,0")
    elif frame.word in ANSWERS_OF_DEVICE or _SERIAL.fullmatch(frame.body) is not None:
        return b""
    return Frame(frame.maker, word, body).to_bytes()
