"""Ranges of `n` as one sorted set: is this one in it? Pure."""

from bisect import bisect_right
from collections.abc import Iterable


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

    def __contains__(self, n: object) -> bool:
        if not isinstance(n, int):
            return False
        at = bisect_right(self._firsts, n) - 1
        return at >= 0 and n <= self._lasts[at]


def of_numbers(numbers: Iterable[int]) -> tuple[tuple[int, int], ...]:
    """Single numbers as ranges."""
    found: list[tuple[int, int]] = []
    for n in sorted(numbers):
        if found and n == found[-1][1] + 1:
            found[-1] = (found[-1][0], n)
        else:
            found.append((n, n))
    return tuple(found)
