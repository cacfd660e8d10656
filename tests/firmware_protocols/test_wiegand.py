"""Cards of 26 bits, and lines between two marks: any chunking, any noise, bounded memory."""

import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError
from firmware_protocols.families import describer
from firmware_protocols.framing import Discarded, FrameDecoder
from firmware_protocols.wiegand.card import BITS, Card
from firmware_protocols.wiegand.content import bits_of, text_of
from firmware_protocols.wiegand.describe_lines import LinesDescriber
from firmware_protocols.wiegand.lines import ETX, MOST_CONTENT, STX, Line, LineDecoder, Marks
from tests.firmware_protocols.streams import split

MARKS = {
    "lines": Marks(b"", b"\r\n", 16),
    "cr": Marks(b"", b"\r", 16),
    "stx": Marks(STX, ETX, 16),
    "words": Marks(b"ID:", b";;", 16),
}
EVERY_MARKS = pytest.mark.parametrize("marks", MARKS.values(), ids=MARKS.keys())
FAMILY = describer("wiegand")


def decode_all(marks: Marks, chunks: list[bytes]) -> list[Line | Discarded]:
    decoder: FrameDecoder[Line] = LineDecoder(marks)
    return [*(item for chunk in chunks for item in decoder.feed(chunk)), *decoder.flush()]


def lines_in(found: list[Line | Discarded]) -> list[Line]:
    return [item for item in found if isinstance(item, Line)]


def put_together(marks: Marks, found: list[Line | Discarded]) -> bytes:
    return b"".join(item.data if isinstance(item, Discarded) else marks.to_bytes(item) for item in found)


@pytest.mark.parametrize(
    ("number", "bits"),
    [  # worked out by hand from the rule
        (0, "0" + "0" * 24 + "1"),
        (0xFFFFFF, "0" + "1" * 24 + "1"),
        (1, "0" + "0" * 23 + "1" + "0"),
        (1 << 23, "1" + "1" + "0" * 23 + "1"),
        (1 << 12, "1" + "0" * 11 + "1" + "0" * 12 + "1"),
        (1 << 11, "0" + "0" * 12 + "1" + "0" * 11 + "0"),
    ],
)
def test_parity_covers_half_of_the_number_each(number: int, bits: str) -> None:
    assert Card(number).to_bits() == bits
    assert Card.from_bits(bits) == Card(number)


@given(st.integers(0, (1 << 24) - 1))
def test_every_single_changed_bit_is_noticed(number: int) -> None:
    bits = Card(number).to_bits()
    assert Card.from_bits(bits) == Card(number)
    for at in range(BITS):
        changed = bits[:at] + ("1" if bits[at] == "0" else "0") + bits[at + 1 :]
        with pytest.raises(RemoteProtocolError) as caught:
            Card.from_bits(changed)
        assert caught.value.code == "parity"


@given(st.text(max_size=40))
def test_any_text_is_a_card_or_refused(text: str) -> None:
    try:
        card = Card.from_bits(text)
    except RemoteProtocolError:
        return
    assert card.to_bits() == text


@pytest.mark.parametrize(
    ("bits", "code"), [("", "length"), ("0" * 25, "length"), ("2" + "0" * 25, "digits"), ("0" * 26, "parity")]
)
def test_what_is_no_card_is_refused_with_its_code(bits: str, code: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        Card.from_bits(bits)
    assert caught.value.code == code


@pytest.mark.parametrize("number", [-1, 1 << 24])
def test_a_number_that_no_card_has_is_our_fault(number: int) -> None:
    with pytest.raises(LocalProtocolError):
        Card(number).to_bits()


@EVERY_MARKS
def test_lines_are_found_whole_and_byte_by_byte_and_two_in_one_read(marks: Marks) -> None:
    told = [Line(b"0A1B2C3"), Line(b"7")]
    stream = b"".join(map(marks.to_bytes, told))
    assert decode_all(marks, [stream]) == told
    assert decode_all(marks, [bytes([byte]) for byte in stream]) == told


@pytest.mark.parametrize("noise", [b"\0", b"xyz", b"\x03", b"\x02half", b"ID:", b"I", b"z" * 500])
@pytest.mark.parametrize("name", ["stx", "words"])
def test_a_line_with_a_start_is_found_behind_any_noise(name: str, noise: bytes) -> None:
    marks = MARKS[name]
    stream = (noise + marks.to_bytes(Line(b"0A1B2C3"))) * 2 + noise
    found = decode_all(marks, [stream])
    assert lines_in(found) == [Line(b"0A1B2C3")] * 2
    assert put_together(marks, found) == stream


@pytest.mark.parametrize("name", ["lines", "cr"])
def test_what_follows_a_line_that_was_too_long_is_no_card(name: str) -> None:
    marks = MARKS[name]
    stream = b"9" * 300 + marks.end + marks.to_bytes(Line(b"0A1B2C3"))
    found = decode_all(marks, [stream])
    assert lines_in(found) == [Line(b"0A1B2C3")]
    assert {item.reason for item in found if isinstance(item, Discarded)} == {"length"}
    assert put_together(marks, found) == stream


@EVERY_MARKS
def test_no_prefix_of_a_line_is_one(marks: Marks) -> None:
    whole = marks.to_bytes(Line(b"0A1B2C3"))
    for end in range(len(whole)):
        assert lines_in(decode_all(marks, [whole[:end]])) == []


@EVERY_MARKS
def test_a_silence_ends_a_line_that_was_begun(marks: Marks) -> None:
    decoder = LineDecoder(marks)
    assert list(decoder.feed(marks.start + b"half")) == []
    assert [item.reason for item in decoder.flush() if isinstance(item, Discarded)] == ["truncated"]
    assert list(decoder.feed(marks.to_bytes(Line(b"1")))) == [Line(b"1")]


@EVERY_MARKS
def test_nothing_between_the_marks_is_no_line(marks: Marks) -> None:
    empty = marks.start + marks.end
    assert decode_all(marks, [empty]) == [Discarded("empty", len(empty), empty)]


@settings(deadline=None)
@given(
    st.sampled_from(list(MARKS.values())),
    st.lists(
        st.binary(max_size=24) | st.sampled_from([b"\r", b"\n", b"\r\n", STX, ETX, b"ID:", b";;", b"12345"]),
        max_size=12,
    ).map(b"".join),
    st.lists(st.integers(0, 300), max_size=8),
)
def test_chunking_never_changes_the_lines_and_no_byte_is_lost(
    marks: Marks, stream: bytes, cuts: list[int]
) -> None:
    whole, chunked = decode_all(marks, [stream]), decode_all(marks, split(stream, cuts))
    assert whole == chunked
    assert put_together(marks, whole) == stream


def test_memory_is_bounded_by_the_longest_line() -> None:
    rng = random.Random(26)
    for marks in MARKS.values():
        for stream in (b"1" * 20_000, marks.start * 9_000, marks.end * 9_000, rng.randbytes(20_000)):
            decoder = LineDecoder(marks)
            for start in range(0, len(stream), 700):
                list(decoder.feed(stream[start : start + 700]))
                assert len(decoder._buffer) <= 2 * (len(marks.start) + marks.longest + len(marks.end))


@pytest.mark.parametrize(
    ("start", "end", "longest", "code"),
    [
        (STX, b"", 16, "marks"), (STX, STX, 16, "marks"), (b"ab", b"b", 16, "marks"),
        (STX, ETX, 0, "longest"), (STX, ETX, MOST_CONTENT + 1, "longest"),
    ],
)  # fmt: skip
def test_marks_that_end_no_line_are_refused(start: bytes, end: bytes, longest: int, code: str) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        Marks(start, end, longest)
    assert caught.value.code == code


@pytest.mark.parametrize("content", [b"", b"1" * 17, b"a\x03b", b"a\x02b"])
def test_content_that_the_marks_do_not_carry_is_our_fault(content: bytes) -> None:
    with pytest.raises(LocalProtocolError):
        MARKS["stx"].to_bytes(Line(content))


@pytest.mark.parametrize("text", ["{:026b}", "{:07X}", " {:07x}\r\n"])
def test_a_card_decodes_from_digits(text: str) -> None:
    data = text.format(int(Card(0x0A1B2C).to_bits(), 2)).encode()
    assert FAMILY.decode(data, None)["number"] == 0x0A1B2C
    [field] = FAMILY.explain(data, None)
    assert (field.length, field.personal, field.wrong) == (len(data), True, False)


@given(st.binary(max_size=40))
def test_any_bytes_are_explained_to_the_last(data: bytes) -> None:
    fields = FAMILY.explain(data, None)
    assert sum(field.length for field in fields) == len(data)
    try:
        FAMILY.decode(data, None)
    except RemoteProtocolError:
        assert all(field.wrong for field in fields)


@EVERY_MARKS
@pytest.mark.parametrize("read", [bits_of, text_of])
def test_a_converter_s_lines_are_explained_to_the_last_byte(
    marks: Marks, read: Callable[[bytes], str]
) -> None:
    told = LinesDescriber(marks, read)
    card = f"{int(Card(0x0A1B2C).to_bits(), 2):07X}".encode()
    line = marks.to_bytes(Line(card))
    fields = told.explain(b"\0\0" + marks.end + line + b"\1half", None)
    assert sum(field.length for field in fields) == 2 + len(marks.end) + len(line) + 5
    assert all(field.personal for field in fields if field.length), "any of it may be somebody's"
    assert [field.name for field in fields if not field.wrong] == ["badge", "understood"]
    assert told.decode(line, None)["number"] == (
        Card(0x0A1B2C).to_bits() if read is bits_of else card.decode()
    )
    for wrong in (line + line, b"", marks.end, line[:-1]):
        with pytest.raises(RemoteProtocolError):
            told.decode(wrong, None)


@given(st.binary(max_size=80))
def test_any_bytes_are_lines_or_said_to_be_none(data: bytes) -> None:
    for marks in MARKS.values():
        fields = LinesDescriber(marks, text_of).explain(data, None)
        assert sum(field.length for field in fields) == len(data)


@given(st.binary(max_size=40))
def test_characters_are_those_that_came_or_refused(content: bytes) -> None:
    try:
        text = text_of(content)
    except RemoteProtocolError:
        return
    assert text.encode() == content.strip()
    assert text.isprintable()


def test_the_number_of_a_card_stays_out_of_repr() -> None:
    assert repr(Card(7)) == "Card()"
    assert repr(Line(b"7")) == "Line()"
