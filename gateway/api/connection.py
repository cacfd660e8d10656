"""One connection of a client: no more than a share for each address, and none that is held open by saying nothing.

uvicorn waits for ever for a request that is begun and not ended; on a network that is a way to take all places.
"""

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_S = 10.0  # for a whole request head
BODY_S = 20.0  # for a whole body
MOST_OF_ADDRESS = 24  # open at once; a browser opens six
_WAITS = {h11.IDLE: HEAD_S, h11.SEND_BODY: BODY_S}


class Connection(H11Protocol):
    """uvicorn's protocol, in a hurry."""

    _late: asyncio.TimerHandle | None = None
    _waits_for: object = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Turn it away where its address has its share already."""
        super().connection_made(transport)
        if sum(self._is_neighbour(one) for one in self.connections) > MOST_OF_ADDRESS:
            self._give_up("connections")
        else:
            self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._wait_no_more()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Bytes came; see what is still missing."""
        super().handle_events()
        self._look()

    def on_response_complete(self) -> None:
        """The next request may begin."""
        super().on_response_complete()
        self._look()

    def _is_neighbour(self, other: object) -> bool:
        """Of the same address; it itself is one."""
        mine = self.client
        theirs = other.client if isinstance(other, Connection) else None
        return mine is not None and theirs is not None and mine[0] == theirs[0]

    def _look(self) -> None:
        state: Any = self.conn.their_state
        if state is self._waits_for:
            return
        self._wait_no_more()
        wait_s = _WAITS.get(state)
        if wait_s is not None and not self.transport.is_closing():
            self._waits_for = state
            self._late = self.loop.call_later(wait_s, self._give_up, "slow")

    def _wait_no_more(self) -> None:
        self._waits_for = None
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _give_up(self, reason: str) -> None:
        state = getattr(self.config.app, "state", None)
        refused = getattr(state, "refused", None)
        if refused is not None:
            refused(reason)
        self.transport.abort()
