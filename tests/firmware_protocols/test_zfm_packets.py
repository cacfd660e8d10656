"""Finding packets of a fingerprint module in a stream: any chunking, any noise, bounded memory."""

import random
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError
from firmware_protocols.framing import Discarded, FrameDecoder
from firmware_protocols.zfm.packet import (
    HEADER,
    MAX_LENGTH,
    MAX_PAYLOAD,
    MIN_LENGTH,
    PREFIX_SIZE,
    CommandDecoder,
    Packet,
    PacketDecoder,
    Pid,
    ReplyDecoder,
)
from tests.firmware_protocols.streams import bytes_of, split
from tests.firmware_protocols.vectors import ZFM, Vector, readme_table
from tests.firmware_protocols.zfm_strategies import packets

Found = Sequence[Packet | Discarded]
FRAMED = [vector for vector in ZFM if len(vector.data) > 1]
OK = Packet(Pid.ACKNOWLEDGE, b"\0")


def decode_all(chunks: Iterable[bytes], decoder: PacketDecoder | None = None) -> Found:
    decoder = decoder or PacketDecoder()
    found: list[Packet | Discarded] = []
    for chunk in chunks:
        found.extend(decoder.feed(chunk))
    found.extend(decoder.flush())
    return found


def packets_in(found: Found) -> list[Packet]:
    return [item for item in found if isinstance(item, Packet)]


def reasons(found: Found) -> list[str]:
    return [item.reason for item in found if isinstance(item, Discarded)]


def test_the_decoders_are_frame_decoders() -> None:
    decoders: list[FrameDecoder[Packet]] = [PacketDecoder(), CommandDecoder(), ReplyDecoder()]
    assert [list(decoder.flush()) for decoder in decoders] == [[], [], []]


@pytest.mark.parametrize("vector", FRAMED, ids=repr)
def test_a_vector_survives_and_is_found_whole_and_byte_by_byte(vector: Vector) -> None:
    packet = Packet.from_bytes(vector.data)
    assert packet.to_bytes() == vector.data
    assert decode_all([vector.data]) == decode_all([bytes([byte]) for byte in vector.data]) == [packet]
    mine, other = (
        (CommandDecoder(), ReplyDecoder())
        if vector.direction == "host>module"
        else (ReplyDecoder(), CommandDecoder())
    )
    assert decode_all([vector.data], mine) == [packet]
    assert reasons(decode_all([vector.data], other)) == ["direction"]


def test_a_bare_55_says_ready_and_is_no_packet() -> None:
    [vector] = [vector for vector in ZFM if len(vector.data) == 1]
    [ready] = decode_all([vector.data])
    assert ready == Discarded("ready", 1, b"\x55")
    found = decode_all([b"\x55" + OK.to_bytes() + b"\x55" + OK.to_bytes()])
    assert reasons(found) == ["ready", "ready"]
    assert packets_in(found) == [OK, OK]
    assert decode_all([Packet(Pid.ACKNOWLEDGE, b"\x55\x55").to_bytes()]) == [
        Packet(Pid.ACKNOWLEDGE, b"\x55\x55")
    ]


@given(packets)
def test_every_packet_survives_the_wire(packet: Packet) -> None:
    assert Packet.from_bytes(packet.to_bytes()) == packet
    assert list(PacketDecoder().feed(packet.to_bytes())) == [packet]


@pytest.mark.parametrize("noise", ["00", "EF", "EFEF", "EF02", "01", "FF" * 300, "EF01" * 9, "5A55EF"])
@pytest.mark.parametrize("vector", FRAMED[:8], ids=repr)
def test_a_vector_is_found_between_noise(vector: Vector, noise: str) -> None:
    stream = bytes.fromhex(noise) + vector.data + bytes.fromhex(noise) + vector.data + bytes.fromhex(noise)
    for chunks in ([stream], [bytes([byte]) for byte in stream]):
        found = decode_all(chunks)
        assert packets_in(found) == [Packet.from_bytes(vector.data)] * 2
        assert bytes_of(found) == stream


@pytest.mark.parametrize("vector", FRAMED, ids=repr)
def test_no_prefix_of_a_vector_is_a_packet(vector: Vector) -> None:
    for end in range(len(vector.data)):
        assert packets_in(decode_all([vector.data[:end]])) == []
        with pytest.raises(RemoteProtocolError) as caught:
            Packet.from_bytes(vector.data[:end])
        assert caught.value.code == "truncated"


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("ef02ffffffff07000300000a", "header"),
        ("00", "header"),
        ("", "truncated"),
        ("ef", "truncated"),
        ("ef01ffffffff0700", "truncated"),
        ("ef01ffffffff0700030000", "truncated"),
        ("ef01ffffffff03000300000a", "pid"),
        ("ef01ffffffff070002000a", "length"),
        ("ef01ffffffff07010300", "length"),
        ("ef01ffffffff07000300000b", "checksum"),
        ("ef01ffffffff07000300010a", "checksum"),
        ("ef01ffffffff07000300000a00", "trailing"),
    ],
)
def test_what_is_no_packet_is_refused_with_its_code(frame: str, code: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        Packet.from_bytes(bytes.fromhex(frame))
    assert caught.value.code == code


def test_a_good_packet_inside_a_wrong_candidate_is_found() -> None:
    claimed = OK.to_bytes()[:PREFIX_SIZE][:-1] + b"\x40"
    stream = claimed + OK.to_bytes() * 8
    assert packets_in(decode_all([stream])) == [OK] * 8
    decoder = ReplyDecoder()
    assert list(decoder.feed(claimed + OK.to_bytes())) == []
    assert packets_in(list(decoder.flush())) == [OK]
    assert list(decoder.feed(OK.to_bytes())) == [OK]


def test_another_module_on_the_line_is_not_listened_to() -> None:
    other = Packet(Pid.ACKNOWLEDGE, b"\0", address=7)
    assert reasons(decode_all([other.to_bytes()], ReplyDecoder(0xFFFFFFFF))) == ["address"]
    assert decode_all([other.to_bytes()], ReplyDecoder(7)) == [other]


def test_memory_is_bounded_by_the_longest_packet() -> None:
    rng = random.Random(0xEF01)
    prefix = OK.to_bytes()[:7]
    for stream in (
        b"\0" * 100_000,
        HEADER * 50_000,
        b"\xef" * 100_000,
        (prefix + MAX_LENGTH.to_bytes(2, "big")) * 9_000,
        (prefix + b"\xff\xff") * 9_000,
        rng.randbytes(100_000),
    ):
        decoder = PacketDecoder()
        for start in range(0, len(stream), 1000):
            list(decoder.feed(stream[start : start + 1000]))
            assert len(decoder._buffer) < PREFIX_SIZE + MAX_LENGTH


@settings(deadline=None)
@given(
    st.lists(
        packets.map(Packet.to_bytes)
        | st.binary(max_size=12)
        | st.sampled_from([v.data for v in ZFM])
        | st.sampled_from([HEADER, HEADER[:1], b"\x55", OK.to_bytes()[:8] + b"\x20"]),
        max_size=10,
    ).map(b"".join),
    st.lists(st.integers(0, 900), max_size=10),
)
def test_chunking_never_changes_the_packets_and_no_byte_is_lost(stream: bytes, cuts: list[int]) -> None:
    whole, chunked = decode_all([stream]), decode_all(split(stream, cuts))
    assert packets_in(whole) == packets_in(chunked)
    assert bytes_of(whole) == bytes_of(chunked) == stream


@pytest.mark.parametrize("payload", [b"", bytes(MAX_PAYLOAD + 1)])
def test_what_a_packet_cannot_carry_is_our_fault(payload: bytes) -> None:
    with pytest.raises(LocalProtocolError):
        Packet(Pid.DATA, payload).to_bytes()
    with pytest.raises(LocalProtocolError):
        Packet(Pid.DATA, b"x", address=2**32).to_bytes()


def test_limits_are_those_of_the_documentation() -> None:
    limits = {row["Limit"]: int(row["Value"]) for row in readme_table("zfm packet [C]", 1)}
    assert limits == {"shortest length value": MIN_LENGTH, "longest length value": MAX_LENGTH}


def test_a_payload_is_in_no_repr() -> None:
    assert "secret" not in repr(Packet(Pid.DATA, b"secret"))
    [noise] = [item for item in decode_all([b"secret"]) if isinstance(item, Discarded)][:1]
    assert "secret" not in repr(noise)
