"""A table as CSV (RFC 4180) that a spreadsheet opens as text: UTF-8 with BOM, and no cell is a formula.

A spreadsheet runs what begins with = + - @ (their full-width forms too), and what a person typed as a reason
reaches this file. Such a cell gets an apostrophe in front, as OWASP advises.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

BOM = "\ufeff"
_RUNS = tuple("=+-@＝＋－＠")
_LEADS = "\t\r\n\v\f \u00a0\u3000"  # what a spreadsheet may skip before it looks
_CUT = 32_000  # characters that a cell of a spreadsheet holds


def csv_lines(rows: Iterable[Sequence[str]]) -> Iterator[bytes]:
    """The file, row by row."""
    yield BOM.encode()
    for row in rows:
        line = io.StringIO(newline="")
        csv.writer(line, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerow([cell(text) for text in row])
        yield line.getvalue().encode(errors="replace")


def cell(text: str) -> str:
    """What stands in a cell: never a formula, never a character that no text has."""
    shown = "".join(one for one in text[:_CUT] if one in "\t\r\n" or one.isprintable())
    guarded = shown.lstrip(_LEADS).startswith(_RUNS) or shown.startswith(("\t", "\r", "\n"))
    return f"'{shown}" if guarded else shown
