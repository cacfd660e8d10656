"""What a tracker's half of a family writes, the platform's half hears as it was; and its answers are known again."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.trackers import FAMILIES, conversation_type
from firmware_protocols.errors import LocalProtocolError
from firmware_protocols.framing import Discarded
from firmware_protocols.gt06.frames import Frame as Gt06Frame
from firmware_protocols.gt06.terminal import Gt06Terminal
from firmware_protocols.h02.reports import report_of as h02_report
from firmware_protocols.h02.terminal import H02Terminal
from firmware_protocols.jt808.wearable import Jt808Wearable
from firmware_protocols.r16h.terminal import R16hTerminal
from firmware_protocols.tracker_terminal import Answer, Saying, Sighting, Told, TrackerTerminal, codes_of
from firmware_protocols.tracking import Conversation, Fix, Heard, Order, Sign, TrackerReport
from firmware_protocols.watch.terminal import WatchTerminal

NOW = datetime(2026, 11, 27, 4, 5, 6, tzinfo=UTC)
# By a clock whose zone no frame tells.
FIRST, LAST = datetime(2001, 1, 1), datetime(2098, 12, 31)  # noqa: DTZ001
IN_BEIJING = datetime(2026, 11, 27, 12, 5, 6)  # noqa: DTZ001
IDS = {
    "gt06": "352000000000017",
    "h02": "4700222306",
    "jt808": "13812345678",
    "r16h": "352000000000017",
    "watch": "4700222306",
}
TERMINALS: Mapping[str, Callable[[str], TrackerTerminal]] = {
    "gt06": Gt06Terminal,
    "h02": H02Terminal,
    "jt808": Jt808Wearable,
    "r16h": R16hTerminal,
    "watch": WatchTerminal,
}
# What one step of a family's place is worth, in parts of a degree.
GRID = {"gt06": 1_800_000, "h02": 600_000, "jt808": 1_000_000, "r16h": 1_000_000, "watch": 1_000_000}
ANSWERS = {"gt06": True, "h02": True, "jt808": True, "r16h": False, "watch": False}  # to a plain position


def made(family: str) -> TrackerTerminal:
    return TERMINALS[family](IDS[family])


@st.composite
def sightings(draw: st.DrawFn, family: str) -> Sighting:
    """Of what the frames of a family can hold; a sighting beyond that is rounded."""
    grid = GRID[family]
    kmh = {
        "gt06": st.integers(0, 255).map(float),
        "h02": st.integers(0, 20_000).map(lambda one: round(one / 100 * 1.852, 4)),
        "jt808": st.integers(0, 2000).map(lambda one: one / 10),
        "r16h": st.integers(0, 2000).map(lambda one: one / 10),
        "watch": st.integers(0, 20_000).map(lambda one: one / 100),
    }[family]
    naive = family in {"gt06", "r16h", "watch"}
    time = draw(st.datetimes(FIRST, LAST)).replace(microsecond=0)
    says = made(family).says - {Sign.STRAP_OPEN}
    fix = Fix(
        lat=draw(st.integers(-89 * grid, 89 * grid)) / grid,
        lon=draw(st.integers(-179 * grid, 179 * grid)) / grid,
        valid=True if family == "r16h" else draw(st.booleans()),
        time=time if naive else time.replace(tzinfo=UTC),
        altitude_m=float(draw(st.integers(-100, 8000))),
        speed_kmh=draw(kmh),
        course=float(draw(st.integers(0, 359))),
        satellites=draw(st.integers(0, 15)),
        archived=draw(st.booleans()),
    )
    return Sighting(
        fix=fix,
        battery_pct=draw(st.integers(7, 100)),
        strap_open=made(family).tells_strap and draw(st.booleans()),
        moments=frozenset(draw(st.sets(st.sampled_from(sorted(says)), max_size=3))),
    )


def heard(talk: Conversation, sayings: Sequence[Saying]) -> list[Heard]:
    found = [*talk.feed(b"".join(one.data for one in sayings), NOW)]
    assert not [one for one in found if isinstance(one, Discarded)]
    return [one for one in found if isinstance(one, Heard)]


def reports(family: str, sayings: Sequence[Saying]) -> list[TrackerReport]:
    terminal, talk = made(family), conversation_type(family)()
    heard(talk, list(_hello(terminal, conversation_type(family)())))
    if family == "gt06":  # who it is, it says in its login alone
        heard(talk, [Gt06Terminal(IDS[family]).login()])
    return [report for one in heard(talk, sayings) for report in one.reports]


def _hello(terminal: TrackerTerminal, talk: Conversation) -> Sequence[Saying]:
    """Its opening, answered by a platform."""
    said: list[Saying] = []
    opening = terminal.hello()
    answer: Answer | None = None
    while True:
        try:
            saying = opening.send(answer) if said else next(opening)
        except StopIteration:
            return said
        said.append(saying)
        answer = None
        for one in heard(talk, [saying]):
            answers = [found for found in terminal.hear(one.answer) if isinstance(found, Answer)]
            answer = answers[0] if answers else None
        assert (answer is None) == (saying.answer is None)
        assert answer is None or answer.to == saying.answer


def test_every_terminal_has_a_line() -> None:
    assert set(TERMINALS) <= set(FAMILIES)


@pytest.mark.parametrize("family", TERMINALS)
def test_a_line_is_begun_as_the_platform_wants_it(family: str) -> None:
    terminal, talk = made(family), conversation_type(family)()
    _hello(terminal, talk)
    heard(talk, terminal.tell(SOMEWHERE))
    assert talk.device_id == IDS[family]


@pytest.mark.parametrize("family", TERMINALS)
@given(st.data())
def test_what_is_written_is_heard_as_it_was(family: str, data: st.DataObject) -> None:
    sighting = data.draw(sightings(family))
    told = reports(family, made(family).tell(sighting))
    wanted = sighting.fix
    assert wanted is not None
    for report in told:
        fix = report.fix
        assert fix is not None
        assert fix.lat == pytest.approx(wanted.lat, abs=1e-8)
        assert fix.lon == pytest.approx(wanted.lon, abs=1e-8)
        assert (fix.valid, fix.time) == (wanted.valid, wanted.time)
        assert fix.speed_kmh == pytest.approx(wanted.speed_kmh)
        assert fix.course == wanted.course
        assert fix.altitude_m in (wanted.altitude_m, None)
        assert fix.satellites in (wanted.satellites, None)
        assert report.battery_pct in (sighting.battery_pct, None)
        assert report.device_id == IDS[family]
    assert frozenset[Sign]().union(*(one.alarms for one in told)) == sighting.signs


@given(sightings("h02"))
def test_a_position_in_digits_is_the_same_place(sighting: Sighting) -> None:
    fix = sighting.fix
    assert fix is not None
    told = h02_report(H02Terminal(IDS["h02"]).binary_position(fix, sighting.battery_pct, sighting.moments))
    assert told.fix is not None
    assert (told.fix.lat, told.fix.lon) == pytest.approx((fix.lat, fix.lon), abs=1e-8)
    assert (told.fix.valid, told.fix.time, told.fix.course) == (fix.valid, fix.time, fix.course)
    assert told.fix.speed_kmh == pytest.approx(fix.speed_kmh, abs=1)  # whole knots
    assert (told.battery_pct, told.device_id) == (sighting.battery_pct, IDS["h02"])
    assert told.alarms == sighting.signs


SOMEWHERE = Sighting(
    fix=Fix(lat=36.65, lon=117.12, valid=True, time=NOW, altitude_m=52.0, speed_kmh=4.0, course=90.0),
    battery_pct=64,
)


@pytest.mark.parametrize("family", TERMINALS)
def test_a_stored_position_says_so_where_its_frame_can(family: str) -> None:
    assert SOMEWHERE.fix is not None
    stored = replace(SOMEWHERE, fix=replace(SOMEWHERE.fix, archived=True))
    (told,) = reports(family, made(family).tell(stored))
    assert told.fix is not None
    assert told.fix.archived is (family in {"gt06", "r16h", "watch"})


@pytest.mark.parametrize("family", TERMINALS)
def test_answers_are_known_again_in_any_cut_and_only_where_there_are_some(family: str) -> None:
    terminal, talk = made(family), conversation_type(family)()
    (saying,) = terminal.tell(SOMEWHERE)
    (told,) = heard(talk, [saying])
    assert (saying.answer is not None) is bool(told.answer) is ANSWERS[family]
    found = [one for byte in told.answer for one in terminal.hear(bytes([byte]))]
    assert [one.to for one in found if isinstance(one, Answer)] == ([saying.answer] if saying.answer else [])


@pytest.mark.parametrize("family", ["gt06", "jt808"])
def test_the_answer_to_another_frame_is_another(family: str) -> None:
    terminal = made(family)
    first, second = terminal.tell(SOMEWHERE), terminal.tell(SOMEWHERE)
    assert first[0].answer != second[0].answer


def test_an_alarm_of_a_watch_is_answered_and_a_position_is_not() -> None:
    terminal, talk = made("watch"), conversation_type("watch")()
    (alarm,) = terminal.tell(replace(SOMEWHERE, moments=frozenset({Sign.SOS})))
    (told,) = heard(talk, [alarm])
    assert [*terminal.hear(told.answer)] == [Answer(alarm.answer or "none")]


@pytest.mark.parametrize(
    ("family", "battery"), [("gt06", 64), ("h02", 64), ("watch", 64), ("jt808", None), ("r16h", None)]
)
def test_how_it_is_goes_without_a_place(family: str, battery: int | None) -> None:
    (told,) = reports(family, made(family).tell(Sighting(battery_pct=64)))
    assert (told.fix, told.battery_pct) == (None, battery)


def test_a_battery_that_is_nearly_empty_is_not_taken_for_a_level() -> None:
    """Of seven levels, the third is half full."""
    (told,) = reports("gt06", made("gt06").tell(Sighting(battery_pct=3)))
    assert told.battery_pct == 0


def test_a_bracelet_without_a_place_tells_cells_and_its_strap() -> None:
    assert SOMEWHERE.fix is not None
    lost = replace(SOMEWHERE, fix=replace(SOMEWHERE.fix, valid=False), strap_open=True)
    (told,) = reports("r16h", made("r16h").tell(lost))
    assert (told.kind, told.fix, told.standing) == ("LBSD", None, {Sign.STRAP_OPEN: True})
    assert told.raw["cells"]


@pytest.mark.parametrize("terminal", [WatchTerminal, R16hTerminal])
def test_a_clock_of_its_own_is_written_as_it_stands(terminal: Callable[..., TrackerTerminal]) -> None:
    beijing = timezone(timedelta(hours=8))
    (told,) = heard(
        conversation_type("watch" if terminal is WatchTerminal else "r16h")(),
        terminal("4700222306", beijing).tell(SOMEWHERE),
    )
    assert told.reports[0].fix is not None
    assert told.reports[0].fix.time == IN_BEIJING


@pytest.mark.parametrize(
    ("family", "order", "value", "reply"),
    [
        ("gt06", Order.TEXT, "WHERE#", "0x15"),
        ("h02", Order.INTERVAL, 60, "V4"),
        ("jt808", Order.LOCATE, None, "0x0001"),
        ("r16h", Order.LOCATE, None, "RPLY"),
        ("watch", Order.FIND, None, "FIND"),
    ],
)
def test_an_order_is_heard_and_answered(
    family: str, order: Order, value: int | str | None, reply: str
) -> None:
    terminal, talk = made(family), conversation_type(family)()
    _hello(terminal, talk)
    heard(talk, terminal.tell(SOMEWHERE))
    (told,) = terminal.hear(talk.order(order, value, NOW))
    assert isinstance(told, Told)
    (done,) = heard(talk, [Saying(told.reply)])
    assert done.reports[0].kind == reply


@pytest.mark.parametrize(("family", "sign"), [("h02", Sign.STRAP_OPEN), ("r16h", Sign.FALL)])
def test_what_no_frame_can_say_is_refused(family: str, sign: Sign) -> None:
    with pytest.raises(LocalProtocolError) as told:
        made(family).tell(replace(SOMEWHERE, moments=frozenset({sign})))
    assert told.value.code == "unsupported"


@pytest.mark.parametrize("family", TERMINALS)
def test_a_place_without_a_time_is_ours_to_mend(family: str) -> None:
    assert SOMEWHERE.fix is not None
    with pytest.raises(LocalProtocolError) as told:
        made(family).tell(replace(SOMEWHERE, fix=replace(SOMEWHERE.fix, time=None)))
    assert told.value.code == "time"


@pytest.mark.parametrize(
    ("family", "device_id", "code"),
    [
        ("gt06", "", "imei"),
        ("gt06", "x", "imei"),
        ("gt06", "1" * 16, "imei"),
        ("h02", "1" * 21, "form"),
        ("h02", "1,2", "form"),
        ("r16h", "123", "form"),
        ("watch", "", "header"),
        ("watch", "1*2", "header"),
    ],
)
def test_an_id_that_no_frame_carries_is_ours_to_mend(family: str, device_id: str, code: str) -> None:
    with pytest.raises(LocalProtocolError) as told:
        TERMINALS[family](device_id)
    assert told.value.code == code


@pytest.mark.parametrize("device_id", ["12345", "123456789012345", "47002223AB"])
def test_digits_carry_an_id_of_ten(device_id: str) -> None:
    assert SOMEWHERE.fix is not None
    with pytest.raises(LocalProtocolError) as told:
        H02Terminal(device_id).binary_position(SOMEWHERE.fix)
    assert told.value.code == "range"


def test_the_first_code_of_a_sign_is_its_code() -> None:
    assert codes_of({1: Sign.SOS, 2: Sign.SOS}, {3: Sign.SOS, 4: Sign.FALL}) == {Sign.SOS: 1, Sign.FALL: 4}


def test_serials_go_round() -> None:
    terminal = Gt06Terminal(IDS["gt06"], serial=0xFFFF)
    frames = [Gt06Frame.from_bytes(terminal.login().data) for _ in range(2)]
    assert [one.serial for one in frames] == [0xFFFF, 0]


@pytest.mark.parametrize("family", TERMINALS)
@given(st.binary(max_size=200))
def test_any_bytes_are_answers_orders_or_noise(family: str, data: bytes) -> None:
    for one in made(family).hear(data):
        assert isinstance(one, Answer | Told | Discarded)


def test_places_stand_in_no_repr() -> None:
    for family in TERMINALS:
        terminal = made(family)
        assert "36.65" not in repr((terminal.tell(SOMEWHERE), SOMEWHERE))
