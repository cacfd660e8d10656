"""Bench only: a device that speaks without being asked, as fast as its line carries; never shipped.

Card readers answer questions at the pace of people, so they cannot show what the durable path bears.
This one can: each line of about 300 bytes becomes one event, through the product's own serial link,
driver registry, ingest, store and uplink. What came in one read is handed over together, as a driver
may; the device is never confirmed anything before that is committed.

    kind = "bench.stream"    port = ...    card = 0

0: an event with the hash of the line and nothing personal (`identity.card_refused`).
1: an ID card whose number is the hash, so name and number are sealed to the center
(`identity.card_read`): the dearest event there is.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Self

from drivers.driver import EventsRefused, Host, Settings
from drivers.events import CardRead, CardRefused, CardType, DeviceEvent, DeviceReady
from drivers.links.serial_link import SerialLink
from drivers.settings import SettingsReader

KIND = "bench.stream"
ENTRY = "tests.bench.stream_device:StreamDevice"
MAX_LINE = 4096  # bytes; longer is noise


@dataclass(frozen=True, slots=True)
class StreamDevice:
    """One streaming device."""

    link: SerialLink
    host: Host
    as_card: bool

    @classmethod
    def build(cls, device_id: str, settings: Settings, host: Host) -> Self:
        """From the configuration."""
        read = SettingsReader(device_id, settings)
        port, card = read.text("port"), read.number("card", default=0, minimum=0, maximum=1)
        read.finish()
        return cls(SerialLink(port), host, as_card=card == 1)

    async def run(self) -> None:
        """Serve the line until it is lost."""
        await self.link.open()
        try:
            self.host.ready(DeviceReady(model="bench stream"))
            rest = b""
            while True:
                *lines, rest = (rest + await self.link.receive()).split(b"\n")
                if len(rest) > MAX_LINE:
                    self.host.noise("length", len(rest))
                    rest = b""
                events = [event for line in lines if (event := self._event(line)) is not None]
                if events:
                    await self._hand_over(events)
        finally:
            await self.link.close()

    async def _hand_over(self, events: list[DeviceEvent]) -> None:
        try:
            await self.host.committed(events)
        except EventsRefused:
            self.host.noise("refused", len(events))

    def _event(self, line: bytes) -> DeviceEvent | None:
        """An event of a whole line; a line cut by opening the port in its middle is noise."""
        try:
            json.loads(line)
        except ValueError:
            self.host.noise("line", len(line))
            return None
        digest = hashlib.sha256(line).hexdigest()
        if not self.as_card:
            return CardRefused(reason="read_failed", length=len(line), sha256=digest)
        return CardRead(
            card_type=CardType.RESIDENT,
            id_number=digest,
            name="某某某",
            valid_from="20200101",
            valid_to="20400101",
            check_digit_ok=True,
            text_repaired=False,
        )
