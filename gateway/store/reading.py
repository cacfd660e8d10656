"""A second, read-only connection beside a running gateway: short transactions, nothing written, ever.

In WAL mode a reader never makes the writer wait; a long one only keeps the WAL from being folded back.
So rows are read in batches, each its own transaction. Works on a full disk and on a read-only file
system. Every error says whether the file is absent, closed, foreign or damaged.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.errors import ContractError, StartError, StoreRefused
from gateway.evidence.chain import Link, prove
from gateway.evidence.jws import FindKey
from gateway.store.migrations import MIGRATIONS

STORE_FILE = "events.db"
SUSPECT_SUFFIX = ".suspect"  # the note of a running gateway that met damage
BATCH = 500  # rows in one transaction: a few ms on a slow card
BUSY_S = 5.0

_OURS = frozenset({"event", "migration"})
_TABLES = _OURS | {"epoch", "waiting", "rejected", "state"}
_REFUSALS = {
    sqlite3.SQLITE_CORRUPT: (
        "store_damaged",
        "it is damaged; stop the gateway and run: zhijiao outbox repair",
    ),
    sqlite3.SQLITE_NOTADB: (
        "store_damaged",
        "it is not an SQLite database; is this the right file? If it is the store: zhijiao outbox repair",
    ),
    sqlite3.SQLITE_ERROR: (
        "store_damaged",
        "its tables are not those of a store; copy it away, restore a backup",
    ),
    sqlite3.SQLITE_CANTOPEN: ("store_io", "it cannot be opened; check its folder and owner, or use sudo"),
    sqlite3.SQLITE_PERM: ("store_io", "it may not be read by this user; use sudo"),
    sqlite3.SQLITE_AUTH: ("store_io", "it may not be read by this user; use sudo"),
    sqlite3.SQLITE_READONLY: ("store_readonly", "its file system or folder is read-only"),
    sqlite3.SQLITE_FULL: ("store_full", "the disk is full; free space"),
    sqlite3.SQLITE_IOERR: ("store_io", "the disk reports errors; back up and replace the card"),
    sqlite3.SQLITE_BUSY: ("store_io", "another program holds it; stop that program"),
}
_NO_ROOM_FOR_INDEX = frozenset(
    {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}
)


@dataclass(frozen=True, slots=True)
class StoredRow:
    """An event row as it stands on disk: nothing of it is proven yet."""

    n: int
    hash: object  # bytes in a sound store
    recorded_ms: object
    wire: object
    waits: bool


@dataclass(frozen=True, slots=True)
class UnreadableRow:
    """A row that SQLite cannot read, or that was there before the damage: nobody can tell."""

    n: int


@dataclass(frozen=True, slots=True)
class StoredEpoch:
    """A line of the table of epochs, and which `n` it has: `end` is the `first_n` of the next one."""

    epoch: str
    reason: str
    opened_ms: int
    first_n: int
    end: int | None


class Reading:
    """The store, read from outside. Build with `open_for_reading`."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self.connection = connection

    def one(self, sql: str, *values: object) -> int:
        """The single number that `sql` gives; 0 for NULL. Raises `StoreRefused`."""
        with self._told():
            row = self.connection.execute(sql, values).fetchone()
        return whole(row[0]) if row else 0

    def all(self, sql: str, *values: object) -> list[tuple[object, ...]]:
        """All rows that `sql` gives, in one short transaction. Raises `StoreRefused`."""
        with self._told():
            return self.connection.execute(sql, values).fetchall()

    def each(self, sql: str, *values: object) -> Iterator[Any]:
        """Rows one by one, in one transaction that lasts as long as the reading. Raises `StoreRefused`."""
        with self._told():
            yield from self.connection.execute(sql, values)

    def epochs(self) -> list[StoredEpoch]:
        """Oldest first."""
        rows = self.all("SELECT epoch, reason, opened_ms, first_n FROM epoch ORDER BY first_n")
        firsts = [whole(row[3]) for row in rows]
        ends: list[int | None] = [*firsts[1:], None]
        return [
            StoredEpoch(str(row[0]), str(row[1]), whole(row[2]), first, end)
            for row, first, end in zip(rows, firsts, ends, strict=False)  # no epoch: one end over
        ]

    def state(self) -> dict[str, str]:
        """The small facts of the store."""
        return {str(key): str(value) for key, value in self.all("SELECT key, value FROM state")}

    def lanes(self) -> list[int]:
        """Which lanes have waiting events; a seek for each, no scan."""
        found: list[int] = []
        while rows := self.all("SELECT min(lane) FROM waiting WHERE lane > ?", found[-1] if found else -1):
            lane = rows[0][0]
            if not isinstance(lane, int):
                break
            found.append(lane)
        return found

    def last_n(self) -> int:
        """The newest `n`; 0 in an empty store."""
        return self.one("SELECT max(n) FROM event")

    def rows(self, first: int, last: int) -> Iterator[StoredRow | UnreadableRow]:
        """The event rows from `first` to `last`, in order, stepping over what cannot be read."""
        n = first
        while n <= last:
            try:
                batch = self.connection.execute(
                    "SELECT e.n, e.hash, e.recorded_ms, e.wire, EXISTS ("
                    "SELECT 1 FROM waiting w WHERE w.lane IN (0, 1) AND w.n = e.n) "
                    "FROM event e WHERE e.n BETWEEN ? AND ? ORDER BY e.n LIMIT ?",
                    (n, last, BATCH),
                ).fetchall()
            except sqlite3.DatabaseError as exc:
                if _code(exc) not in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOTADB):
                    raise translate(exc, self.path) from exc
                yield from self._one_by_one(n, min(n + BATCH - 1, last))
                n += BATCH
                continue
            yield from (StoredRow(row[0], row[1], row[2], row[3], bool(row[4])) for row in batch)
            if len(batch) < BATCH:
                return
            n = batch[-1][0] + 1

    def _one_by_one(self, first: int, last: int) -> Iterator[StoredRow | UnreadableRow]:
        for n in range(first, last + 1):
            try:
                row = self.connection.execute(
                    "SELECT hash, recorded_ms, wire FROM event WHERE n = ?", (n,)
                ).fetchone()
            except sqlite3.DatabaseError:
                yield UnreadableRow(n)
                continue
            if row is not None:
                yield StoredRow(n, row[0], row[1], row[2], self._waits(n))

    def _waits(self, n: int) -> bool:
        with suppress(sqlite3.DatabaseError):
            found = self.connection.execute(
                "SELECT 1 FROM waiting WHERE lane IN (0, 1) AND n = ?", (n,)
            ).fetchone()
            return found is not None
        return True  # the list cannot be read: it may wait

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as exc:
            raise translate(exc, self.path) from exc


@contextmanager
def open_for_reading(path: Path) -> Iterator[Reading]:
    """The store in `path`, read-only; raises `StoreRefused` and `StartError` (not_ours, store_newer)."""
    _require_file(path)
    try:
        connection = _connect(path)
    except sqlite3.Error as exc:
        raise translate(exc, path) from exc
    try:
        reading = Reading(path, connection)
        _require_ours(reading)
        yield reading
    finally:
        connection.close()


def prove_row(row: StoredRow | UnreadableRow, find_key: FindKey | None) -> tuple[Link, bytes]:
    """The event of a row and its wire bytes; raises `ContractError` (unreadable, altered, signature, unknown_kid)."""
    if isinstance(row, UnreadableRow):
        raise ContractError("unreadable", "SQLite cannot read the row")
    if not isinstance(row.wire, bytes) or not isinstance(row.hash, bytes):
        raise ContractError("altered", "the row holds no bytes")
    try:
        link = prove(row.wire, find_key)
    except ContractError as exc:
        code = exc.code if exc.code in ("signature", "unknown_kid") else "altered"
        raise ContractError(code, str(exc)) from exc
    if link.hash != row.hash.hex():
        raise ContractError("altered", "the row does not match its hash")
    return link, row.wire


def translate(exc: sqlite3.Error, path: Path) -> Exception:
    """What an SQLite error means for a person: `StoreRefused`, or the error itself (a bug)."""
    code = _code(exc)
    if code not in _REFUSALS:
        return exc
    name, text = _REFUSALS[code]
    return StoreRefused(name, f"{path}: {text}")


def _code(exc: sqlite3.Error) -> int | None:
    code = getattr(exc, "sqlite_errorcode", None)
    return (
        None if code is None else code & 0xFF
    )  # extended result codes carry the primary one in the low byte


def _require_file(path: Path) -> None:
    try:
        regular = path.is_file()
        exists = regular or path.exists()
    except OSError as exc:
        raise StoreRefused("store_io", f"{path}: {exc.strerror}; use sudo") from exc
    if not exists:
        raise StoreRefused(
            "store_absent",
            f"{path}: there is no store; name it with --store, or its configuration with --config",
        )
    if not regular:
        raise StartError("not_ours", f"{path}: is not a file; name the store itself")


def _connect(path: Path) -> sqlite3.Connection:
    try:
        return _try(path, "mode=ro")
    except sqlite3.Error as exc:
        # SQLite keeps an index of the WAL beside the file. Where it can be neither found nor made
        # (read-only file system, full disk) and the WAL is empty, the file alone is the whole truth.
        if _code(exc) not in _NO_ROOM_FOR_INDEX:
            raise
        if _wal_bytes(path):
            raise StoreRefused(
                "store_readonly",
                f"{path}: its newest events stand in {path.name}-wal, which cannot be read where nothing can "
                f"be written; copy {path.name} and {path.name}-wal to a disk with space and name that copy",
            ) from exc
    return _try(path, "immutable=1")


def _try(path: Path, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"file:{_quoted(path)}?{mode}", uri=True, timeout=BUSY_S, isolation_level=None
    )
    connection.text_factory = _text
    try:
        connection.execute("PRAGMA query_only = 1")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _text(raw: bytes) -> str:
    return raw.decode(errors="replace")  # a damaged text is told, not raised over


def whole(value: object) -> int:
    """A number of the store; 0 where damage left something else."""
    return value if isinstance(value, int) else 0


def _wal_bytes(path: Path) -> int:
    try:
        return path.with_name(path.name + "-wal").stat().st_size
    except OSError:
        return 0


def _require_ours(reading: Reading) -> None:
    names = {str(row[0]) for row in reading.all("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not names >= _OURS:
        raise StartError("not_ours", f"{reading.path}: is not a gateway's store; name another file")
    if not names >= _TABLES:
        code, text = _REFUSALS[sqlite3.SQLITE_CORRUPT]
        raise StoreRefused(code, f"{reading.path}: table {min(_TABLES - names)} is missing: {text}")
    steps = sorted({str(row[0]) for row in reading.all("SELECT name FROM migration")} - MIGRATIONS.keys())
    if steps:
        raise StartError(
            "store_newer",
            f"{reading.path}: written by a newer release (step {steps[-1]}); use that release's zhijiao",
        )


def _quoted(path: Path) -> str:
    """A path inside an SQLite URI."""
    return str(path.absolute()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
