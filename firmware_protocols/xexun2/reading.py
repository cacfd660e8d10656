"""Taking a record apart, byte by byte, big-endian; and its coordinates."""

import math
import struct
from typing import cast

from firmware_protocols.errors import RemoteProtocolError


class Reader:
    """A cursor over bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        """Bytes behind the cursor."""
        return len(self._data) - self._at

    def take(self, size: int) -> bytes:
        """So many bytes. Code: body."""
        if self.left < size:
            raise RemoteProtocolError("body", f"a record ends {size - self.left} bytes early")
        self._at += size
        return self._data[self._at - size : self._at]

    def numbers(self, form: str) -> tuple[int, ...]:
        """Whole numbers by a form of `struct`. Code: body."""
        return struct.unpack(f">{form}", self.take(struct.calcsize(f">{form}")))

    def number(self, form: str) -> int:
        """One of them."""
        return self.numbers(form)[0]

    def real(self, form: str) -> float:
        """`f` or `d`; may be no number at all. Code: body."""
        return cast("float", struct.unpack(f">{form}", self.take(struct.calcsize(form)))[0])


def degrees(value: float) -> float | None:
    """DDDMM.mmmm as degrees; None where it is none."""
    if not math.isfinite(value) or abs(value) > 18_100:
        return None
    whole, minutes = divmod(abs(value), 100)
    return math.copysign(whole + minutes / 60, value)


def on_earth(lat: float, lon: float) -> bool:
    """Whether there is such a place."""
    return abs(lat) <= 90 and abs(lon) <= 180
