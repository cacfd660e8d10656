"""The time from the center, on networks without a time server.

The center reads its clock somewhere between our sending and our receiving, so its time belongs to the
middle of the two, give or take half the round trip, however lopsided the way was. Several samples, the
one with the least round trip wins. An answer is never taken for a reason to set the machine's clock.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from gateway.clock.anchor import Anchor
from gateway.clock.stamp import ClockQuality, ClockSource
from gateway.clock.system import MAX_SYNCED_ERROR_MS, Clock
from gateway.errors import GatewayError

log = logging.getLogger(__name__)

# One signed answer of the center: its time, and our monotonic clock (CLOCK_BOOTTIME) when the question
# left and when the answer came. Raises TimeoutError (no answer), ConnectionError (not connected) or a
# GatewayError (an answer that is not believed).
AskTime: TypeAlias = Callable[[], Awaitable[tuple[int, int, int]]]

PATIENCE_MS = 120_000  # so long a time server may take; with a network it needs seconds
SAMPLES = 5
BETWEEN_S = 1.0
MAX_TRIP_MS = 5_000  # a slower answer is refused
MARGIN_MS = 50  # the center's own clock and rounding
LOOK_EVERY_S = 10.0
RETRY_S, MOST_RETRY_S = 60.0, 900.0
AGAIN_AFTER_MS = 3_600_000  # a good answer is not asked for more often


@dataclass(frozen=True, slots=True)
class Sample:
    """One answer."""

    center_ms: int
    sent_mono_ms: int
    received_mono_ms: int

    @property
    def trip_ms(self) -> int:
        """From question to answer."""
        return self.received_mono_ms - self.sent_mono_ms

    def anchor(self) -> Anchor:
        """What it says of our clocks."""
        middle_ms = (self.sent_mono_ms + self.received_mono_ms) // 2
        bound_ms = -(-self.trip_ms // 2) + 1 + MARGIN_MS
        return Anchor(ClockSource.CENTER, self.center_ms, middle_ms, bound_ms)


class TimeRefused(GatewayError):  # noqa: N818 - named for the condition
    """The center's answers are not used. Codes: slow, inconsistent, before_floor, disputed."""


def choose(samples: Sequence[Sample], floor_ms: int) -> Anchor:
    """The measurement that the answers give; raises `TimeRefused`."""
    usable = [sample for sample in samples if 0 <= sample.trip_ms <= MAX_TRIP_MS]
    if not usable:
        raise TimeRefused(
            "slow", f"no answer within {MAX_TRIP_MS} ms; the network is too slow to tell time by"
        )
    anchors = [sample.anchor() for sample in usable]
    best = min(anchors, key=_bound)
    if any(_apart(best, other) > 0 for other in anchors):
        raise TimeRefused("inconsistent", "the center's answers contradict each other; see to its clock")
    if best.wall_ms < floor_ms:
        raise TimeRefused("before_floor", "the center's time has passed already; see to the center's clock")
    return best


def _bound(anchor: Anchor) -> int:
    return anchor.error_ms or 0


def _apart(one: Anchor, other: Anchor) -> int:
    """By how many ms two measurements contradict each other; not above 0 when both can be right."""
    error_ms = one.error_at(other.mono_ms)
    if error_ms is None or other.error_ms is None:
        return 0
    return abs(one.wall_at(other.mono_ms) - other.wall_ms) - error_ms - other.error_ms


class CenterTime:
    """Asks when the kernel has no time, and hands what comes to the clock."""

    def __init__(self, clock: Clock, ask: AskTime, floor_ms: Callable[[], int]) -> None:
        self._clock = clock
        self._ask = ask
        self._floor_ms = floor_ms
        self._waiting_since_ms: int | None = None
        self._answered_ms: int | None = None

    def due(self) -> bool:
        """Whether the center's time is wanted now."""
        stamp = self._clock.now()
        if stamp.quality is ClockQuality.SYNCED:
            self._waiting_since_ms = None
            return False
        if self._waiting_since_ms is None:
            self._waiting_since_ms = stamp.mono_ms
        if stamp.mono_ms - self._waiting_since_ms < PATIENCE_MS:
            return False
        if self._answered_ms is not None and stamp.mono_ms - self._answered_ms < AGAIN_AFTER_MS:
            return False
        return stamp.error_ms is None or stamp.error_ms > MAX_SYNCED_ERROR_MS

    async def ask(self, *, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        """Ask a few times and let the clock rest on the best answer, where it is better than what is known.

        Raises `TimeRefused`, or what the first question ended with when it was not answered.
        """
        samples: list[Sample] = []
        failed: Exception | None = None
        for turn in range(SAMPLES):
            if turn:
                await sleep(BETWEEN_S)
            try:
                samples.append(Sample(*await self._ask()))
            except (TimeoutError, ConnectionError, GatewayError) as exc:
                failed = exc
                break
        if not samples and failed is not None:
            raise failed
        self._take(choose(samples, self._floor_ms()))

    def _take(self, found: Anchor) -> None:
        stamp = self._clock.now()
        if stamp.quality is ClockQuality.SYNCED:
            return  # a time server was faster
        self._answered_ms = stamp.mono_ms
        held = self._clock.anchor
        if held is not None and held.source is ClockSource.NTP and _apart(held, found) > 0:
            raise TimeRefused(
                "disputed",
                f"the center's time is {_apart(held, found)} ms off what the time server of this boot allows; "
                "see which of both is wrong",
            )
        if held is None or held.source is ClockSource.RTC or _better(found, held, stamp.mono_ms):
            self._clock.accept(found)

    async def run(self, *, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        """Ask whenever it is due, for ever."""
        retry_s, told = RETRY_S, ""
        while True:
            await sleep(LOOK_EVERY_S)
            if not self.due():
                continue
            try:
                await self.ask(sleep=sleep)
            except ConnectionError:
                continue  # the uplink tells that it is offline
            except (TimeoutError, GatewayError) as exc:
                code = exc.code if isinstance(exc, GatewayError) else "timeout"
                if code != told:
                    log.warning("no time from the center", extra={"code": code, "cause": str(exc)})
                told = code
                await sleep(retry_s)
                retry_s = min(MOST_RETRY_S, retry_s * 2)
            else:
                retry_s, told = RETRY_S, ""
                log.info("time from the center", extra={"error_ms": self._clock.now().error_ms})


def _better(found: Anchor, held: Anchor, mono_ms: int) -> bool:
    known, fresh = held.error_at(mono_ms), found.error_at(mono_ms)
    return known is None or (fresh is not None and fresh < known)
