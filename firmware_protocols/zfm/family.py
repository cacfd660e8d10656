"""The two vendor families. Opcodes 31, 32, 33, 35, 36 and 3C and confirm code 22 differ between them.

A wrong family is no error on the wire: AutoEnroll has the same length in both, and enrols into a wrong
slot. The family is therefore a setting, and nothing in this package guesses it for a driver.
"""

from enum import StrEnum


class Family(StrEnum):
    """Whose opcode table a module follows."""

    GROW = "grow"  # Hangzhou Grow: R30x, R503
    SYNOCHIP = "synochip"  # Synochip chips: AS608, FPM383, Hi-Link
