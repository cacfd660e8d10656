"""Noise and beginnings without end, against every stream decoder: little time, little memory, and the next frame found.

A loop over the same bytes is the measure, for machines differ: a decoder that went over a claimed length again for
each beginning inside it took 150 to 660 of it, one that began anew at each took 3,000.
"""

import random
import time

import pytest

from tests.firmware_protocols.stream_decoders import CASES, StreamCase, StreamDecoder, sound
from tests.firmware_protocols.streams import split
from tests.fuzz.trial import OWN, held

SIZE = 1 << 17
MOST_LOOPS = 90  # about 40 at worst where nothing else runs
FLOODS = [
    pytest.param(case, bytes.fromhex(begin), id=f"{case}-{begin[:24]}")
    for case in CASES
    for begin in ("", "00", *case.beginnings)
]


def stream_of(begin: bytes) -> bytes:
    """Nothing but it; of nothing, noise."""
    return (begin * (SIZE // len(begin) + 1))[:SIZE] if begin else random.Random(2711).randbytes(SIZE)


def loop_s() -> float:
    """Seconds of a loop over as many bytes, now."""

    def once() -> float:
        began = time.process_time()
        for byte in bytes(SIZE):
            assert byte is not None
        return time.process_time() - began

    return sorted(once() for _ in range(5))[2]


@pytest.mark.parametrize("step", [1024, SIZE], ids=["in pieces", "at once"])
@pytest.mark.parametrize(("case", "begin"), FLOODS)
def test_a_flood_costs_little_more_than_its_bytes(case: StreamCase, begin: bytes, step: int) -> None:
    chunks = split(stream_of(begin), range(step, SIZE, step))
    for last in (False, False, True):  # a machine that is busy with others slows one of two measurements down
        decoder, most, loop = case.make(), 0, loop_s()
        began = time.process_time()
        for chunk in chunks:
            list(decoder.feed(chunk))
            most = max(most, held(decoder))
        list(decoder.flush())
        cost = time.process_time() - began
        assert most <= OWN * case.longest
        if cost < MOST_LOOPS * loop:
            return
        assert not last, f"{cost / loop:.0f} loops"


@pytest.mark.parametrize(("case", "begin"), FLOODS)
def test_behind_a_flood_and_a_silence_the_next_frame_is_found(case: StreamCase, begin: bytes) -> None:
    decoder: StreamDecoder = case.make()
    list(decoder.feed(stream_of(begin)[:10_000]))
    list(decoder.flush())
    good = sound(case)[0]
    assert len([*decoder.feed(good), *decoder.flush()]) == len(case.alone(good))
