"""The text block of a card: 256 bytes of UTF-16LE in fixed slots, in four layouts.

The type flag stands at byte 248 in all of them and is read first:
' ' resident, 'J' Hong Kong/Macao/Taiwan, 'I' foreigner 2017, 'Y' foreigner 2023.
Slots are padded with spaces; what is not used is kept, so a block survives decoding and encoding.

Every field can identify a person: none is in repr, none in an error.
Leaves out: whether the values make sense (gb11643 for numbers), and what the codes for sex and
ethnicity mean (gb11643.codes). Nationality and the link to a former number are opaque text.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, ClassVar, TypeAlias

from firmware_protocols.errors import RemoteProtocolError
from firmware_protocols.utf16_text import decode_slot, encode_slot

TEXT_SIZE = 256
FLAG_AT = 248


class CardLayout(StrEnum):
    """The type flag."""

    RESIDENT = " "  # 居民身份证
    HMT = "J"  # 港澳台居民居住证
    FOREIGNER_2017 = "I"  # 外国人永久居留身份证, 2017
    FOREIGNER_2023 = "Y"  # 外国人永久居留身份证, 2023


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a field stands: one or more spans of (offset, length) in bytes, read one after the other."""

    name: str
    spans: tuple[tuple[int, int], ...]

    @property
    def size(self) -> int:
        """Bytes of all spans."""
        return sum(length for _, length in self.spans)


def _slot(name: str, *spans: tuple[int, int]) -> Slot:
    return Slot(name, spans)


def _personal() -> Any:
    return field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResidentText:
    """居民身份证."""

    layout: ClassVar[CardLayout] = CardLayout.RESIDENT
    slots: ClassVar[tuple[Slot, ...]] = (
        _slot("name", (0, 30)),
        _slot("sex", (30, 2)),
        _slot("ethnicity", (32, 4)),
        _slot("birth", (36, 16)),
        _slot("address", (52, 70)),
        _slot("id_number", (122, 36)),
        _slot("issuer", (158, 30)),
        _slot("valid_from", (188, 16)),
        _slot("valid_to", (204, 16)),
        _slot("spare", (220, 28)),
        _slot("reserved", (250, 6)),
    )

    name: str = _personal()
    sex: str = _personal()
    ethnicity: str = _personal()
    birth: str = _personal()
    address: str = _personal()
    id_number: str = _personal()
    issuer: str = _personal()
    valid_from: str = _personal()
    valid_to: str = _personal()
    spare: str = _personal()
    reserved: str = _personal()
    repaired: bool = False

    @property
    def display_name(self) -> str:
        """The name as printed."""
        return self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class HmtText:
    """港澳台居民居住证."""

    layout: ClassVar[CardLayout] = CardLayout.HMT
    slots: ClassVar[tuple[Slot, ...]] = (
        _slot("name", (0, 30)),
        _slot("sex", (30, 2)),
        _slot("reserved_32", (32, 4)),
        _slot("birth", (36, 16)),
        _slot("address", (52, 70)),
        _slot("id_number", (122, 36)),
        _slot("issuer", (158, 30)),
        _slot("valid_from", (188, 16)),
        _slot("valid_to", (204, 16)),
        _slot("pass_number", (220, 18)),
        _slot("issue_count", (238, 4)),
        _slot("reserved_242", (242, 6)),
        _slot("reserved", (250, 6)),
    )

    name: str = _personal()
    sex: str = _personal()
    reserved_32: str = _personal()
    birth: str = _personal()
    address: str = _personal()
    id_number: str = _personal()
    issuer: str = _personal()
    valid_from: str = _personal()
    valid_to: str = _personal()
    pass_number: str = _personal()
    issue_count: str = _personal()
    reserved_242: str = _personal()
    reserved: str = _personal()
    repaired: bool = False

    @property
    def display_name(self) -> str:
        """The name as printed."""
        return self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreigner2017Text:
    """外国人永久居留身份证, layout of 2017. The number has 15 characters and no check digit of GB 11643."""

    layout: ClassVar[CardLayout] = CardLayout.FOREIGNER_2017
    slots: ClassVar[tuple[Slot, ...]] = (
        _slot("name_en", (0, 120)),
        _slot("sex", (120, 2)),
        _slot("id_number", (122, 30)),
        _slot("nationality", (152, 6)),
        _slot("name_cn", (158, 30)),
        _slot("valid_from", (188, 16)),
        _slot("valid_to", (204, 16)),
        _slot("birth", (220, 16)),
        _slot("version", (236, 4)),
        _slot("authority_code", (240, 8)),
        _slot("reserved", (250, 6)),
    )

    name_en: str = _personal()
    sex: str = _personal()
    id_number: str = _personal()
    nationality: str = _personal()
    name_cn: str = _personal()
    valid_from: str = _personal()
    valid_to: str = _personal()
    birth: str = _personal()
    version: str = _personal()
    authority_code: str = _personal()
    reserved: str = _personal()
    repaired: bool = False

    @property
    def display_name(self) -> str:
        """The Chinese name, or the English one where there is none."""
        return self.name_cn or self.name_en


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreigner2023Text:
    """外国人永久居留身份证, layout of 2023. The English name is stored in two spans, 35 + 11 characters."""

    layout: ClassVar[CardLayout] = CardLayout.FOREIGNER_2023
    slots: ClassVar[tuple[Slot, ...]] = (
        _slot("name_cn", (0, 30)),
        _slot("sex", (30, 2)),
        _slot("renewal_count", (32, 4)),
        _slot("birth", (36, 16)),
        _slot("name_en", (52, 70), (220, 22)),
        _slot("id_number", (122, 36)),
        _slot("reserved_158", (158, 30)),
        _slot("valid_from", (188, 16)),
        _slot("valid_to", (204, 16)),
        _slot("nationality", (242, 6)),
        _slot("previous_number_link", (250, 6)),
    )

    name_cn: str = _personal()
    sex: str = _personal()
    renewal_count: str = _personal()
    birth: str = _personal()
    name_en: str = _personal()
    id_number: str = _personal()
    reserved_158: str = _personal()
    valid_from: str = _personal()
    valid_to: str = _personal()
    nationality: str = _personal()
    previous_number_link: str = _personal()
    repaired: bool = False

    @property
    def display_name(self) -> str:
        """The Chinese name, or the English one where there is none."""
        return self.name_cn or self.name_en


TextBlock: TypeAlias = ResidentText | HmtText | Foreigner2017Text | Foreigner2023Text

LAYOUTS: Mapping[CardLayout, type[TextBlock]] = MappingProxyType(
    {kind.layout: kind for kind in (ResidentText, HmtText, Foreigner2017Text, Foreigner2023Text)}
)


def decode_text(block: bytes) -> TextBlock:
    """The typed text of a block. Codes: text_length, card_type."""
    if len(block) != TEXT_SIZE:
        raise RemoteProtocolError("text_length", f"text block of {len(block)} bytes; {TEXT_SIZE} expected")
    flag = int.from_bytes(block[FLAG_AT : FLAG_AT + 2], "little")
    if flag not in _BY_FLAG:
        raise RemoteProtocolError(
            "card_type", f"unknown type flag U+{flag:04X} at byte {FLAG_AT}; known: space, J, I, Y"
        )
    kind = _BY_FLAG[flag]
    values: dict[str, Any] = {}
    repaired = False
    for slot in kind.slots:
        found = decode_slot(b"".join(block[at : at + length] for at, length in slot.spans))
        values[slot.name] = found.text
        repaired = repaired or found.repaired
    return kind(**values, repaired=repaired)


def encode_text(text: TextBlock) -> bytes:
    """The block for `text`; `repaired` is not part of it. Raises `LocalProtocolError` for what does not fit."""
    block = bytearray(TEXT_SIZE)
    block[FLAG_AT : FLAG_AT + 2] = text.layout.encode("utf-16-le")
    for slot in text.slots:
        raw = encode_slot(getattr(text, slot.name), slot.size, slot.name)
        for at, length in slot.spans:
            block[at : at + length], raw = raw[:length], raw[length:]
    return bytes(block)


_BY_FLAG = {ord(layout.value): kind for layout, kind in LAYOUTS.items()}
