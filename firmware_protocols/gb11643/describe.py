"""An identification number explained. Input: the number as ASCII text."""

from firmware_protocols.describing import Field, Json
from firmware_protocols.errors import RemoteProtocolError
from firmware_protocols.gb11643.codes import SEX_LABELS
from firmware_protocols.gb11643.number import SIZE, IdNumber, parse


def decode(data: bytes, direction: str | None) -> Json:  # noqa: ARG001 - a value has no direction
    """The number and its parts."""
    number = _number(data)
    return {
        "id_number": number.text,
        "valid": True,
        "kind": str(number.kind),
        "region": number.region,
        "birth": number.text[6:14],
        "sequence": number.sequence,
        "sex": str(number.sex),
        "checksum": number.text[-1],
    }


def explain(data: bytes, direction: str | None) -> list[Field]:  # noqa: ARG001 - a value has no direction
    """Region, birth, sequence, check character, or why it is no number."""
    try:
        number = _number(data)
    except RemoteProtocolError as exc:
        advice = "read the card again or compare with the print on it"
        return [Field(0, len(data), "number", note=str(exc), advice=advice, personal=True, wrong=True)]
    return [
        Field(
            0,
            6,
            "region",
            f"{number.region} ({number.kind})",
            "place of the first registration",
            personal=True,
        ),
        Field(6, 8, "birth", number.birth.isoformat(), "YYYYMMDD", personal=True),
        Field(14, 3, "sequence", f"{number.sequence} {SEX_LABELS[number.sex]}", "odd = male", personal=True),
        Field(SIZE - 1, 1, "check", number.text[-1], "fits", personal=True),
    ]


def _number(data: bytes) -> IdNumber:
    try:
        text = data.decode("ascii")
    except UnicodeDecodeError:
        raise RemoteProtocolError("characters", "17 digits and a digit or X expected") from None
    return parse(text)
