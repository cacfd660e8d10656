"""Tables on a terminal."""

import pytest

from gateway.cli.text_table import display_width, printable, table


@pytest.mark.parametrize(
    ("text", "width"), [("", 0), ("abc", 3), ("身份证", 6), ("（", 2), ("e\u0301", 1), ("ｱ", 1), ("Ａ", 2)]
)
def test_a_chinese_character_takes_two_columns(text: str, width: int) -> None:
    assert display_width(text) == width


def test_columns_stand_one_under_another_whatever_the_script() -> None:
    lines = table([("姓名", "name", "x"), ("a", "测试", "y"), ("abcdef", "", "z")])
    assert lines == ["姓名    name  x", "a       测试  y", "abcdef        z"]
    assert len({display_width(line) for line in lines}) == 1


def test_rows_may_be_short_and_lines_end_in_no_space() -> None:
    assert table([("a", "b"), ("c",), ("d", "")]) == ["a  b", "c", "d"]
    assert table([]) == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("测试 A", "测试 A"),
        ("\x1b[31m", "\\x1b[31m"),  # would colour the terminal
        ("a\nb\rc\0", "a\\nb\\rc\\x00"),
        ("\u202egnp", "\\u202egnp"),  # would turn the line around
        ("\U000e0041", "\\U000e0041"),
        ("a\\n", "a\\n"),
    ],
)
def test_what_could_steer_the_terminal_is_shown_as_an_escape(text: str, shown: str) -> None:
    assert printable(text) == shown
