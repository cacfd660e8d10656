"""One tracker on one line: nearly every message is answered by its number and serial, or the tracker comes again.

It says who it is in its login alone; what comes before belongs to nobody.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, tzinfo

from firmware_protocols.errors import LocalProtocolError
from firmware_protocols.framing import Discarded
from firmware_protocols.gt06.frames import SHORT, TAIL, Decoder, Frame
from firmware_protocols.gt06.reports import LOGIN, TIME, WIFI, report_of, zone_of
from firmware_protocols.tracking import Heard, Order, TrackerReport

NO_ANSWER = frozenset({0x19, 0x21, 0x24, 0x34, 0x80, 0x8C, 0x94, 0x9B, 0xB2})
ANSWERED_SHORT = frozenset({0x70, 0xF2})  # messages of 79 79 that are answered by 78 78
COMMAND = 0x80
MOST_TEXT = 200


class Gt06Conversation:
    """`tracking.Conversation`."""

    def __init__(self, *, lenient: bool = False) -> None:
        """`lenient`: hear frames with a wrong CRC too, for a model that computes another one."""
        self.device_id: str | None = None
        self._lenient = lenient
        self._zone: tzinfo | None = None  # of the tracker's clock, as its login says; None: it does not
        self._serial = 0
        self._decoder = Decoder()

    def feed(self, data: bytes, now: datetime) -> Iterator[Heard | Discarded]:
        """What came."""
        for found in self._decoder.feed(data):
            yield self._heard(found, now)

    def flush(self) -> Iterator[Heard | Discarded]:
        """A frame whose length was none."""
        for found in self._decoder.flush():
            yield self._heard(found, None)

    def order(self, order: Order, value: int | str | None, now: datetime) -> bytes:  # noqa: ARG002 - none tells the time
        """A command is a text of the maker's; which it knows, its manual says."""
        if self.device_id is None:
            raise LocalProtocolError("not_known", "the tracker has not said who it is")
        if order is not Order.TEXT or not isinstance(value, str):
            raise LocalProtocolError(
                "unsupported", "GT06 carries commands as a text of the maker's; order `text`"
            )
        if not 0 < len(value) <= MOST_TEXT:
            raise LocalProtocolError("range", f"a command has 1 to {MOST_TEXT} characters")
        words = value.encode("ascii", "replace")
        self._serial = self._serial + 1 & 0xFFFF
        content = bytes([4 + len(words)]) + bytes(4) + words
        return Frame(COMMAND, self._serial, content).to_bytes()

    def _heard(self, found: Frame | Discarded, now: datetime | None) -> Heard | Discarded:
        if isinstance(found, Discarded):
            return found
        loose = found.number in WIFI and not found.length_ok
        if not (found.sound or self._lenient or loose):
            data = found.to_bytes()
            return Discarded("length" if not found.length_ok else "checksum", len(data), data)
        report = report_of(found, self.device_id)
        if found.number == LOGIN and report.device_id is not None:
            self.device_id = report.device_id
            self._zone = zone_of(found)
        return Heard(
            (self._zoned(report),), b"" if found.number in NO_ANSWER else _answer(found, now, loose=loose)
        )

    def _zoned(self, report: TrackerReport) -> TrackerReport:
        """A time by the tracker's clock, in the zone of its login; without one it stays as it was sent."""
        if self._zone is None:
            return report
        fix, time = report.fix, report.device_time
        if fix is not None and fix.time is not None and fix.time.tzinfo is None:
            fix = replace(fix, time=fix.time.replace(tzinfo=self._zone))
        if time is not None and time.tzinfo is None:
            time = time.replace(tzinfo=self._zone)
        return replace(report, fix=fix, device_time=time)


def _answer(frame: Frame, now: datetime | None, *, loose: bool) -> bytes:
    if loose:
        return SHORT + bytes([0, frame.number]) + frame.content[:6] + TAIL
    content = b""
    if frame.number == TIME and now is not None:
        moment = now.astimezone(UTC)
        content = bytes(
            [moment.year - 2000, moment.month, moment.day, moment.hour, moment.minute, moment.second]
        )
    long = frame.long and frame.number not in ANSWERED_SHORT
    return Frame(frame.number, frame.serial, content, long).to_bytes()
