"""A start that takes long is given time by the service manager for as long as it works.

Opening may have months of events to read through: a migration, a salvage, a recovery of what SQLite had
not yet written home. The unit cannot know how long that takes (TimeoutStartSec), and a salvage that is
cut off begins again from nothing, at every start. So the start asks for more time while it uses processor
or disk (sd_notify(3), EXTEND_TIMEOUT_USEC). A start that is stuck uses neither and is ended by systemd.
"""

import asyncio
import logging
import resource
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias

from gateway.systemd import Notifier

log = logging.getLogger(__name__)

Used: TypeAlias = tuple[float, int]  # seconds of processor, blocks read and written
LOOK_S = 15.0
# How long a start may do nothing before it counts as stuck: a card retries a bad spot for a minute or two.
EXTENSION_S = 180.0
# A loop of ours that never ends looks like work. A card of 32 GB, read once and written once at 10 MB/s,
# takes less than two hours; twice that is no start any more.
LONGEST_S = 4 * 3600.0
_IDLE_SHARE = 0.02  # of a processor: what the loop uses while it waits


def used() -> Used:
    """What this process has used so far, all threads together."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime, usage.ru_inblock + usage.ru_oublock


@asynccontextmanager
async def worked_through(
    notifier: Notifier,
    *,
    work: Callable[[], Used] = used,
    look_s: float | None = None,
    longest_s: float = LONGEST_S,
) -> AsyncIterator[None]:
    """Ask for more time while the body works. It must leave the loop free: what is long runs in threads."""
    if not notifier.enabled:
        yield
        return
    every_s = LOOK_S if look_s is None else look_s
    asking = asyncio.create_task(_ask(notifier, work, every_s, longest_s), name="start-extended")
    try:
        yield
    finally:
        asking.cancel()
        await asyncio.wait([asking])


async def _ask(notifier: Notifier, work: Callable[[], Used], every_s: float, longest_s: float) -> None:
    began_s, before = time.monotonic(), work()
    while (passed_s := time.monotonic() - began_s) < longest_s:
        await asyncio.sleep(every_s)
        now = work()
        if now[0] - before[0] > _IDLE_SHARE * every_s or now[1] != before[1]:
            notifier.extend(EXTENSION_S, f"the start works: {passed_s + every_s:.0f} s so far")
        before = now
    log.error("start not extended any more", extra={"after_s": round(longest_s)})
