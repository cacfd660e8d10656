"""What a person sees of the demo: one readable line for each thing that happens, in colour on a terminal."""

import os
import sys
from datetime import datetime
from typing import TextIO

WIDTH = 11  # columns of the first word
_COLOURS = {
    "committed": "33",  # yellow: on disk
    "sent": "36",  # cyan: on its way
    "settled": "32",  # green: the center has it
    "rejected": "31",
    "center": "35",
    "card": "2",
    "trouble": "31",
}


class Show:
    """Prints lines."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._colour = self._out.isatty() and not os.environ.get("NO_COLOR")

    def title(self, text: str) -> None:
        """A line of its own."""
        self._print(self._paint(text, "1"))

    def fact(self, name: str, text: str) -> None:
        """Something to know before it begins."""
        self._print(f"  {name:<{WIDTH}} {text}")

    def happened(self, what: str, text: str) -> None:
        """Something happened now."""
        now = datetime.now().astimezone().strftime("%H:%M:%S.%f")[:-3]
        self._print(
            f"{self._paint(now, '2')}  {self._paint(f'{what:<{WIDTH}}', _COLOURS.get(what, '0'))} {text}"
        )

    def _paint(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colour else text

    def _print(self, line: str) -> None:
        self._out.write(line + "\n")
        self._out.flush()
