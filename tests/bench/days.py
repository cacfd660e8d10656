"""How long a start and a day take over a large store: `python -m tests.bench.days [events] [persons]`.

A store of so many events, a fifth of them check-ins, is made, then opened as the gateway opens it; the rest
of the figures are of the staff's day over it.
"""

import asyncio
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

from gateway import RELEASED_MS
from gateway.checkin.teller import TOLD
from gateway.clock import ClockQuality, Stamp
from gateway.envelope import Draft
from gateway.evidence.canonical import Json
from gateway.store import diary
from gateway.store.store import Store
from gateway.uuid7 import uuid7
from tests.gateway.day_world import DAY, World, at, people, ref

CHECKINS_IN = 5
BATCH = 1000
clock = time.process_time  # of this process: the machine may be busy with others
DUE = date(2027, 1, 18)


async def fill(store: Store, events: int, persons: int, now_ms: int) -> None:
    """Events of an earlier boot, evenly since the release, settled."""
    every_ms = min(180 * DAY, now_ms - RELEASED_MS - 2 * DAY) // events
    for first in range(0, events, BATCH):
        drafts = []
        for n in range(first, min(first + BATCH, events)):
            back_ms = (events - n) * every_ms
            stamp = Stamp(now_ms - back_ms, 365 * DAY - back_ms, "f" * 32, ClockQuality.SYNCED, 50)
            came = n % CHECKINS_IN == 0
            drafts.append(
                Draft(
                    id=uuid7(stamp.wall_ms),
                    type="checkin.completed" if came else "tracker.fix",
                    subject=f"person/{ref(n // CHECKINS_IN % persons)}",
                    device="kiosk-1",
                    at=stamp,
                    data={"purpose": "report", "method": "finger"} if came else {"lat_e7": 366_000_000},
                )
            )
        if first == 0:
            pair: dict[str, Json] = {
                "source": "ntp",
                "wall_ms": stamp.wall_ms,
                "mono_ms": str(stamp.mono_ms),
                "error_ms": 50,
            }
            drafts.insert(
                0, replace(drafts[0], id=uuid7(0), type="clock.synced", data={**pair, "step_ms": 0})
            )
        placed = await store.append(drafts, stamp)
        await store.settle([(placed[0].n, placed[-1].n)])


async def main(events: int, persons: int) -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder), RELEASED_MS + DAY)
        world.power_on()
        roster = people(persons)
        async with world.running(clean=True) as run:
            await fill(run.store, events, persons, at("2027-01-17 11:59"))
        world.pass_off(at("2027-01-17 12:00"))
        world.power_on()
        async with world.running(clean=True):
            await world.apply(roster)
        print(f"{events} events, {persons} persons, {world.path.stat().st_size >> 20} MiB")
        began = clock()
        async with world.running(clean=True) as run:
            print(f"start, all of it                   {1000 * (clock() - began):8.0f} ms")
            began = clock()
            await run.day.load()
            print(f"of which what the day needs        {1000 * (clock() - began):8.0f} ms")
            await run.store.run(lambda box: box.note(TOLD, DUE.isoformat()))  # of the weeks before: all said
            await world.until(at("2027-01-17 12:20"))
            world.now = at("2027-01-18 18:05")
            world.clock.advance(at("2027-01-18 18:05") - at("2027-01-17 12:20"))
            await world.comes(*range(0, persons, 10))
            for day in (DUE, DUE, DUE - timedelta(days=7)):
                began = clock()
                seen = await run.day.book.day(day)
                took_ms = 1000 * (clock() - began)
                print(
                    f"day {day}: {len(seen.duties):5} duties, {len(seen.visits):5} visits {took_ms:8.0f} ms"
                )
            began = clock()
            said = await world.look()
            print(f"teller: {said} statements            {1000 * (clock() - began):8.0f} ms")
            began = clock()
            await world.look()
            print(f"teller, a turn with nothing to say {1000 * (clock() - began):8.2f} ms")
        began = clock()
        with closing(sqlite3.connect(world.path)) as db, db:
            db.execute("DELETE FROM diary")
            db.execute("DELETE FROM state WHERE key = ?", (diary.FILLED,))
            diary.fill(db)
        print(f"all rows made again (salvage)      {1000 * (clock() - began):8.0f} ms")


if __name__ == "__main__":
    asyncio.run(main(*(int(one) for one in [*sys.argv[1:], "1000000", "5000"][:2])))
