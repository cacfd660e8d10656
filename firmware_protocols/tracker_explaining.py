"""A dump of a tracker's line for a person: what each stretch is, what the frame says of itself, what it reports.

Positions and whatever else speaks of the wearer stand in personal fields, which are shown on demand.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from firmware_protocols.describing import Field, Json
from firmware_protocols.framing import Discarded

FrameT = TypeVar("FrameT")


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a frame."""

    length: int
    name: str
    value: str = ""
    personal: bool = False
    wrong: bool = False


def explained(found: Iterable[FrameT | Discarded], parts: Callable[[FrameT], list[Part]]) -> list[Field]:
    """One behind the other, noise between them included."""
    fields: list[Field] = []
    offset = 0
    for one in found:
        if isinstance(one, Discarded):
            fields.append(Field(offset, one.length, "noise", note=one.reason, wrong=True))
            offset += one.length
            continue
        for part in parts(one):
            field = Field(
                offset, part.length, part.name, part.value, personal=part.personal, wrong=part.wrong
            )
            fields.append(field)
            offset += part.length
    return fields


def summary(told: Json) -> str:
    """`lat 36.66, lon 117.02, battery 80, …` of what `described` gives, without the raw fields."""
    shown = {name: value for name, value in told.items() if name not in {"raw", "frame"}}
    return ", ".join(f"{name} {value}" for name, value in shown.items() if value not in ([], None))
