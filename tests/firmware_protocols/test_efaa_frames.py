"""Finding the frames of a face module in a stream: any chunking, any noise, bounded memory."""

import hashlib
import random
from collections.abc import Iterable, Sequence

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_protocols.efaa_xor16.commands import parse_command
from firmware_protocols.efaa_xor16.envelope import MAX_DATA, SYNC
from firmware_protocols.efaa_xor16.frames import (
    HEADER_SIZE,
    MAX_CIPHER,
    EncryptedDecoder,
    EncryptedFrame,
    Frame,
    HostDecoder,
    ModuleDecoder,
)
from firmware_protocols.efaa_xor16.msg_ids import MsgId
from firmware_protocols.efaa_xor16.notes import parse_note
from firmware_protocols.efaa_xor16.recognise import HOST_TO_MODULE
from firmware_protocols.efaa_xor16.replies import Reply
from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError
from firmware_protocols.framing import Discarded, FrameDecoder
from tests.firmware_protocols.streams import bytes_of, split
from tests.firmware_protocols.vectors import EFAA_ENCRYPTED, EFAA_FRAMES, Vector, readme_table

Found = Sequence[Frame | EncryptedFrame | Discarded]
AnyDecoder = HostDecoder | ModuleDecoder | EncryptedDecoder
READY = Frame(MsgId.NOTE, b"\0")


def decoder_for(vector: Vector) -> HostDecoder | ModuleDecoder:
    return HostDecoder() if vector.direction == HOST_TO_MODULE else ModuleDecoder()


def decode_all(decoder: AnyDecoder, chunks: Iterable[bytes]) -> Found:
    found: list[Frame | EncryptedFrame | Discarded] = []
    for chunk in chunks:
        found.extend(decoder.feed(chunk))
    found.extend(decoder.flush())
    return found


def frames_in(found: Found) -> list[Frame | EncryptedFrame]:
    return [item for item in found if not isinstance(item, Discarded)]


def test_the_decoders_are_frame_decoders() -> None:
    host: FrameDecoder[Frame] = HostDecoder()
    module: FrameDecoder[Frame] = ModuleDecoder()
    encrypted: FrameDecoder[EncryptedFrame] = EncryptedDecoder()
    assert list(host.flush()) == list(module.flush()) == list(encrypted.flush()) == []


@pytest.mark.parametrize("vector", EFAA_FRAMES, ids=repr)
def test_a_vector_encodes_to_the_bytes_it_came_from(vector: Vector) -> None:
    assert Frame.from_bytes(vector.data).to_bytes() == vector.data


@pytest.mark.parametrize("vector", EFAA_FRAMES, ids=repr)
def test_a_vector_is_found_whole_and_byte_by_byte(vector: Vector) -> None:
    whole = decode_all(decoder_for(vector), [vector.data])
    single = decode_all(decoder_for(vector), [bytes([byte]) for byte in vector.data])
    assert whole == single == [Frame.from_bytes(vector.data)]


@pytest.mark.parametrize(
    "noise", ["00", "EF", "EFEF", "AA", "AAEF", "EFAB", "FF" * 40, "EFAA", "EFAA01", "EFAA37"]
)
@pytest.mark.parametrize("vector", EFAA_FRAMES, ids=repr)
def test_a_vector_is_found_between_noise(vector: Vector, noise: str) -> None:
    stream = (bytes.fromhex(noise) + vector.data) * 2 + bytes.fromhex(noise)
    for chunks in ([stream], [bytes([byte]) for byte in stream]):
        found = decode_all(decoder_for(vector), chunks)
        assert frames_in(found) == [Frame.from_bytes(vector.data)] * 2
        assert bytes_of(found) == stream


@pytest.mark.parametrize("vector", EFAA_FRAMES, ids=repr)
def test_no_prefix_of_a_vector_is_a_frame(vector: Vector) -> None:
    for end in range(len(vector.data)):
        assert frames_in(decode_all(decoder_for(vector), [vector.data[:end]])) == []
        with pytest.raises(RemoteProtocolError) as caught:
            Frame.from_bytes(vector.data[:end])
        assert caught.value.code == "truncated"


@pytest.mark.parametrize("vector", EFAA_FRAMES, ids=repr)
def test_a_frame_of_the_other_direction_is_not_taken(vector: Vector) -> None:
    other = ModuleDecoder() if vector.direction == HOST_TO_MODULE else HostDecoder()
    found = decode_all(other, [vector.data])
    assert frames_in(found) == []
    assert isinstance(found[0], Discarded)
    assert found[0].reason == "msg_id"


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("", "truncated"), ("EF", "truncated"), ("EFAA1000", "truncated"), ("EFAA1000000", "truncated"),
        ("EFAB10000010", "sync"), ("EFAA10000011", "checksum"), ("EFAA1000001000", "trailing"),
        ("EFAA10FFFF00", "length"), ("EFAA0000011213", "length"), ("EFAA01000001", "length"),
        ("EFAA03000003", "msg_id"), ("EFAA0F00000F", "msg_id"),
    ],
)  # fmt: skip
def test_what_is_no_frame_is_refused_with_its_code(frame: str, code: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        Frame.from_bytes(bytes.fromhex(frame if len(frame) % 2 == 0 else frame[:-1]))
    assert caught.value.code == code


def test_sync_words_inside_the_data_belong_to_the_data() -> None:
    inner = READY.to_bytes()
    frame = Frame(MsgId.NOTE, b"\2" + inner * 3)
    assert decode_all(ModuleDecoder(), [frame.to_bytes()]) == [frame]


def test_a_good_frame_inside_a_cut_one_is_found() -> None:
    cut = Frame(MsgId.REPLY, b"\x12\x00" + bytes(36)).to_bytes()[:20]
    decoder = ModuleDecoder()
    assert list(decoder.feed(cut + READY.to_bytes())) == []  # still taken for the rest of the reply
    found = list(decoder.flush())
    assert found == [Discarded("truncated", 20, cut), READY]
    found = list(ModuleDecoder().feed(cut + READY.to_bytes() * 6))
    assert found == [Discarded("checksum", 20, cut), *[READY] * 6]


@pytest.mark.parametrize(
    ("header", "decoder", "reason"),
    [
        ("EFAA00FFFF", ModuleDecoder, "length"), ("EFAA001001", ModuleDecoder, "length"),
        ("EFAA000001", ModuleDecoder, "length"), ("EFAA010000", ModuleDecoder, "length"),
        ("EFAA030001", ModuleDecoder, "msg_id"), ("EFAA120002", ModuleDecoder, "msg_id"),
        ("EFAA120001", ModuleDecoder, "msg_id"), ("EFAA121001", HostDecoder, "length"),
        ("EFAA000002", HostDecoder, "msg_id"), ("EFAA0011", EncryptedDecoder, "length"),
        ("EFAA0000", EncryptedDecoder, "length"), ("EFAAFFF0", EncryptedDecoder, "length"),
    ],
)  # fmt: skip
def test_an_impossible_header_is_noise_at_once(header: str, decoder: type[AnyDecoder], reason: str) -> None:
    data = bytes.fromhex(header)
    assert list(decoder().feed(data)) == [Discarded(reason, len(data), data)]


def test_memory_is_bounded_by_the_longest_frame() -> None:
    rng = random.Random(0xEFAA)
    streams = [
        b"\0" * 100_000,
        b"\xef" * 100_000,
        SYNC * 40_000,
        (SYNC + b"\2" + MAX_DATA.to_bytes(2, "big")) * 20_000,
        (SYNC + b"\2\xff\xff") * 20_000,
        (SYNC + MAX_CIPHER.to_bytes(2, "big")) * 20_000,
        rng.randbytes(100_000),
    ]
    for stream in streams:
        for decoder in (ModuleDecoder(), HostDecoder(), EncryptedDecoder()):
            for start in range(0, len(stream), 1000):
                list(decoder.feed(stream[start : start + 1000]))
                assert len(decoder._buffer) <= HEADER_SIZE + MAX_CIPHER


@settings(deadline=None)
@given(
    st.lists(
        st.one_of(
            st.sampled_from([vector.data for vector in EFAA_FRAMES]),
            st.binary(max_size=12),
            st.sampled_from([SYNC, SYNC[:1], SYNC[1:], SYNC + b"\1\0\x11", SYNC + b"\0\x10"]),
        ),
        max_size=10,
    ).map(b"".join),
    st.lists(st.integers(0, 400), max_size=10),
)
def test_chunking_never_changes_the_frames_and_no_byte_is_lost(stream: bytes, cuts: list[int]) -> None:
    for kind in (HostDecoder, ModuleDecoder, EncryptedDecoder):
        whole, chunked = decode_all(kind(), [stream]), decode_all(kind(), split(stream, cuts))
        assert frames_in(whole) == frames_in(chunked)
        assert bytes_of(whole) == bytes_of(chunked) == stream


def test_mutants_give_frames_or_noise_or_a_protocol_error_and_nothing_else() -> None:
    rng = random.Random(22)
    outcomes = {"frames": 0, "noise": 0, "refused": 0}
    for number in range(4000):
        mutant = bytearray(EFAA_FRAMES[number % len(EFAA_FRAMES)].data)
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
                    good = Frame.from_bytes(rng.choice(EFAA_FRAMES).data)
                    short = Frame(
                        good.msg_id, good.data[: rng.randint(0, 40)] + rng.randbytes(rng.randint(0, 3))
                    )
                    mutant += short.to_bytes()
                case _:
                    mutant += rng.choice(EFAA_FRAMES).data
        for decoder in (HostDecoder(), ModuleDecoder()):
            found = decode_all(decoder, [bytes(mutant)])
            assert bytes_of(found) == bytes(mutant)
            outcomes["noise"] += any(isinstance(item, Discarded) for item in found)
            outcomes["frames"] += bool(frames_in(found))
            outcomes["refused"] += sum(refused(item) for item in found if isinstance(item, Frame))
    assert all(outcomes.values()), outcomes


@given(st.integers(0, 255), st.binary(max_size=50))
def test_any_frame_parses_or_is_refused(msg_id: int, data: bytes) -> None:
    refused(Frame(msg_id, data))


def refused(frame: Frame) -> bool:
    try:
        match frame.msg_id:
            case MsgId.REPLY:
                Reply.from_frame(frame)
            case MsgId.NOTE:
                parse_note(frame)
            case _:
                parse_command(frame)
    except RemoteProtocolError:
        return True
    return False


@given(st.integers(0x10, 255), st.binary(max_size=80))
def test_every_command_frame_survives_the_wire(msg_id: int, data: bytes) -> None:
    frame = Frame(msg_id, data)
    assert Frame.from_bytes(frame.to_bytes()) == frame
    assert list(HostDecoder().feed(frame.to_bytes())) == [frame]


@given(st.sampled_from([0, 1, 2]), st.binary(min_size=2, max_size=300))
def test_every_module_frame_survives_the_wire(msg_id: int, data: bytes) -> None:
    frame = Frame(msg_id, data)
    assert Frame.from_bytes(frame.to_bytes()) == frame
    assert list(ModuleDecoder().feed(frame.to_bytes())) == [frame]


@pytest.mark.parametrize("vector", EFAA_ENCRYPTED, ids=repr)
def test_an_encrypted_frame_holds_what_its_key_opens(vector: Vector) -> None:
    frame = EncryptedFrame.from_bytes(vector.data)
    assert frame.to_bytes() == vector.data
    assert decode_all(EncryptedDecoder(), [bytes([byte]) for byte in vector.data]) == [frame]
    seed = bytes.fromhex(str(vector.decoded["seed"]))
    digest = hashlib.md5(seed, usedforsecurity=False).hexdigest()
    key = "".join(digest[index] for index in bytes.fromhex(str(vector.decoded["key_sequence"])))
    cipher = Cipher(algorithms.AES(key.encode()), modes.ECB())  # noqa: S305 - the makers' choice, not ours
    opened = cipher.decryptor().update(frame.cipher)
    inner = bytes.fromhex(str(vector.decoded["plaintext_inner"]))
    assert opened == inner.ljust(len(opened), b"\0")


@pytest.mark.parametrize("vector", EFAA_ENCRYPTED, ids=repr)
def test_an_encrypted_frame_is_not_taken_for_a_plain_one(vector: Vector) -> None:
    with pytest.raises(RemoteProtocolError):
        Frame.from_bytes(vector.data)
    assert frames_in(decode_all(HostDecoder(), [vector.data])) == []


@pytest.mark.parametrize("frame", [Frame(256), Frame(-1), Frame(0x12, bytes(MAX_DATA + 1))])
def test_what_the_wire_cannot_carry_is_our_fault(frame: Frame) -> None:
    with pytest.raises(LocalProtocolError):
        frame.to_bytes()


@pytest.mark.parametrize("size", [0, 15, MAX_CIPHER + 16])
def test_cipher_text_comes_in_whole_blocks(size: int) -> None:
    with pytest.raises(LocalProtocolError):
        EncryptedFrame(bytes(size)).to_bytes()


def test_limits_are_those_of_the_documentation() -> None:
    limits = {row["Limit"]: row["Value"] for row in readme_table("Frame of efaa-xor16", 1)}
    assert int(limits["most data"]) == MAX_DATA


def test_personal_data_stays_out_of_repr_and_errors() -> None:
    assert "secret" not in repr(Frame(0, b"secret"))
    assert "secret" not in repr(EncryptedFrame(b"secret"))
    assert "secret" not in repr(list(ModuleDecoder().feed(b"secret")))
