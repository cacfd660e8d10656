"""Which worker has which gateway: leases in the database, one row per gateway (contract, 3). No `$share`.

Every worker hears every message on a subscription of its own and takes those of its gateways, so the order of a
gateway's messages is kept and no broker has to help. What nobody had in between, the gateway sends again.

    who should      each gateway belongs to one of the workers that live, by a hash of both names: when one
                    comes or goes, only its share moves
    who may         the holder in the row of `lease`, while its row of `worker` lives. A gateway whose holder
                    does not live is free; one that should be another's is given back by its holder
    fence           a transaction that writes for a gateway first looks whether the lease is still this
                    incarnation's, and transactions take turns: so nobody commits for what was taken from it

An incarnation is one run of a worker. Under the same name a new one follows at once; the older one ends.
"""

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from uuid import uuid4

from gateway.errors import ConfigError, StartError
from gateway.receiver.sql import Connection, marks, some_at_a_time

LEASE_S = 10.0  # a worker that is silent for so long has lost its gateways
LEAST_LEASE_S, MOST_LEASE_S = 1.0, 60.0
FORGET_LEASES = 100  # a worker that was silent for so many times that is forgotten


class LeaseLostError(Exception):
    """Another worker has these gateways: nothing of the transaction was stored."""

    def __init__(self, gateways: Collection[str]) -> None:
        super().__init__(f"{len(gateways)} leases were taken")
        self.gateways = frozenset(gateways)


@dataclass(frozen=True, slots=True)
class Worker:
    """One run of one worker."""

    name: str
    lease_s: float = LEASE_S
    incarnation: str = field(default_factory=lambda: uuid4().hex)

    @property
    def lease_ms(self) -> int:
        """The same in milliseconds."""
        return int(self.lease_s * 1000)


def named(name: str, lease_s: float) -> Worker:
    """One of that name; raises `ConfigError`."""
    if not re.fullmatch("[a-z0-9-]{1,32}", name):
        raise ConfigError("usage", "--worker: must be 1 to 32 of a-z, 0-9 and -")
    if not LEAST_LEASE_S <= lease_s <= MOST_LEASE_S:
        raise ConfigError(
            "usage", f"--lease {lease_s:g}: must be {LEAST_LEASE_S:g} to {MOST_LEASE_S:g} seconds"
        )
    return Worker(name, lease_s)


def beat(
    connection: Connection, worker: Worker, wanted: Collection[str], now_ms: int, *, joins: bool
) -> set[str]:
    """Say that it lives, give back, take; the gateways it has. `joins`: the first time of this incarnation.

    Raises `StartError` (worker_replaced) where another process goes on under its name.
    """
    _greet(connection, worker, now_ms, joins=joins)
    living = _living(connection, worker, now_ms)
    holders = dict(connection.execute("SELECT gw, holder FROM lease").fetchall())
    mine = {gateway for gateway, holder in holders.items() if holder == worker.incarnation}
    due = {gateway for gateway in wanted if _best(gateway, living) == worker.name}
    _delete(connection, mine - due)
    alive = frozenset(living.values())
    taken = {gateway for gateway in due - mine if holders.get(gateway) not in alive}
    connection.executemany(
        "INSERT INTO lease (gw, holder, since_ms) VALUES (?, ?, ?) ON CONFLICT (gw) DO UPDATE SET "
        "holder = excluded.holder, since_ms = excluded.since_ms",
        [(gateway, worker.incarnation, now_ms) for gateway in sorted(taken)],
    )
    return (mine & due) | taken


def check(connection: Connection, worker: Worker, gateways: Iterable[str]) -> None:
    """At the beginning of a transaction that writes for these; raises `LeaseLostError`."""
    for some in some_at_a_time(gateways):
        held = connection.execute(
            f"SELECT gw FROM lease WHERE holder = ? AND gw IN ({marks(len(some))})",  # noqa: S608
            (worker.incarnation, *some),
        ).fetchall()
        if len(held) < len(set(some)):
            raise LeaseLostError(set(some) - {row[0] for row in held})


def give_back(connection: Connection, worker: Worker) -> None:
    """It ends: everything is free at once."""
    connection.execute("DELETE FROM lease WHERE holder = ?", (worker.incarnation,))
    connection.execute("DELETE FROM worker WHERE incarnation = ?", (worker.incarnation,))


def _greet(connection: Connection, worker: Worker, now_ms: int, *, joins: bool) -> None:
    row = connection.execute("SELECT incarnation FROM worker WHERE name = ?", (worker.name,)).fetchone()
    if row is not None and row[0] != worker.incarnation and not joins:
        raise StartError(
            "worker_replaced",
            f"another process works as {worker.name}: give each worker a name of its own (--worker)",
        )
    connection.execute(
        "INSERT INTO worker (name, incarnation, until_ms) VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET "
        "incarnation = excluded.incarnation, until_ms = excluded.until_ms",
        (worker.name, worker.incarnation, now_ms + worker.lease_ms),
    )


def _living(connection: Connection, worker: Worker, now_ms: int) -> dict[str, str]:
    """Name and incarnation. One whose time lies too far ahead spoke by a clock that was set back since."""
    connection.execute("DELETE FROM worker WHERE until_ms < ?", (now_ms - FORGET_LEASES * worker.lease_ms,))
    rows = connection.execute("SELECT name, incarnation, until_ms FROM worker").fetchall()
    return {
        str(name): str(incarnation)
        for name, incarnation, until_ms in rows
        if now_ms < until_ms <= now_ms + int(MOST_LEASE_S * 1000)
    }


def _best(gateway: str, living: Mapping[str, str]) -> str:
    return max(living, key=lambda name: hashlib.sha256(f"{name}|{gateway}".encode()).digest())


def _delete(connection: Connection, gateways: Iterable[str]) -> None:
    for some in some_at_a_time(gateways):
        connection.execute(f"DELETE FROM lease WHERE gw IN ({marks(len(some))})", some)  # noqa: S608
