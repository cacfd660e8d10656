"""What a consumer acts upon, read from the record: a verdict is told once, and a crash may swallow it.

    by_arrival   everything that was accepted, once, in order of commit. A consumer keeps the `n` of the last
                 one that it has dealt with, in its own transaction, and asks for what comes after it.
    in_sequence  one epoch in order of sequence, no further than `upto`: nothing that is still to come lies
                 before what is given. What was declared lost and turns up below the place where a consumer
                 is, and a second event of a fork there, it meets by `by_arrival` only.

Refused events and further envelopes of a known fact are left out. The view `accepted` is the same for
whoever reads the file with another tool.
"""

from dataclasses import dataclass, field

from gateway.receiver.sql import Connection

MOST_AT_ONCE = 1000

_COLUMNS = "n, gw, epoch, seq, type, understood, wire"


@dataclass(frozen=True, slots=True)
class Accepted:
    """One event to act upon."""

    n: int  # order of commit: rises, and no lower one appears later
    gateway: str
    epoch: str
    seq: int
    type: str
    understood: bool
    wire: bytes = field(repr=False)


def by_arrival(connection: Connection, n: int, limit: int) -> list[Accepted]:
    """What was committed after `n`; 0 for the beginning."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM accepted WHERE n > ? ORDER BY n LIMIT ?",  # noqa: S608
        (n, min(limit, MOST_AT_ONCE)),
    )
    return [_accepted(row) for row in rows]


def in_sequence(connection: Connection, gateway: str, epoch: str, seq: int, limit: int) -> list[Accepted]:
    """Events after `seq` up to `upto`. Both of a fork are given together: `limit` may be passed by that."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM accepted WHERE gw = :gw AND epoch = :epoch AND seq > :seq AND seq <= upto "  # noqa: S608
        "AND seq <= coalesce((SELECT seq FROM accepted WHERE gw = :gw AND epoch = :epoch AND seq > :seq "
        "ORDER BY seq LIMIT 1 OFFSET :more), upto) ORDER BY seq, n",
        {"gw": gateway, "epoch": epoch, "seq": seq, "more": max(1, min(limit, MOST_AT_ONCE)) - 1},
    )
    return [_accepted(row) for row in rows]


def _accepted(row: tuple[int, str, str, int, str, int | bool, bytes]) -> Accepted:
    n, gateway, epoch, seq, name, understood, wire = row
    return Accepted(n, gateway, epoch, seq, name, bool(understood), wire)
