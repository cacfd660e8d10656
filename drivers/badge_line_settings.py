"""The table of a converter in the configuration: what stands around a badge's number, and what the number is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Self

from drivers.driver import Settings
from drivers.errors import SettingsError
from drivers.reported_badges import DEFAULT_HELD_MS, LONGEST_HELD_MS
from drivers.settings import SettingsReader
from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError
from firmware_protocols.wiegand.content import bits_of, text_of
from firmware_protocols.wiegand.lines import ETX, STX, Marks

BAUDS = (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)
WORDS = "words"  # marks of the site's own
LINES: Mapping[str, tuple[bytes, bytes]] = MappingProxyType(
    {"crlf": (b"", b"\r\n"), "cr": (b"", b"\r"), "lf": (b"", b"\n"), "stx": (STX, ETX)}
)
CONTENTS: Mapping[str, Callable[[bytes], str]] = MappingProxyType({"wiegand26": bits_of, "text": text_of})


@dataclass(frozen=True, slots=True, kw_only=True)
class BadgeLineSettings:
    """One converter."""

    port: str  # /dev/serial/by-id/..., socket://host:port, rfc2217://host:port
    marks: Marks
    content: str = "wiegand26"
    characters: int = 0  # of "text": exactly so many, which is all that can be checked of it; 0: any number
    baud: int = 9600
    held_ms: int = DEFAULT_HELD_MS  # a badge that is told again so soon is still held there

    def read(self, content: bytes) -> str:
        """What a content says. Codes: parity, digits, length."""
        number = CONTENTS[self.content](content)
        if self.characters and len(number) != self.characters:
            raise RemoteProtocolError("length", f"{len(number)} characters; {self.characters} expected")
        return number

    @classmethod
    def parse(cls, device_id: str, settings: Settings) -> Self:
        """Read and check; raises `SettingsError`."""
        read = SettingsReader(device_id, settings)
        line = read.word("line", allowed=(*LINES, WORDS), default="crlf")
        start, end = (_mark(device_id, read, key, needed=line == WORDS) for key in ("start", "end"))
        if line != WORDS:
            start, end = LINES[line]
        longest = read.number("longest", default=64, minimum=1, maximum=256)
        try:
            marks = Marks(start, end, longest)
        except LocalProtocolError as exc:
            raise SettingsError("out_of_range", f"device '{device_id}': 'start' and 'end': {exc}") from None
        content = read.word("content", allowed=CONTENTS, default="wiegand26")
        parsed = cls(
            port=read.text("port"),
            marks=marks,
            content=content,
            characters=read.number(
                "characters", default=0, minimum=0, maximum=longest if content == "text" else 0
            ),
            baud=read.choice("baud", default=9600, allowed=BAUDS),
            held_ms=read.number("held_ms", default=DEFAULT_HELD_MS, minimum=500, maximum=LONGEST_HELD_MS),
        )
        read.finish()
        return parsed


def _mark(device_id: str, read: SettingsReader, key: str, *, needed: bool) -> bytes:
    """`needed`: with marks of the site's own, of which the first may be missing."""
    text = read.text(key) if needed and key == "end" else read.text(key, default="")
    if not needed and text:
        raise SettingsError("out_of_range", f"device '{device_id}': '{key}' goes with line = \"{WORDS}\"")
    if not text.isascii() or len(text) > 16:
        raise SettingsError(
            "out_of_range", f"device '{device_id}': '{key}' must be 1 to 16 characters of ASCII"
        )
    return text.encode("ascii")
