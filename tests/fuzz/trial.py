"""One input against one decoder or describer, and what must hold whatever it is."""

import json
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

from firmware_protocols.describing import Describer
from firmware_protocols.errors import ProtocolError, RemoteProtocolError
from firmware_protocols.framing import Discarded
from firmware_protocols.tracking import Heard
from tests.firmware_protocols.stream_decoders import Kept, StreamCase, StreamDecoder, sound
from tests.fuzz.inputs import Input

OWN = 4  # for each byte of a frame: itself, and beside it a sum of one byte and a CRC of two


class Violation(Exception):  # noqa: N818 - named for what was found
    """Something that must hold does not. The text says what; the input is known to whoever ran the trial."""


@dataclass(slots=True)
class Count:
    """What came of the inputs so far."""

    inputs: int = 0
    frames: int = 0
    discarded: int = 0
    errors: int = 0

    def __iadd__(self, other: "Count") -> "Count":
        self.inputs += other.inputs
        self.frames += other.frames
        self.discarded += other.discarded
        self.errors += other.errors
        return self


def held(thing: object, depth: int = 3) -> int:
    """Bytes in the buffers of a decoder and of what it is made of."""
    if isinstance(thing, bytearray):
        return len(thing)
    if isinstance(thing, array):
        return len(thing) * thing.itemsize
    if isinstance(thing, dict):
        return sum(len(one) if isinstance(one, bytes) else held(one, depth) for one in thing.values())
    members = getattr(thing, "__dict__", None)
    return sum(held(one, depth - 1) for one in members.values()) if members and depth else 0


@dataclass(slots=True)
class StreamTrial:
    """Frames, `Discarded` and nothing else; no byte lost; little held; the next good frame found after a silence."""

    case: StreamCase
    good: Sequence[bytes] = field(default=(), repr=False)
    _told: dict[bytes, list[object]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self.good = sound(self.case)
        if not self.good:
            raise LookupError(f"{self.case}: no vector is a frame of its own")
        self._told = {data: self.case.alone(data) for data in self.good}

    def run(self, one: Input, number: int, count: Count) -> None:
        """Raises `Violation`."""
        decoder = self.case.make()
        found = self._fed(decoder, one)
        if held(decoder) > OWN * self.case.longest:
            raise Violation(f"{held(decoder)} bytes are held; the longest frame has {self.case.longest}")
        found += self._step(decoder, None)
        self._check_kept(found, one.data)
        for item in found:
            if isinstance(item, Discarded):
                count.discarded += 1
            else:
                count.frames += 1
        if number % 8 == 0 and None not in one.chunks:
            self._check_chunking(found, one)
        self._check_next(decoder, self.good[number % len(self.good)])
        count.inputs += 1

    def _fed(self, decoder: StreamDecoder, one: Input) -> list[object]:
        found: list[object] = []
        for chunk in one.chunks:
            found += self._step(decoder, chunk)
        return found

    def _step(self, decoder: StreamDecoder, chunk: bytes | None) -> list[object]:
        try:
            return list(decoder.flush() if chunk is None else decoder.feed(chunk))
        except Exception as exc:  # the sentence under test: whatever it is, it is one too many
            raise Violation(f"a decoder raised {type(exc).__name__}: {exc}") from exc

    def _check_kept(self, found: Sequence[object], data: bytes) -> None:
        for item in found:
            if isinstance(item, Discarded) and item.length != len(item.data):
                raise Violation(f"noise of {len(item.data)} bytes says that it has {item.length}")
        if self.case.kept is Kept.NOTHING:
            return
        try:
            again = b"".join([self.case.bytes_of(item) for item in found])
        except ProtocolError as exc:
            raise Violation(f"a frame that was heard cannot be written: {exc}") from exc
        if len(again) != len(data) or (self.case.kept is Kept.BYTES and again != data):
            raise Violation(f"{len(data)} bytes went in, and others came out ({len(again)})")

    def _check_chunking(self, found: Sequence[object], one: Input) -> None:
        frames = [item for item in found if not isinstance(item, Discarded)]
        whole = [item for item in self.case.alone(one.data) if not isinstance(item, Discarded)]
        if frames != whole:
            raise Violation(f"{len(frames)} frames in chunks, {len(whole)} others at once")

    def _check_next(self, decoder: StreamDecoder, good: bytes) -> None:
        """After a silence a good frame is found as if nothing had been before."""
        found = self._step(decoder, good) + self._step(decoder, None)
        wanted = self._told[good]
        if found == wanted:
            return
        if self.case.kept is Kept.NOTHING and any(
            isinstance(item, Heard) or item in wanted for item in found
        ):
            return  # an answer has a serial number of its own; an id may be known by now
        raise Violation(f"after a silence the good frame {good.hex()} is not found")


@dataclass(slots=True)
class DescriberTrial:
    """`decode` gives keys or `RemoteProtocolError`; `explain` covers every byte, in order, and raises nothing."""

    name: str
    describer: Describer
    directions: Sequence[str | None]

    def run(self, one: Input, number: int, count: Count) -> None:
        """Raises `Violation`."""
        data, direction = one.data, self.directions[number % len(self.directions)]
        try:
            json.dumps(self.describer.decode(data, direction))
            count.frames += 1
        except RemoteProtocolError:
            count.errors += 1
        except Exception as exc:
            raise Violation(f"decode ({direction}) raised {type(exc).__name__}: {exc}") from exc
        try:
            fields = self.describer.explain(data, direction)
        except Exception as exc:
            raise Violation(f"explain ({direction}) raised {type(exc).__name__}: {exc}") from exc
        at = 0
        for one_field in fields:
            if one_field.offset != at:
                raise Violation(f"explain: '{one_field.name}' begins at {one_field.offset}, not at {at}")
            at += one_field.length
        if at != len(data):
            raise Violation(f"explain covers {at} of {len(data)} bytes")
        count.inputs += 1
