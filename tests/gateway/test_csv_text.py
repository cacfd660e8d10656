"""The exported file: a reader of RFC 4180 gets back what was put in, and a spreadsheet finds nothing to run."""

import csv
import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.web.csv_text import cell, csv_lines

TEXT = st.text(max_size=40)
RUNS = set("=+-@＝＋－＠")


@given(st.lists(st.lists(TEXT, min_size=1, max_size=6), max_size=6))
@example([["=cmd|'/C calc'!A0", '"quoted"', "two\r\nlines", "a,b"]])
@example([["\t=1+1", " +1", "\u3000@x", ""]])
def test_what_is_written_is_what_is_read(rows: list[list[str]]) -> None:
    written = b"".join(csv_lines(rows))
    assert written.startswith(b"\xef\xbb\xbf")
    read = list(csv.reader(io.StringIO(written.decode("utf-8-sig"), newline=""), strict=True))
    assert read == [[cell(one) for one in row] for row in rows]
    for row in read:
        for one in row:
            assert not one.lstrip()[:1] or one.lstrip()[0] not in RUNS
            assert one[:1] not in {"\t", "\r", "\n"}
            assert "\0" not in one
    assert written.count(b"\r\n") >= len(rows)


@pytest.mark.parametrize(
    "plain", ["张*三", "p-370102-0001", "08:30-11:30", "2026-11-22", "", "a=b", "未成年人"]
)
def test_what_is_harmless_stays_as_it_is(plain: str) -> None:
    assert cell(plain) == plain


@pytest.mark.parametrize(
    "bad", ["=1+1", "+86", "-1", "@sum", "＝1", "\t=1", "\r=1", " =1", '=HYPERLINK("x")']
)
def test_what_a_spreadsheet_would_run_is_text(bad: str) -> None:
    assert cell(bad).startswith("'")


def test_without_the_guard_the_property_would_fail() -> None:
    """Control: the same writer, without `cell`, lets a formula through."""
    line = io.StringIO(newline="")
    csv.writer(line, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerow(["=1+1"])
    (row,) = csv.reader(io.StringIO(line.getvalue()))
    assert row[0][0] in RUNS
