"""The wearable's half of a tracker family, in words that all families share. For simulators and tests.

    hello -> what opens a line · tell -> the frames of a sighting · hear -> answers and orders out of what came

No line and no clock: whoever owns the line sends what is said and waits for the answer that it names. A family that
answers nothing names none, and what its line took counts as delivered.
"""

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol, TypeAlias, TypeVar

from firmware_protocols.errors import LocalProtocolError
from firmware_protocols.framing import Discarded
from firmware_protocols.tracking import Fix, Sign

CodeT = TypeVar("CodeT", int, str)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What a wearable hands over as one record: where it was, and how it is. Rounded to what its frames hold."""

    fix: Fix | None = None  # None: how it is, and that it is there
    battery_pct: int = 100
    strap_open: bool = False
    moments: frozenset[Sign] = frozenset()

    @property
    def signs(self) -> frozenset[Sign]:
        """The moments, and the strap where it is open."""
        return self.moments | ({Sign.STRAP_OPEN} if self.strap_open else frozenset())


@dataclass(frozen=True, slots=True)
class Saying:
    """What goes over the line. `answer`: by what the platform's answer is known; None: there is none."""

    data: bytes = field(repr=False)
    answer: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The platform took it. `content`: what it said beside that."""

    to: str
    content: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Told:
    """The platform wants something. `reply`: what a device says to that."""

    order: str
    reply: bytes = field(default=b"", repr=False)


Hello: TypeAlias = Generator[Saying, Answer | None, None]  # is sent the answer of what it yielded


class TrackerTerminal(Protocol):
    """One wearable on one line."""

    @property
    def says(self) -> frozenset[Sign]:
        """Which signs its frames can say."""
        ...

    @property
    def tells_strap(self) -> bool:
        """Whether its frames say that the strap is open."""
        ...

    def hello(self) -> Hello:
        """What it begins a line with, step by step."""
        ...

    def tell(self, sighting: Sighting) -> tuple[Saying, ...]:
        """One sighting: mostly one frame. Code: unsupported, where its frames cannot say a sign."""
        ...

    def hear(self, data: bytes) -> Iterator[Answer | Told | Discarded]:
        """What came, in any cut."""
        ...


def codes_of(*tables: Mapping[CodeT, Sign]) -> Mapping[Sign, CodeT]:
    """The code of each sign: the first one, where several say the same."""
    codes: dict[Sign, CodeT] = {}
    for table in tables:
        for code, sign in table.items():
            codes.setdefault(sign, code)
    return MappingProxyType(codes)


def require(sighting: Sighting, says: frozenset[Sign]) -> None:
    """Refuse a sighting with signs that the family has no word for. Code: unsupported."""
    unknown = sighting.signs - says
    if unknown:
        raise LocalProtocolError("unsupported", f"no frame of it says {', '.join(sorted(unknown))}")
