"""Driver of kind `badge.line`: access readers behind a converter that tells each badge by a line of text.

Listens, and says nothing: a converter takes no answer. Each line is a badge, or is counted by what is wrong with it
(`parity`, `digits`, `length`, and those of the line itself): no event is made of a line that may name another badge.
Which line is a new presentation, says reported_badges.py. A badge is nobody's here (docs/decisions/0022).

A converter that is not there, or mute, is not noticed: with no badge held to it both are the same. Where bytes come
and none of them was ever a badge, speed or format are wrong, and the device is faulted.
Leaves out: the bytes (firmware_protocols.wiegand), storing and reconnecting (the gateway).
"""

import asyncio
from typing import Self

from drivers.badge_line_settings import BadgeLineSettings
from drivers.driver import Host, Settings
from drivers.errors import DeviceFault
from drivers.events import BadgeForm, BadgeRead, DeviceReady
from drivers.links.lines import wired
from drivers.links.link import Link
from drivers.links.serial_port import SerialSettings
from drivers.reported_badges import ReportedBadges
from firmware_protocols.errors import RemoteProtocolError
from firmware_protocols.framing import Discarded
from firmware_protocols.wiegand.lines import Line, LineDecoder

GAP_S = 0.3  # a pause inside a line that ends it: 30 byte times at 1200 baud
MOST_UNUSABLE = 5  # times that something came and was no badge, before the first one that was
BABBLE = 4096  # bytes without a pause that are none either


class BadgeLine:
    """One converter. `run` may be called again after it raised: what was held to the reader is remembered."""

    def __init__(self, settings: BadgeLineSettings, host: Host, link: Link) -> None:
        self._settings = settings
        self._host = host
        self._link = link
        self._badges = ReportedBadges(host, held_s=settings.held_ms / 1000)
        self._understood = False  # a badge was: speed and format are right
        self._unusable = self._useless = 0  # times, and bytes since the last pause

    @classmethod
    def build(cls, device_id: str, settings: Settings, host: Host) -> Self:
        """From the configuration; raises `SettingsError`."""
        parsed = BadgeLineSettings.parse(device_id, settings)
        return cls(parsed, host, wired(device_id, parsed.port, SerialSettings(baud=parsed.baud)))

    async def run(self) -> None:
        """Open the link and listen until it is lost; raises a `DriverError`. Closes the link."""
        await self._link.open()
        try:
            self._unusable = self._useless = 0
            self._host.ready(DeviceReady())
            decoder = LineDecoder(self._settings.marks)
            pause_s: float | None = None
            while True:
                try:
                    async with asyncio.timeout(pause_s):
                        data = await self._link.receive()
                except TimeoutError:  # cut off: it must not hold back the next line
                    found, pause_s = decoder.flush(), None
                else:
                    found, pause_s = decoder.feed(data), GAP_S
                for one in found:
                    await self._take(one)
                if self._useless and (pause_s is None or self._useless >= BABBLE):
                    self._suspect()
        finally:
            await self._link.close()

    async def _take(self, found: Line | Discarded) -> None:
        if isinstance(found, Discarded):
            self._pass_over(found.reason, found.length)
            return
        try:
            number = self._settings.read(found.content)
        except RemoteProtocolError as exc:
            self._pass_over(exc.code, len(found.content))
            return
        self._understood = True
        form = BadgeForm.WIEGAND_26 if self._settings.content == "wiegand26" else BadgeForm.TEXT
        await self._badges.take(BadgeRead(form=form, number=number))

    def _pass_over(self, reason: str, length: int) -> None:
        self._host.noise(reason, length)
        if reason != "empty":
            self._useless += length

    def _suspect(self) -> None:
        self._useless = 0
        self._unusable += not self._understood
        if self._unusable >= MOST_UNUSABLE:
            raise DeviceFault(
                "garbled",
                f"{self._link.name}: bytes come at {self._settings.baud} baud, and none of them was a badge; "
                "check baud, line and content of this device, then the converter's wiring",
            )
