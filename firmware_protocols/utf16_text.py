"""Text in fixed slots of UTF-16LE, as Chinese identity devices store it.

A slot has room for a number of 16-bit units and is padded with spaces. Readers that pad with NUL
are understood too. A lone surrogate (half a character, from a damaged or truncated slot) becomes
U+FFFD, and the caller is told, because such text is no longer what the card says.
"""

import re
from dataclasses import dataclass, field

from firmware_protocols.errors import LocalProtocolError

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_PADDING = " \0"


@dataclass(frozen=True, slots=True)
class SlotText:
    """What a slot held. The text may be a person's and stays out of repr."""

    text: str = field(repr=False)
    repaired: bool  # something was replaced by U+FFFD


def decode_slot(raw: bytes) -> SlotText:
    """Text of one slot, without its padding. Inner and leading spaces belong to the text."""
    if len(raw) % 2:
        raise LocalProtocolError("slot", f"a slot of {len(raw)} bytes is no UTF-16")
    text, repairs = _LONE_SURROGATE.subn(REPLACEMENT, raw.decode("utf-16-le", "surrogatepass"))
    return SlotText(text.rstrip(_PADDING), repaired=repairs > 0)


def encode_slot(text: str, size: int, name: str) -> bytes:
    """`text` padded with spaces to `size` bytes. `name` says in an error which slot it was."""
    if _LONE_SURROGATE.search(text):
        raise LocalProtocolError("surrogate", f"{name}: a lone surrogate is no text")
    raw = text.encode("utf-16-le")
    if len(raw) > size:
        raise LocalProtocolError("too_long", f"{name}: {len(raw) // 2} UTF-16 units, room for {size // 2}")
    return raw + " ".encode("utf-16-le") * ((size - len(raw)) // 2)
