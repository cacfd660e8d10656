"""One wristband on one line: what it is answered. No order of the shared ones has a frame that is public."""

from collections.abc import Iterator
from datetime import UTC, datetime

from firmware_protocols.errors import LocalProtocolError
from firmware_protocols.framing import Discarded
from firmware_protocols.text_values import pair
from firmware_protocols.tracking import Heard, Order
from firmware_protocols.wristband_yx import reports
from firmware_protocols.wristband_yx.frames import Decoder, Frame


class WristbandYxConversation:
    """`tracking.Conversation`."""

    def __init__(self, *, server: str = "") -> None:
        """`server`: address,port that it is told when it asks; without one it keeps the one that it calls."""
        self.device_id: str | None = None
        self._server = server
        self._decoder = Decoder()

    def feed(self, data: bytes, now: datetime) -> Iterator[Heard | Discarded]:
        """What came."""
        for found in self._decoder.feed(data):
            yield found if isinstance(found, Discarded) else self._heard(found, now)

    def flush(self) -> Iterator[Heard | Discarded]:
        """A frame that was not finished."""
        for found in self._decoder.flush():
            if isinstance(found, Discarded):
                yield found

    def order(self, order: Order, value: int | str | None, now: datetime) -> bytes:  # noqa: ARG002 - none is known
        """None is known."""
        raise LocalProtocolError("unsupported", f"no frame for the order {order} is public")

    def _heard(self, frame: Frame, now: datetime) -> Heard:
        self.device_id = frame.imei
        data = self._answer(frame, now) if frame.model != "0" else None  # 0 is who answers: never answered
        answer = b"" if data is None else Frame(frame.imei, frame.function, data, frame.version).to_bytes()
        return Heard(reports.reports_of(frame), answer)

    def _answer(self, frame: Frame, now: datetime) -> str | None:
        match frame.function:
            case reports.STATUS:
                return pair((frame.data or "").split(","), 1) or None
            case reports.ECHO:
                return frame.data or ""
            case reports.SERVER:
                return self._server or None
            case reports.BEGIN:
                time = now.astimezone(UTC).strftime("%Y-%m-%d-%H-%M-%S")
                return f"{time}|{self._server}" if self._server else time
            case _:
                return None
