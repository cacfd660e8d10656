"""The identification number of 18 characters (GB 11643-1999) and those built the same way.

    [region 6][birth YYYYMMDD 8][sequence 3, odd = male][check 1, 0-9 or X]

The same form serves residents of Hong Kong, Macao and Taiwan (regions 81, 82, 83) and, since 2023,
foreigners with permanent residence (first digit 9). The check character is ISO 7064 MOD 11-2.

Leaves out: whether a region exists (codes come and go, and a wrong refusal costs more than it saves),
the number of 15 characters on foreigner cards of 2017, and any judgement that needs today's date.
"""

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from firmware_protocols.errors import RemoteProtocolError
from firmware_protocols.gb11643.codes import Sex

SIZE = 18
WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
CHECK_CHARACTERS = "10X98765432"  # by weighted sum modulo 11
EARLIEST_BIRTH = date(1800, 1, 1)  # the standard's own example was born in 1880
_DIGITS = frozenset("0123456789")


class NumberKind(StrEnum):
    """Whose number it is, as far as its first digits say."""

    RESIDENT = "resident"
    HONG_KONG = "hong_kong"
    MACAO = "macao"
    TAIWAN = "taiwan"
    FOREIGNER = "foreigner"


_HMT = {"81": NumberKind.HONG_KONG, "82": NumberKind.MACAO, "83": NumberKind.TAIWAN}


@dataclass(frozen=True, slots=True)
class IdNumber:
    """A number that keeps all rules. Nothing of it is in repr."""

    text: str = field(repr=False)  # with a capital X
    birth: date = field(repr=False)

    @property
    def region(self) -> str:
        """The first six digits. For a foreigner they also hold the country."""
        return self.text[:6]

    @property
    def sequence(self) -> str:
        """The three digits that tell people of one region and birthday apart."""
        return self.text[14:17]

    @property
    def sex(self) -> Sex:
        """Odd sequences are male."""
        return Sex.MALE if int(self.sequence) % 2 else Sex.FEMALE

    @property
    def kind(self) -> NumberKind:
        """Whose number it is."""
        if self.text[0] == "9":
            return NumberKind.FOREIGNER
        return _HMT.get(self.text[:2], NumberKind.RESIDENT)


def check_character(first17: str) -> str:
    """The 18th character for the first seventeen digits."""
    if len(first17) != SIZE - 1 or not _DIGITS.issuperset(first17):
        raise RemoteProtocolError("characters", "the check character follows from exactly 17 digits")
    weighted = sum(weight * int(digit) for weight, digit in zip(WEIGHTS, first17, strict=True))
    return CHECK_CHARACTERS[weighted % 11]


def check_digit_ok(text: str) -> bool | None:
    """Whether the check character fits; None where the form has none (not 18 characters)."""
    if len(text) != SIZE:
        return None
    body, check = text[:-1], text[-1].upper()
    return _DIGITS.issuperset(body) and check_character(body) == check


def parse(text: str) -> IdNumber:
    """The number in `text`; a small x is taken as X. Codes: size, characters, region, birth, check_digit."""
    if len(text) != SIZE:
        raise RemoteProtocolError("size", f"{len(text)} characters; an identification number has {SIZE}")
    text = text[:-1] + text[-1].replace("x", "X")
    if not _DIGITS.issuperset(text[:-1]) or text[-1] not in CHECK_CHARACTERS:
        raise RemoteProtocolError("characters", "17 digits and a digit or X expected")
    if text[0] == "0":
        raise RemoteProtocolError("region", "no region begins with 0")
    birth = _birth(text[6:14])
    if not check_digit_ok(text):
        raise RemoteProtocolError(
            "check_digit", "the check character does not fit: a digit is wrong or swapped"
        )
    return IdNumber(text, birth)


def _birth(digits: str) -> date:
    try:
        birth = date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        # The cause would repeat the digits of a person's birth date.
        raise RemoteProtocolError("birth", "characters 7 to 14 are no date") from None
    if birth < EARLIEST_BIRTH:
        raise RemoteProtocolError("birth", f"the date of birth lies before {EARLIEST_BIRTH.year}")
    return birth
