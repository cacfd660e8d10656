"""Typed replies: what a reply says, given the request it answers, and the reply that says it.

    reply data     find 4 | select 8 | SAM id 16 | chip number 28 | new address n x 70, n = 1..4
    card           [text size 2][photo size 2] text photo                                     (30 01)
                   [text size 2][photo size 2][fingerprint size 2] text photo fingerprint     (30 10)

`parse_reply` is what the host needs, `to_reply` what a simulated reader needs; each undoes the other.
Fields that identify a person or a card are out of repr.
Leaves out: the meaning of the text (text_block.py) and of the status byte (status.py).
"""

import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError
from firmware_protocols.idcard_sam.commands import Command, identify
from firmware_protocols.idcard_sam.frames import Reply, Request
from firmware_protocols.idcard_sam.status import CARD_FOUND, OK, Action, Status, status_of
from firmware_protocols.idcard_sam.text_block import TextBlock, decode_text, encode_text
from firmware_protocols.utf16_text import decode_slot, encode_slot

IIN_SIZE = 4
SERIAL_SIZE = 8
SAM_ID_SIZE = 16
CHIP_NUMBER_SIZE = 28
ADDRESS_SIZE = 70
MAX_ADDRESSES = 4  # the reader's buffer for additional addresses has 280 bytes
PHOTO_HEADER = bytes.fromhex("574C66007E00320000FF")  # how a photo (WLT, undecoded) begins

_SAM_ID = struct.Struct("<HHIII")
_SAM_ID_TEXT = re.compile(r"(\d{2,5})\.(\d{2,5})-(\d{8,10})-(\d{10})-(\d{10})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Ok:
    """Done; there is nothing more to tell."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The reader answered with a status that is not success."""

    sw3: int

    @property
    def status(self) -> Status:
        """Meaning and advice."""
        return status_of(self.sw3)


@dataclass(frozen=True, slots=True)
class CardFound:
    """A card lies on the reader."""

    iin: bytes = bytes(IIN_SIZE)


@dataclass(frozen=True, slots=True)
class CardSelected:
    """The card is ready to be read."""

    serial: bytes = field(default=bytes(SERIAL_SIZE), repr=False)


@dataclass(frozen=True, slots=True)
class CardRecord:
    """What was read from a card. `fingerprint` is None when it was not asked for, empty when there is none."""

    text: TextBlock = field(repr=False)
    photo: bytes = field(repr=False)
    fingerprint: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class NewAddress:
    """Addresses written to the card after it was issued, the latest one last."""

    addresses: tuple[str, ...] = field(repr=False)
    repaired: bool = False  # lone surrogates were replaced by U+FFFD


@dataclass(frozen=True, slots=True)
class ChipNumber:
    """The management number of the card's chip, opaque."""

    value: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SamId:
    """The number of the security module as printed on the reader, e.g. 05.01-20130315-0000123456-4012345678."""

    text: str


Message: TypeAlias = Ok | Refusal | CardFound | CardSelected | CardRecord | NewAddress | ChipNumber | SamId


def parse_reply(request: Request, reply: Reply) -> Message:
    """What `reply` says as the answer to `request`; a refusal is a value.

    Codes: status_word, reply_length, status_mismatch, and those of the text block.
    """
    if (reply.sw1, reply.sw2) != (0, 0):
        raise RemoteProtocolError(
            "status_word", f"status words {reply.sw1:02X} {reply.sw2:02X}; every known reply has 00 00"
        )
    status = status_of(reply.sw3)
    command = identify(request)
    if status.action is not Action.OK:
        return Refusal(reply.sw3)
    if command is None:
        raise LocalProtocolError("command", f"{request.cmd:02X} {request.para:02X} is not in the table")
    if (reply.sw3 == CARD_FOUND) != (command is Command.FIND_CARD):
        raise RemoteProtocolError("status_mismatch", f"status {reply.sw3:02X} in answer to '{command.value}'")
    return _PARSERS[command](reply.data)


def to_reply(message: Message) -> Reply:
    """The reply that says `message`."""
    match message:
        case Ok():
            return Reply(0, 0, OK)
        case Refusal(sw3):
            return Reply(0, 0, sw3)
        case CardFound(iin):
            return Reply(0, 0, CARD_FOUND, _sized("iin", iin, IIN_SIZE))
        case CardSelected(serial):
            return Reply(0, 0, OK, _sized("serial", serial, SERIAL_SIZE))
        case CardRecord():
            return Reply(0, 0, OK, _record_data(message))
        case NewAddress(addresses):
            return Reply(0, 0, OK, _address_data(addresses))
        case ChipNumber(value):
            return Reply(0, 0, OK, _sized("chip number", value, CHIP_NUMBER_SIZE))
        case SamId(text):
            return Reply(0, 0, OK, _sam_id_data(text))


def parse_record(data: bytes) -> CardRecord:
    """Text, photo and, if a third size says so, fingerprint."""
    sizes = record_sizes(data)
    start = 2 * len(sizes)
    parts = []
    for size in sizes:
        parts.append(data[start : start + size])
        start += size
    return CardRecord(decode_text(parts[0]), parts[1], parts[2] if len(parts) == 3 else None)


def record_sizes(data: bytes) -> tuple[int, ...]:
    """The two or three sizes at the head of a card record, whichever account for all of its bytes."""
    for count in (2, 3):
        head = data[: 2 * count]
        if len(head) == 2 * count:
            sizes = struct.unpack(f">{count}H", head)
            if 2 * count + sum(sizes) == len(data):
                return sizes
    raise RemoteProtocolError(
        "record_length", f"the sizes at the head of a card record do not add up to its {len(data)} bytes"
    )


def _ok(data: bytes) -> Ok:
    _expect("an empty answer", data, 0)
    return Ok()


def _sam_id(data: bytes) -> SamId:
    _expect("SAM id", data, SAM_ID_SIZE)
    return SamId("{:02d}.{:02d}-{:08d}-{:010d}-{:010d}".format(*_SAM_ID.unpack(data)))


def _card_found(data: bytes) -> CardFound:
    _expect("card found", data, IIN_SIZE)
    return CardFound(data)


def _card_selected(data: bytes) -> CardSelected:
    _expect("card selected", data, SERIAL_SIZE)
    return CardSelected(data)


def _chip_number(data: bytes) -> ChipNumber:
    _expect("chip number", data, CHIP_NUMBER_SIZE)
    return ChipNumber(data)


def _new_address(data: bytes) -> NewAddress:
    count, rest = divmod(len(data), ADDRESS_SIZE)
    if rest or not 1 <= count <= MAX_ADDRESSES:
        raise RemoteProtocolError(
            "reply_length",
            f"additional address of {len(data)} bytes; 1 to {MAX_ADDRESSES} x {ADDRESS_SIZE} expected",
        )
    slots = [decode_slot(data[at : at + ADDRESS_SIZE]) for at in range(0, len(data), ADDRESS_SIZE)]
    return NewAddress(tuple(slot.text for slot in slots), repaired=any(slot.repaired for slot in slots))


_PARSERS: Mapping[Command, Callable[[bytes], Message]] = MappingProxyType(
    {
        Command.RESET_SAM: _ok,
        Command.SAM_STATUS: _ok,
        Command.SAM_ID: _sam_id,
        Command.FIND_CARD: _card_found,
        Command.SELECT_CARD: _card_selected,
        Command.READ_CARD: parse_record,
        Command.READ_CARD_WITH_FINGERPRINT: parse_record,
        Command.READ_NEW_ADDRESS: _new_address,
        Command.READ_CHIP_NUMBER: _chip_number,
        Command.SET_BAUD: _ok,
        Command.SET_RF_FRAME: _ok,
    }
)


def _record_data(record: CardRecord) -> bytes:
    parts = [encode_text(record.text), record.photo]
    if record.fingerprint is not None:
        parts.append(record.fingerprint)
    return struct.pack(f">{len(parts)}H", *(len(part) for part in parts)) + b"".join(parts)


def _address_data(addresses: tuple[str, ...]) -> bytes:
    if not 1 <= len(addresses) <= MAX_ADDRESSES:
        raise LocalProtocolError("addresses", f"{len(addresses)} addresses; 1 to {MAX_ADDRESSES} fit")
    return b"".join(encode_slot(address, ADDRESS_SIZE, "address") for address in addresses)


def _sam_id_data(text: str) -> bytes:
    found = _SAM_ID_TEXT.fullmatch(text)
    try:
        if found:
            return _SAM_ID.pack(*(int(part) for part in found.groups()))
    except struct.error as exc:
        raise LocalProtocolError("sam_id", "a part of the SAM id is larger than its bytes can hold") from exc
    raise LocalProtocolError("sam_id", "a SAM id looks like 05.01-20130315-0000123456-4012345678")


def _expect(what: str, data: bytes, size: int) -> None:
    if len(data) != size:
        raise RemoteProtocolError("reply_length", f"{what}: {len(data)} data bytes; {size} expected")


def _sized(what: str, data: bytes, size: int) -> bytes:
    if len(data) != size:
        raise LocalProtocolError("length", f"{what}: {len(data)} bytes; {size} expected")
    return data
