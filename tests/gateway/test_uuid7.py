"""Event identities: their form, their order within a millisecond, and the fixed bytes behind a record's."""

import hashlib
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.uuid7 import uuid7, uuid8_record

WALL_MS = 1_795_309_322_004
CONTENT = hashlib.sha256(b"attendance record 17").digest()


@pytest.mark.parametrize("wall_ms", [0, 61_000, WALL_MS, (1 << 48) - 1])
def test_an_identity_holds_its_millisecond_version_and_variant(wall_ms: int) -> None:
    made = uuid.UUID(uuid7(wall_ms))
    assert made.int >> 80 == wall_ms
    assert made.version == 7
    assert made.variant == uuid.RFC_4122


def test_identities_are_written_as_the_contract_shows_them() -> None:
    text = uuid7(0x01A200C64000)
    assert text.startswith("01a200c6-4000-7")
    assert text == str(uuid.UUID(text))


@pytest.mark.parametrize(("wall_ms", "held"), [(-5, 0), (1 << 60, (1 << 48) - 1)])
def test_an_impossible_clock_does_not_keep_an_event_from_its_identity(wall_ms: int, held: int) -> None:
    assert uuid.UUID(uuid7(wall_ms)).int >> 80 == held


def test_identities_of_one_millisecond_rise() -> None:
    made = [uuid7(WALL_MS) for _ in range(20_000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)


def test_a_clock_that_goes_back_and_forth_repeats_no_identity() -> None:
    made = [uuid7(WALL_MS + step % 2) for step in range(2_000)]
    assert len(set(made)) == len(made)


def test_threads_share_no_identity() -> None:
    with ThreadPoolExecutor(4) as threads:
        batches = list(threads.map(lambda _: [uuid7(WALL_MS) for _ in range(2_000)], range(4)))
    made = [identity for batch in batches for identity in batch]
    assert len(set(made)) == len(made)


def test_identities_of_one_millisecond_cannot_be_guessed_from_each_other() -> None:
    tails = {uuid.UUID(uuid7(WALL_MS)).int & 0xFFFF_FFFF for _ in range(100)}
    assert len(tails) > 90


def test_a_record_read_twice_is_one_fact() -> None:
    first = uuid8_record("SN-8841", 17, b"\x26\x11\x22\x01\x02\x02", CONTENT)
    assert uuid8_record("SN-8841", 17, b"\x26\x11\x22\x01\x02\x02", CONTENT) == first


def test_a_records_identity_is_made_of_the_documented_bytes() -> None:
    hashed = bytes.fromhex(
        "7a68696a69616f2f7265636f72642f31"  # zhijiao/record/1
        "00000007534e2d38383431"  # SN-8841
        "0000000000000011"  # 17
        "00000006261122010202"  # its time field
    )
    digest = bytearray(hashlib.sha256(hashed + CONTENT).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x80
    digest[8] = digest[8] & 0x3F | 0x80
    made = uuid8_record("SN-8841", 17, b"\x26\x11\x22\x01\x02\x02", CONTENT)
    assert made == str(uuid.UUID(bytes=bytes(digest)))
    assert uuid.UUID(made).version == 8


@pytest.mark.parametrize(
    "other",
    [
        ("SN-8842", 17, b"\x26", CONTENT),
        ("SN-8841", 18, b"\x26", CONTENT),
        ("SN-8841", 17, b"\x27", CONTENT),
        ("SN-8841", 17, b"", CONTENT),
        ("SN-8841", 17, b"\x26", hashlib.sha256(b"another").digest()),
    ],
)
def test_each_part_tells_records_apart(other: tuple[str, int, bytes, bytes]) -> None:
    assert uuid8_record(*other) != uuid8_record("SN-8841", 17, b"\x26", CONTENT)


def test_parts_cannot_run_into_each_other() -> None:
    assert uuid8_record("A1", 1, b"", CONTENT) != uuid8_record("A", 1, b"1", CONTENT)


def test_a_content_hash_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="32 is wanted"):
        uuid8_record("SN", 1, b"", b"short")
