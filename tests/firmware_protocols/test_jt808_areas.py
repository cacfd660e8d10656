"""Areas of JT/T 808: written and read again in both editions, laid out as the tables say."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_protocols.errors import LocalProtocolError
from firmware_protocols.jt808.areas import Area, Limit, Shape, set_areas
from firmware_protocols.jt808.describe import decode
from firmware_protocols.jt808.frames import Frame
from firmware_protocols.jt808.reading import Reader

MILLIONTHS = st.integers(0, 90_000_000).map(lambda number: number / 1e6)
BCD = st.text("0123456789", min_size=12, max_size=12)
LIMITS = st.builds(Limit, st.integers(0, 0xFFFF), st.integers(0, 0xFF), st.integers(0, 0xFFFF))


@st.composite
def areas(draw: st.DrawFn, shape: Shape) -> Area:
    count = {Shape.CIRCLE: 1, Shape.RECTANGLE: 2}.get(shape) or draw(st.integers(0, 6))
    return Area(
        id=draw(st.integers(0, 0xFFFF_FFFF)),
        attributes=draw(st.integers(0, 0xFFFF)),
        points=[(draw(MILLIONTHS), draw(MILLIONTHS)) for _ in range(count)],
        radius_m=draw(st.integers(0, 0xFFFF_FFFF)) if shape is Shape.CIRCLE else None,
        times=draw(st.none() | st.tuples(BCD, BCD)),
        limit=draw(st.none() | LIMITS),
        name=draw(st.text("中心区域abc", max_size=8)),
    )


@pytest.mark.parametrize("shape", Shape)
@given(st.data())
def test_an_area_of_2019_comes_back_as_it_went(shape: Shape, data: st.DataObject) -> None:
    sent = data.draw(areas(shape))
    read = Reader(sent.to_bytes(shape, new=True))
    again = Area.read(read, shape, new=True)
    assert read.left == 0
    assert (again.id, again.radius_m, again.times, again.limit, again.name) == (
        sent.id, sent.radius_m, sent.times, sent.limit, sent.name,
    )  # fmt: skip
    flat = [degrees for point in again.points for degrees in point]
    assert flat == pytest.approx([degrees for point in sent.points for degrees in point])


@pytest.mark.parametrize("shape", Shape)
@given(st.data())
def test_the_older_edition_has_neither_name_nor_night(shape: Shape, data: st.DataObject) -> None:
    sent = data.draw(areas(shape))
    read = Reader(sent.to_bytes(shape, new=False))
    again = Area.read(read, shape, new=False)
    assert (read.left, again.name) == (0, "")
    assert again.limit is None or again.limit.night_kmh == 0


CENTRE = Area(id=1, attributes=0x0008, points=[(-1.0, 2.0)], radius_m=500, limit=Limit(60, 10, 40), name="A")


def test_a_circle_is_laid_out_as_the_table_says() -> None:
    old = "00000001004a000f4240001e8480000001f4003c0a"
    assert CENTRE.to_bytes(Shape.CIRCLE, new=False).hex() == old
    assert CENTRE.to_bytes(Shape.CIRCLE, new=True).hex() == old + "0028000141"


def test_a_polygon_has_its_points_behind_the_speed_and_night_behind_the_points() -> None:
    polygon = Area(id=2, attributes=0, points=[(1.0, 2.0)], limit=Limit(60, 10, 40))
    assert polygon.to_bytes(Shape.POLYGON, new=True).hex() == (
        "000000020002003c0a0001000f4240001e848000280000"
    )


def test_a_technician_sees_the_areas_of_a_message() -> None:
    body = set_areas(Shape.CIRCLE, [CENTRE, CENTRE], new=False, action=1)
    raw: Any = decode(Frame(0x8600, "013812345678", 1, body).to_bytes(), "down")["raw"]
    assert (raw["action"], raw["count"], len(raw["areas"])) == (1, 2, 2)
    assert raw["areas"][1]["points"] == [{"lat": -1.0, "lon": 2.0}]


@given(st.sampled_from(Shape), st.integers(0, 1), st.binary(max_size=80))
def test_any_body_is_read_or_is_trouble(shape: Shape, version: int, body: bytes) -> None:
    phone = "0" * (20 if version else 12)
    told = decode(Frame(shape, phone, 1, body, version or None).to_bytes(), "down")
    assert "raw" in told


@pytest.mark.parametrize(
    ("shape", "some"),
    [
        (Shape.CIRCLE, [Area(id=1, attributes=0, points=[(1.0, 1.0)])]),
        (Shape.RECTANGLE, [CENTRE]),
        (Shape.RECTANGLE, [Area(id=1, attributes=0, points=[(1.0, 1.0), (-1.0, 2.0)])]),
        (Shape.POLYGON, []),
        (Shape.CIRCLE, [CENTRE] * 256),
    ],
)
def test_what_is_no_area_is_ours_to_mend(shape: Shape, some: list[Area]) -> None:
    with pytest.raises(LocalProtocolError) as told:
        set_areas(shape, some, new=True)
    assert told.value.code == "range"


def test_a_place_is_not_in_the_repr() -> None:
    assert "500" not in repr(CENTRE)
    assert "-1.0" not in repr(CENTRE)
