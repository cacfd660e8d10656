"""Looks after what enrolment gave the box: its keys at a start, the life of its certificate while it runs.

One that came by enrolment is renewed over itself, and the uplink then connects anew with it: what waits is on
disk, so nothing is lost. One that an administrator laid down is only watched.

Renewing early costs nothing, being late costs a journey: so any clock may say that it is due, also one that
nobody vouches for. That it has expired is said by a trusted time only.
"""

import asyncio
import logging
import random
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from gateway.clock import Clock, Stamp
from gateway.config import Config
from gateway.config.enrolled import EnrolledFacts, read_enrolled
from gateway.errors import GatewayError
from gateway.ingest.alarms import Alarms
from gateway.metrics import Metrics
from gateway.provisioning import EnrolmentRefused
from gateway.provisioning.keys import at
from gateway.provisioning.renewal import Lifetime, is_enrolled, lifetime, renew
from gateway.store.rekeying import NEW_KEYS
from gateway.store.starting import MakeEvent
from gateway.store.store import Store
from gateway.tls import TellTime

log = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 60.0
TRY_EVERY_S: Final = 600.0  # and up to half as much again: 140 boxes that were away together come back apart
TRY_LEAST_S: Final = 5.0
SHARE: Final = 10  # of what is left: near its end a certificate is asked for more often
SOON: Final = timedelta(days=14)
# The center has said no: nobody but a person can help, so the alarm does not wait for the last days.
_FINAL = frozenset({"certificate_revoked", "certificate_unknown", "certificate_expired"})


async def take_up_keys(config: Config, store: Store, metrics: Metrics, stamp: Stamp, make: MakeEvent) -> None:
    """At a start: the keys of the enrolment may be other ones than those of the last run."""
    facts = read_enrolled(config.gateway.state_dir)
    if facts is None or facts.kid != config.keys.event_kid:
        return
    left = await store.take_up_keys(facts.kids, stamp, make)
    if left.opened:
        metrics.epochs_opened.labels(reason=NEW_KEYS).inc()
        log.info(
            "epoch opened",
            extra={"epoch": store.tail.epoch, "reason": NEW_KEYS, "issued_again": left.count},
        )


class CertificateCare:
    """Of one gateway. `run` ends only by cancellation or by a bug."""

    def __init__(
        self,
        state_dir: Path,
        certificate: Path | None,
        *,
        clock: Clock,
        time: TellTime,
        alarms: Alarms,
        metrics: Metrics,
        renewed: Callable[[EnrolledFacts], object],
    ) -> None:
        """`certificate`: the one in use; None: there is nothing to care for. `renewed` is told the facts that hold
        now, when a new one is on disk.
        """
        self._state_dir = state_dir
        self._certificate = certificate
        self._clock = clock
        self._time = time
        self._alarms = alarms
        self._metrics = metrics
        self._renewed = renewed
        self._not_before = 0.0  # of the loop's clock: when the next try is allowed
        self._refused: str | None = None  # why the last try failed

    async def run(self) -> None:
        """Look once a minute, and when a try is allowed again."""
        if self._certificate is None:
            return
        loop = asyncio.get_running_loop()
        while True:
            await self.look()
            next_try_s = self._not_before - loop.time()
            await asyncio.sleep(min(LOOK_EVERY_S, next_try_s) if next_try_s > 0 else LOOK_EVERY_S)

    async def look(self) -> None:
        """One look: how long it holds, renew it where it is due, raise or clear the alarm."""
        if self._certificate is None:
            return
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(None, lifetime, self._certificate)
        latest = max(self._now(), self._shown())
        if found is not None and latest >= found.due and loop.time() >= self._not_before:
            await self._try(found.ends - latest)
            found = await loop.run_in_executor(None, lifetime, self._certificate)
        await self._tell(found)

    async def renew_now(self) -> str:
        """Renew it, due or not; until when the new one holds. Raises `GatewayError`: the present one still counts."""
        loop = asyncio.get_running_loop()
        enrolled = await loop.run_in_executor(None, is_enrolled, self._state_dir, self._certificate)
        if not enrolled or self._certificate is None:
            raise EnrolmentRefused("not_enrolled", "the certificate does not come from an enrolment")
        # Shielded: a renewal that was begun is finished, its new key is on disk already.
        facts = await asyncio.shield(loop.run_in_executor(None, renew, self._state_dir, self._time))
        self._refused = None
        self._metrics.renewals.labels(result="renewed").inc()
        log.info("certificate renewed")
        self._renewed(facts)
        found = await loop.run_in_executor(None, lifetime, self._certificate)
        return "" if found is None else f"{found.ends:%Y-%m-%dT%H:%M:%S.000Z}"

    async def _try(self, left: timedelta) -> None:
        loop = asyncio.get_running_loop()
        if not await loop.run_in_executor(None, is_enrolled, self._state_dir, self._certificate):
            return
        jitter = 1 + random.random() / 2  # noqa: S311 - no secret
        pause_s = max(TRY_LEAST_S, min(TRY_EVERY_S, left.total_seconds() / SHARE))
        self._not_before = loop.time() + pause_s * jitter
        try:
            await self.renew_now()
        except GatewayError as exc:
            if exc.code != self._refused:
                log.warning("certificate not renewed", extra={"code": exc.code, "remedy": str(exc)})
            self._refused = exc.code
            self._metrics.renewals.labels(result="failed").inc()

    async def _tell(self, found: Lifetime | None) -> None:
        left = None if found is None else found.ends - self._now()
        self._metrics.certificate_left_seconds.set(float("nan") if left is None else left.total_seconds())
        bad = left is None or left < SOON or self._refused in _FINAL
        if not bad:
            await self._alarms.clear("certificate", "gateway")
            return
        reason = (
            "unreadable" if left is None else self._refused or ("expired" if left < timedelta(0) else "soon")
        )
        days = -1 if left is None else max(-1, left.days)
        await self._alarms.raise_("certificate", "gateway", {"reason": reason, "days_left": days})

    def _now(self) -> datetime:
        known = self._time()
        return self._shown() if known is None else at(known.at_ms)

    def _shown(self) -> datetime:
        """What the clock says, whoever vouches for it."""
        return at(self._clock.now().wall_ms)
