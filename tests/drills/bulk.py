"""An outage's backlog in seconds: `python -m tests.drills.bulk STATE_DIR KEYS RECEIPTS EVENTS DAYS [settled]`.

Fills a store through the gateway's own library, in a process of its own: every event is placed, chained,
signed and committed as in service, on a clock that runs through the days that the outage lasted and ends
now. One event in ten is urgent. Receipts are appended to the file as the gateway would. With `settled`
the center is taken to have them all.
"""

import asyncio
import os
import sys
import time
from pathlib import Path

from gateway.clock import ManualClock, Stamp, read_boot_id
from gateway.demo.keys import DemoKeys
from gateway.envelope import Draft
from gateway.evidence.canonical import Json
from gateway.evidence.keys import load_signer
from gateway.store.opening import StoreSettings
from gateway.store.store import open_store
from gateway.uuid7 import uuid7
from tests.e2e.bench_center import GATEWAY, ORG

BATCH = 500
DAY_MS = 24 * 3600 * 1000
CARD: dict[str, Json] = {
    "medium": "id_card",
    "card_type": "resident",
    "check_digit_ok": True,
    "text_repaired": False,
    "sealed": None,
    "why": "no_key",
}
ALARM: dict[str, Json] = {"kind": "fence", "about": "tracker-1", "severity": "major"}


def draft(at: Stamp, number: int) -> Draft:
    urgent = number % 10 == 0
    return Draft(
        id=uuid7(at.wall_ms),
        type="alarm.raised" if urgent else "identity.card_read",
        subject="device/idcard-1",
        device="idcard-1",
        at=at,
        data=ALARM if urgent else {**CARD, "number_hmac": f"{number:064x}"},
    )


async def fill(state: Path, keys: DemoKeys, receipts: Path, events: int, days: float, *settled: str) -> None:
    step_ms = days * DAY_MS / events
    clock = ManualClock(wall_ms=int(time.time() * 1000 - days * DAY_MS), boot_id=read_boot_id())
    fd = os.open(receipts, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    settings = StoreSettings(
        path=state / "events.db", org=ORG, gateway=GATEWAY, receipts_fd=fd, reserve_mib=1
    )
    store = await open_store(settings, load_signer(keys.event_key, keys.event_kid), clock.now())

    def opening(data: dict[str, Json]) -> Draft:
        at = clock.now()
        about = {**data, "profile": "intl", "software": "drill"}
        return Draft(
            id=uuid7(at.wall_ms),
            type="system.epoch_opened",
            subject=f"gateway/{GATEWAY}",
            device="gateway",
            at=at,
            data=about,
        )

    await store.start(clock.now(), lambda _kind, data: opening(data))
    began_ms = clock.wall_ms
    for start in range(0, events, BATCH):
        drafts = []
        for number in range(start, min(start + BATCH, events)):
            clock.advance(int(began_ms + (number + 1) * step_ms) - clock.wall_ms)
            drafts.append(draft(clock.now(), number))
        await store.append(drafts, clock.now())
    if settled:
        await store.settle([(1, store.tail.next_n - 1)])
    await store.close(clean=True)


if __name__ == "__main__":
    state, keys, receipts, events, days, *settled = sys.argv[1:]
    demo_keys = DemoKeys(Path(keys), GATEWAY)
    asyncio.run(fill(Path(state), demo_keys, Path(receipts), int(events), float(days), *settled))
