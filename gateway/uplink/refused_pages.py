"""Refusals that no ack listed: asked for page by page, when the center counts another number than we do.

An ack lists the newest 16; who was away for a day has missed some. Asked once per number that the center
states; a failed attempt is repeated after 60 s … 15 min.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

from gateway.store.store import Store
from gateway.uplink.requests import RequestFailed, Requests
from gateway.uplink.settling import Refused, note_rejections

log = logging.getLogger(__name__)

MOST_PAGES = 64  # in one round: 4096 refusals
FIRST_AGAIN_S, MOST_AGAIN_S = 60.0, 900.0


@dataclass(slots=True)
class _Wanted:
    count: int  # as the center states it
    next_s: float = 0.0
    again_s: float = FIRST_AGAIN_S
    from_seq: int = 1


class RefusedPages:
    """Epochs whose refusals are not all known here."""

    def __init__(
        self, store: Store, requests: Requests, tell: Callable[[Sequence[Refused]], Awaitable[None]]
    ) -> None:
        self._store = store
        self._requests = requests
        self._tell = tell
        self._wanted: dict[str, _Wanted] = {}
        self._done: dict[str, int] = {}  # epoch -> the number it was last asked for

    def want(self, unlisted: Sequence[tuple[str, int]]) -> None:
        """The center counts so many refusals, and we do not."""
        for epoch, count in unlisted:
            if self._done.get(epoch) != count and epoch not in self._wanted:
                self._wanted[epoch] = _Wanted(count)

    async def look(self, now_s: float) -> None:
        """Ask for what is due."""
        for epoch, wanted in list(self._wanted.items()):
            if now_s < wanted.next_s:
                continue
            try:
                if await self._ask(epoch, wanted):
                    self._done[epoch] = wanted.count
                    del self._wanted[epoch]
            except RequestFailed as exc:
                wanted.next_s = now_s + wanted.again_s
                wanted.again_s = min(MOST_AGAIN_S, wanted.again_s * 2)
                log.warning("refusals not listed", extra={"epoch": epoch, "code": exc.code})

    async def _ask(self, epoch: str, wanted: _Wanted) -> bool:
        """One round; whether the last page was reached."""
        view = next((known for known in await self._store.lineage() if known.epoch == epoch), None)
        if view is None:
            return True
        for _ in range(MOST_PAGES):
            page = await self._requests.ask_rejected(epoch, wanted.from_seq)
            await self._tell(
                await self._store.run(partial(note_rejections, view=view, rejections=page.rejected))
            )
            last = max((refusal.seq for refusal in page.rejected), default=0)
            if not page.more or last < wanted.from_seq:  # a page without progress is the last one
                return True
            wanted.from_seq = last + 1
        return False
