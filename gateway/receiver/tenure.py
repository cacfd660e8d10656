"""Which gateways a worker has, as far as it knows, and until when it may speak to them. Pure; clocks are handed in.

Without workers the one receiver has everybody, for ever.
"""

from collections.abc import Iterable

from gateway.evidence.keys import TrustStore
from gateway.receiver.leases import Worker
from gateway.receiver.notices import NOBODY

MARGIN = 0.2  # of a lease: what was handed to the broker just before the end goes out in it


class Tenure:
    """What one receiver has."""

    def __init__(self, worker: Worker | None) -> None:
        self.joins = True  # its first beat is still to come
        self._worker = worker
        self._gateways: frozenset[str] | None = None if worker is None else frozenset()
        self._until_s = 0.0

    @property
    def gateways(self) -> frozenset[str] | None:
        """Their names, `?` for all that no key is known of; None: everybody."""
        return self._gateways

    def key(self, gateway: str, trust: TrustStore) -> str:
        """By which name the gateway is leased: invented ones share one lease."""
        if self._worker is None:
            return gateway
        return gateway if trust.of_gateway(gateway) else NOBODY

    def has(self, key: str) -> bool:
        """Whether it takes messages of this one."""
        return self._gateways is None or key in self._gateways

    def stands(self, now_s: float) -> bool:
        """Whether nobody else can have a gateway of its by now."""
        return self._worker is None or now_s < self._until_s

    def renew(self, gateways: Iterable[str], since_s: float) -> None:
        """A beat that began at `since_s` is committed."""
        self.joins = False
        self._gateways = frozenset(gateways)
        lease_s = 0.0 if self._worker is None else self._worker.lease_s
        self._until_s = since_s + lease_s * (1 - MARGIN)

    def lose(self, gateways: Iterable[str]) -> None:
        """Another worker has these."""
        if self._gateways is not None:
            self._gateways -= frozenset(gateways)

    def end(self) -> None:
        """It has nobody until the next beat."""
        self._until_s = 0.0
        if self._gateways is not None:
            self._gateways = frozenset()
