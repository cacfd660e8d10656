"""What bodies of JT/T 808 are made of: numbers, texts in GBK, times at Beijing."""

from datetime import datetime, timedelta, timezone

from firmware_protocols.cursor import Cursor
from firmware_protocols.text_values import moment

BEIJING = timezone(timedelta(hours=8))  # the zone of every time in this protocol


class Reader(Cursor):
    """A cursor over bytes, with what this protocol has in them."""

    def text(self, size: int) -> str:
        """STRING: GBK, padded with NUL."""
        return text_of(self.take(size))

    def bcd_time(self) -> str:
        """BCD[6], as digits."""
        return self.take(6).hex()


def text_of(data: bytes) -> str:
    """GBK without the NULs around it; what is none becomes U+FFFD."""
    return data.strip(b"\0").decode("gbk", "replace")


def time_of(digits: str) -> datetime | None:
    """YYMMDDhhmmss at Beijing; None where it is no date."""
    found = moment(digits, "YYMMDDhhmmss")
    return None if found is None else found.replace(tzinfo=BEIJING)
