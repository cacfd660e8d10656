"""What a device is sent."""

from datetime import UTC, datetime

from firmware_protocols.errors import LocalProtocolError
from firmware_protocols.minifinder2.frames import Frame
from firmware_protocols.minifinder2.items import RESPONSE, SERVICES, SYSTEM, Item, items_of

ASK_PLACE, ASK_TIME = 0x11, 0x12  # keys of services
FIRMWARE_URL = 0x30  # key of system
MOST_URL = 254  # characters
_NO_PLACE = bytes(9)  # latitude, longitude, and an address without characters


def answer(frame: Frame, now: datetime | None) -> Frame:
    """That it is safe; to services what they asked. `now`: aware; None: it is not known."""
    given: list[Item] = []
    if frame.command == SERVICES:
        for item in items_of(frame.items)[0]:
            if item.key == ASK_PLACE:
                given.append(Item(ASK_PLACE, _NO_PLACE))
            elif item.key == ASK_TIME and now is not None:
                seconds = int(now.astimezone(UTC).timestamp())
                given.append(Item(ASK_TIME, seconds.to_bytes(4, "little")))
    if given:
        return Frame(SERVICES, frame.serial, b"".join(one.to_bytes() for one in given))
    return Frame(RESPONSE, frame.serial, Item(0).to_bytes())


def firmware_update(url: str, serial: int = 1) -> Frame:
    """Let it fetch new firmware from a server of the maker's. Codes: form, range."""
    if not url.isascii() or not url.isprintable() or " " in url:
        raise LocalProtocolError("form", "the address of the firmware is plain ASCII")
    if not 0 < len(url) <= MOST_URL:
        raise LocalProtocolError("range", f"the address of the firmware has 1 to {MOST_URL} characters")
    return Frame(SYSTEM, serial, Item(FIRMWARE_URL, url.encode("ascii")).to_bytes())
