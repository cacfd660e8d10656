"""How long a frame can be by its first bytes: there is neither a check nor a length to believe.

What is known of a number's content counts; else the length byte, read as content, or as number and content. Where
`0D 0A` stands at none of these places the frame ends at the next one that a content of this number cannot hold.
"""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

HEAD, END = 4, 2  # start, length, number; 0D 0A
MOST = 1024  # bytes of a frame; ours: 100 access points and 60 cells fit, a scan has some 10
WIFI = frozenset({0x17, 0x18, 0x19, 0x1A, 0x69})
CLOCK, ACCESS_POINT, CELL = 6, 7, 5

# Number -> sizes that its content has: of the device first, then of the answer to it.
CONTENT: Mapping[int, tuple[int, ...]] = MappingProxyType(
    {
        0x01: (8, 9, 1),  # IMEI, version; answer: whether it is welcome
        0x08: (25, 31, 0),
        0x09: (25, 31, 0),
        0x10: (18, 21, 6),  # position, height and alarm; answer: the time of it
        0x11: (18, 21, 6),
        0x13: (4, 5, 8, 9, 10),
        0x30: (0, 7),
        0x94: (0,),
        0x99: (0,),
    }
)

_LEAST = tuple(min(CONTENT.get(number, (CLOCK if number in WIFI else 0,))) for number in range(0x100))


def least(number: int) -> int:
    """Bytes that a content of this number has, whatever its length says."""
    return _LEAST[number]


def ends(data: bytes | bytearray, at: int = 0) -> tuple[int, ...] | None:
    """Sizes that the frame at a place may have, smallest first; None: more of it must come first.

    A size is there once its bytes are not needed to know it; those above `MOST` are none.
    """
    if len(data) < at + HEAD:
        return None
    length, number = data[at + 2], data[at + 3]
    return _wifi(data, at, length) if number in WIFI else _plain(length, number)


@cache
def _plain(length: int, number: int) -> tuple[int, ...]:
    known = CONTENT.get(number, ())
    claims = {one for one in (length - 1, length) if one >= least(number)}
    return _sizes(*(claims & set(known) or claims | set(known)))


def _sizes(*contents: int) -> tuple[int, ...]:
    return tuple(size for content in sorted(contents) if (size := HEAD + content + END) <= MOST)


def _wifi(data: bytes | bytearray, at: int, count: int) -> tuple[int, ...] | None:
    """The clock alone is the answer. Behind the cells may be an alarm."""
    cells = CLOCK + ACCESS_POINT * count
    if HEAD + cells + END > MOST:
        return _CLOCK_ALONE
    if data[at + HEAD + CLOCK : at + HEAD + CLOCK + END] == b"\x0d\x0a":  # no address of a sender begins so
        return _CLOCK_ALONE
    if len(data) <= at + HEAD + cells:
        return None
    size = cells + 4 + CELL * data[at + HEAD + cells]
    return _sizes(size, size + 1)


_CLOCK_ALONE = _sizes(CLOCK)
