"""What stands in one line of a converter: a badge of 26 bits, or whatever characters it tells a badge by.

    26 digits 0 and 1, or 7 hex digits with two bits of zero before them     bits_of, both parity bits checked
    any printable characters                                                 text_of, nothing to check

Space around them is passed over. Check bytes before the end of a line, which no source describes, are characters.
"""

from firmware_protocols.errors import RemoteProtocolError
from firmware_protocols.wiegand.card import BITS, Card

HEX_DIGITS = (BITS + 3) // 4
_FIGURES = frozenset("0123456789abcdefABCDEF")


def bits_of(content: bytes) -> str:
    """The 26 bits as digits 0 and 1. Codes: length, digits, parity."""
    text = content.strip().decode("ascii", errors="replace")
    if len(text) == HEX_DIGITS and not set(text) - _FIGURES:
        number = int(text, 16)
        if number >= 1 << BITS:
            raise RemoteProtocolError("length", f"{HEX_DIGITS} hex digits of more than {BITS} bits")
        text = f"{number:0{BITS}b}"
    return Card.from_bits(text).to_bits()


def text_of(content: bytes) -> str:
    """The characters. Codes: length (none at all), digits (not printable ASCII)."""
    text = content.strip()
    if not text:
        raise RemoteProtocolError("length", "nothing but space")
    if not text.isascii() or not text.decode("ascii").isprintable():
        raise RemoteProtocolError("digits", "a character that cannot be printed")
    return text.decode("ascii")
