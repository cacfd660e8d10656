"""The numbers of commands and replies with the standard's names, and what a NAK says.

Source: README.md beside the package, section osdp.
"""

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType


class Command(IntEnum):
    """What the control panel says."""

    POLL = 0x60
    ID = 0x61
    CAP = 0x62
    LSTAT = 0x64
    ISTAT = 0x65
    OSTAT = 0x66
    RSTAT = 0x67
    OUT = 0x68
    LED = 0x69
    BUZ = 0x6A
    TEXT = 0x6B
    COMSET = 0x6E
    BIOREAD = 0x73
    BIOMATCH = 0x74
    KEYSET = 0x75
    CHLNG = 0x76
    SCRYPT = 0x77
    ACURXSIZE = 0x7B
    FILETRANSFER = 0x7C
    MFG = 0x80
    ABORT = 0xA2
    KEEPACTIVE = 0xA7


class Reply(IntEnum):
    """What the reader says."""

    ACK = 0x40
    NAK = 0x41
    PDID = 0x45
    PDCAP = 0x46
    LSTATR = 0x48
    ISTATR = 0x49
    OSTATR = 0x4A
    RSTATR = 0x4B
    RAW = 0x50
    FMT = 0x51
    KEYPAD = 0x53
    COM = 0x54
    BIOREADR = 0x57
    BIOMATCHR = 0x58
    CCRYPT = 0x76
    RMAC_I = 0x78
    BUSY = 0x79
    FTSTAT = 0x7A
    MFGREP = 0x90


NAKS: Mapping[int, str] = MappingProxyType(
    {
        1: "wrong check",
        2: "wrong length of the command",
        3: "unknown command",
        4: "unexpected sequence number",
        5: "secure channel not supported",
        6: "secure channel conditions not met",
        7: "type of biometrics not supported",
        8: "format of biometrics not supported",
        9: "record cannot be processed",
    }
)
SEQUENCE = 4  # the NAK that says so
UNSECURED = frozenset({5, 6})  # NAKs of a reader that will not talk on this channel


def name_of(code: int, *, reply: bool) -> str:
    """The standard's name of a code."""
    known: type[Command] | type[Reply] = Reply if reply else Command
    return known(code).name if code in known.__members__.values() else "UNKNOWN"


def nak_meaning(number: int) -> str:
    """What a NAK says."""
    return NAKS.get(number, "unknown reason")
