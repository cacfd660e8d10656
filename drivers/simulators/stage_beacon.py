"""What can happen to simulated beacons: they appear, fade and vanish. Words: simulate.md.

The strength of an adapter cannot be set everywhere, so fading is what a listener makes of it at the edge: it is heard
for a moment, then not, each time for longer.
"""

import asyncio
from collections.abc import Callable, Iterator
from typing import Protocol

from drivers.links.ble_advert import Payload
from drivers.simulators.beacons import KINDS, MOST, Beacon, invented
from drivers.simulators.script import LONGEST_WAIT_S, Act, Words
from drivers.simulators.stage import Stage
from drivers.simulators.step import Step

HEARD_S = 3.0  # an adapter advertises every 1.3 s
FIRST_GAP_S = 2.0
FADE_S = 60.0
ALONE = 1  # who is there without a script


class Air(Protocol):
    """Where beacons are sent; see `Advertiser`."""

    async def begin(self, key: str, payload: Payload) -> None:
        """Send it from now on."""
        ...

    async def end(self, key: str) -> None:
        """Send it no more. Harmless where it is not sent."""
        ...


def beacon_stage(kind: str, air: Air, tell: Callable[[str], None], *, alone: bool) -> Stage:
    """`appear`, `fade`, `vanish`: beacon n; `unplug_s`: nothing is sent for so long.

    `alone`: without a script the first one is there, for ever.
    """

    there: dict[str, Beacon] = {}

    async def appear(key: str, beacon: Beacon) -> None:
        await air.end(key)
        await air.begin(key, beacon.payload)
        there[key] = beacon
        tell(f"{beacon.name} is in the air")

    async def fade(key: str, beacon: Beacon, over_s: float) -> None:
        for gap_s, heard_s in fading(over_s):
            await air.end(key)
            await asyncio.sleep(gap_s)
            await air.begin(key, beacon.payload)
            await asyncio.sleep(heard_s)
        await vanish(key, beacon)

    async def vanish(key: str, beacon: Beacon) -> None:
        await air.end(key)
        there.pop(key, None)
        tell(f"{beacon.name} is gone")

    async def unplug(for_s: float) -> None:
        for key in there:
            await air.end(key)
        await asyncio.sleep(for_s)
        for key, beacon in there.items():
            await air.begin(key, beacon.payload)

    def appear_word(step: Step) -> Act:
        which = _which(step, "appear")
        return lambda: appear(*which)

    def fade_word(step: Step) -> Act:
        which = _which(step, "fade")
        over_s = step.number("over_s", least=0.0, most=LONGEST_WAIT_S, default=FADE_S)
        return lambda: fade(*which, over_s)

    def vanish_word(step: Step) -> Act:
        which = _which(step, "vanish")
        return lambda: vanish(*which)

    def unplug_word(step: Step) -> Act:
        for_s = step.number("unplug_s", least=0.0, most=LONGEST_WAIT_S)
        return lambda: unplug(for_s)

    async def serve() -> None:
        if alone:
            await appear("ibeacon1", invented("ibeacon", ALONE))
        await asyncio.Event().wait()

    words: Words = {
        "appear": appear_word,
        "fade": fade_word,
        "vanish": vanish_word,
        "unplug_s": unplug_word,
    }
    return Stage(kind, words, serve)


def fading(over_s: float) -> Iterator[tuple[float, float]]:
    """Not heard for so long, then heard for so long, until `over_s` has passed."""
    gap_s, passed_s = FIRST_GAP_S, 0.0
    while passed_s + gap_s + HEARD_S <= over_s:
        yield gap_s, HEARD_S
        passed_s += gap_s + HEARD_S
        gap_s *= 1.5


def _which(step: Step, word: str) -> tuple[str, Beacon]:
    number = step.whole(word, least=1, most=MOST)
    kind = step.word("as", KINDS, KINDS[0])
    return f"{kind}{number}", invented(kind, number)
