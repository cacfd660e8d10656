"""A wearable that speaks JT/T 808, in the words that all families share: `Terminal` says it.

It registers and comes in with the code that it was given; every frame is answered by its serial. Strap and battery
are items of vendors behind the position.
"""

from collections.abc import Iterator
from datetime import UTC, timedelta

from firmware_protocols.errors import LocalProtocolError
from firmware_protocols.framing import Discarded
from firmware_protocols.jt808.frames import Decoder, Frame
from firmware_protocols.jt808.location import FIXED, Item, Location
from firmware_protocols.jt808.models import MOMENTS, STANDING
from firmware_protocols.jt808.terminal import Authentication, Registration, Terminal
from firmware_protocols.tracker_terminal import Answer, Hello, Saying, Sighting, Told, codes_of, require
from firmware_protocols.tracking import Fix, Sign

STRAP_ITEM, STRAP_STATE, WORN = 0xEB, 0x0089, 1 << 12
BATTERY_ITEM, SATELLITES_ITEM = 0xD4, 0x31
BEIJING = timedelta(hours=8)
REGISTERED, REPLY = 0x8100, 0x8001
BITS = codes_of(STANDING, MOMENTS)
ABOUT = Registration(manufacturer="ZHIJI", model="SIM", terminal_id="0000001")


def location_of(sighting: Sighting, fix: Fix) -> Location:
    """The body of a 0200. Code: time."""
    if fix.time is None:
        raise LocalProtocolError("time", "a location has a time")
    state = 0 if sighting.strap_open else WORN
    nested = (6).to_bytes(2, "big") + STRAP_STATE.to_bytes(2, "big") + state.to_bytes(4, "big")
    items = [Item(STRAP_ITEM, nested), Item(BATTERY_ITEM, bytes([sighting.battery_pct]))]
    if fix.satellites is not None:
        items.append(Item(SATELLITES_ITEM, bytes([fix.satellites])))
    return Location(
        alarm=sum(1 << BITS[sign] for sign in sighting.moments),
        status=fix.valid << FIXED,
        lat=fix.lat,
        lon=fix.lon,
        altitude_m=round(fix.altitude_m or 0),
        speed_kmh=fix.speed_kmh or 0.0,
        course=round(fix.course or 0) % 360,
        time_bcd=f"{fix.time.astimezone(UTC) + BEIJING:%y%m%d%H%M%S}",
        items=items,
    )


class Jt808Wearable:
    """`tracker_terminal.TrackerTerminal`."""

    says = frozenset(BITS) | {Sign.STRAP_OPEN}
    tells_strap = True

    def __init__(self, device_id: str) -> None:
        """`device_id`: phone, digits. Code: phone."""
        self._terminal = Terminal(device_id)
        self._decoder = Decoder()

    def hello(self) -> Hello:
        """Register, then authenticate with the code that came back."""
        welcome = yield _said(self._terminal.register(ABOUT))
        code = "" if welcome is None else welcome.content[3:].decode("gbk", "replace")
        yield _said(self._terminal.authenticate(Authentication(code=code)))

    def tell(self, sighting: Sighting) -> tuple[Saying, ...]:
        """A heartbeat or a location."""
        require(sighting, self.says)
        if sighting.fix is None:
            return (_said(self._terminal.heartbeat()),)
        moments = sighting.moments - {Sign.STRAP_OPEN}
        told = Sighting(
            battery_pct=sighting.battery_pct,
            strap_open=Sign.STRAP_OPEN in sighting.signs,
            moments=moments,
        )
        return (_said(self._terminal.locate(location_of(told, sighting.fix))),)

    def hear(self, data: bytes) -> Iterator[Answer | Told | Discarded]:
        """An order is answered that it is done."""
        for found in self._decoder.feed(data):
            if isinstance(found, Discarded):
                yield found
            elif found.msg_id in (REPLY, REGISTERED):
                yield Answer(found.body[:2].hex(), found.body)
            else:
                done = b"".join(one.to_bytes() for one in self._terminal.reply(found))
                yield Told(f"0x{found.msg_id:04X}", done)


def _said(frames: list[Frame]) -> Saying:
    """The answer names the serial of the last package."""
    return Saying(b"".join(one.to_bytes() for one in frames), f"{frames[-1].serial:04x}")
