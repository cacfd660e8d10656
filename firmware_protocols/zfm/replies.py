"""Typed replies: what a reply says, given the command it answers, and the reply that says it.

    payload of an acknowledge packet = [confirm 1] [fields]

A refusal is a value. `parse_reply` is what a host needs, `reply_packet` what a simulated module needs.
Leaves out: what a confirm code means (confirm.py).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import ClassVar, TypeAlias

from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError
from firmware_protocols.zfm import commands as c
from firmware_protocols.zfm import vendor_commands as v
from firmware_protocols.zfm.confirm import ECHO, OK
from firmware_protocols.zfm.messages import Command, Message
from firmware_protocols.zfm.packet import DEFAULT_ADDRESS, Packet, Pid

SLOTS_OF_A_PAGE = 256
BAUD_UNIT = 9600
PACKET_SIZES: Mapping[int, int] = MappingProxyType({0: 32, 1: 64, 2: 128, 3: 256})
PROD_INFO_SIZE = 46
PROD_INFO_RESERVED = 4  # newer R503 put four reserved bytes behind it


@dataclass(frozen=True, slots=True)
class Done(Message):
    """Done; there is nothing more to tell."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The module answered with a confirm code that is not success. What it means depends on the family."""

    code: int


@dataclass(frozen=True, slots=True)
class Echo(Message):
    """The module is there."""


@dataclass(frozen=True, slots=True)
class Score(Message):
    """How alike buffers 1 and 2 are."""

    LAYOUT: ClassVar[str] = "H"
    score: int


@dataclass(frozen=True, slots=True)
class Found(Message):
    """In which slot the finger was found, and how alike it is."""

    LAYOUT: ClassVar[str] = "HH"
    page_id: int
    score: int


@dataclass(frozen=True, slots=True)
class SystemParameters(Message):
    """Status and settings of the module."""

    LAYOUT: ClassVar[str] = "HHHHIHH"
    status_register: int
    system_id: int
    capacity: int
    security_level: int
    device_address: int
    packet_size_code: int
    baud_multiplier: int

    @property
    def packet_size(self) -> int | None:
        """Bytes of a data packet; None for a code that is not in the table."""
        return PACKET_SIZES.get(self.packet_size_code)

    @property
    def baud(self) -> int:
        """Speed of the line."""
        return BAUD_UNIT * self.baud_multiplier

    @property
    def status_bits(self) -> tuple[str, ...]:
        """The bits of the status register that are set."""
        return tuple(name for bit, name in STATUS_BITS.items() if self.status_register >> bit & 1)


STATUS_BITS: Mapping[int, str] = MappingProxyType(
    {0: "busy", 1: "match found", 2: "password verified", 3: "image valid"}
)


@dataclass(frozen=True, slots=True)
class Random(Message):
    """A random number."""

    LAYOUT: ClassVar[str] = "I"
    number: int


@dataclass(frozen=True, slots=True)
class Notepad(Message):
    """What the host had kept."""

    LAYOUT: ClassVar[str] = "32s"
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Count(Message):
    """How many slots are taken."""

    LAYOUT: ClassVar[str] = "H"
    count: int


@dataclass(frozen=True, slots=True)
class IndexTable(Message):
    """Which slots of a page are taken: bit 0 of byte 0 is its first."""

    LAYOUT: ClassVar[str] = "32s"
    bitmap: bytes

    def slots(self, page: int = 0) -> frozenset[int]:
        """The numbers of the slots that are taken."""
        first = page * SLOTS_OF_A_PAGE
        return frozenset(
            first + 8 * place + bit
            for place, byte in enumerate(self.bitmap)
            for bit in range(8)
            if byte >> bit & 1
        )

    @classmethod
    def of(cls, slots: Iterable[int], page: int = 0) -> "IndexTable":
        """The table of one page."""
        bitmap = bytearray(32)
        for slot in slots:
            place = slot - page * SLOTS_OF_A_PAGE
            if 0 <= place < SLOTS_OF_A_PAGE:
                bitmap[place // 8] |= 1 << place % 8
        return cls(bytes(bitmap))


@dataclass(frozen=True, slots=True)
class Version(Message):
    """Text of 32 bytes, filled up with NULs."""

    LAYOUT: ClassVar[str] = "32s"
    raw: bytes

    @property
    def text(self) -> str:
        """The text without what fills it up."""
        return ascii_text(self.raw)


@dataclass(frozen=True, slots=True)
class ChipId(Message):
    """The chip's own number, opaque."""

    LAYOUT: ClassVar[str] = "32s"
    raw: bytes


@dataclass(frozen=True, slots=True)
class ProductInfo(Message):
    """What the maker wrote into an R503."""

    LAYOUT: ClassVar[str] = "16s4s8s2s8sHHHH"
    module_type: bytes
    batch: bytes
    serial: bytes
    hw_version: bytes
    sensor: bytes
    width: int
    height: int
    template_size: int
    capacity: int


@dataclass(frozen=True, slots=True)
class EnrolProgress:
    """A step of AutoEnroll. `item` is the slot on grow, the press (or a mark) on synochip."""

    confirm: int
    step: int
    item: int


@dataclass(frozen=True, slots=True)
class IdentifyProgress:
    """A step of AutoIdentify; the last one carries slot and score."""

    confirm: int
    step: int
    page_id: int
    score: int


Reply: TypeAlias = (
    Done | Refused | Echo | Score | Found | SystemParameters | Random | Notepad | Count | IndexTable | Version
    | ChipId | ProductInfo | EnrolProgress | IdentifyProgress
)  # fmt: skip
Fields: TypeAlias = (
    Done
    | Score
    | Found
    | SystemParameters
    | Random
    | Notepad
    | Count
    | IndexTable
    | Version
    | ChipId
    | ProductInfo
)

# What success carries; commands that are not named here carry nothing.
ANSWERS: Mapping[type[Command], type[Fields]] = MappingProxyType(
    {
        c.Match: Score,
        c.Search: Found,
        c.HiSpeedSearch: Found,
        c.ReadSysPara: SystemParameters,
        c.GetRandomCode: Random,
        c.ReadNotepad: Notepad,
        c.TemplateNum: Count,
        c.ReadIndexTable: IndexTable,
        v.GetAlgVer: Version,
        v.GetFwVer: Version,
        v.ReadProdInfo: ProductInfo,
        v.ReadUuid: ChipId,
    }
)
ENROLS = (v.GrowAutoEnroll, v.SynochipAutoEnroll)
IDENTIFIES = (v.GrowAutoIdentify, v.SynochipAutoIdentify)
# A refused search still carries its fields, as zeros.
EMPTY_FIELDS: Mapping[type[Command], int] = MappingProxyType(
    {c.Search: Found.size(), c.HiSpeedSearch: Found.size(), c.Match: Score.size()}
)


def parse_reply(command: Command, packet: Packet) -> Reply:
    """What `packet` says as the answer to `command`. Codes: pid, message_length."""
    if packet.pid is not Pid.ACKNOWLEDGE:
        raise RemoteProtocolError("pid", f"packet identifier {packet.pid:02X} is no acknowledge packet")
    confirm, data = packet.payload[0], packet.payload[1:]
    if isinstance(command, ENROLS) and len(data) == 2:
        return EnrolProgress(confirm, data[0], data[1])
    if isinstance(command, IDENTIFIES) and len(data) == 5:
        found = Found.unpack(data[1:])
        return IdentifyProgress(confirm, data[0], found.page_id, found.score)
    if isinstance(command, c.GetEcho) and confirm == ECHO:
        return Echo.unpack(data)
    if confirm != OK:
        return Refused(confirm)
    if isinstance(command, v.ReadProdInfo):
        return parse_prod_info(data)
    return ANSWERS.get(type(command), Done).unpack(data)


def parse_prod_info(data: bytes) -> ProductInfo:
    """Product information, with or without the reserved bytes. Code: message_length."""
    if len(data) == PROD_INFO_SIZE + PROD_INFO_RESERVED:
        data = data[:PROD_INFO_SIZE]
    return ProductInfo.unpack(data)


def reply_packet(command: Command, reply: Reply, address: int = DEFAULT_ADDRESS) -> Packet:
    """The packet that says `reply` to `command`. Codes: unexpected, range."""
    return Packet(Pid.ACKNOWLEDGE, _payload(command, reply), address)


def _payload(command: Command, reply: Reply) -> bytes:
    match reply:
        case Refused(code):
            return bytes([code]) + bytes(EMPTY_FIELDS.get(type(command), 0))
        case Echo():
            return bytes([ECHO])
        case EnrolProgress(confirm, step, item):
            return bytes([confirm, step, item])
        case IdentifyProgress(confirm, step, page_id, score):
            return bytes([confirm, step]) + Found(page_id, score).pack()
        case _:
            if type(reply) is not ANSWERS.get(type(command), Done):
                raise LocalProtocolError(
                    "unexpected", f"{type(reply).__name__} does not answer {command.NAME}"
                )
            return bytes([OK]) + reply.pack()


def data_packets(data: bytes, size: int, address: int = DEFAULT_ADDRESS) -> list[Packet]:
    """A template or an image as the packets that carry it. For simulators and tests: no driver of ours does."""
    parts = [data[at : at + size] for at in range(0, len(data), size)]
    last = len(parts) - 1
    return [
        Packet(Pid.LAST_DATA if place == last else Pid.DATA, part, address)
        for place, part in enumerate(parts)
    ]


def ascii_text(raw: bytes) -> str:
    """The text of a field that is filled up with NULs or blanks; what is no printable ASCII becomes '?'."""
    text = raw.rstrip(b"\0 \xff").decode("ascii", "replace")
    return "".join(char if char.isprintable() and char != "\ufffd" else "?" for char in text)
