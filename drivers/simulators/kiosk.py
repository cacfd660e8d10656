"""A kiosk that is not there: invented people lay their card on a simulated reader and a finger on a module.

    asyncio.run(run_kiosk(Path("sim/idcard"), Path("sim/finger"), seed=1, interval_s=8))

Most come with their own finger; some with somebody else's, with a dry one first, or leave before. The module
knows the finger of person n, from 1, in slot n, as if most had been enrolled.
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from drivers.simulators.cards import cards
from drivers.simulators.counter import BAD_CARDS, visit
from drivers.simulators.fingerprint import Finger, SimulatedModule, Skin
from drivers.simulators.idcard import SimulatedReader, sam_id
from drivers.simulators.pty_host import PtyHost
from drivers.simulators.wire import serve_port
from firmware_protocols.zfm.family import Family

KNOWN = 40  # persons who come, of whom the module knows most
STRANGER = 7  # every so many was never enrolled
BEFORE_FINGER_S = 0.8  # from reading "lay your finger" until it lies there
FINGER_S = 2.0  # so long it lies there
MODULE_SERIAL = b"SIM0000%d"
# What people do, and how often.
OWN, ANOTHERS, DRY, LEAVES = "their own finger", "somebody else's finger", "a dry finger", "walks away"
HABITS = {OWN: 82, ANOTHERS: 6, DRY: 7, LEAVES: 5}


def finger_of(seed: int, person: int) -> Finger:
    """The finger of the n-th person, from 1, who comes to the kiosk of this seed."""
    return Finger(f"{seed}/{person}")


async def run_kiosk(
    card_link: Path,
    finger_link: Path,
    *,
    seed: int = 1,
    interval_s: float = 8.0,
    bad_share: float = 0.0,
    visits: int | None = None,
    tell: Callable[[str], None] = lambda _line: None,
) -> SimulatedModule:
    """Let people come, for ever or `visits` times; the module, to be looked at. No line names a person."""
    for link in (card_link, finger_link):
        link.parent.mkdir(parents=True, exist_ok=True)
    rng = random.Random(seed)  # noqa: S311 - repeatable on purpose, no secret
    reader = SimulatedReader(sam_id=sam_id(seed), read_s=0.8, baud=115200)
    module = SimulatedModule(Family.GROW, serial=MODULE_SERIAL % seed)
    for person in range(1, KNOWN + 1):
        if person % STRANGER:
            module.know(person, finger_of(seed, person))
    loop = asyncio.get_running_loop()
    async with PtyHost(card_link) as card_port, PtyHost(finger_link) as finger_port:
        tell(f"reader on {card_link}, fingerprint module on {finger_link}")
        serving = [
            asyncio.create_task(serve_port(reader, card_port), name="simulated reader"),
            asyncio.create_task(serve_port(module, finger_port), name="simulated module"),
        ]
        try:
            for person, sound in enumerate(cards(seed), start=1):
                if visits is not None and person > visits:
                    break
                due = loop.time() + interval_s
                bad = rng.random() < bad_share
                await visit(reader, rng.choice(BAD_CARDS)(sound) if bad else sound, 0.3, tell)
                if not bad:
                    await _prove(module, seed, person, rng, tell)
                await asyncio.sleep(max(1.0, due - loop.time()))
        finally:
            for one in serving:
                one.cancel()
            await asyncio.wait(serving)
    return module


async def _prove(
    module: SimulatedModule, seed: int, person: int, rng: random.Random, tell: Callable[[str], None]
) -> None:
    habit = rng.choices(tuple(HABITS), tuple(HABITS.values()))[0]
    tell(f"person {person}: {habit}")
    if habit == LEAVES:
        return
    own = finger_of(seed, person)
    await asyncio.sleep(BEFORE_FINGER_S)
    if habit == DRY:
        await _press(module, replace(own, skin=Skin.DRY))
    await _press(module, finger_of(seed, person % KNOWN + 1) if habit == ANOTHERS else own)


async def _press(module: SimulatedModule, finger: Finger) -> None:
    module.press(finger)
    await asyncio.sleep(FINGER_S)
    module.lift()
    await asyncio.sleep(0.5)
