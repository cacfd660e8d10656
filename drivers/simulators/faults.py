"""What can go wrong on the way from a device to the host, and when.

A `Fault` is planned for the next fitting replies; a `FaultMix` strikes at random, repeatable by its seed.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum


class FaultKind(StrEnum):
    """One way to spoil a reply."""

    NOISE_BEFORE = "noise_before"  # a few bytes, then the reply
    NOISE_INSIDE = "noise_inside"  # bytes that do not belong there, in the middle
    CUT = "cut"  # the second half never comes
    CHECKSUM = "checksum"  # the check byte is wrong
    MUTE = "mute"  # nothing comes
    HUGE = "huge"  # the length field claims 64 KiB; the reply follows
    TWICE = "twice"  # the reply comes two times
    LATE = "late"  # the reply comes after the host has given up
    DIALECT = "dialect"  # the check byte of the CVR-100AU dialect
    ASK_AGAIN = "ask_again"  # the device says that the request arrived damaged (status 10, confirm code 01)
    UNPLUG = "unplug"  # the wire is pulled in the middle of the reply


@dataclass(frozen=True, slots=True)
class Fault:
    """Strikes the next `times` replies, or only those to `on`: a command in the words of the device's family."""

    kind: FaultKind
    on: object = None
    times: int = 1


@dataclass(slots=True)
class FaultMix:
    """Random faults: for each kind the share of replies that it strikes, 0 to 1."""

    shares: Mapping[FaultKind, float] = field(default_factory=dict)
    seed: int = 1
    _rng: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if any(not 0 <= share <= 1 for share in self.shares.values()) or sum(self.shares.values()) > 1:
            raise ValueError("each share is between 0 and 1, and so is their sum")
        self._rng = random.Random(self.seed)  # noqa: S311 - repeatable on purpose, no secret

    def strike(self) -> FaultKind | None:
        """The fault of the next reply, mostly none."""
        dice = self._rng.random()
        for kind, share in self.shares.items():
            dice -= share
            if dice < 0:
                return kind
        return None


class FaultPlan:
    """Planned faults in their order, then the random ones."""

    def __init__(self, mix: FaultMix | None = None) -> None:
        self._mix = mix or FaultMix()
        self._planned: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Plan one more."""
        self._planned.append(fault)

    def clear(self) -> None:
        """Forget what is planned."""
        self._planned.clear()

    def next(self, command: object) -> FaultKind | None:
        """What happens to the reply to `command`."""
        for place, fault in enumerate(self._planned):
            if fault.on is None or fault.on == command:
                if fault.times > 1:
                    self._planned[place] = replace(fault, times=fault.times - 1)
                else:
                    del self._planned[place]
                return fault.kind
        return self._mix.strike()


@dataclass(frozen=True, slots=True)
class Spoiling:
    """How the faults look in one family's frames."""

    noise: bytes  # with the beginning of a frame in it
    size_at: int  # where a frame has its length
    size: bytes = b"\xff\xff"  # a length that no frame has
    check_at: int = -1  # where it has its check byte

    def apply(self, frame: bytes, kind: FaultKind | None, dialect: bytes = b"") -> bytes:
        """What goes over the wire in place of `frame`; nothing for a mute device. `dialect`: as another one has it."""
        half = len(frame) // 2
        match kind:
            case None | FaultKind.LATE:
                return frame
            case FaultKind.NOISE_BEFORE:
                return self.noise + frame
            case FaultKind.NOISE_INSIDE:
                return frame[:half] + self.noise + frame[half:]
            case FaultKind.CUT | FaultKind.UNPLUG:
                return frame[:half]
            case FaultKind.DIALECT if dialect:
                return dialect
            case FaultKind.CHECKSUM | FaultKind.DIALECT:
                at = len(frame) + self.check_at
                return frame[:at] + bytes([frame[at] ^ 0x55]) + frame[at + 1 :]
            case FaultKind.HUGE:
                return frame[: self.size_at] + self.size + frame[self.size_at + len(self.size) :]
            case FaultKind.TWICE:
                return frame + frame
            case FaultKind.MUTE | FaultKind.ASK_AGAIN:
                return b""
