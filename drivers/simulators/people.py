"""Invented persons as their cards describe them; the same ones for the same seed.

Nobody living can be meant: all were born in the 19th century, and their names begin with 测试 ("test").
The numbers keep every rule of GB 11643; all four layouts occur.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from types import MappingProxyType

from firmware_protocols.gb11643.number import check_character
from firmware_protocols.idcard_sam.text_block import (
    CardLayout,
    Foreigner2017Text,
    Foreigner2023Text,
    HmtText,
    ResidentText,
    TextBlock,
)

FIRST_BIRTH = date(1801, 1, 1)
BIRTHS = 36_000  # days, to 1899; as many persons have numbers of their own
STRIDE = 7919  # shares no factor with BIRTHS: neighbours in the queue are years apart
CHARACTERS = "甲乙丙丁戊己庚辛壬癸子丑寅卯辰巳午未申酉戌亥"
COUNTER_MIX: Mapping[CardLayout, int] = MappingProxyType(  # per cent
    {
        CardLayout.RESIDENT: 85,
        CardLayout.HMT: 5,
        CardLayout.FOREIGNER_2017: 5,
        CardLayout.FOREIGNER_2023: 5,
    }
)


def people(seed: int, layouts: Sequence[CardLayout] = ()) -> Iterator[TextBlock]:
    """Persons without end: `layouts` in turn, or without any the mix of a counter."""
    rng = random.Random(seed)  # noqa: S311 - repeatable on purpose, no secret
    offset = rng.randrange(BIRTHS)
    serial = 0
    while True:
        layout = (
            layouts[serial % len(layouts)]
            if layouts
            else rng.choices(tuple(COUNTER_MIX), tuple(COUNTER_MIX.values()))[0]
        )
        yield _MAKERS[layout](offset + serial)
        serial += 1


def _birth(serial: int) -> str:
    return f"{FIRST_BIRTH + timedelta(days=serial * STRIDE % BIRTHS):%Y%m%d}"


def _sequence(serial: int) -> int:
    """Differs among those who share a birthday."""
    return (serial // BIRTHS + serial * 37) % 1000


def _sex(serial: int) -> str:
    return "1" if _sequence(serial) % 2 else "2"


def _name(serial: int) -> str:
    first, second = divmod(serial, len(CHARACTERS))
    return f"测试{CHARACTERS[first % len(CHARACTERS)]}{CHARACTERS[second]}"


def _number(region: str, serial: int) -> str:
    body = f"{region}{_birth(serial)}{_sequence(serial):03d}"
    return body + check_character(body)


def _resident(serial: int) -> ResidentText:
    return ResidentText(
        name=_name(serial),
        sex=_sex(serial),
        ethnicity="01",
        birth=_birth(serial),
        address=f"测试省样本市虚构区示例路{serial % 999 + 1}号",
        id_number=_number("370102", serial),
        issuer="样本市公安局虚构分局",
        valid_from="20200101",
        valid_to="长期" if serial % 2 else "20400101",
    )


def _hmt(serial: int) -> HmtText:
    return HmtText(
        name=_name(serial),
        sex=_sex(serial),
        birth=_birth(serial),
        address=f"测试省样本市虚构区示例路{serial % 999 + 1}号",
        id_number=_number(("810000", "820000", "830000")[serial % 3], serial),
        issuer="样本市公安局虚构分局",
        valid_from="20200101",
        valid_to="20250101",
        pass_number=f"H{serial % 10**8:08d}",
        issue_count="01",
    )


def _foreigner_2017(serial: int) -> Foreigner2017Text:
    return Foreigner2017Text(
        name_en=f"SAMPLE, TEST {serial % BIRTHS}",
        sex=_sex(serial),
        id_number=f"ABC3701{_birth(serial)[2:]}{_sequence(serial) % 100:02d}",
        nationality="ABC",
        name_cn=_name(serial),
        valid_from="20200101",
        valid_to="20300101",
        birth=_birth(serial),
        version="01",
        authority_code="1500",
    )


def _foreigner_2023(serial: int) -> Foreigner2023Text:
    return Foreigner2023Text(
        name_cn=_name(serial),
        sex=_sex(serial),
        renewal_count="00",
        birth=_birth(serial),
        name_en=f"SAMPLE WITH A LONG FAMILY NAME, TEST {serial % BIRTHS}",
        id_number=_number("911124", serial),
        valid_from="20240101",
        valid_to="20340101",
        nationality="ABC",
        previous_number_link="000",
    )


_MAKERS: Mapping[CardLayout, Callable[[int], TextBlock]] = MappingProxyType(
    {
        CardLayout.RESIDENT: _resident,
        CardLayout.HMT: _hmt,
        CardLayout.FOREIGNER_2017: _foreigner_2017,
        CardLayout.FOREIGNER_2023: _foreigner_2023,
    }
)
