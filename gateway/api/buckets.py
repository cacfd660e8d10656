"""How often a client may ask: a token bucket for each address, on a clock that only goes forward, in bounded memory."""

import ipaddress
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

MOST_CLIENTS = 1024  # remembered; who has not asked for longest is forgotten first, and begins anew


@dataclass(frozen=True, slots=True)
class Rate:
    """So many at once, and so many a second from then on."""

    burst: int
    per_s: float


class Buckets:
    """One kind of request, counted for each client."""

    def __init__(self, rate: Rate, mono_s: Callable[[], float]) -> None:
        self._rate = rate
        self._mono_s = mono_s
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # client -> (tokens, when)

    def take(self, client: str) -> float | None:
        """None: it may. Else in how many seconds it may; asking too early costs nothing."""
        now = self._mono_s()
        tokens, at = self._left.pop(client, (float(self._rate.burst), now))
        tokens = min(float(self._rate.burst), tokens + max(0.0, now - at) * self._rate.per_s)
        wait_s = None
        if tokens >= 1:
            tokens -= 1
        else:
            wait_s = (1 - tokens) / self._rate.per_s
        self._left[client] = (tokens, now)
        if len(self._left) > MOST_CLIENTS:
            self._left.popitem(last=False)
        return wait_s

    def __len__(self) -> int:
        return len(self._left)


class Places:
    """How many of something a client may have open at once."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: Counter[str] = Counter()

    @contextmanager
    def place(self, client: str) -> Iterator[bool]:
        """Whether there is a place; it is held until the end of the block."""
        if self._open[client] >= self._most:
            yield False
            return
        self._open[client] += 1
        try:
            yield True
        finally:
            self._open[client] -= 1
            if not self._open[client]:
                del self._open[client]

    def __len__(self) -> int:
        return len(self._open)


def client_of(host: str) -> str:
    """Whom an address stands for: in IPv6 a machine chooses freely within its /64."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if address.version == 4:
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, 64), strict=False))
