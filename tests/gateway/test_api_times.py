"""Times read as a person would write them, in the center's zone."""

from zoneinfo import ZoneInfo

import pytest

from gateway.web.messages import Lang, Speaker, load_catalogue
from gateway.web.times import Times, iso

NOON_MS = 1_795_320_000_000  # 2026-11-22 12:00:00 in Beijing
DAY_MS = 86_400_000
BEIJING = Times(ZoneInfo("Asia/Shanghai"))


@pytest.mark.parametrize(
    ("at_ms", "shown"),
    [
        (NOON_MS, "12:00:00"),
        (NOON_MS - 12 * 3_600_000, "00:00:00"),
        (NOON_MS - 12 * 3_600_000 - 1_000, "11-21 23:59:59"),
        (NOON_MS - 365 * DAY_MS, "2025-11-22 12:00:00"),
        (0, "1970-01-01 08:00:00"),
        (None, "—"),
    ],
)
def test_a_moment_names_the_day_only_when_it_is_not_today(at_ms: int | None, shown: str) -> None:
    assert BEIJING.moment(at_ms, NOON_MS) == shown


@pytest.mark.parametrize("at_ms", [2**62, -(2**62), 253_402_300_800_000])
def test_a_time_outside_the_calendar_is_a_dash(at_ms: int) -> None:
    assert "—" in BEIJING.moment(at_ms, NOON_MS)
    assert BEIJING.time_of_day(at_ms) == BEIJING.day(at_ms) == "—"
    assert BEIJING.weekday(at_ms, Speaker(load_catalogue(), Lang.EN)) == ""


def test_the_calendar_ends_in_utc_or_in_beijing_whichever_comes_first() -> None:
    last_in_beijing_ms = 253_402_300_799_999 - 8 * 3_600_000
    assert BEIJING.day(last_in_beijing_ms) == "9999-12-31"
    assert BEIJING.day(last_in_beijing_ms + 1) == "—"
    assert iso(last_in_beijing_ms + 1) == "9999-12-31T16:00:00.000Z"
    assert iso(2**62) == ""


def test_a_day_of_the_week_and_a_zone_have_names_in_both_languages() -> None:
    assert [BEIJING.weekday(NOON_MS, Speaker(load_catalogue(), lang)) for lang in Lang] == [
        "星期日",
        "Sunday",
    ]
    assert [BEIJING.zone_name(NOON_MS, lang) for lang in Lang] == ["中国标准时间", "China Standard Time"]


def test_another_zone_has_another_time() -> None:
    assert Times(ZoneInfo("UTC")).moment(NOON_MS, NOON_MS) == "04:00:00"
    assert Times(ZoneInfo("America/New_York")).day(NOON_MS) == "2026-11-21"
