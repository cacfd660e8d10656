"""Study and service: pairs of in and out, and nothing counted that is not sure."""

from datetime import date
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from gateway.checkin.hours import IN, OUT, Sign, Stay, stays
from gateway.checkin.purposes import Purpose
from gateway.checkin.timeline import Moment, Pairing, Placed, Timeline
from tests.gateway.day_world import HOUR, MIN, MONDAY, at

ZONE = ZoneInfo("Asia/Shanghai")
IN_S, OUT_S, IN_G, OUT_G = Purpose.STUDY_IN, Purpose.STUDY_OUT, Purpose.SERVICE_IN, Purpose.SERVICE_OUT


def sign(
    purpose: Purpose, when: int, *, who: str = "p-1", boot: str = "a", bound: int = 10, wrong: int = 0
) -> Sign:
    return Sign(
        id=f"{purpose}-{when}", ref=who, purpose=purpose, at=Moment(boot, when - at("00:00")),
        placed=Placed(when - bound, when + bound), wall_ms=when + wrong,
    )  # fmt: skip


def told(signs: list[Sign]) -> list[tuple[Purpose, int | None, bool]]:
    return [(one.begun, one.seconds, one.open) for one in stays(signs, ZONE)]


def test_a_pair_counts() -> None:
    assert told([sign(IN_S, at("09:00")), sign(OUT_S, at("11:00"))]) == [(IN_S, 7200, False)]
    (one,) = stays([sign(IN_S, at("09:00")), sign(OUT_S, at("11:00"))], ZONE)
    assert one.day == MONDAY


def test_an_in_without_an_out_is_open_at_the_end_of_its_day() -> None:
    assert told([sign(IN_S, at("09:00"))]) == [(IN_S, None, True)]
    over_night = [sign(IN_S, at("23:00")), sign(OUT_S, at("2026-11-24 01:00"))]
    assert told(over_night) == [(IN_S, None, True), (IN_S, None, True)]
    assert [one.day for one in stays(over_night, ZONE)] == [MONDAY, date(2026, 11, 24)]


def test_an_out_without_an_in() -> None:
    assert told([sign(OUT_G, at("09:00"))]) == [(IN_G, None, True)]


def test_a_second_in_begins_anew() -> None:
    found = told([sign(IN_S, at("09:00")), sign(IN_S, at("10:00")), sign(OUT_S, at("11:00"))])
    assert found == [(IN_S, None, True), (IN_S, 3600, False)]


def test_both_at_once_is_counted_for_neither() -> None:
    found = told([
        sign(IN_S, at("09:00")), sign(IN_G, at("10:00")), sign(OUT_S, at("11:00")), sign(OUT_G, at("12:00")),
    ])  # fmt: skip
    assert found == [(IN_S, None, False), (IN_G, None, False)]


def test_within_a_boot_the_clock_that_nobody_can_set_counts() -> None:
    came, left = sign(IN_S, at("09:00")), sign(OUT_S, at("11:00"), bound=29_000)
    assert told([came, left]) == [(IN_S, 7200, False)]


def test_across_boots_only_where_it_is_sure() -> None:
    came = sign(IN_S, at("09:00"))
    assert told([came, sign(OUT_S, at("11:00"), boot="b")]) == [(IN_S, 7200, False)]
    assert told([came, sign(OUT_S, at("11:00"), boot="b", bound=HOUR)]) == [(IN_S, None, False)]


def test_at_1970_nothing_counts_until_the_clock_is_set() -> None:
    early, late = Moment("a", 60_000), Moment("a", 3_660_000)

    def recorded(timeline: Timeline) -> list[Sign]:
        return [
            Sign(
                id=str(n),
                ref="p-1",
                purpose=purpose,
                at=when,
                placed=timeline.place(when),
                wall_ms=when.mono_ms,
            )
            for n, (purpose, when) in enumerate([(IN_S, early), (OUT_S, late)])
        ]

    unset = Timeline(["a"], [], floor_ms=0)
    assert told(recorded(unset)) == [(IN_S, None, False)]
    set_later = Timeline(["a"], [Pairing(Moment("a", 5_000_000), at("12:00"), 50)], floor_ms=0)
    assert told(recorded(set_later)) == [(IN_S, 3600, False)]


SIGNS = st.lists(
    st.builds(
        sign,
        st.sampled_from([*IN, *OUT]),
        st.integers(at("00:00"), at("2026-11-25 00:00")),
        who=st.sampled_from(["p-1", "p-2"]),
        boot=st.sampled_from("ab"),
        bound=st.sampled_from([5, 20_000, HOUR]),
    ),
    max_size=14,
    unique_by=lambda one: one.id,
)


@given(SIGNS)
def test_every_sign_is_told_once_and_no_minute_counts_twice(signs: list[Sign]) -> None:
    found = stays(signs, ZONE)
    used = [one.id for stay in found for one in (stay.came, stay.left) if one is not None]
    assert sorted(used) == sorted(one.id for one in signs)
    counted = [stay for stay in found if stay.seconds is not None]
    for stay in counted:
        assert stay.came is not None
        assert stay.left is not None
        assert stay.came.sure
        assert stay.left.sure
        assert stay.seconds is not None
        assert 0 <= stay.seconds <= 86_400
        assert {stay.came.ref, stay.left.ref} == {stay.ref}
    for one in counted:
        for other in counted:
            if one is not other and one.ref == other.ref:
                assert not overlap(one, other)


def overlap(one: Stay, other: Stay) -> bool:
    assert one.came is not None
    assert one.left is not None
    assert other.came is not None
    assert other.left is not None
    return max(one.came.best_ms, other.came.best_ms) + MIN < min(one.left.best_ms, other.left.best_ms)
