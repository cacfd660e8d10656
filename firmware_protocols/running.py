"""The check of any stretch of a buffer without going over it: for beginnings that overlap, thousands of them.

Values behind each byte are kept since some byte long gone; the check of a stretch is the difference of two.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from itertools import accumulate
from operator import xor


class Running(ABC):
    """Goes with a buffer that grows at its end and is taken from at its beginning. Counts a byte when it is asked."""

    def __init__(self) -> None:
        self._values = bytearray(1)  # the first: before the first byte of the buffer

    def of(self, buffer: bytearray, start: int, end: int) -> int:
        """The check over `buffer[start:end]`."""
        known = len(self._values) - 1
        if end > known:
            self._values += bytes(self._go_on(buffer[known:], self._values[-1]))[1:]
        return self._between(self._values[start], self._values[end])

    def forget(self, length: int) -> None:
        """The first bytes have left the buffer."""
        if length < len(self._values):
            del self._values[:length]
        elif len(self._values) > 1:
            self._values = bytearray(1)

    @abstractmethod
    def _go_on(self, data: bytearray, value: int) -> Iterator[int]:
        """`value`, and the values behind each byte of `data`."""

    @abstractmethod
    def _between(self, before: int, behind: int) -> int:
        """The check of what lies between."""


class RunningXor(Running):
    """`checksums.xor8`."""

    def _go_on(self, data: bytearray, value: int) -> Iterator[int]:
        return accumulate(data, xor, initial=value)

    def _between(self, before: int, behind: int) -> int:
        return before ^ behind


class RunningSum(Running):
    """`checksums.sum8`."""

    def _go_on(self, data: bytearray, value: int) -> Iterator[int]:
        return (total & 0xFF for total in accumulate(data, initial=value))

    def _between(self, before: int, behind: int) -> int:
        return behind - before & 0xFF
