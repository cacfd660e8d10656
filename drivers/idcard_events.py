"""What a card reader's answer means to the gateway: a card read, a card refused and why, and which card it was.

Reasons of `CardRefused` (keys of the message catalogue):

    card_auth      card and reader could not prove themselves to each other (31, 32)
    verification   the information on the card failed its verification (33)
    card_type      the reader does not know this kind of card (40)
    read_failed    the card could not be read, or was lifted too early (41, 80)
    select_failed  the card could not be addressed; two cards at once, for example (81)
    status         any other status of the reader while a card lay on it
    text_block     the reader delivered a record that is no card's text
    frame          bytes came and were no answer: damaged, cut off, absurd length
    no_reply       no byte came after the card was found
    line_noise     the reader says that our requests arrive damaged

Leaves out: which answer is worth an event (presentation.py), the conversation (idcard_reader.py).
"""

import hashlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeAlias

from drivers.events import CardRead, CardRefused, CardType
from drivers.exchange_runner import Garbage
from firmware_protocols.errors import ProtocolError, ReplyTimeout
from firmware_protocols.gb11643.number import check_digit_ok
from firmware_protocols.idcard_sam.exchanges import CardRefusedByReader, CardUnreadable
from firmware_protocols.idcard_sam.messages import CardRecord
from firmware_protocols.idcard_sam.text_block import TEXT_SIZE, CardLayout, TextBlock

REASONS: Mapping[int, str] = MappingProxyType(
    {
        0x31: "card_auth",
        0x32: "card_auth",
        0x33: "verification",
        0x40: "card_type",
        0x41: "read_failed",
        0x80: "read_failed",
        0x81: "select_failed",
    }
)

# Codes of a record that arrived whole and is no card's; the other codes are about the answer around it.
RECORD_CODES = frozenset({"text_length", "card_type", "record_length"})

CARD_TYPES: Mapping[CardLayout, CardType] = MappingProxyType(
    {
        CardLayout.RESIDENT: CardType.RESIDENT,
        CardLayout.HMT: CardType.HMT,
        CardLayout.FOREIGNER_2017: CardType.FOREIGNER_2017,
        CardLayout.FOREIGNER_2023: CardType.FOREIGNER_2023,
    }
)

# A hash of text alone could be searched: there are not so many names, birthdays and districts. With the photo
# behind the text it cannot be, and it still shows whether the same card fails again.
HASHED_FROM = 1024  # bytes; text and most of a photo

Outcome: TypeAlias = CardRecord | CardRefusedByReader | CardUnreadable


def event_of(outcome: Outcome) -> CardRead | CardRefused:
    """The event for a card that lay there."""
    match outcome:
        case CardRecord(text):
            return _read(text)
        case CardRefusedByReader(status, _):
            return CardRefused(reason=REASONS.get(status.code, "status"), status=status.code)
        case CardUnreadable(code, _, data):
            digest = hashlib.sha256(data).hexdigest()
            return _unreadable("text_block" if code in RECORD_CODES else "frame", len(data), digest)


def broken_off(cause: ProtocolError, garbage: Garbage) -> CardRefused:
    """The event for a card that was found, and then the conversation broke off."""
    if not isinstance(cause, ReplyTimeout):
        return CardRefused(reason="line_noise" if cause.code == "line_noise" else "frame")
    if garbage.length:
        return _unreadable("frame", garbage.length, garbage.sha256)
    return CardRefused(reason="no_reply")


def card_key(text: TextBlock, secret: bytes) -> bytes:
    """Tells one card from another, within the life of `secret`; says nothing about the person to anybody else."""
    told_apart_by = (text.layout, text.id_number, text.display_name, text.valid_from, text.valid_to)
    return hashlib.blake2b("\0".join(told_apart_by).encode(), key=secret, digest_size=16).digest()


def _read(text: TextBlock) -> CardRead | CardRefused:
    if not text.id_number:  # well-formed, and nobody's
        return CardRefused(reason="text_block", length=TEXT_SIZE)
    has_check_digit = text.layout is not CardLayout.FOREIGNER_2017
    return CardRead(
        card_type=CARD_TYPES[text.layout],
        id_number=text.id_number[:-1] + text.id_number[-1].replace("x", "X"),
        name=text.display_name,
        valid_from=text.valid_from,
        valid_to=text.valid_to,
        check_digit_ok=bool(check_digit_ok(text.id_number)) if has_check_digit else None,
        text_repaired=text.repaired,
    )


def _unreadable(reason: str, length: int, sha256: str) -> CardRefused:
    return CardRefused(reason=reason, length=length, sha256=sha256 if length >= HASHED_FROM else None)
