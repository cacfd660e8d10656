"""The check of any stretch of a buffer without going over it: for beginnings that overlap, thousands of them.

Values behind each byte are kept since some byte long gone; the check of a stretch follows from two of them.
"""

from abc import ABC, abstractmethod
from array import array
from collections.abc import Iterator
from itertools import accumulate
from operator import xor
from typing import ClassVar


class Running(ABC):
    """Goes with a buffer that grows at its end and is taken from at its beginning. Counts a byte when it is asked."""

    typecode: ClassVar[str] = "B"  # of a value, as `array` has it

    def __init__(self) -> None:
        self._values = array(self.typecode, [0])  # the first: before the first byte of the buffer

    def of(self, buffer: bytearray, start: int, end: int) -> int:
        """The check over `buffer[start:end]`."""
        known = len(self._values) - 1
        if end > known:
            self._values.extend(self._go_on(buffer[known:], self._values.pop()))
        return self._between(start, end)

    def forget(self, length: int) -> None:
        """The first bytes have left the buffer."""
        if length < len(self._values):
            del self._values[:length]
        elif len(self._values) > 1:
            self._values = array(self.typecode, [0])

    @abstractmethod
    def _go_on(self, data: bytearray, value: int) -> Iterator[int]:
        """`value`, and the values behind each byte of `data`."""

    @abstractmethod
    def _between(self, start: int, end: int) -> int:
        """The check of what lies between two values."""


class RunningXor(Running):
    """`checksums.xor8`."""

    def _go_on(self, data: bytearray, value: int) -> Iterator[int]:
        return accumulate(data, xor, initial=value)

    def _between(self, start: int, end: int) -> int:
        return self._values[start] ^ self._values[end]


class RunningSum(Running):
    """`checksums.sum8`."""

    def _go_on(self, data: bytearray, value: int) -> Iterator[int]:
        return (total & 0xFF for total in accumulate(data, initial=value))

    def _between(self, start: int, end: int) -> int:
        return self._values[end] - self._values[start] & 0xFF
