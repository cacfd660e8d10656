"""A counter that is not there: invented people come one by one, lay their card on a simulated reader, leave.

    asyncio.run(run_idcard(Path("/run/zhijiao/sim/idcard"), seed=1, interval_s=5))

The port appears under the given name, as udev would make it; point a device of kind `idcard.sam` at it.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from pathlib import Path

from drivers.simulators.cards import (
    Card,
    cards,
    refused,
    with_lone_surrogate,
    with_short_text,
    with_unknown_type,
)
from drivers.simulators.faults import FaultMix
from drivers.simulators.idcard import Habit, SimulatedReader, sam_id
from drivers.simulators.pty_host import PtyHost
from drivers.simulators.wire import serve_port
from firmware_protocols.idcard_sam.commands import Command

PATIENCE_S = 6.0  # then a person takes the card away, read or not
UNPLUGGED_S = 3.0
BAD_CARDS: Sequence[Callable[[Card], Card]] = (
    lambda card: refused(card, Command.SELECT_CARD, 0x81),
    lambda card: refused(card, Command.READ_CARD, 0x41),
    lambda card: refused(card, Command.READ_CARD, 0x32),
    with_lone_surrogate,
    with_unknown_type,
    with_short_text,
)


async def run_idcard(
    port_link: Path,
    *,
    seed: int = 1,
    interval_s: float = 5.0,
    dwell_s: float = 1.0,
    gap_s: float = 1.0,
    read_s: float = 0.8,
    baud: int | None = 115200,
    habit: Habit = Habit.REFINDING,
    mix: FaultMix | None = None,
    bad_share: float = 0.0,
    unplug_share: float = 0.0,
    visits: int | None = None,
    tell: Callable[[str], None] = lambda _line: None,
) -> SimulatedReader:
    """Let people come every `interval_s`, for ever or `visits` times; returns the reader with its counters.

    A card lies there until it is read and `dwell_s` longer; `gap_s` at least passes to the next one.
    `bad_share` of the cards cannot be read, `unplug_share` of the people trip over the cable. `tell` gets a
    line for each thing that happens; no line names a person.
    """
    port_link.parent.mkdir(parents=True, exist_ok=True)
    rng = random.Random(seed)  # noqa: S311 - repeatable on purpose, no secret
    loop = asyncio.get_running_loop()
    reader = SimulatedReader(sam_id=sam_id(seed), habit=habit, baud=baud, read_s=read_s, mix=mix)
    async with PtyHost(port_link) as port:
        tell(f"reader on {port_link}")
        serving = asyncio.create_task(serve_port(reader, port), name="simulated reader")
        try:
            for count, sound in enumerate(cards(seed)):
                if count == visits:
                    break
                due = loop.time() + interval_s
                card = rng.choice(BAD_CARDS)(sound) if rng.random() < bad_share else sound
                await visit(reader, card, dwell_s, tell)
                if rng.random() < unplug_share:
                    await _trip_over_the_cable(port, tell)
                await asyncio.sleep(max(gap_s, due - loop.time()))
        finally:
            serving.cancel()
            await asyncio.wait([serving])
    return reader


async def visit(reader: SimulatedReader, card: Card, dwell_s: float, tell: Callable[[str], None]) -> None:
    """Lay the card until it is read and `dwell_s` longer, or until patience ends."""
    reader.present(card)
    tell(f"{card.label} laid down")
    try:
        async with asyncio.timeout(PATIENCE_S):
            await reader.until_settled()
    except TimeoutError:
        tell(f"{card.label} not read in {PATIENCE_S:g} s")
    await asyncio.sleep(dwell_s)
    reader.lift()
    tell(f"{card.label} lifted; read {reader.reads[card.label]} times")


async def _trip_over_the_cable(port: PtyHost, tell: Callable[[str], None]) -> None:
    port.unplug()
    tell("reader unplugged")
    await asyncio.sleep(UNPLUGGED_S)
    port.plug()
    tell("reader plugged in")
