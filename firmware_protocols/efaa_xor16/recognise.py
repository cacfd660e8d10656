"""Which way a frame without context goes: its message number says so."""

from firmware_protocols.efaa_xor16.msg_ids import FIRST_COMMAND
from firmware_protocols.errors import LocalProtocolError

HOST_TO_MODULE = "host>module"
MODULE_TO_HOST = "module>host"
DIRECTIONS = (HOST_TO_MODULE, MODULE_TO_HOST)


def is_from_module(frame: bytes, direction: str | None) -> bool:
    """Which way `frame` (its sync word first) goes: as told, or as its number says."""
    check_direction(direction)
    if direction is None:
        return len(frame) > 2 and frame[2] < FIRST_COMMAND
    return direction == MODULE_TO_HOST


def check_direction(direction: str | None) -> None:
    """Raise `LocalProtocolError` for one that does not exist."""
    if direction is not None and direction not in DIRECTIONS:
        raise LocalProtocolError("direction", f"unknown direction; known are {' and '.join(DIRECTIONS)}")
