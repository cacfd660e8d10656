"""Durations and sizes read as a person would write them."""

import pytest

from gateway.web import wording
from gateway.web.messages import Lang, Speaker, load_catalogue

DAY_MS = 86_400_000


@pytest.mark.parametrize(
    ("length_ms", "zh", "en"),
    [
        (None, "—", "—"),
        (-5, "0 毫秒", "0 ms"),
        (182, "182 毫秒", "182 ms"),
        (999, "999 毫秒", "999 ms"),
        (1_000, "1 秒", "1 s"),
        (1_460, "1.4 秒", "1.4 s"),
        (9_999, "9.9 秒", "9.9 s"),
        (10_000, "10 秒", "10 s"),
        (59_999, "59 秒", "59 s"),
        (60_000, "1 分", "1 min"),
        (192_000, "3 分 12 秒", "3 min 12 s"),
        (3_600_000, "1 小时", "1 h"),
        (3_605_000, "1 小时", "1 h"),
        (2 * DAY_MS + 5 * 3_600_000, "2 天 5 小时", "2 d 5 h"),
    ],
)
def test_a_duration_is_said_in_at_most_two_units(length_ms: int | None, zh: str, en: str) -> None:
    said = [wording.duration(length_ms, Speaker(load_catalogue(), lang)) for lang in Lang]
    assert said == [zh, en]


@pytest.mark.parametrize(
    ("bytes_used", "shown"),
    [
        (-1, "0 B"),
        (812, "812 B"),
        (1024, "1.0 KiB"),
        (3_471_360, "3.3 MiB"),
        (5 * 2**30, "5.0 GiB"),
        (2**42, "4096.0 GiB"),
    ],
)
def test_a_size_has_one_digit_behind_the_point(bytes_used: int, shown: str) -> None:
    assert wording.size(bytes_used) == shown
