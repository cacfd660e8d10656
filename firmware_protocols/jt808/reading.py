"""Taking a body apart, byte by byte. What is missing ends the reading with an error of its own."""

from datetime import datetime, timedelta, timezone

from firmware_protocols.errors import RemoteProtocolError
from firmware_protocols.text_values import moment

BEIJING = timezone(timedelta(hours=8))  # the zone of every time in this protocol


class Reader:
    """A cursor over bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    @property
    def left(self) -> int:
        """Bytes behind the cursor."""
        return len(self._data) - self.at

    def take(self, size: int) -> bytes:
        """So many bytes. Code: body."""
        if self.left < size:
            raise RemoteProtocolError(
                "body", f"the body ends at byte {len(self._data)}; {size} more are wanted"
            )
        self.at += size
        return self._data[self.at - size : self.at]

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(self.left)

    def byte(self) -> int:
        """BYTE."""
        return self.take(1)[0]

    def word(self) -> int:
        """WORD."""
        return int.from_bytes(self.take(2), "big")

    def dword(self) -> int:
        """DWORD."""
        return int.from_bytes(self.take(4), "big")

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
