"""What a receiver is made with."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from gateway.evidence.jws import Signer
from gateway.evidence.keys import TrustStore
from gateway.receiver.leases import Worker
from gateway.receiver.roster_parts import RosterFolder
from gateway.receiver.unseal import Unsealer


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverSettings:
    """What a receiver needs. The clocks are for tests."""

    database: str  # a path, sqlite:///path, or postgresql://host/database
    trust: TrustStore
    ack_signer: Signer
    unsealer: Unsealer | None = None
    rosters: RosterFolder | None = None  # whence gateways fetch theirs; None: they are told nothing
    worker: Worker | None = None  # one of several on this database; None: the only receiver
    wall_ms: Callable[[], int] = _wall_ms
    mono_s: Callable[[], float] = time.monotonic
