"""What vendors mean by the bits of the alarm word: a model is a row of `MODELS`, and nothing else.

Two kinds of bits: conditions that last as long as the bit is set, and moments.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from firmware_protocols.tracking import Sign

STANDARD = "standard"
# The standard's alarm bits: conditions that last as long as the bit is set, and moments.
STANDING: Mapping[int, Sign] = MappingProxyType(
    {
        0: Sign.SOS, 1: Sign.OVERSPEED, 2: Sign.FATIGUE, 4: Sign.FAULT, 5: Sign.ANTENNA_CUT, 6: Sign.FAULT,
        7: Sign.LOW_BATTERY, 8: Sign.POWER_OFF, 9: Sign.FAULT, 10: Sign.FAULT, 11: Sign.FAULT, 12: Sign.FAULT,
        19: Sign.PARKING,
    }
)  # fmt: skip
MOMENTS: Mapping[int, Sign] = MappingProxyType(
    {20: Sign.FENCE, 28: Sign.MOVEMENT, 29: Sign.ACCIDENT, 30: Sign.ACCIDENT}
)


@dataclass(frozen=True, slots=True)
class Model:
    """What a vendor means by the bits of the alarm word."""

    standing: Mapping[int, Sign]
    moments: Mapping[int, Sign]


# By the name that the configuration gives (`model`). Source: traccar's maps by model.
MODELS: Mapping[str, Model] = MappingProxyType(
    {
        STANDARD: Model(STANDING, MOMENTS),
        "common-vendor": Model(
            {**STANDING, 16: Sign.CASE_TAMPER, 17: Sign.CASE_TAMPER, 18: Sign.LOW_BATTERY},
            {**MOMENTS, 15: Sign.VIBRATION},
        ),
        "padlock": Model({**STANDING, 0: Sign.STRAP_OPEN, 1: Sign.CASE_TAMPER, 4: Sign.STRAP_OPEN}, MOMENTS),
    }
)
