"""That events were handed out becomes an event (`audit.exported`), from the note that the export left.

At once while the gateway runs, else at its next start. A note that is recorded twice, because the power went
before it was gone, has one identity: the center counts one fact. At most one is recorded a minute, because
events that cannot be purged must not be producible at will.
"""

import asyncio
import logging
from dataclasses import replace
from functools import partial
from pathlib import Path

from gateway.clock import Clock
from gateway.errors import StoreRefused
from gateway.ingest.ingest import Ingest
from gateway.store import export_note
from gateway.store.store import Store

log = logging.getLogger(__name__)

EVERY_S = 60.0


async def record_exports(
    folder: Path, store: Store, ingest: Ingest, clock: Clock, *, every_s: float = EVERY_S
) -> None:
    """For as long as the gateway runs."""
    while True:
        try:
            await record_oldest(folder, store, ingest, clock)
        except (OSError, StoreRefused) as exc:
            # The note stays, and with it the fact.
            log.warning("export not recorded yet", extra={"cause": getattr(exc, "code", None) or str(exc)})
        await asyncio.sleep(every_s)


async def record_oldest(folder: Path, store: Store, ingest: Ingest, clock: Clock) -> bool:
    """Record one note, if there is one. Raises `StoreRefused` and `OSError`: it stays for the next time."""
    run = asyncio.get_running_loop().run_in_executor
    note = await run(None, partial(export_note.oldest, folder))
    if note is None:
        return False
    if note.id is None or note.data is None:
        log.error("note of an export not understood; set aside", extra={"file": note.path.name[:64]})
    else:
        stamp = clock.now()
        draft = ingest.draft("audit.exported", note.data, stamp)
        await store.append([replace(draft, id=note.id)], stamp)
    await run(None, partial(export_note.remove, note))
    return True
