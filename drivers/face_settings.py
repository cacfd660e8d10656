"""The table of one face module in the configuration."""

import math
from dataclasses import dataclass, field
from typing import Self

from drivers.driver import Settings
from drivers.errors import SettingsError
from drivers.settings import SettingsReader
from firmware_protocols.efaa_xor16.commands import BAUD_RATES
from firmware_protocols.efaa_xor16.encryption import KEY_SIZE, derive_key
from firmware_protocols.efaa_xor16.exchanges import Variant
from firmware_protocols.errors import LocalProtocolError

DEFAULT_BAUD = 115200
SPARE_S = 0.1  # of a second over, and no whole one is asked for
LONGEST_S = 255  # a timeout is one byte
SINGLE, FIVE_DIRECTIONS = "single", "five"
OFF, AES = "off", "aes"


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceSettings:
    """The table of one module in the configuration."""

    port: str  # /dev/serial/by-id/...
    baud: int = DEFAULT_BAUD
    variant: Variant = Variant.STANDARD
    direction: str = SINGLE  # how a face is enrolled: one frame, or five directions
    verify_min_s: int = 3  # a module given less never gets its picture sharp
    verify_max_s: int = 20  # of one VERIFY; a longer question is asked again by itself
    key_indexes: bytes | None = field(default=None, repr=False)  # of encryption mode; None: it is off

    @classmethod
    def parse(cls, device_id: str, settings: Settings) -> Self:
        """Read and check; raises `SettingsError`."""
        read = SettingsReader(device_id, settings)
        least = read.number("verify_min_s", default=3, minimum=1, maximum=60)
        parsed = cls(
            port=read.text("port"),
            baud=read.choice("baud", default=DEFAULT_BAUD, allowed=BAUD_RATES.values()),
            variant=Variant(read.word("variant", default=Variant.STANDARD, allowed=list(Variant))),
            direction=read.word("direction", default=SINGLE, allowed=(SINGLE, FIVE_DIRECTIONS)),
            verify_min_s=least,
            verify_max_s=read.number(
                "verify_max_s", default=max(20, least), minimum=least, maximum=LONGEST_S
            ),
            key_indexes=_key_indexes(device_id, read),
        )
        read.finish()
        return parsed

    def seconds(self, wanted_s: float) -> int:
        """Whole seconds for one command of the module."""
        return min(max(math.ceil(wanted_s - SPARE_S), self.verify_min_s), self.verify_max_s)


def _key_indexes(device_id: str, read: SettingsReader) -> bytes | None:
    if read.word("encryption", default=OFF, allowed=(OFF, AES)) == OFF:
        return None
    indexes = read.secret_bytes("key_file", size=KEY_SIZE)
    try:
        derive_key(bytes(4), indexes)
    except LocalProtocolError as exc:
        raise SettingsError("out_of_range", f"device '{device_id}': 'key_file': {exc}") from exc
    return indexes
