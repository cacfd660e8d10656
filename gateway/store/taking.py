"""The gateway's end of an inbox: what commands left is taken, oldest first, and removed when its outcome is on disk."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial

from gateway.errors import StoreRefused
from gateway.store.inbox import Inbox, Incoming, remove

log = logging.getLogger(__name__)


class Taker:
    """Of one inbox."""

    def __init__(
        self, inbox: Inbox, limit: int, take: Callable[[Incoming], Awaitable[None]], what: str
    ) -> None:
        """`limit`: bytes of a file; `take` does or refuses one; `what` it is, for the log."""
        self._inbox = inbox
        self._limit = limit
        self._take = take
        self._what = what
        self._told: str | None = None  # why nothing could be taken, as last logged

    async def look(self) -> bool:
        """Take or refuse the oldest, if there is one. Raises `StoreRefused` and `OSError`: it stays."""
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(None, partial(self._inbox.oldest, self._limit))
        if found is None:
            return False
        await self._take(found)
        await loop.run_in_executor(None, partial(remove, found))
        return True

    async def take_all(self) -> None:
        """All of them; what cannot be taken now is tried again, and said once."""
        try:
            while await self.look():
                pass
        except (OSError, StoreRefused) as exc:
            cause = exc.code if isinstance(exc, StoreRefused) else str(exc.strerror)
            if cause != self._told:
                log.warning("not taken yet", extra={"what": self._what, "cause": cause})
            self._told = cause
        else:
            self._told = None
