"""The 26 bits of a card, first bit first.

    [even parity 1] [data bits 1 to 24] [odd parity 1]

The first bit makes the ones among itself and data bits 1 to 12 even, the last one those among itself and data bits
13 to 24 odd. The number is somebody's card and stays out of repr.
Leaves out: what the 24 bits are divided into, which is up to the site; formats of other lengths.
Source: README.md beside the package, section wiegand.
"""

from dataclasses import dataclass, field
from typing import Self

from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError

BITS = 26
DATA_BITS = 24
_HALF = DATA_BITS // 2


@dataclass(frozen=True, slots=True)
class Card:
    """One card."""

    number: int = field(repr=False)  # the 24 data bits

    def to_bits(self) -> str:
        """The 26 bits as digits 0 and 1."""
        if not 0 <= self.number < 1 << DATA_BITS:
            raise LocalProtocolError("range", f"a card number has at most {DATA_BITS} bits")
        data = f"{self.number:0{DATA_BITS}b}"
        first, second = data[:_HALF], data[_HALF:]
        return f"{first.count('1') % 2}{data}{1 - second.count('1') % 2}"

    @classmethod
    def from_bits(cls, bits: str) -> Self:
        """The card that 26 digits 0 and 1 say. Codes: length, digits, parity."""
        if set(bits) - {"0", "1"}:
            raise RemoteProtocolError("digits", "a bit is 0 or 1")
        if len(bits) != BITS:
            raise RemoteProtocolError("length", f"{len(bits)} bits; {BITS} expected")
        card = cls(int(bits[1:-1], 2))
        expected = card.to_bits()
        wrong = [name for name, at in (("first", 0), ("last", -1)) if bits[at] != expected[at]]
        if wrong:
            raise RemoteProtocolError("parity", f"wrong parity: {' and '.join(wrong)} bit")
        return card
