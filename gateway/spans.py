"""Ranges of whole numbers as one sorted set: is this one in it, what of it lies here? Pure."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from typing import Self


class Spans:
    """Ranges (first and last, both included), merged."""

    def __init__(self, ranges: Iterable[tuple[int, int]]) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        for first, last in sorted(ranges):
            if self._lasts and first <= self._lasts[-1] + 1:
                self._lasts[-1] = max(self._lasts[-1], last)
            else:
                self._firsts.append(first)
                self._lasts.append(last)

    @classmethod
    def of(cls, numbers: Iterable[int]) -> Self:
        """Single numbers, in any order; cheap where they come in runs."""
        return cls(_runs(numbers))

    def __contains__(self, n: object) -> bool:
        if not isinstance(n, int):
            return False
        at = bisect_right(self._firsts, n) - 1
        return at >= 0 and n <= self._lasts[at]

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return zip(self._firsts, self._lasts, strict=True)

    def within(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """What of it lies in a range, in order."""
        for at in range(bisect_left(self._lasts, first), len(self._firsts)):
            if self._firsts[at] > last:
                return
            yield max(first, self._firsts[at]), min(last, self._lasts[at])

    def highest(self, first: int, last: int) -> int | None:
        """The highest of it in a range."""
        at = bisect_right(self._firsts, last) - 1
        return min(last, self._lasts[at]) if at >= 0 and self._lasts[at] >= first else None


def of_numbers(numbers: Iterable[int]) -> tuple[tuple[int, int], ...]:
    """Single numbers as ranges."""
    return tuple(Spans.of(numbers))


def _runs(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    first = last = None
    for n in numbers:
        if first is None or last is None:
            first = last = n
        elif n == last + 1:
            last = n
        else:
            yield first, last
            first = last = n
    if first is not None and last is not None:
        yield first, last
