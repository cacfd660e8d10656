"""The terminal's half: what a wearable sends, as frames. For simulators and tests; the gateway is the platform.

A message too long for one frame leaves in packages, each with its own serial.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from firmware_protocols.errors import LocalProtocolError
from firmware_protocols.jt808.bodies import general_reply
from firmware_protocols.jt808.frames import MAX_BODY, Frame
from firmware_protocols.jt808.location import Location

WIDTHS_2011, WIDTHS_2013, WIDTHS_2019 = (5, 8, 7), (5, 20, 7), (11, 30, 30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """0100. A wearable has no plate, or its IMEI for one, of colour 0."""

    manufacturer: str
    model: str
    terminal_id: str = field(repr=False)
    province: int = 0
    city: int = 0
    plate_color: int = 0
    plate: str = field(default="", repr=False)

    def to_bytes(self, widths: tuple[int, int, int] = WIDTHS_2013) -> bytes:
        """The body in the widths of an edition. Code: range."""
        texts = (self.manufacturer, self.model, self.terminal_id)
        fields = b"".join(_padded(text, width) for text, width in zip(texts, widths, strict=True))
        head = self.province.to_bytes(2, "big") + self.city.to_bytes(2, "big")
        return head + fields + bytes([self.plate_color]) + self.plate.encode("gbk")


@dataclass(frozen=True, slots=True, kw_only=True)
class Authentication:
    """0102. An edition before 2019 sends the code alone."""

    code: str = field(repr=False)
    imei: str = field(default="", repr=False)
    software: str = ""

    def to_bytes(self, *, new: bool) -> bytes:
        """The body. Code: range."""
        code = self.code.encode("gbk")
        if not new:
            return code
        if len(code) > 0xFF:
            raise LocalProtocolError("range", "an authentication code has 255 bytes at most")
        return bytes([len(code)]) + code + _padded(self.imei, 15) + _padded(self.software, 20)


def bulk_of(locations: Sequence[Location], *, stored: bool) -> bytes:
    """0704; `stored`: taken while there was no network."""
    bodies = [one.to_bytes() for one in locations]
    head = len(bodies).to_bytes(2, "big") + bytes([stored])
    return head + b"".join(len(body).to_bytes(2, "big") + body for body in bodies)


class Terminal:
    """One terminal: its phone, its edition, and the serial of its next frame."""

    def __init__(self, phone: str, *, new: bool = False, serial: int = 0) -> None:
        """`phone`: digits, without leading zeros. `new`: of 2019. Code: phone."""
        size = 20 if new else 12
        if not phone.isascii() or not phone.isdigit() or len(phone) > size:
            raise LocalProtocolError("phone", f"a phone has {size} digits at most")
        self.phone = phone.zfill(size)
        self.serial = serial & 0xFFFF
        self._version = 1 if new else None

    def register(self, registration: Registration) -> list[Frame]:
        """0100."""
        widths = WIDTHS_2013 if self._version is None else WIDTHS_2019
        return self.message(0x0100, registration.to_bytes(widths))

    def authenticate(self, authentication: Authentication) -> list[Frame]:
        """0102, with the code that 8100 gave."""
        return self.message(0x0102, authentication.to_bytes(new=self._version is not None))

    def heartbeat(self) -> list[Frame]:
        """0002."""
        return self.message(0x0002, b"")

    def locate(self, location: Location) -> list[Frame]:
        """0200."""
        return self.message(0x0200, location.to_bytes())

    def located(self, asked: Frame, location: Location) -> list[Frame]:
        """0201, the answer to 8201."""
        return self.message(0x0201, asked.serial.to_bytes(2, "big") + location.to_bytes())

    def bulk(self, locations: Sequence[Location], *, stored: bool) -> list[Frame]:
        """0704."""
        return self.message(0x0704, bulk_of(locations, stored=stored))

    def reply(self, asked: Frame, result: int = 0) -> list[Frame]:
        """0001: 0 done, 1 failed, 2 wrong message, 3 not supported."""
        return self.message(0x0001, general_reply(asked.serial, asked.msg_id, result))

    def message(self, msg_id: int, body: bytes) -> list[Frame]:
        """Any message: one frame, or its packages. Code: length."""
        parts = [body[at : at + MAX_BODY] for at in range(0, len(body), MAX_BODY)] or [b""]
        if len(parts) > 0xFFFF:
            raise LocalProtocolError("length", f"{len(body)} bytes are more than 65535 packages hold")
        frames = []
        for number, part in enumerate(parts, 1):
            package = (len(parts), number) if len(parts) > 1 else None
            frames.append(Frame(msg_id, self.phone, self.serial, part, self._version, package))
            self.serial = self.serial + 1 & 0xFFFF
        return frames


def _padded(text: str, width: int) -> bytes:
    data = text.encode("gbk")
    if len(data) > width:
        raise LocalProtocolError("range", f"a text of {len(data)} bytes where {width} are")
    return data.ljust(width, b"\0")
