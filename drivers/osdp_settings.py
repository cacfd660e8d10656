"""The table of an OSDP reader in the configuration."""

from dataclasses import dataclass, field
from typing import Self

from drivers.driver import Settings
from drivers.errors import SettingsError
from drivers.reported_badges import DEFAULT_HELD_MS, LONGEST_HELD_MS
from drivers.settings import SettingsReader
from firmware_protocols.osdp.secure_keys import DEFAULT_KEY, KEY_SIZE

BAUDS = (9600, 19200, 38400, 57600, 115200, 230400)
DEFAULT_POLL_MS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class OsdpSettings:
    """One reader. Others with the same port and baud rate stand on the same line."""

    port: str  # /dev/serial/by-id/...
    baud: int = 9600
    address: int = 0
    scbk: bytes | None = field(default=None, repr=False)  # None: in clear
    poll_interval_ms: int = DEFAULT_POLL_MS
    held_ms: int = DEFAULT_HELD_MS  # a badge that is told again so soon is still held there

    @classmethod
    def parse(cls, device_id: str, settings: Settings) -> Self:
        """Read and check; raises `SettingsError`."""
        read = SettingsReader(device_id, settings)
        channel = read.word("channel", allowed=("secure", "clear"), default="secure")
        parsed = cls(
            port=read.text("port"),
            baud=read.choice("baud", default=9600, allowed=BAUDS),
            address=read.number("address", default=0, minimum=0, maximum=0x7E),
            scbk=read.secret_bytes("key_file", size=KEY_SIZE) if channel == "secure" else None,
            poll_interval_ms=read.number(
                "poll_interval_ms", default=DEFAULT_POLL_MS, minimum=50, maximum=200
            ),
            held_ms=read.number("held_ms", default=DEFAULT_HELD_MS, minimum=500, maximum=LONGEST_HELD_MS),
        )
        read.finish()
        if parsed.scbk == DEFAULT_KEY:
            raise SettingsError(
                "out_of_range",
                f"device '{device_id}': 'key_file' holds the default key that everybody knows; give the reader its own",
            )
        return parsed
