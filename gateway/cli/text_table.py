"""Aligned tables on a terminal, where a Chinese character takes two columns.

Leaves out: colours, wrapping and borders; the last column may run over the edge.
"""

import unicodedata
from collections.abc import Sequence

GAP = "  "
_WIDE = frozenset("WF")


def display_width(text: str) -> int:
    """Columns that `text` takes on a terminal."""
    return sum(_character_width(character) for character in text)


def _character_width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in _WIDE else 1


def printable(text: str) -> str:
    """`text` without characters that could steer the terminal; each becomes a visible escape.

    What comes off a wire is not ours: a name may hold an escape sequence or a change of direction.
    """
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines with the columns of `rows` one under another."""
    columns = max((len(row) for row in rows), default=0)
    widths = [max(display_width(row[i]) for row in rows if i < len(row)) for i in range(columns)]
    return [
        GAP.join(
            cell + " " * (width - display_width(cell)) for cell, width in zip(row, widths, strict=False)
        ).rstrip()
        for row in rows
    ]
