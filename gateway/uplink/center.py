"""What the center says of our events, acted upon: settled, refused, another chain, a key it does not know.

Every alarm raised here has its end:
    chain_mismatch, store_rollback   the opening of the epoch that runs now is settled: both sides share a chain
    rejected                         no event was newly refused with this code for an hour; the refusals
                                     themselves are for good and stay in the store
    certificate                      the center no longer waits for our event key
"""

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial

from gateway.clock import Clock, Stamp
from gateway.envelope import Draft
from gateway.errors import ContractError
from gateway.event_types import event_class
from gateway.evidence.canonical import Json
from gateway.evidence.jws import FindKey
from gateway.ingest.alarms import Alarms
from gateway.metrics import Metrics
from gateway.store.store import Store
from gateway.uplink.acks import Ack, open_ack
from gateway.uplink.ages import age_ms
from gateway.uplink.seldom import Seldom
from gateway.uplink.sender import Sender
from gateway.uplink.settling import LEFT, Applied, Refused, apply

log = logging.getLogger(__name__)

REFUSALS_CALM_S = 3600.0
OLD_FOR_S = 600.0  # so long an ack is held against the newest one
_CHAIN_ALARMS = ("chain_mismatch", "store_rollback")
_KEY = "event_key"  # what the alarm `certificate` is about here


class Center:
    """The far end, as its signed acks describe it. Lives as long as the gateway."""

    def __init__(
        self,
        *,
        gateway: str,
        kid: str,
        store: Store,
        sender: Sender,
        clock: Clock,
        ack_key: FindKey,
        alarms: Alarms,
        metrics: Metrics,
        on_settled: Callable[[Sequence[tuple[int, int]]], None],
        on_rejected: Callable[[int], None],
        opening: Callable[[Stamp, dict[str, Json]], Draft],
    ) -> None:
        self.last_ack_ms: int | None = None
        self.blocked = False  # the center cannot go on: it does not know our key
        self.not_verified = False  # the last ack was not believed
        self._gateway = gateway
        self._kid = kid
        self._store = store
        self._sender = sender
        self._clock = clock
        self._ack_key = ack_key
        self._alarms = alarms
        self._metrics = metrics
        self._on_settled = on_settled
        self._on_rejected = on_rejected
        self._opening = opening
        self._seldom = Seldom()
        self._newest: dict[str, tuple[str, float]] = {}  # key id -> newest time of an ack, and when it came
        self._refused_s: dict[str, float] = {}  # code -> when an event was last newly refused

    async def take_acks(self, wires: Sequence[bytes]) -> Applied | None:
        """Act on the newest of some acks that is believed; None where none is.

        An ack says all that the ones before it said, so those need no commit each.
        """
        acks = [ack for wire in wires if (ack := self._open(wire)) is not None]
        if not acks:
            return None
        newest = max(reversed(acks), key=lambda ack: ack.ts)  # the last one of the same time
        self.last_ack_ms = self._clock.now().wall_ms
        return await self._act_on(newest)

    def _open(self, wire: bytes) -> Ack | None:
        try:
            ack = open_ack(wire, self._gateway, self._ack_key)
        except ContractError as exc:
            self._metrics.acks_rejected.labels(reason=exc.code).inc()
            if self._seldom.due(exc.code):
                log.warning("ack not believed", extra={"reason": exc.code, "cause": str(exc)})
            self.not_verified = True
            return None
        self.not_verified = False
        return ack

    def _is_old(self, ack: Ack) -> bool:
        """Whether somebody repeats what the center has said before something newer, which settles but alarms nobody.

        Only for a while: a center whose clock was set back must be heard again.
        """
        now_s = time.monotonic()
        ts, at_s = self._newest.get(ack.kid, ("", now_s))
        if ack.ts < ts and now_s - at_s < OLD_FOR_S:
            return True
        self._newest[ack.kid] = (ack.ts, now_s)
        return False

    async def _act_on(self, ack: Ack) -> Applied:
        old = self._is_old(ack)
        applied = await apply(self._store, ack.epochs, self._sender.out.sent, soon=self._sender.at_rest)
        self._settle(applied)
        for epoch in applied.unknown:
            if self._seldom.due(f"epoch {epoch[:16]}"):
                log.warning("ack names an epoch that this store does not know", extra={"epoch": epoch[:16]})
        for epoch in applied.mismatched:
            await self._leave(epoch, "chain_mismatch", {"epoch": epoch})
        for epoch, theirs, ours in applied.rolled_back:
            await self._leave(epoch, "store_rollback", {"epoch": epoch, "center": theirs, "local": ours})
        await self.note_refused(applied.rejected)
        if not old:
            await self._mind_blocked(applied)
        if applied.count:
            await self._clear_chain_alarms()
        return applied

    def _settle(self, applied: Applied) -> None:
        now = self._clock.now()
        for out in self._sender.settled(applied.ranges, applied.count):
            self._metrics.ack_latency_seconds.observe(age_ms(out.mono_ms, out.recorded_ms, now) / 1000)
        self._metrics.events_settled.inc(applied.count)
        self._on_settled(applied.ranges)

    async def _leave(self, epoch: str, reason: str, data: dict[str, Json]) -> None:
        """The center holds another chain under this name: what waits in ours gets places in a new one."""
        stamp = self._clock.now()
        with self._sender.paused():
            left = await self._store.leave_epoch(epoch, reason, stamp, partial(self._opening, stamp))
            view = next((known for known in await self._store.lineage() if known.epoch == epoch), None)
            if view is not None:
                self._sender.issued_again(view.first_n, view.last_n)
        await self._store.run(lambda box: box.note(LEFT + epoch, reason))
        if left.opened:
            self._metrics.epochs_opened.labels(reason=reason).inc()
        log.error("epoch left", extra={"epoch": epoch, "reason": reason, "issued_again": left.count})
        await self._alarms.raise_(reason, epoch, {**data, "issued_again": left.count})

    async def _clear_chain_alarms(self) -> None:
        standing = [key.partition("/") for key in self._alarms.standing]
        named = [(kind, epoch) for kind, _, epoch in standing if kind in _CHAIN_ALARMS]
        if not named:
            return
        first_n = self._store.tail.first_n
        if await self._store.read(lambda box: box.lowest_waiting_from(first_n)) != first_n:
            for kind, epoch in named:
                await self._alarms.clear(kind, epoch)

    async def note_refused(self, refused: Sequence[Refused]) -> None:
        """One alarm per code, and none about alarms: a refused alarm must not make another one."""
        for one in refused:
            self._on_rejected(one.n)
            code, seq = one.rejection.code, one.rejection.seq
            log.error("center refuses an event", extra={"epoch": one.epoch, "seq": seq, "code": code})
            if event_class(one.type) == "alarm":
                continue
            self._refused_s[code] = time.monotonic()
            await self._alarms.raise_("rejected", code, {"code": code, "epoch": one.epoch, "seq": seq})

    async def look(self, now_s: float) -> None:
        """What time alone ends."""
        for key in list(self._alarms.standing):
            kind, _, code = key.partition("/")
            if kind == "rejected" and now_s - self._refused_s.setdefault(code, now_s) >= REFUSALS_CALM_S:
                await self._alarms.clear(kind, code)

    async def _mind_blocked(self, applied: Applied) -> None:
        """An unknown key: `certificate`, because enrolment is what ends it, as with a certificate."""
        was, self.blocked = self.blocked, bool(applied.blocked)
        for epoch, code in applied.blocked:
            if not was:
                log.error("center cannot go on", extra={"epoch": epoch, "code": code})
            await self._alarms.raise_("certificate", _KEY, {"code": code, "epoch": epoch, "kid": self._kid})
        if not applied.blocked:
            await self._alarms.clear("certificate", _KEY)
