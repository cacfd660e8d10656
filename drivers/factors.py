"""A device that tells whose finger or face it is, when it is asked: what the gateway knows of it.

Such a device says nothing by itself. The gateway asks when a session wants a second factor, stores what
came of it, and only then has the device show the verdict. A slot is a number inside one module: whoever
it belongs to, the roster says. Results carry slot, score and module, never a template or an image.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeAlias, runtime_checkable


class Factor(StrEnum):
    """What a person is recognised by."""

    FINGER = "finger"  # 指纹
    FACE = "face"  # 人脸


class Step(StrEnum):
    """What the person in front of the device should do next, while it is asked something."""

    PRESENT = "present"  # put the finger down, look into the camera
    LIFT = "lift"  # take the finger off
    AGAIN = "again"  # the same once more
    CLOSER = "closer"
    FARTHER = "farther"
    CENTRE = "centre"  # the face is outside of the picture
    STRAIGHT = "straight"  # enrolment of a face asks for these five
    LEFT = "left"
    RIGHT = "right"
    UP = "up"
    DOWN = "down"
    UNCOVER = "uncover"  # eyes, brows or face are covered
    OPEN_EYES = "open_eyes"


@dataclass(frozen=True, slots=True)
class Matched:
    """Somebody was recognised."""

    slot: int
    score: int | None  # the device's own measure; None where it gives none
    module: str  # serial number of the module: a slot of another one means nothing


@dataclass(frozen=True, slots=True)
class NotMatched:
    """Nobody was. `reason` is a code of the message catalogue.

    nothing_presented (within the time), unknown (not enrolled here), poor (dry, wet, smeared, too few
    features, out of the picture), liveness, eyes_closed, cancelled.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A finger or face was taken into the module."""

    slot: int
    module: str


@dataclass(frozen=True, slots=True)
class NotEnrolled:
    """It was not. `reason`: those of `NotMatched`, and already_enrolled, full, not_alike (the presses differ),
    taken (the slot asked for holds another), no_such_slot."""

    reason: str
    slot: int | None = None  # of already_enrolled, where the module names it; of taken and no_such_slot


Identified: TypeAlias = Matched | NotMatched
Enrolment: TypeAlias = Enrolled | NotEnrolled
Guide: TypeAlias = Callable[[Step], None]  # called on the loop, must return at once


@runtime_checkable
class FactorDevice(Protocol):
    """A driver that can be asked. Every question raises a `DriverError` when the device cannot answer.

    One question at a time; others wait. To cancel a question ends it at the device, too: nobody is
    recognised for a session that is over.
    """

    factor: Factor

    async def identify(self, *, timeout_s: float, guide: Guide) -> Identified:
        """Whose finger or face is presented now."""
        ...

    async def enrol(self, *, slot: int | None, timeout_s: float, guide: Guide) -> Enrolment:
        """Take in a finger or face; `slot` None: a free one. What is enrolled already is not enrolled twice."""
        ...

    async def erase(self, slots: Sequence[int]) -> None:
        """Delete these; returns when the module has confirmed that none of them is there. Repeating is harmless."""
        ...

    async def slots(self) -> frozenset[int]:
        """The slots that are taken."""
        ...

    async def show(self, *, accepted: bool) -> None:
        """Tell the person at the device; nothing where it has no light. After the commit, never before."""
        ...
