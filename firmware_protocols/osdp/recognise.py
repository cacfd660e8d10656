"""Which way a frame goes: bit 7 of its address says so, and what was told must not speak against it."""

from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError
from firmware_protocols.osdp.frames import Frame

TO_READER = "cp>pd"
FROM_READER = "pd>cp"
VALUE = "value"
DATA = "data"
SESSION = "session"
DIRECTIONS = (TO_READER, FROM_READER, VALUE, DATA, SESSION)


def check_direction(direction: str | None) -> None:
    """Raise `LocalProtocolError` for one that does not exist."""
    if direction is not None and direction not in DIRECTIONS:
        raise LocalProtocolError("direction", f"unknown direction; known are {', '.join(DIRECTIONS)}")


def goes_wrong_way(frame: Frame, direction: str | None) -> bool:
    """Whether the frame goes the other way than was told."""
    return direction == (TO_READER if frame.reply else FROM_READER)


def check_way(frame: Frame, direction: str | None) -> None:
    """Raise `RemoteProtocolError`, code direction, where it goes the other way."""
    if goes_wrong_way(frame, direction):
        raise RemoteProtocolError("direction", "the frame goes the other way: bit 7 of its address says so")
