"""One terminal on one line; we are the platform.

    0100 -> 8100 with the authentication code · 0102 -> 8001 · everything else -> 8001 with its serial and id

The code is the phone as the header writes it: a terminal that comes back shows that it was here before, and the
gateway need not remember it. It is no secret; who may call at all, the line decides.
Sub-packaged messages are put together, four at a time and none longer than `MOST_PACKAGES`.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from firmware_protocols.errors import LocalProtocolError
from firmware_protocols.framing import Discarded
from firmware_protocols.jt808.bodies import (
    general_reply,
    register_reply,
    temporary_tracking,
    text,
)
from firmware_protocols.jt808.frames import SHORT_SERIAL, Decoder, Frame
from firmware_protocols.jt808.models import STANDARD
from firmware_protocols.jt808.reports import reports_of
from firmware_protocols.tracking import Heard, Order

MOST_MESSAGES, MOST_PACKAGES = 4, 64  # under way; 64 packages are 64 KiB
NO_ANSWER = frozenset({0x0001, 0x0104, 0x0201, 0x0005, 0x0108})  # they answer us
REGISTER, TIME = 0x0100, 0x0004
TRACK_S = 86_400
BEIJING = timedelta(hours=8)
SHORT_REPLY = 0x4401  # vendors', to 5501 and 5502
WANTS_ANSWER = 1 << 15  # of the attributes of these


class Jt808Conversation:
    """`tracking.Conversation`."""

    def __init__(self, model: str = STANDARD) -> None:
        """`model`: whose map of the alarm bits."""
        self.device_id: str | None = None
        self._model = model
        self._like: Frame | None = None  # the newest frame: phone and version of what is sent
        self._serial = 0
        self._decoder = Decoder()
        self._parts: OrderedDict[tuple[int, int, int], dict[int, bytes]] = OrderedDict()

    def feed(self, data: bytes, now: datetime) -> Iterator[Heard | Discarded]:
        """Every frame, a package of a message too, is heard."""
        for found in self._decoder.feed(data):
            yield found if isinstance(found, Discarded) else self._heard(found, now)

    def flush(self) -> Iterator[Heard | Discarded]:
        """What was not finished."""
        for found in self._decoder.flush():
            if isinstance(found, Discarded):
                yield found

    def order(self, order: Order, value: int | str | None, now: datetime) -> bytes:  # noqa: ARG002 - none tells the time
        """`tracking.Conversation`."""
        like = self._like
        if like is None:
            raise LocalProtocolError("not_known", "the terminal has not said who it is")
        match order, value:
            case Order.LOCATE, _:
                return self._send(like, 0x8201, b"")
            # For a day, not for ever: 8103 would write the terminal's own settings.
            case Order.INTERVAL, int():
                return self._send(like, 0x8202, temporary_tracking(value, TRACK_S))
            case Order.RESTART, _:
                return self._send(like, 0x8105, b"\x04")
            case Order.POWER_OFF, _:
                return self._send(like, 0x8105, b"\x03")
            case Order.TEXT, str():
                return self._send(like, 0x8300, text(value, like.version))
        raise LocalProtocolError("unsupported", f"JT/T 808 has no order {order}")

    def _heard(self, frame: Frame, now: datetime) -> Heard:
        self._like, self.device_id = frame, frame.device_id
        whole = self._whole(frame)
        return Heard(reports_of(whole, self._model), self._answer(frame, now, complete=whole.package is None))

    def _whole(self, frame: Frame) -> Frame:
        """The message that a package completes, or the package."""
        if frame.package is None:
            return frame
        total, number = frame.package
        if not 1 <= number <= total <= MOST_PACKAGES:
            return frame
        # The total too: packages that disagree about it are not of one message.
        key = (frame.msg_id, frame.serial - number & 0xFFFF, total)
        parts = self._parts.setdefault(key, {})
        parts[number] = frame.body
        if len(parts) < total:
            while len(self._parts) > MOST_MESSAGES:
                self._parts.popitem(last=False)
            return frame
        del self._parts[key]
        return replace(
            frame, body=b"".join(parts[one] for one in sorted(parts)), package=None, attributes=None
        )

    def _answer(self, frame: Frame, now: datetime, *, complete: bool) -> bytes:
        """To a frame; a message in packages has its own answer at the last of them."""
        if frame.msg_id >= 0x8000 or frame.msg_id in NO_ANSWER:
            return b""
        if frame.msg_id == REGISTER and complete:
            return self._send(frame, 0x8100, register_reply(frame.serial, 0, frame.phone))
        if frame.msg_id == TIME:
            moment = (now + BEIJING).strftime("%y%m%d%H%M%S")
            return self._send(frame, 0x8004, bytes.fromhex(moment))
        if frame.msg_id in SHORT_SERIAL:
            if not frame.bits & WANTS_ANSWER:
                return b""
            return self._send(frame, SHORT_REPLY, frame.msg_id.to_bytes(2, "big") + b"\0", first=1)
        return self._send(frame, 0x8001, general_reply(frame.serial, frame.msg_id))

    def _send(self, like: Frame, msg_id: int, body: bytes, *, first: int = 0) -> bytes:
        limit = 0x100 if msg_id in SHORT_SERIAL else 0x10000
        serial, self._serial = (self._serial + first) % limit, self._serial + 1
        return Frame(msg_id, like.phone, serial, body, like.version).to_bytes()
