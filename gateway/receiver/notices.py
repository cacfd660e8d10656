"""Counts and alarms of one transaction. Bounded: one row per gateway, epoch, kind and code.

Whoever is named here is a gateway that the trust file knows; everybody else shares one nameless row,
so that invented names cannot fill the disk.
"""

from collections import Counter
from dataclasses import dataclass

from gateway.receiver.sql import Connection

NOBODY = "?"  # the gateway of messages from names that the trust file does not know


@dataclass(frozen=True, slots=True)
class Raised:
    """An alarm that did not stand before."""

    gw: str
    epoch: str
    seq: int
    kind: str
    code: str


class Notices:
    """Collects during a transaction; `finish` writes."""

    def __init__(self, connection: Connection, now_ms: int) -> None:
        self.raised: list[Raised] = []
        self._connection = connection
        self._now_ms = now_ms
        self._counts: Counter[tuple[str, str, str]] = Counter()
        self._alarms: dict[tuple[str, str, str, str], list[int]] = {}  # -> sequences

    def count(self, gateway: str, epoch: str, name: str) -> None:
        """One more of `name`."""
        self._counts[gateway, epoch, name] += 1

    def alarm(self, gateway: str, kind: str, *, epoch: str = "", seq: int = 0, code: str = "") -> None:
        """Something that a person must look at."""
        self._alarms.setdefault((gateway, epoch, kind, code), []).append(seq)

    def stands(self, gateway: str, kind: str, *, epoch: str = "", code: str = "") -> bool:
        """Whether it was raised before, in this transaction or an earlier one."""
        key = (gateway, epoch, kind, code)
        if key in self._alarms:
            return True
        query = "SELECT 1 FROM alarm WHERE gw = ? AND epoch = ? AND kind = ? AND code = ?"
        return self._connection.execute(query, key).fetchone() is not None

    def finish(self) -> None:
        """Write, at the end of the transaction; `raised` names what is new."""
        self._connection.executemany(
            "INSERT INTO tally (gw, epoch, name, n) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (gw, epoch, name) DO UPDATE SET n = tally.n + excluded.n",
            [(*key, number) for key, number in self._counts.items()],
        )
        for (gateway, epoch, kind, code), seqs in self._alarms.items():
            total = self._connection.execute(
                "INSERT INTO alarm (gw, epoch, kind, code, first_seq, last_seq, first_ms, last_ms, n) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (gw, epoch, kind, code) DO UPDATE SET "
                "last_seq = excluded.last_seq, last_ms = excluded.last_ms, n = alarm.n + excluded.n RETURNING n",
                (gateway, epoch, kind, code, seqs[0], seqs[-1], self._now_ms, self._now_ms, len(seqs)),
            ).fetchone()[0]
            if total == len(seqs):
                self.raised.append(Raised(gateway, epoch, seqs[0], kind, code))


def describe(raised: Raised) -> dict[str, object]:
    """Fields of a log line about an alarm; nothing where there is nothing to say."""
    fields = {
        "kind": raised.kind,
        "gw": raised.gw,
        "epoch": raised.epoch,
        "seq": raised.seq,
        "code": raised.code,
    }
    return {name: value for name, value in fields.items() if value}
