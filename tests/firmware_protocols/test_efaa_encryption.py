"""Encryption mode of face modules: what is sealed opens again, with the right key and with no other."""

import random

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_protocols.efaa_xor16.commands import Verify
from firmware_protocols.efaa_xor16.describe_encrypted import decode_opened
from firmware_protocols.efaa_xor16.encryption import Blocks, Cover, OpeningDecoder, derive_key
from firmware_protocols.efaa_xor16.envelope import MAX_DATA
from firmware_protocols.efaa_xor16.frames import EncryptedFrame, Frame
from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError
from firmware_protocols.framing import Discarded, FrameDecoder
from tests.firmware_protocols.streams import split
from tests.firmware_protocols.vectors import EFAA_ENCRYPTED, Vector

SEED, INDEXES = bytes([1, 2, 3, 4]), bytes(range(0, 32, 2))


def aes(key: bytes) -> tuple[Blocks, Blocks]:
    cipher = Cipher(algorithms.AES(key), modes.ECB())  # noqa: S305 - the makers' choice, not ours
    return cipher.encryptor().update, cipher.decryptor().update


def cover(seed: bytes = SEED, indexes: bytes = INDEXES) -> Cover:
    return Cover(*aes(derive_key(seed, indexes)))


def of_vector(vector: Vector) -> Cover:
    return cover(*(bytes.fromhex(str(vector.decoded[key])) for key in ("seed", "key_sequence")))


@pytest.mark.parametrize("vector", EFAA_ENCRYPTED, ids=repr)
def test_a_vector_is_opened_and_sealed_again(vector: Vector) -> None:
    opened = of_vector(vector).open(EncryptedFrame.from_bytes(vector.data))
    assert opened.to_bytes()[2:-1].hex() == vector.decoded["plaintext_inner"]
    assert of_vector(vector).seal(opened).to_bytes() == vector.data


@pytest.mark.parametrize("vector", EFAA_ENCRYPTED, ids=repr)
def test_a_vector_decodes_with_its_seed_and_key_indexes(vector: Vector) -> None:
    seed, indexes = (bytes.fromhex(str(vector.decoded[key])) for key in ("seed", "key_sequence"))
    decoded = decode_opened(vector.data, vector.direction, seed=seed, indexes=indexes, aes=aes)
    assert {key: decoded.get(key) for key in vector.decoded} == vector.decoded
    message = decoded["message"]
    assert isinstance(message, dict)
    assert (message["name"], message["timeout_s"]) == ("VERIFY", 10)


@pytest.mark.parametrize("vector", EFAA_ENCRYPTED, ids=repr)
def test_a_vector_is_found_byte_by_byte_between_noise_and_twice(vector: Vector) -> None:
    decoder: FrameDecoder[Frame] = OpeningDecoder(of_vector(vector))
    stream = b"\0\xef" + vector.data * 2 + b"\xef\xaa\0"
    found = [item for byte in stream for item in decoder.feed(bytes([byte]))]
    found += decoder.flush()
    frames = [item for item in found if isinstance(item, Frame)]
    assert frames == [Verify(10).to_frame()] * 2


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0x10, 255), st.binary(max_size=60)), max_size=6),
    st.lists(st.integers(0, 500), max_size=8),
)
def test_what_is_sealed_opens_again_in_any_chunking(told: list[tuple[int, bytes]], cuts: list[int]) -> None:
    frames = [Frame(msg_id, data) for msg_id, data in told]
    stream = b"".join(cover().seal(frame).to_bytes() for frame in frames)
    decoder = OpeningDecoder(cover())
    assert [item for chunk in split(stream, cuts) for item in decoder.feed(chunk)] == frames


@pytest.mark.parametrize("size", [0, 1, 12, 13, 14, 29, MAX_DATA])
def test_every_filling_of_the_last_block_opens(size: int) -> None:
    frame = Frame(0x12, b"\xff" * size)
    sealed = cover().seal(frame)
    assert len(sealed.cipher) % 16 == 0
    assert cover().open(sealed) == frame


def test_another_key_opens_hardly_anything_and_never_the_message() -> None:
    sealed = cover().seal(Frame(0, b"\x12\0" + bytes(36)))
    opened = 0
    for number in range(500):
        other = cover(number.to_bytes(4, "big"))
        [found] = OpeningDecoder(other).feed(sealed.to_bytes())
        opened += isinstance(found, Frame)
        if isinstance(found, Discarded):
            assert found.reason in {"encryption", "msg_id", "length"}
    assert opened <= 2


def test_any_cipher_text_opens_or_is_refused() -> None:
    rng = random.Random(50)
    for _ in range(2000):
        try:
            cover().open(EncryptedFrame(rng.randbytes(16 * rng.randint(0, 6))))
        except RemoteProtocolError:
            continue


def test_a_message_larger_than_any_is_refused() -> None:
    inner = b"\x12" + (MAX_DATA + 5).to_bytes(2, "big") + bytes(MAX_DATA + 5)
    encrypt, _ = aes(derive_key(SEED, INDEXES))
    with pytest.raises(RemoteProtocolError) as caught:
        cover().open(EncryptedFrame(encrypt(inner + bytes(-len(inner) % 16))))
    assert caught.value.code == "length"


@pytest.mark.parametrize(
    ("seed", "indexes", "code"),
    [(b"123", INDEXES, "seed"), (SEED, bytes(15), "key_indexes"), (SEED, bytes(15) + b"\x20", "key_indexes")],
)
def test_a_seed_or_indexes_that_make_no_key_are_our_fault(seed: bytes, indexes: bytes, code: str) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        derive_key(seed, indexes)
    assert caught.value.code == code


def test_what_no_frame_carries_is_not_sealed() -> None:
    for frame in (Frame(256), Frame(0x12, bytes(MAX_DATA + 1))):
        with pytest.raises(LocalProtocolError):
            cover().seal(frame)
    assert repr(cover()) == "Cover()"
