"""What every family offers to a person with a hex dump: decode it, explain it.

`decode` gives the keys that the test vectors use, or raises `RemoteProtocolError`.
`explain` never raises for any bytes: it lists what can be said, in order, and marks what is wrong.
"""

from dataclasses import dataclass
from typing import Protocol

Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class Field:
    """A stretch of bytes and what it means.

    `personal` values and bytes are shown only on demand; `note` and `advice` are always shown, so they
    hold nothing of a person. `opaque` bytes (biometrics) are never shown. `wrong` breaks the protocol.
    """

    offset: int
    length: int
    name: str
    value: str = ""
    note: str = ""
    advice: str = ""
    personal: bool = False
    opaque: bool = False
    wrong: bool = False


class Describer(Protocol):
    """The module `describe` of a family. `direction` None: recognise it."""

    def decode(self, data: bytes, direction: str | None) -> Json:
        """The keys of the vector files for exactly one frame."""
        ...

    def explain(self, data: bytes, direction: str | None) -> list[Field]:
        """Every byte of `data`, in order; any number of frames, noise between them included."""
        ...
