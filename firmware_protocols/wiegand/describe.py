"""One card by name and key, for tests and machines and a person: 26 digits 0 and 1, or 7 hex digits for the same bits.

Space around them is passed over. How a converter of another make writes them is not known here.
"""

from firmware_protocols.describing import Field, Json
from firmware_protocols.errors import RemoteProtocolError
from firmware_protocols.wiegand.card import BITS, DATA_BITS, Card
from firmware_protocols.wiegand.content import bits_of


def decode(data: bytes, direction: str | None) -> Json:
    """The keys of exactly one card. `direction` says nothing: only the reader speaks."""
    del direction
    bits = bits_of(data)
    return {"name": "card", "bits": bits, "bit_count": BITS, "number": Card.from_bits(bits).number}


def explain(data: bytes, direction: str | None) -> list[Field]:
    """Every byte of `data`, as one card or as what is wrong with it."""
    if not data:
        return []
    try:
        number = decode(data, direction)["number"]
    except RemoteProtocolError as exc:
        advice = "present the card again; if it repeats, check the converter's format and the reader's wiring"
        return [Field(0, len(data), "card", "not decoded", str(exc), advice, personal=True, wrong=True)]
    return [
        Field(0, len(data), "card", str(number), f"{DATA_BITS} bits, both parity bits fit", personal=True)
    ]
