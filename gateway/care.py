"""What looks after the running gateway: levels and room, retention, witness, chain, exports, what a start found."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from gateway.clock import Clock, ClockQuality, ClockSource
from gateway.errors import StoreRefused
from gateway.evidence.canonical import Json
from gateway.evidence.jws import Signer
from gateway.handed_out import record_exports
from gateway.ingest.alarms import Alarms
from gateway.ingest.ingest import Ingest
from gateway.metrics import LossCause, Metrics
from gateway.store.check import ChainCheck
from gateway.store.database import StoreDamaged
from gateway.store.outbox import Levels
from gateway.store.room import Level as Room
from gateway.store.starting import TROUBLE, Started
from gateway.store.store import Store

log = logging.getLogger(__name__)

LEVELS_EVERY_S = 1.0
RETENTION_EVERY_S = 60.0
TESTIFY_EVERY_S = 60.0
CHECK_PAUSE_S = 0.25  # between two looks of the chain check: about 400 events a second


class Caretaker:
    """The background work of one gateway. Its tasks end only by cancellation, by damage, or by a bug."""

    def __init__(
        self,
        *,
        store: Store,
        path: Path,
        signer: Signer,
        clock: Clock,
        ingest: Ingest,
        alarms: Alarms,
        metrics: Metrics,
        show: Callable[[Levels], None],
        touch: Callable[[], None],
    ) -> None:
        """`show` hands on what the store holds, `touch` says that something people see has changed."""
        self.levels = Levels(store.waiting, None, None, 0)
        self._store = store
        self._path = path
        self._signer = signer
        self._clock = clock
        self._ingest = ingest
        self._alarms = alarms
        self._metrics = metrics
        self._show = show
        self._touch = touch
        self._told_level = Room.NORMAL
        self._refusal_told = True
        self._refused_seen = 0  # events refused in this run, as the last alarm said

    def tasks(self) -> dict[str, Coroutine[Any, Any, None]]:
        """By name, to be run for as long as the gateway serves."""
        return {
            "levels": self._watch_levels(),
            "retention": self._keep_retention(),
            "witness": self._testify(),
            "chain-check": self._check_chain(),
            "exports": record_exports(self._path.parent, self._store, self._ingest, self._clock),
        }

    async def tell(self, started: Started) -> None:
        """What the start found: losses counted, alarms raised; an alarm that no longer holds is cleared."""
        for lost in started.lost:
            cause = LossCause.ROLLBACK if started.reason == "store_rollback" else LossCause.RANGE_UNREADABLE
            self._metrics.losses.labels(cause=cause).inc(lost.last - lost.first + 1)
        if started.salvaged is not None:
            self._metrics.store_salvages.inc()
            log.error(
                "store was damaged; what could be read was kept",
                extra={
                    "set_aside": started.salvaged.set_aside,
                    "cause": started.salvaged.cause,
                    "kept": started.salvaged.kept,
                    "lost_ranges": len(started.salvaged.lost),
                },
            )
        for trouble in started.troubles:
            await self._alarms.raise_(trouble.kind, trouble.about, trouble.data)
            if f"{trouble.kind}/{trouble.about}" in self._alarms.standing:
                key = f"{TROUBLE}{trouble.kind}/{trouble.about}"
                await self.note(key, None)
        if not started.troubles:
            for key in list(self._alarms.standing):  # a start without trouble ends the alarms about it
                kind, _, about = key.partition("/")
                if kind in {"store_damaged", "store_rollback"}:
                    await self._alarms.clear(kind, about)

    async def note(self, key: str, value: str | None) -> None:
        """Keep a small fact; a store that refuses makes it be found out again."""
        try:
            await self._store.run(lambda box: box.note(key, value))
        except StoreRefused as exc:
            log.warning("not remembered on disk", extra={"code": exc.code})

    async def _watch_levels(self) -> None:
        while True:
            try:
                levels = await self._store.levels()
            except StoreRefused:  # told by whoever has events to store; the last levels stand
                levels = self.levels
            self._show_levels(levels)
            await self._mind_room()
            await asyncio.sleep(LEVELS_EVERY_S)

    def _show_levels(self, levels: Levels) -> None:
        now = self._clock.now()
        if levels != self.levels:
            self.levels = levels
            self._show(levels)
        age_ms = 0 if levels.oldest_ms is None else max(0, now.wall_ms - levels.oldest_ms)
        self._metrics.outbox_unsettled.set(levels.waiting)
        self._metrics.outbox_oldest_unsettled_seconds.set(age_ms / 1000)
        self._metrics.store_bytes.set(levels.bytes_used)
        self._metrics.set_room(self._store.level.name.lower(), self._store.reserve_bytes)
        self._metrics.set_written(written_bytes(), self._store.committed_total)
        self._metrics.set_clock(synced=now.quality is ClockQuality.SYNCED, error_ms=now.error_ms)

    async def _mind_room(self) -> None:
        """One alarm while events are refused, and a statement when the room gets scarce or is back."""
        await self._ingest.try_again()
        level = self._store.level
        if level is not self._told_level and await self._say_level(level):
            self._told_level = level
        if self._ingest.refusal is not None:
            self._refusal_told = False  # told when it is over: now nothing can be stored
            self._touch()
            return
        # A refusal that was over before anybody looked is told all the same: an event was not taken.
        if level >= Room.ESSENTIAL or not self._refusal_told or self._ingest.refused > self._refused_seen:
            data: dict[str, Json] = {
                "code": "store_full" if self._ingest.refused else "degraded",
                "refused": self._ingest.refused,
            }
            await self._alarms.raise_("store_full", "gateway", data)
            self._refusal_told, self._refused_seen = True, self._ingest.refused
        if level < Room.ESSENTIAL:
            await self._alarms.clear("store_full", "gateway")

    async def _say_level(self, level: Room) -> bool:
        data: dict[str, Json] = {"level": level.name.lower(), "reserve_bytes": self._store.reserve_bytes}
        return level is Room.SETTLE or await self._ingest.record("system.degraded", data) is not None

    async def _keep_retention(self) -> None:
        while True:
            try:
                await self._store.purge(self._trusted_ms())
            except StoreRefused as exc:
                log.warning("nothing was purged", extra={"code": exc.code})
            await asyncio.sleep(RETENTION_EVERY_S)

    def _trusted_ms(self) -> int | None:
        """Now, by a clock that somebody vouches for: another may stand years ahead, a clock chip too."""
        now = self._clock.now()
        measured = now.quality is ClockQuality.SYNCED or (
            now.quality is ClockQuality.HOLDOVER and self._clock.source is not ClockSource.RTC
        )
        return now.wall_ms if measured else None

    async def _testify(self) -> None:
        while True:
            await asyncio.sleep(TESTIFY_EVERY_S)
            await self._store.testify()

    async def _mend(self, n: int, wire: bytes) -> None:
        try:
            await self._store.run(lambda box: box.mend(n, wire))
        except StoreRefused as exc:
            log.warning("damaged signature not mended", extra={"n": n, "code": exc.code})
        else:
            log.warning("damaged signature mended", extra={"n": n})

    async def _check_chain(self) -> None:
        """Once after each start, the whole chain, slowly; then rest."""
        check, after_n = ChainCheck(self._path, self._signer), 0
        damaged = 0
        while True:
            await asyncio.sleep(CHECK_PAUSE_S)
            try:
                look = await asyncio.get_running_loop().run_in_executor(None, check.step, after_n)
            except StoreDamaged as damage:
                self._store.suspect(damage)
                raise
            damaged += len(look.settled_damage)
            for n, wire in look.mended:
                await self._mend(n, wire)
            if look.last_n is None:
                break
            after_n = look.last_n
        log.info("whole chain looked at", extra={"up_to": after_n, "damaged": damaged})
        if damaged:
            await self._alarms.raise_("store_damaged", "settled", {"rows": damaged})


def written_bytes(proc: Path = Path("/proc/self/io")) -> int | None:
    """What the kernel counts as written to disk by this process; None where it does not tell."""
    try:
        lines = proc.read_text().splitlines()
    except OSError:
        return None
    found = [line.partition(": ")[2] for line in lines if line.startswith("write_bytes: ")]
    return int(found[0]) if found else None
