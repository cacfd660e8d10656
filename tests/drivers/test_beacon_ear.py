"""What is kept of the air between two handings over: of strangers a number, however many they are."""

import tracemalloc
from typing import cast

from drivers.beacon_listener import MOST_SIGHTINGS, Ear
from drivers.links.ble_advert import Advert
from drivers.links.ble_radio import Radio
from drivers.listening import BeaconRules, HearingClock

BAND = "F0:F1:F2:F3:F4:01"
PHONE = {0x004C: bytes.fromhex("1005" + "0b1c" + "aabbcc")}  # what a phone says all day long; no beacon


class OnAir:
    """A radio whose scan runs since second 0."""

    hearing_since: float | None = 0.0
    connected = ()


def ear() -> Ear:
    return Ear(cast("Radio", OnAir()), BeaconRules(), HearingClock(), {f"ble:{BAND}"})


def stranger(number: int) -> Advert:
    address = (
        f"5A:00:{number >> 24 & 255:02X}:{number >> 16 & 255:02X}:{number >> 8 & 255:02X}:{number & 255:02X}"
    )
    return Advert(address=address, rssi=-70, heard_at=number / 1000, manufacturer_data=PHONE)


def test_fifty_thousand_phones_take_no_room() -> None:
    listening = ear()
    listening.takes(stranger(0))
    tracemalloc.start()
    for number in range(1, 50_000):
        assert not listening.takes(stranger(number)), "none waits in a queue"
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown < 20_000  # bytes
    what = listening.hand_over(50.0)
    assert (what.strangers, what.sightings) == (50_000, ())
    assert listening.hand_over(50.0).strangers == 0


def test_what_nobody_fetches_keeps_the_latest_and_has_an_end() -> None:
    listening = ear()
    for number in range(MOST_SIGHTINGS + 500):
        listening.takes(Advert(address=BAND, rssi=-50, heard_at=float(number)))
    what = listening.hand_over(float(MOST_SIGHTINGS + 500))
    assert len(what.sightings) == MOST_SIGHTINGS
    assert what.sightings[-1].heard_s == MOST_SIGHTINGS + 499


def test_what_comes_while_no_scan_runs_is_not_heard() -> None:
    radio = OnAir()
    listening = Ear(cast("Radio", radio), BeaconRules(), HearingClock(), {f"ble:{BAND}"})
    radio.hearing_since = None
    listening.takes(Advert(address=BAND, rssi=-50, heard_at=5.0))
    what = listening.hand_over(10.0)
    assert (what.sightings, what.strangers, what.ended_s) == ((), 0, 0.0)
