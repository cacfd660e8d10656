"""How far a long work is: one line on a terminal, overwritten in place; nothing where nobody looks."""

import sys
import time
from typing import TextIO

EVERY_S = 0.2
WIDTH = 24  # characters of the bar


class Progress:
    """Writes to standard error, so that standard output stays clean. `done` may be called as often as one likes."""

    def __init__(self, what: str, *, unit: str, stream: TextIO | None = None, quiet: bool = False) -> None:
        self._what = what
        self._unit = unit
        self._stream = sys.stderr if stream is None else stream
        self._shown = not quiet and self._stream.isatty()
        self._began = time.monotonic()
        self._next = 0.0
        self._drawn = False

    def done(self, done: int, total: int) -> None:
        """So much of so much."""
        now = time.monotonic()
        if not self._shown or (now < self._next and done < total):
            return
        self._next = now + EVERY_S
        self._drawn = True
        self._stream.write("\r" + line(self._what, self._unit, done, total, now - self._began) + "\x1b[K")
        self._stream.flush()

    def close(self) -> None:
        """Take the line away."""
        if self._drawn:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
            self._drawn = False


def line(what: str, unit: str, done: int, total: int, seconds: float) -> str:
    """`verifying [######------------------]  25%  1,200 of 4,800 events, 900/s, 4 s left`."""
    share = min(1.0, done / total) if total else 1.0
    bar = "#" * round(share * WIDTH)
    text = f"{what} [{bar:-<{WIDTH}}] {share:4.0%}  {done:,} of {total:,} {unit}"
    if seconds > 0 and done:
        rate = done / seconds
        text += f", {rate:,.0f}/s, {max(0, total - done) / rate:.0f} s left"
    return text
