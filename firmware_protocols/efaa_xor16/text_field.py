"""Text in fields of fixed size: names, versions, serial numbers.

Makers pad with NUL and some leave old bytes behind it, so a text ends at its first NUL.
"""

from firmware_protocols.errors import LocalProtocolError

NAME_SIZE = 32


def decode_text(field: bytes) -> str:
    """The text of a field; bytes that are no UTF-8 become U+FFFD. Never raises."""
    return field.split(b"\0", 1)[0].decode("utf-8", errors="replace").rstrip(" ")


def encode_text(text: str, size: int, what: str) -> bytes:
    """The field that carries `text`. The error names the field, never its content."""
    try:
        raw = text.encode("utf-8")
    except UnicodeEncodeError:
        raise LocalProtocolError("text", f"{what} holds half a character") from None
    if len(raw) > size or b"\0" in raw:
        raise LocalProtocolError("text", f"{what} takes {size} bytes of UTF-8 without NUL, not {len(raw)}")
    return raw.ljust(size, b"\0")
