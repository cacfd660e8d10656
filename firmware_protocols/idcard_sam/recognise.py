"""What a frame without context is: its direction, and the command that a reply answers.

A driver knows both and needs none of this. Someone who reads a dump has only first bytes and sizes
to go by; for frames of the protocol they are unambiguous.
"""

from firmware_protocols.errors import LocalProtocolError
from firmware_protocols.idcard_sam.commands import COMMANDS, Command
from firmware_protocols.idcard_sam.envelope import HEADER_SIZE, PREAMBLE, REPLY_BOUNDS
from firmware_protocols.idcard_sam.frames import Reply
from firmware_protocols.idcard_sam.messages import (
    ADDRESS_SIZE,
    CHIP_NUMBER_SIZE,
    MAX_ADDRESSES,
    SAM_ID_SIZE,
    SERIAL_SIZE,
)
from firmware_protocols.idcard_sam.status import CARD_FOUND
from firmware_protocols.idcard_sam.text_block import TEXT_SIZE

HOST_TO_READER = "host>reader"
READER_TO_HOST = "reader>host"
DIRECTIONS = (HOST_TO_READER, READER_TO_HOST)

_BY_SIZE = {
    0: Command.SAM_STATUS,
    SERIAL_SIZE: Command.SELECT_CARD,
    SAM_ID_SIZE: Command.SAM_ID,
    CHIP_NUMBER_SIZE: Command.READ_CHIP_NUMBER,
    **{count * ADDRESS_SIZE: Command.READ_NEW_ADDRESS for count in range(1, MAX_ADDRESSES + 1)},
}


def is_from_reader(frame: bytes, direction: str | None) -> bool:
    """Which way `frame` (its preamble first) goes: as told, or as it looks."""
    if direction is None:
        return _looks_like_reply(frame)
    if direction not in DIRECTIONS:
        raise LocalProtocolError("direction", f"unknown direction; known are {' and '.join(DIRECTIONS)}")
    return direction == READER_TO_HOST


def _looks_like_reply(frame: bytes) -> bool:
    """Replies begin with 00 00, which is no command; requests are shortest or a known command."""
    head = frame[HEADER_SIZE : HEADER_SIZE + 2]
    if head == b"\0\0":
        return True
    known = any(spec.cmd == head[0] and spec.para in {None, head[-1]} for spec in COMMANDS.values() if head)
    length = int.from_bytes(frame[len(PREAMBLE) : HEADER_SIZE], "big")
    return length >= REPLY_BOUNDS.minimum and not known


def answered_command(reply: Reply) -> Command:
    """A command that `reply` can be the answer to, by its size; SAM status where none has that size."""
    if reply.sw3 == CARD_FOUND:
        return Command.FIND_CARD
    if len(reply.data) > MAX_ADDRESSES * ADDRESS_SIZE or _begins_with_text_size(reply.data):
        return Command.READ_CARD
    return _BY_SIZE.get(len(reply.data), Command.SAM_STATUS)


def _begins_with_text_size(data: bytes) -> bool:
    """Whether data is long enough for a card's text and begins with its size. No address begins so."""
    return len(data) > TEXT_SIZE and data[:2] == TEXT_SIZE.to_bytes(2, "big")
