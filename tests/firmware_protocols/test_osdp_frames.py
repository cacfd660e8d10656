"""Frames of an OSDP bus: found in any stream, and nothing but the family's own codes for any bytes."""

import random
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError
from firmware_protocols.framing import Discarded
from firmware_protocols.osdp.crc16 import crc16
from firmware_protocols.osdp.decoder import AnyDecoder, CommandDecoder, ReplyDecoder
from firmware_protocols.osdp.frames import MAX_FRAME, Check, Frame
from firmware_protocols.osdp.security_block import HANDSHAKE, MAC_SIZE, WITH_MAC, SecurityBlock
from tests.firmware_protocols.streams import bytes_of, split
from tests.firmware_protocols.vectors import OSDP_FRAMES, Vector

BLOCKS = [
    *(SecurityBlock(kind, value) for kind in sorted(HANDSHAKE) for value in (0, 1, 0xFF)),
    *(SecurityBlock(kind) for kind in sorted(WITH_MAC)),
]


@st.composite
def frames(draw: st.DrawFn) -> Frame:
    block = draw(st.none() | st.sampled_from(BLOCKS))
    return Frame(
        address=draw(st.integers(0, 0x7F)),
        sequence=draw(st.integers(0, 3)),
        code=draw(st.integers(0, 0xFF)),
        data=draw(st.binary(max_size=40)),
        reply=draw(st.booleans()),
        check=draw(st.sampled_from(Check)),
        security=block,
        mac=draw(st.binary(min_size=MAC_SIZE, max_size=MAC_SIZE)) if block and block.has_mac else None,
        mark=draw(st.booleans()),
    )


def decode_all(decoder: AnyDecoder, chunks: Iterable[bytes]) -> list[Frame | Discarded]:
    found = [item for chunk in chunks for item in decoder.feed(chunk)]
    return [*found, *decoder.flush()]


def frames_in(found: Iterable[Frame | Discarded]) -> list[Frame]:
    return [item for item in found if isinstance(item, Frame)]


def test_the_check_is_the_one_of_the_catalogue_of_crcs() -> None:
    assert crc16(b"123456789") == 0xE5CC  # CRC-16/SPI-FUJITSU, which has these parameters
    assert crc16(b"") == 0x1D0F


@pytest.mark.parametrize("vector", OSDP_FRAMES, ids=repr)
def test_a_vector_survives_both_halves_of_the_codec(vector: Vector) -> None:
    assert Frame.from_bytes(vector.data).to_bytes() == vector.data


@pytest.mark.parametrize("vector", OSDP_FRAMES, ids=repr)
def test_a_vector_is_found_whole_and_byte_by_byte_and_twice_in_one_read(vector: Vector) -> None:
    frame = Frame.from_bytes(vector.data)
    assert decode_all(AnyDecoder(), [vector.data]) == [frame]
    assert decode_all(AnyDecoder(), [bytes([byte]) for byte in vector.data]) == [frame]
    assert decode_all(AnyDecoder(), [vector.data * 2]) == [frame, frame]


@pytest.mark.parametrize("noise", ["00", "FF", "FFFF", "52", "5300", "530000000000", "53800800F0", "AA" * 40])
@pytest.mark.parametrize("vector", OSDP_FRAMES, ids=repr)
def test_a_vector_is_found_between_noise(vector: Vector, noise: str) -> None:
    stream = (bytes.fromhex(noise) + vector.data) * 2 + bytes.fromhex(noise)
    for chunks in ([stream], [bytes([byte]) for byte in stream]):
        found = decode_all(AnyDecoder(), chunks)
        assert frames_in(found) == [Frame.from_bytes(vector.data)] * 2
        assert bytes_of(found) == stream


@pytest.mark.parametrize("vector", OSDP_FRAMES, ids=repr)
def test_no_prefix_of_a_vector_is_a_frame(vector: Vector) -> None:
    for end in range(len(vector.data)):
        assert frames_in(decode_all(AnyDecoder(), [vector.data[:end]])) == []
        with pytest.raises(RemoteProtocolError) as caught:
            Frame.from_bytes(vector.data[:end])
        assert caught.value.code == "truncated"


@pytest.mark.parametrize("vector", OSDP_FRAMES, ids=repr)
def test_every_single_changed_bit_is_noticed(vector: Vector) -> None:
    for bit in range(8 * len(vector.data)):
        changed = bytearray(vector.data)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(RemoteProtocolError):
            Frame.from_bytes(bytes(changed))


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("", "truncated"), ("FF", "truncated"), ("FF53000800", "truncated"), ("5400080004", "sync"),
        ("FFFF53", "sync"), ("530008001460EBAA", "control"), ("530007000460EBAA", "length"),
        ("5300FFFF0460EBAA", "length"), ("530008000C60EBAA", "length"), ("530008000460EBAB", "checksum"),
        ("530008000460EBAA00", "trailing"),
    ],
)  # fmt: skip
def test_what_is_no_frame_is_refused_with_its_code(frame: str, code: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        Frame.from_bytes(bytes.fromhex(frame))
    assert caught.value.code == code


@pytest.mark.parametrize("block", ["0210", "0319", "0211", "0315", "0018", "FF11"])
def test_a_security_block_that_is_not_known_is_refused_and_passed_over(block: str) -> None:
    inside = bytes.fromhex(block) + b"\x60" + bytes(8)
    body = b"\x53\0" + (5 + len(inside) + 2).to_bytes(2, "little") + b"\x0c" + inside
    raw = body + Check.CRC16.of(body)
    with pytest.raises(RemoteProtocolError) as caught:
        Frame.from_bytes(raw)
    assert caught.value.code == "security_block"
    assert list(AnyDecoder().feed(raw)) == [Discarded("security_block", len(raw), raw)]


def test_a_decoder_of_one_direction_passes_over_the_other() -> None:
    command, reply = Frame(1, 0, 0x60), Frame(1, 0, 0x40, reply=True)
    stream = command.to_bytes() + reply.to_bytes()
    echo, heard = ReplyDecoder().feed(stream)
    assert (echo, heard) == (Discarded("direction", 8, command.to_bytes()), reply)
    assert frames_in(CommandDecoder().feed(stream)) == [command]


def test_a_good_frame_inside_a_cut_one_is_found() -> None:
    good = Frame(3, 1, 0x40, reply=True, mark=True)
    cut = Frame(3, 1, 0x50, bytes(60), reply=True).to_bytes()[:30]
    found = decode_all(ReplyDecoder(), [cut + good.to_bytes() * 6])
    assert frames_in(found) == [good] * 6
    assert all(frame.mark for frame in frames_in(found))


@pytest.mark.parametrize(
    "frame",
    [
        Frame(0x80, 0, 0x60),
        Frame(0, 4, 0x60),
        Frame(0, 0, 0x100),
        Frame(0, 0, 0x60, bytes(MAX_FRAME)),
        Frame(0, 0, 0x60, mac=bytes(4)),
        Frame(0, 0, 0x60, security=SecurityBlock(0x15)),
        Frame(0, 0, 0x60, security=SecurityBlock(0x15), mac=bytes(3)),
        Frame(0, 0, 0x60, security=SecurityBlock(0x11)),
        Frame(0, 0, 0x60, security=SecurityBlock(0x11, 256)),
    ],
)
def test_what_the_wire_cannot_carry_is_our_mistake(frame: Frame) -> None:
    with pytest.raises(LocalProtocolError):
        frame.to_bytes()


def test_memory_is_bounded_by_the_longest_frame() -> None:
    rng = random.Random(0x53)
    claim = b"\x53\0" + MAX_FRAME.to_bytes(2, "little") + b"\4"
    for stream in (
        b"\0" * 50_000,
        b"\x53" * 50_000,
        b"\xff\x53" * 25_000,
        claim * 9_000,
        rng.randbytes(50_000),
    ):
        decoder = AnyDecoder()
        for start in range(0, len(stream), 1000):
            list(decoder.feed(stream[start : start + 1000]))
            assert len(decoder._buffer) <= MAX_FRAME + 1


@given(frames())
def test_every_frame_survives_the_wire(frame: Frame) -> None:
    assert Frame.from_bytes(frame.to_bytes()) == frame
    assert list(AnyDecoder().feed(frame.to_bytes())) == [frame]


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from([*(vector.data for vector in OSDP_FRAMES), b"\x53", b"\xff", b"\x53\0\x10\0\4"])
        | frames().map(Frame.to_bytes)
        | st.binary(max_size=12),
        max_size=10,
    ).map(b"".join),
    st.lists(st.integers(0, 400), max_size=10),
)
def test_chunking_never_changes_the_frames_and_no_byte_is_lost(stream: bytes, cuts: list[int]) -> None:
    for kind in (AnyDecoder, ReplyDecoder, CommandDecoder):
        whole, chunked = decode_all(kind(), [stream]), decode_all(kind(), split(stream, cuts))
        assert frames_in(whole) == frames_in(chunked)
        assert bytes_of(whole) == bytes_of(chunked) == stream


@given(st.binary(max_size=40))
def test_any_bytes_are_a_frame_or_refused(data: bytes) -> None:
    try:
        frame = Frame.from_bytes(data)
    except RemoteProtocolError:
        return
    assert frame.to_bytes() == data


def test_nothing_of_a_card_shows_in_repr() -> None:
    assert "secret" not in repr(Frame(0, 0, 0x50, b"secret", reply=True))
