"""Sets of whole numbers kept as closed ranges: a backlog of a million sequences is one pair of numbers."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from typing import TypeAlias

Range: TypeAlias = tuple[int, int]  # first and last, both included


class Ranges:
    """Disjoint ranges in rising order; neighbours are merged."""

    __slots__ = ("_firsts", "_lasts")

    def __init__(self, ranges: Iterable[Range] = ()) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        for first, last in ranges:
            self.add(first, last)

    def add(self, first: int, last: int) -> None:
        """Put first…last in."""
        low = bisect_left(self._lasts, first - 1)
        high = bisect_right(self._firsts, last + 1)
        if low < high:
            first, last = min(first, self._firsts[low]), max(last, self._lasts[high - 1])
        self._firsts[low:high] = [first]
        self._lasts[low:high] = [last]

    def discard(self, first: int, last: int) -> None:
        """Take first…last out, as far as they are in."""
        low = bisect_left(self._lasts, first)
        high = bisect_right(self._firsts, last)
        if low >= high:
            return
        rest = [(self._firsts[low], first - 1), (last + 1, self._lasts[high - 1])]
        kept = [(begin, end) for begin, end in rest if begin <= end]
        self._firsts[low:high] = [begin for begin, _ in kept]
        self._lasts[low:high] = [end for _, end in kept]

    def holding(self, number: int) -> Range | None:
        """The range that holds `number`."""
        index = bisect_left(self._lasts, number)
        if index < len(self._firsts) and self._firsts[index] <= number:
            return self._firsts[index], self._lasts[index]
        return None

    def overlapping(self, first: int, last: int) -> list[Range]:
        """The whole ranges that share a number with first…last."""
        low, high = bisect_left(self._lasts, first), bisect_right(self._firsts, last)
        return list(zip(self._firsts[low:high], self._lasts[low:high], strict=True))

    def copy(self) -> "Ranges":
        """An independent copy."""
        twin = Ranges()
        twin._firsts, twin._lasts = self._firsts[:], self._lasts[:]
        return twin

    def total(self) -> int:
        """How many numbers are in."""
        return sum(self._lasts) - sum(self._firsts) + len(self._firsts)

    def highest(self) -> int | None:
        """The greatest number."""
        return self._lasts[-1] if self._lasts else None

    def __contains__(self, number: int) -> bool:
        return self.holding(number) is not None

    def __iter__(self) -> Iterator[Range]:
        return iter(zip(self._firsts, self._lasts, strict=True))

    def __len__(self) -> int:
        return len(self._firsts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ranges) and self._firsts == other._firsts and self._lasts == other._lasts

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __repr__(self) -> str:
        return f"Ranges({list(self)})"
