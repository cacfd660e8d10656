"""Finding frames in a stream: any chunking, any noise, bounded memory."""

import random
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError
from firmware_protocols.framing import Discarded, FrameDecoder
from firmware_protocols.idcard_sam.commands import Command, request_for
from firmware_protocols.idcard_sam.envelope import HEADER_SIZE, PREAMBLE, REPLY_BOUNDS, REQUEST_BOUNDS
from firmware_protocols.idcard_sam.fingerprint import fingers
from firmware_protocols.idcard_sam.frames import Reply, ReplyDecoder, Request, RequestDecoder
from firmware_protocols.idcard_sam.messages import CardRecord, parse_reply
from firmware_protocols.idcard_sam.recognise import HOST_TO_READER, answered_command
from tests.firmware_protocols.streams import bytes_of, split
from tests.firmware_protocols.vectors import FRAMES, IDCARD, Vector, readme_table

Frame = Request | Reply
Found = Sequence[Frame | Discarded]

LONGEST = HEADER_SIZE + REPLY_BOUNDS.maximum
NO_CARD = Reply(0, 0, 0x80)
SHORT = [vector for vector in FRAMES if len(vector.data) < 100]


def decoder_for(vector: Vector) -> RequestDecoder | ReplyDecoder:
    return RequestDecoder() if vector.direction == HOST_TO_READER else ReplyDecoder()


def frame_of(vector: Vector) -> Frame:
    kind = Request if vector.direction == HOST_TO_READER else Reply
    return kind.from_bytes(vector.data[vector.data.find(PREAMBLE) :])


def decode_all(decoder: RequestDecoder | ReplyDecoder, chunks: Iterable[bytes]) -> Found:
    found: list[Frame | Discarded] = []
    for chunk in chunks:
        found.extend(decoder.feed(chunk))
    found.extend(decoder.flush())
    return found


def frames_in(found: Found) -> list[Frame]:
    return [item for item in found if not isinstance(item, Discarded)]


def test_the_decoders_are_frame_decoders() -> None:
    requests: FrameDecoder[Request] = RequestDecoder()
    replies: FrameDecoder[Reply] = ReplyDecoder()
    assert list(requests.flush()) == list(replies.flush()) == []


@pytest.mark.parametrize("vector", FRAMES, ids=repr)
def test_a_vector_encodes_to_the_bytes_it_came_from(vector: Vector) -> None:
    assert vector.data.endswith(frame_of(vector).to_bytes())


@pytest.mark.parametrize("vector", FRAMES, ids=repr)
def test_a_vector_is_found_whole_and_byte_by_byte(vector: Vector) -> None:
    whole = decode_all(decoder_for(vector), [vector.data])
    single = decode_all(decoder_for(vector), [bytes([byte]) for byte in vector.data])
    assert frames_in(whole) == frames_in(single) == [frame_of(vector)]
    assert bytes_of(whole) == bytes_of(single) == vector.data


@settings(deadline=None)
@given(st.sampled_from(FRAMES), st.lists(st.integers(0, 2400), max_size=8))
def test_a_vector_is_found_in_any_chunking(vector: Vector, cuts: list[int]) -> None:
    found = decode_all(decoder_for(vector), split(vector.data, cuts))
    assert frames_in(found) == [frame_of(vector)]


@pytest.mark.parametrize(
    "noise", ["00", "AA", "AAAA", "AAAAAA", "AAAAAA96", "69", "AAAAAA9668", "FF" * 40, "96" * 7]
)
@pytest.mark.parametrize("vector", SHORT[:12], ids=repr)
def test_a_vector_is_found_between_noise(vector: Vector, noise: str) -> None:
    stream = bytes.fromhex(noise) + vector.data + bytes.fromhex(noise) + vector.data + bytes.fromhex(noise)
    for chunks in ([stream], [bytes([byte]) for byte in stream]):
        found = decode_all(decoder_for(vector), chunks)
        assert frames_in(found) == [frame_of(vector)] * 2
        assert bytes_of(found) == stream


@pytest.mark.parametrize("vector", FRAMES, ids=repr)
def test_two_in_one_read_and_extra_leading_aa(vector: Vector) -> None:
    stream = b"\xaa" * 4 + vector.data + b"\xaa" + vector.data
    assert frames_in(decode_all(decoder_for(vector), [stream])) == [frame_of(vector)] * 2


@pytest.mark.parametrize("vector", FRAMES, ids=repr)
def test_no_prefix_of_a_vector_is_a_frame(vector: Vector) -> None:
    decoder = decoder_for(vector)
    kind = type(frame_of(vector))
    for end in range(len(vector.data)):
        assert frames_in(list(decoder.feed(vector.data[end : end + 1]))) == [] or end == len(vector.data) - 1
        if end % 37 == 0 or len(vector.data) < 100:
            assert frames_in(decode_all(decoder_for(vector), [vector.data[:end]])) == []
            with pytest.raises(RemoteProtocolError):
                kind.from_bytes(vector.data[:end])


def parse(vector: Vector) -> None:
    if vector.direction == HOST_TO_READER:
        Request.from_bytes(vector.data)
        return
    reply = Reply.from_bytes(vector.data)
    message = parse_reply(request_for(answered_command(reply)), reply)
    if isinstance(message, CardRecord):
        fingers(message.fingerprint or b"")


@pytest.mark.parametrize("vector", [v for v in IDCARD if not v.valid], ids=repr)
def test_an_invalid_vector_is_refused_with_its_code(vector: Vector) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        parse(vector)
    assert caught.value.code == vector.decoded["error"]


def test_a_frame_of_the_other_dialect_is_named_and_not_taken() -> None:
    for vector in (v for v in IDCARD if not v.standard):
        found = decode_all(RequestDecoder(), [vector.data])
        assert [item.reason for item in found if isinstance(item, Discarded)] == ["dialect"]
        with pytest.raises(RemoteProtocolError, match="CVR-100AU"):
            Request.from_bytes(vector.data)


def test_a_good_frame_inside_a_wrong_candidate_is_found_when_its_length_is_used_up() -> None:
    # A long reply loses its tail; what follows is taken for it until the length it claimed is there.
    claimed = PREAMBLE + (60).to_bytes(2, "big") + b"\0\0\x90"
    stream = claimed + NO_CARD.to_bytes() * 6
    found = list(ReplyDecoder().feed(stream))
    assert frames_in(found) == [NO_CARD] * 6
    assert isinstance(found[0], Discarded)
    assert (found[0].reason, found[0].length) == ("checksum", len(claimed))


def test_a_good_frame_inside_an_unfinished_candidate_is_found_by_flush() -> None:
    decoder = ReplyDecoder()
    claimed = PREAMBLE + REPLY_BOUNDS.maximum.to_bytes(2, "big")
    assert list(decoder.feed(claimed + NO_CARD.to_bytes() + NO_CARD.to_bytes()[:8])) == []
    assert list(decoder.flush()) == [
        Discarded("truncated", len(claimed), claimed),
        NO_CARD,
        Discarded("truncated", 8, NO_CARD.to_bytes()[:8]),
    ]
    assert list(decoder.feed(NO_CARD.to_bytes())) == [NO_CARD]


@pytest.mark.parametrize(
    ("claimed", "decoder"),
    [(0xFFFF, ReplyDecoder), (REPLY_BOUNDS.maximum + 1, ReplyDecoder), (3, ReplyDecoder), (0, ReplyDecoder),
     (0xFFFF, RequestDecoder), (REQUEST_BOUNDS.maximum + 1, RequestDecoder), (2, RequestDecoder)],
)  # fmt: skip
def test_an_impossible_length_is_noise_at_once(
    claimed: int, decoder: type[ReplyDecoder] | type[RequestDecoder]
) -> None:
    frame = PREAMBLE + claimed.to_bytes(2, "big")
    [discarded] = decoder().feed(frame)
    assert isinstance(discarded, Discarded)
    assert (discarded.reason, discarded.length) == ("length", len(frame))


def test_memory_is_bounded_by_the_longest_frame() -> None:
    rng = random.Random(2321)
    streams = [
        b"\0" * 200_000,
        b"\xaa" * 200_000,
        PREAMBLE * 40_000,
        (PREAMBLE + REPLY_BOUNDS.maximum.to_bytes(2, "big")) * 3_000,
        (PREAMBLE + b"\xff\xff") * 20_000,
        rng.randbytes(200_000),
    ]
    for stream in streams:
        for decoder, longest in (
            (ReplyDecoder(), LONGEST),
            (RequestDecoder(), HEADER_SIZE + REQUEST_BOUNDS.maximum),
        ):
            for start in range(0, len(stream), 1000):
                list(decoder.feed(stream[start : start + 1000]))
                assert len(decoder._buffer) < longest


@settings(deadline=None)
@given(
    st.lists(
        st.one_of(
            st.sampled_from([vector.data for vector in SHORT]),
            st.binary(max_size=12),
            st.sampled_from([PREAMBLE, PREAMBLE[:3], PREAMBLE[3:], b"\xaa", PREAMBLE + b"\0\x20"]),
        ),
        max_size=10,
    ).map(b"".join),
    st.lists(st.integers(0, 400), max_size=10),
)
def test_chunking_never_changes_the_frames_and_no_byte_is_lost(stream: bytes, cuts: list[int]) -> None:
    for kind in (RequestDecoder, ReplyDecoder):
        whole, chunked = decode_all(kind(), [stream]), decode_all(kind(), split(stream, cuts))
        assert frames_in(whole) == frames_in(chunked)
        assert bytes_of(whole) == bytes_of(chunked) == stream


def mutate(rng: random.Random, data: bytes) -> bytes:
    mutant = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(mutant) + 1)
        match rng.randrange(5):
            case 0:
                mutant[at : at + 1] = bytes([rng.randrange(256)])
            case 1:
                mutant[at:at] = rng.randbytes(rng.randint(1, 9))
            case 2:
                del mutant[at : at + rng.randint(1, 9)]
            case 3:
                mutant += rng.choice(SHORT).data
            case _:
                mutant[5:7] = rng.randbytes(2)
    return bytes(mutant)


def test_mutants_give_frames_or_noise_or_a_protocol_error_and_nothing_else() -> None:
    rng = random.Random(96_69)
    outcomes = {"frames": 0, "noise": 0, "refused": 0}
    for number in range(3000):
        vector = FRAMES[number % len(FRAMES)]
        mutant = mutate(rng, vector.data)
        for decoder in (RequestDecoder(), ReplyDecoder()):
            found = decode_all(decoder, [mutant])
            assert bytes_of(found) == mutant
            outcomes["noise"] += any(isinstance(item, Discarded) for item in found)
            outcomes["frames"] += bool(frames_in(found))
            outcomes["refused"] += sum(refused(frame) for frame in frames_in(found))
    assert all(outcomes.values()), outcomes


def refused(frame: Frame) -> bool:
    if isinstance(frame, Request):
        return False
    count = 0
    for command in (*COMMANDS_WITHOUT_VALUE, answered_command(frame)):
        try:
            parse_reply(request_for(command), frame)
        except RemoteProtocolError:
            count += 1
    return count > 0


COMMANDS_WITHOUT_VALUE = [c for c in Command if c not in {Command.SET_BAUD, Command.SET_RF_FRAME}]


@given(st.integers(0, 255), st.integers(0, 255), st.binary(max_size=13))
def test_every_request_survives_the_wire(cmd: int, para: int, data: bytes) -> None:
    request = Request(cmd, para, data)
    assert Request.from_bytes(request.to_bytes()) == request
    assert list(RequestDecoder().feed(request.to_bytes())) == [request]


@given(st.binary(min_size=3, max_size=3), st.binary(max_size=300))
def test_every_reply_survives_the_wire(head: bytes, data: bytes) -> None:
    reply = Reply(head[0], head[1], head[2], data)
    assert Reply.from_bytes(reply.to_bytes()) == reply
    assert list(ReplyDecoder().feed(reply.to_bytes())) == [reply]


@pytest.mark.parametrize(
    "frame",
    [
        Request(256, 0),
        Request(0, -1),
        Request(0, 0, bytes(14)),
        Reply(0, 0, 999),
        Reply(0, 0, 0x90, bytes(0x907)),
    ],
)
def test_what_the_wire_cannot_carry_is_our_fault(frame: Frame) -> None:
    with pytest.raises(LocalProtocolError):
        frame.to_bytes()


def test_limits_are_those_of_the_documentation() -> None:
    limits = {row["Limit"]: row["Value"] for row in readme_table("Frame [C]", 1)}
    assert {name: int(value, 0) for name, value in limits.items() if name.endswith(("request", "reply"))} == {
        "shortest length value, request": REQUEST_BOUNDS.minimum,
        "longest length value, request": REQUEST_BOUNDS.maximum,
        "shortest length value, reply": REPLY_BOUNDS.minimum,
        "longest length value, reply": REPLY_BOUNDS.maximum,
    }


def test_personal_data_stays_out_of_repr_and_errors() -> None:
    assert "secret" not in repr(Reply(0, 0, 0x90, b"secret"))
    [noise] = list(ReplyDecoder().feed(b"secret"))
    assert "secret" not in repr(noise)
