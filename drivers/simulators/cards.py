"""Cards as a reader sees them: sound ones from invented persons, and each way in which one can be bad."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from drivers.simulators.people import people
from firmware_protocols.idcard_sam.commands import Command
from firmware_protocols.idcard_sam.messages import PHOTO_HEADER, CardRecord, to_reply
from firmware_protocols.idcard_sam.text_block import FLAG_AT, TEXT_SIZE, CardLayout, TextBlock

PHOTO_SIZE = 1024
HEAD_SIZE = 4  # the two sizes before text and photo
LONE_SURROGATE = b"\x00\xd8"
SHORT_TEXT = 200


@dataclass(frozen=True, slots=True)
class Card:
    """`label` names the card in counters and says nothing of the person."""

    label: str
    record: bytes = field(repr=False)  # sizes, text, photo: the data of a read reply
    serial: bytes = bytes(8)  # most readers say zeros for every card
    refused_at: Command | None = None
    refused_with: int = 0  # status byte SW3

    @classmethod
    def of(cls, label: str, text: TextBlock, photo: bytes) -> "Card":
        """A sound card."""
        return cls(label, to_reply(CardRecord(text, photo)).data)


def cards(seed: int, layouts: Sequence[CardLayout] = ()) -> Iterator[Card]:
    """Sound cards without end, labelled card-0000, card-0001, ...; the same for the same seed."""
    rng = random.Random(seed)  # noqa: S311 - repeatable on purpose, no secret
    for serial, text in enumerate(people(seed, layouts)):
        photo = PHOTO_HEADER + rng.randbytes(PHOTO_SIZE - len(PHOTO_HEADER))
        yield Card.of(f"card-{serial:04d}", text, photo)


def refused(card: Card, step: Command, sw3: int) -> Card:
    """The reader refuses it at `step` (select or read) with status `sw3`."""
    return replace(card, refused_at=step, refused_with=sw3)


def with_lone_surrogate(card: Card) -> Card:
    """Half a character stands at the end of its name."""
    return _with_text(card, lambda text: text[:28] + LONE_SURROGATE + text[30:])


def with_unknown_type(card: Card) -> Card:
    """Its type flag is none of the four."""
    return _with_text(card, lambda text: text[:FLAG_AT] + "Q".encode("utf-16-le") + text[FLAG_AT + 2 :])


def with_short_text(card: Card) -> Card:
    """Its text block is too short, and the sizes say so."""
    return _with_text(card, lambda text: text[:SHORT_TEXT])


def with_blank_text(card: Card) -> Card:
    """Nothing but padding stands on it."""
    return _with_text(card, lambda text: " ".encode("utf-16-le") * (len(text) // 2))


def _with_text(card: Card, damage: Callable[[bytes], bytes]) -> Card:
    text_end = HEAD_SIZE + TEXT_SIZE
    text = damage(card.record[HEAD_SIZE:text_end])
    sizes = len(text).to_bytes(2, "big") + card.record[2:HEAD_SIZE]
    return replace(card, record=sizes + text + card.record[text_end:])
