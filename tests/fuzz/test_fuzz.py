"""The short form of `make fuzz`, and decoders broken on purpose that it must find."""

from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest

from firmware_protocols.families import FAMILIES
from firmware_protocols.framing import Discarded
from firmware_protocols.idcard_sam.frames import ReplyDecoder
from tests.firmware_protocols.stream_decoders import CASES, of_family
from tests.fuzz.campaign import fuzz, fuzz_parts
from tests.fuzz.families import Part, parts_of
from tests.fuzz.inputs import Input, Inputs
from tests.fuzz.trial import Count, StreamTrial, Violation

INPUTS, SEED = 2000, 2711  # of each family; `make fuzz` runs 1,000,000 with a seed of its own
[GOOD_CASE] = [case for case in CASES if str(case) == "idcard-sam-reply"]


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_any_bytes_are_frames_or_noise_or_a_protocol_error(family: str) -> None:
    result = fuzz(family, INPUTS, SEED)
    assert [str(one) for one in result.violations] == []
    assert result.count.inputs == INPUTS
    assert result.count.frames, "nothing ever got through: the inputs are too far from frames"
    assert result.count.discarded + result.count.errors or family == "ble-adv"  # every advertisement is one


def test_every_stream_decoder_takes_its_turn() -> None:
    fuzzed = {part.name for family in FAMILIES for part in parts_of(family, SEED)}
    assert {str(case) for case in CASES} <= fuzzed


def test_the_same_seed_makes_the_same_inputs_in_any_order() -> None:
    def inputs(seed: int) -> Inputs:
        return Inputs("one", seed, vectors=GOOD_CASE.vectors, begin=[b"\xaa"], check=None)

    forward, backward = inputs(7), inputs(7)
    there = [forward.make(number) for number in range(300)]
    assert [backward.make(number) for number in reversed(range(300))][::-1] == there
    assert [inputs(8).make(number) for number in range(300)] != there
    assert [Input.of_hex(one.hex) for one in there] == there


class _Whole:
    """Nothing is wrong with it yet: what the broken ones are made of."""

    def __init__(self) -> None:
        self._decoder = ReplyDecoder()

    def feed(self, data: bytes) -> Iterable[object]:
        return self._decoder.feed(data)

    def flush(self) -> Iterable[object]:
        return self._decoder.flush()


class Stumbling(_Whole):
    """Takes nothing whole for granted, wrongly."""

    def flush(self) -> Iterable[object]:
        found = list(super().flush())
        if len(found) > 1:
            raise IndexError("list index out of range")
        return found


class Losing(_Whole):
    """Drops a byte of noise at each silence."""

    def flush(self) -> Iterable[object]:
        return [
            replace(one, length=one.length - 1, data=one.data[1:]) if isinstance(one, Discarded) else one
            for one in super().flush()
        ]


class Waiting(_Whole):
    """Believes every length, and keeps what was begun over a silence."""

    def flush(self) -> Iterable[object]:
        return []


class Hoarding(_Whole):
    """Remembers everything it ever heard."""

    def __init__(self) -> None:
        super().__init__()
        self._heard = bytearray()

    def feed(self, data: bytes) -> Iterable[object]:
        self._heard += data * 100
        return super().feed(data)


class Chunky(_Whole):
    """Finds a frame only when it comes in one piece."""

    def feed(self, data: bytes) -> Iterable[object]:
        return [*super().feed(data), *super().flush()]


BROKEN: list[tuple[Callable[[], _Whole], str]] = [
    (Stumbling, "raised IndexError"),
    (Losing, "others came out"),
    (Waiting, "bytes went in, and others came out"),
    (Hoarding, "bytes are held"),
    (Chunky, "frames in chunks"),
]


@pytest.mark.parametrize(("broken", "what"), BROKEN, ids=lambda one: getattr(one, "__name__", ""))
def test_a_decoder_broken_on_purpose_is_found(broken: Callable[[], _Whole], what: str) -> None:
    whole = parts_of("idcard-sam", SEED)[0]
    trial = StreamTrial(GOOD_CASE)
    trial.case = replace(GOOD_CASE, make=broken)
    result = fuzz_parts("idcard-sam", [Part("broken", trial, whole.inputs)], INPUTS)
    assert any(what in one.what for one in result.violations), result.violations
    with pytest.raises(Violation):  # and what is printed shows it again
        trial.run(Input.of_hex(result.violations[0].hex), result.violations[0].number, Count())


def test_a_whole_decoder_behind_the_same_mask_is_not() -> None:
    part = parts_of("idcard-sam", SEED)[0]
    trial = StreamTrial(replace(GOOD_CASE, make=_Whole))
    result = fuzz_parts("idcard-sam", [Part("whole", trial, part.inputs)], INPUTS)
    assert [str(one) for one in result.violations] == []


def test_families_without_a_stream_have_none() -> None:
    assert {family for family in FAMILIES if not of_family(family)} == {
        "ble-adv", "ble-gatt", "colmi", "gb11643", "osdp-sc", "osdp-session", "zfm-grow", "zfm-synochip", "zk-adms",
    }  # fmt: skip
