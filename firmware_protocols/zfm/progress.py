"""What AutoEnroll and AutoIdentify report while they work.

    AutoEnroll, R503         confirm, step, id       01/02 picture/features of press 1, 03/04 of press 2, ...
    AutoEnroll, 2-byte id    confirm, step, n        01 picture, 02 features, 03 lifted of press n; 04 F0 ...
    AutoIdentify             confirm, step, id 2, score 2

The R503 manual prints the last three steps of presses 5 and 6 as 10, 11, 12; both these and 0A to 0C are taken.
"""

from collections.abc import Mapping
from types import MappingProxyType

from firmware_protocols.zfm.family import Family

GROW_PRESSES = 6
GROW_STEPS: Mapping[int, str] = MappingProxyType(
    {
        0x00: "command accepted",
        **{2 * press - 1: f"image of press {press} taken" for press in range(1, GROW_PRESSES + 1)},
        **{2 * press: f"features of press {press} made" for press in range(1, GROW_PRESSES + 1)},
        0x0D: "duplicate check",
        0x0E: "features merged",
        0x0F: "template stored",
        0x10: f"features of press {GROW_PRESSES - 1} made",
        0x11: f"image of press {GROW_PRESSES} taken",
        0x12: f"features of press {GROW_PRESSES} made",
    }
)

SYNOCHIP_STEPS: Mapping[int, str] = MappingProxyType(
    {
        0x00: "command accepted",
        0x01: "image taken",
        0x02: "features made",
        0x03: "finger lifted",
        0x04: "features merged",
        0x05: "duplicate check",
        0x06: "template stored",
    }
)
# Steps behind the presses carry a mark where the others carry the number of the press.
SYNOCHIP_MARKS: Mapping[int, int] = MappingProxyType({0x00: 0x00, 0x04: 0xF0, 0x05: 0xF1, 0x06: 0xF2})
SYNOCHIP_PRESSES = 12  # more are not offered by any part


def enrol_step(family: Family, step: int) -> str:
    """What a step of AutoEnroll says; unknown ones say so."""
    steps = GROW_STEPS if family is Family.GROW else SYNOCHIP_STEPS
    return steps.get(step, f"step {step:02X}")


def is_synochip_progress(step: int, press: int) -> bool:
    """Whether two bytes can be a progress report of the 2-byte-id family."""
    if step in SYNOCHIP_MARKS:
        return press == SYNOCHIP_MARKS[step]
    return step in SYNOCHIP_STEPS and 1 <= press <= SYNOCHIP_PRESSES
