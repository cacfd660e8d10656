"""The whole chain, looked at behind the start on a connection of its own, in short transactions.

A start looks at the newest events only, so that nobody waits at a kiosk. What stands before them is
looked at here, slowly. A damaged row that still waits can never be sent: the store must be salvaged.
A damaged row that is settled is evidence that is gone here and safe at the center; so, told in the same
way, is a row that proves itself and does not chain: no salvage can mend it, and the center judges it.
A row whose signed bytes prove themselves and whose signature does not is mended: Ed25519 gives the
same signature again.
"""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from gateway.evidence.jws import Signer
from gateway.store.database import StoreDamaged
from gateway.store.proof import check_row, follows

STEP = 100  # rows in one look: some 10 ms


@dataclass(frozen=True, slots=True)
class Look:
    """One step of the check."""

    last_n: int | None  # go on behind this one; None: everything was looked at
    settled_damage: tuple[
        int, ...
    ] = ()  # `n` of damaged rows that are settled, and of rows that do not chain
    mended: tuple[tuple[int, bytes], ...] = ()  # `n` and wire bytes of rows with a damaged signature


class ChainCheck:
    """A pass over all events. `step` runs in an executor thread, never on the loop or the db thread."""

    def __init__(self, path: Path, signer: Signer) -> None:
        self._path = path
        self._signer = signer
        self._before: tuple[int, bytes] | None = None  # n and hash of the row before

    def step(self, after_n: int) -> Look:
        """Look at the next rows; raises `StoreDamaged` where a waiting row or the file itself is damaged."""
        try:
            with closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, timeout=5)) as connection:
                rows = connection.execute(
                    "SELECT n, hash, wire, EXISTS "
                    "(SELECT 1 FROM waiting w WHERE w.lane IN (0, 1) AND w.n = event.n) "
                    "FROM event WHERE n > ? ORDER BY n LIMIT ?",
                    (after_n, STEP),
                ).fetchall()
        except sqlite3.DatabaseError as exc:
            if getattr(exc, "sqlite_errorcode", 0) & 0xFF in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
                raise StoreDamaged("a page cannot be read") from exc
            return Look(after_n)  # busy, or a disk that refuses: looked at again later
        except UnicodeDecodeError as exc:  # what SQLite says of a damaged schema
            raise StoreDamaged("the schema cannot be read") from exc
        return self._judge(rows)

    def _judge(self, rows: list[tuple[int, bytes, bytes, int]]) -> Look:
        damaged: list[int] = []
        mended: list[tuple[int, bytes]] = []
        for n, digest, wire, waits in rows:
            before = self._before[1] if self._before is not None and self._before[0] == n - 1 else None
            self._before = (n, digest)
            try:
                event, jws = check_row(n, digest, wire)
            except StoreDamaged:
                if waits:
                    raise
                damaged.append(n)
                continue
            if isinstance(before, bytes) and not follows(event, before):
                damaged.append(n)
            if waits and self._signer.is_ours(jws):
                whole = self._signer.sign_object(event)
                if whole != wire:
                    mended.append((n, whole))
        return Look(rows[-1][0] if rows else None, tuple(damaged), tuple(mended))
