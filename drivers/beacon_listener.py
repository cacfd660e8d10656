"""Kind `beacon.ble`: hears which wearables are near, with the one scan that the process has.

It asks for those that somebody is bound to. Of everybody else there is a number: no address, no table, no line in
a log; with thousands of phones around it takes no more room than in an empty house.
"""

import asyncio
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from drivers.beacons import names_of
from drivers.driver import Host, Settings
from drivers.events import DeviceReady
from drivers.links.ble_advert import Advert
from drivers.links.ble_link import radio_of_the_loop
from drivers.listening import BeaconRules, HearingClock, Listened, Sighting
from drivers.settings import SettingsReader

if TYPE_CHECKING:
    from drivers.links.ble_radio import Radio

HAND_OVER_S = 1.0
MOST_SIGHTINGS = (
    1024  # until they are handed over; then the oldest are dropped: the latest say who is here now
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BeaconSettings:
    """The table of the configuration."""

    rules: BeaconRules
    never_silent: bool = False  # a beacon on the wall is always heard
    hand_over_s: float = HAND_OVER_S

    @classmethod
    def parse(cls, device_id: str, settings: Settings) -> Self:
        """Read and check; raises `SettingsError`."""
        read, default = SettingsReader(device_id, settings), BeaconRules()
        rules = BeaconRules(
            rssi_min=read.number("rssi_min", default=default.rssi_min, minimum=-110, maximum=-20),
            left_after_s=read.number(
                "left_after_s", default=int(default.left_after_s), minimum=30, maximum=3600
            ),
            calm_s=read.number("calm_s", default=int(default.calm_s), minimum=60, maximum=3600),
        )
        silence = read.word("silence", default="empty", allowed=("empty", "deaf"))
        read.finish()
        return cls(rules=rules, never_silent=silence == "deaf")


class Ear:
    """What is heard between two handings over. Asked for each advertisement, it notes and keeps none."""

    def __init__(
        self, radio: "Radio", rules: BeaconRules, clock: HearingClock, wanted: Collection[str]
    ) -> None:
        self._radio = radio
        self._rules = rules
        self._clock = clock
        self.wanted = wanted
        self._sightings: deque[Sighting] = deque(maxlen=MOST_SIGHTINGS)
        self._strangers = 0
        self._handed_s = clock.heard_s

    def takes(self, advert: Advert) -> bool:
        """Never: what is worth keeping of it is kept here, and nothing waits in a queue."""
        if not self._clock.heard(self._radio.hearing_since, advert.heard_at):
            return False
        name = next((one for one in names_of(advert) if one in self.wanted), None)
        if name is None:
            self._strangers += 1
        else:
            self._sightings.append(Sighting(name, advert.rssi, self._clock.heard_s))
        return False

    def hand_over(self, now: float) -> Listened:
        """All since the last time."""
        self._clock.look(self._radio.hearing_since, now)
        if self._radio.hearing_since is not None:
            names = (f"ble:{one}" for one in self._radio.connected)
            self._sightings += [
                Sighting(one, None, self._clock.heard_s) for one in names if one in self.wanted
            ]
        began_s, self._handed_s = self._handed_s, self._clock.heard_s
        sightings, self._sightings = tuple(self._sightings), deque(maxlen=MOST_SIGHTINGS)
        strangers, self._strangers = self._strangers, 0
        return Listened(
            rules=self._rules,
            began_s=began_s,
            ended_s=self._handed_s,
            sightings=sightings,
            strangers=strangers,
            quiet=self._clock.quiet,
        )


class BeaconListener:
    """The ears of a center."""

    def __init__(self, settings: BeaconSettings, host: Host, shared: "Radio | None" = None) -> None:
        """`shared`: else the radio of the loop."""
        self._settings = settings
        self._host = host
        self._shared = shared
        self._clock = HearingClock(never_silent=settings.never_silent)

    @classmethod
    def build(cls, device_id: str, settings: Settings, host: Host) -> Self:
        """From the configuration; raises `SettingsError`."""
        return cls(BeaconSettings.parse(device_id, settings), host)

    async def run(self) -> None:
        """Listen until the scan is lost; raises a `DriverError` with the cause that BlueZ has."""
        radio = self._shared or await radio_of_the_loop("beacons")
        ear = Ear(radio, self._settings.rules, self._clock, self._host.beacons())
        async with radio.listen(ear, "beacons") as listener:
            self._host.ready(DeviceReady())
            while True:
                try:
                    async with asyncio.timeout(self._settings.hand_over_s):
                        await listener.next()  # raises when the scan is lost
                except TimeoutError:
                    ear.wanted = self._host.beacons()
                    await self._host.listened(ear.hand_over(asyncio.get_running_loop().time()))
