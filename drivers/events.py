"""What a driver can say happened. Past tense, frozen, free of wall-clock time.

The gateway gives each event its identity, time, place in the sequence and signature. Fields that
identify a person are kept out of `repr`, so that no log line or traceback can carry them.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias


class CardType(StrEnum):
    """Kinds of resident card told apart by the type flag in the text block (offset 248)."""

    RESIDENT = "resident"  # 居民身份证
    HMT = "hmt"  # 港澳台居民居住证
    FOREIGNER_2017 = "foreigner_2017"  # 外国人永久居留身份证, 2017 layout
    FOREIGNER_2023 = "foreigner_2023"  # 外国人永久居留身份证, 2023 layout


@dataclass(frozen=True, slots=True, kw_only=True)
class CardRead:
    """A card was presented and its text block read."""

    card_type: CardType
    id_number: str = field(repr=False)
    name: str = field(repr=False)
    valid_from: str = field(repr=False)  # YYYYMMDD, as printed
    valid_to: str = field(repr=False)  # YYYYMMDD or 长期, as printed
    check_digit_ok: bool | None  # None where the number form has no check digit (foreigner 2017)
    text_repaired: bool  # lone surrogates in the text were replaced by U+FFFD


@dataclass(frozen=True, slots=True, kw_only=True)
class CardRefused:
    """A card was presented and could not be read. `reason` is a code of the message catalogue.

    For ID cards: card_auth, verification, card_type, read_failed, select_failed, status, text_block, frame,
    no_reply, line_noise (explained in `idcard_events`).
    """

    reason: str
    status: int | None = None  # the device's own status byte, where it gave one
    length: int | None = None  # length of what could not be read, bytes
    sha256: str | None = None  # its hash; None where nothing came, or so little that it could be guessed


class BadgeForm(StrEnum):
    """In which form a badge's number came."""

    WIEGAND_26 = "wiegand26"  # 26 bits, both parity bits right
    BITS = "bits"  # any other bits: nobody here knows what they are divided into, or their parity
    TEXT = "text"  # characters, as the reader or converter tells them


@dataclass(frozen=True, slots=True, kw_only=True)
class BadgeRead:
    """An access badge was presented. Whose it is, nothing here knows."""

    form: BadgeForm
    number: str = field(repr=False)  # of bits the digits 0 and 1, parity among them; else the characters

    @property
    def length(self) -> int:
        """Bits, or characters."""
        return len(self.number)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceReady:
    """The device answered for the first time since the link was opened."""

    model: str | None = None
    firmware: str | None = None
    serial: str | None = None


DeviceEvent: TypeAlias = CardRead | CardRefused | BadgeRead
