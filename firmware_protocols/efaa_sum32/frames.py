"""Frames of both directions, and the decoders that find them in a byte stream.

    [EF AA] [MsgID 1] [size 4, big-endian] [data] [sum 1]     sum: of MsgID, size and data, modulo 256
    host -> module   MsgID 10 and above
    module -> host   MsgID 00, a reply: mid 1, result 1, payload

Leaves out: what commands and replies mean.
Source: README.md beside the package, section efaa-sum32.
"""

from functools import partial

from firmware_protocols.checksums import sum8
from firmware_protocols.efaa_xor16.envelope import Decoder, Layout, PlainFrame
from firmware_protocols.running import RunningSum

HEADER_SIZE = 7
MAX_DATA = 2048  # bytes; a template of 1024 in one piece is the longest content. A larger claim is noise
REPLY = 0x00
FIRST_COMMAND = 0x10  # below it the module speaks
LEAST_REPLY = 2  # message and result


def _refuse_from_module(header: bytes) -> str | None:
    if header[2] != REPLY:
        return "msg_id"
    return None if LEAST_REPLY <= FROM_MODULE.size(header) <= MAX_DATA else "length"


def _refuse_from_host(header: bytes) -> str | None:
    if header[2] < FIRST_COMMAND:
        return "msg_id"
    return None if FROM_HOST.size(header) <= MAX_DATA else "length"


_SIZE = (rb"\x00", rb"\x00", rb"[\x00-\x08]")  # the upper bytes of what is carried
_SUM = partial(Layout, size_bytes=4, check_byte=sum8, check_name="sum", running=RunningSum)
FROM_MODULE = _SUM(HEADER_SIZE, 2, _refuse_from_module, octets=(rb"\x00", *_SIZE))
FROM_HOST = _SUM(HEADER_SIZE, 2, _refuse_from_host, octets=(rb"[\x10-\xff]", *_SIZE))


class Frame(PlainFrame):
    """One message of either direction."""

    __slots__ = ()
    from_module, from_host, most_data = FROM_MODULE, FROM_HOST, MAX_DATA


class ModuleDecoder(Decoder[Frame]):
    """Finds what the module sends."""

    def __init__(self) -> None:
        super().__init__(FROM_MODULE, Frame.parse)


class HostDecoder(Decoder[Frame]):
    """Finds what the host sends. Used by the simulator."""

    def __init__(self) -> None:
        super().__init__(FROM_HOST, Frame.parse)
