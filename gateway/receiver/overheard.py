"""Events of gateways that another worker has, or nobody: kept for as long as their lease may turn out to be over.

A worker that takes a gateway over judges them again, and what was stored meanwhile is a duplicate. Without this
the gateway would send all of it again, half a minute later. Bounded: what finds no room comes that way.
"""

from collections import deque
from collections.abc import Collection

from gateway.receiver.leases import Worker

MOST = 8192  # messages
MOST_BYTES = 16 * 1024 * 1024
LEASES = 2.0  # so many times as long as a lease: it is noticed to be over, and taken, at somebody's beat


class Overheard:
    """The newest ones. Pure; the clock is handed in."""

    def __init__(self, worker: Worker | None) -> None:
        self._keep_s = 0.0 if worker is None else worker.lease_s * LEASES
        self._messages: deque[tuple[float, str, str, bytes]] = deque()  # since when, owner, topic, payload
        self._bytes = 0

    def keep(self, owner: str, topic: str, payload: bytes, now_s: float) -> None:
        """One more; the oldest ones go."""
        self._messages.append((now_s, owner, topic, payload))
        self._bytes += len(payload)
        while len(self._messages) > MOST or self._bytes > MOST_BYTES:
            self._drop()

    def take(self, owners: Collection[str], now_s: float) -> list[tuple[str, bytes]]:
        """What was heard of these, in order; what is too old to be of use goes."""
        while self._messages and now_s - self._messages[0][0] > self._keep_s:
            self._drop()
        theirs = [(topic, payload) for _, owner, topic, payload in self._messages if owner in owners]
        self._messages = deque(message for message in self._messages if message[1] not in owners)
        self._bytes = sum(len(message[3]) for message in self._messages)
        return theirs

    def _drop(self) -> None:
        self._bytes -= len(self._messages.popleft()[3])
