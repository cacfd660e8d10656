"""The record in a PostgreSQL database, by psycopg 3 (`pip install zhijiao-gateway[postgres]`).

The only room that knows the driver. Everything stands in the schema that `search_path` names first, so one
database may hold several records. Writing transactions take turns, as on SQLite, by the lock on one row: the
numbers of events rise in order of commit, and a worker's lease cannot be taken while it commits.

A password stands in no URL, which everybody on the machine can read: `~/.pgpass`, `PGPASSFILE` or a service file.
"""

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from peewee import PeeweeException, PostgresqlDatabase

from gateway.errors import ConfigError, StartError, StoreRefused
from gateway.receiver.migrations import FIRST, check_known
from gateway.receiver.sql import Connection, Parameters, Reading, Rows, RowT

if TYPE_CHECKING:
    import psycopg

SCHEMES = ("postgresql", "postgres")
_SECRET = frozenset({"password", "sslpassword"})
_LOCK = 0x5A4A  # first half of the advisory lock of a record; the other half is its schema
UNLOCKED_S = 5.0
# A line that is cut must be noticed by both sides: the server holds the turn of a worker that is gone.
CONNECTING: Mapping[str, Any] = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,  # ms
    "application_name": "zhijiao receive",
}
SESSION = (
    "SET tcp_keepalives_idle = 10",
    "SET tcp_keepalives_interval = 5",
    "SET tcp_keepalives_count = 3",
    "SET idle_in_transaction_session_timeout = '30s'",
    "SET lock_timeout = '20s'",
)
# By the class of an SQLSTATE, or the whole of it (PostgreSQL, appendix A).
_REFUSALS = {
    "53100": ("store_full", "the server's disk is full; free space"),
    "53": ("store_io", "the server has too few resources; see its log"),
    "25006": ("store_readonly", "the server is read-only, perhaps a standby; name the primary"),
    "42501": ("store_readonly", "the role may not write; grant it the schema"),
    "58": ("store_io", "the server's disk reports errors; see its log"),
    "XX": ("store_damaged", "the server reports damage; see its log"),
    "08": ("store_io", "the connection to the server was lost"),
    "57": ("store_io", "the server is stopping or starting"),
    "55P03": ("store_io", "another worker kept its turn for too long"),
    "40": ("store_io", "another program holds its tables; stop that program"),
    "25P03": ("store_io", "the transaction took too long"),
}


# What the migrations say in SQLite's words.
_WORDS = (
    (re.compile(r"\bBLOB\b"), "BYTEA"),
    (re.compile(r"\bINTEGER\b"), "BIGINT"),
    (re.compile(r"\bWITHOUT ROWID\b"), ""),
    (re.compile(r"lower\(hex\(([a-z_.]+)\)\)"), r"encode(\1, 'hex')"),
    (re.compile(r"CAST\(e\.wire AS TEXT\)"), "convert_from(e.wire, 'UTF8')"),
)


class Database(PostgresqlDatabase):
    """One that understands the migrations."""

    def execute_sql(self, sql: str, params: Sequence[object] | None = None) -> Any:
        """Run a statement of the migrations."""
        if sql.lstrip().startswith(("CREATE", "ALTER")):
            for there, here in _WORDS:
                sql = there.sub(here, sql)
        return super().execute_sql(sql, params)  # type: ignore[no-untyped-call]  # peewee has no annotation


class Postgres:
    """One schema of one server: of one receiver, or of workers on any machines (`shared`)."""

    def __init__(self, url: str, *, shared: bool) -> None:
        self.name = name_of(url)
        self._url = url
        self._shared = shared
        self._database = _database(url)
        self._opened = False
        self._broken = False

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """What the driver raises, and peewee around it."""
        import psycopg

        return (PeeweeException, psycopg.Error)

    def open(self) -> PostgresqlDatabase:
        """Connect, and lock the record for this process."""
        self._connect()
        self._opened = True
        return self._database

    def begin(self) -> Connection:
        """Begin, and wait for the turn; connects again where the connection was lost."""
        if self._broken or self._database.is_closed():
            self._database.close()
            self._connect()
        raw = self._raw()
        raw.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
        connection = PostgresConnection(raw)
        connection.execute("SELECT 1 FROM migration WHERE name = ? FOR UPDATE", (FIRST,))
        return connection

    def commit(self) -> None:
        """Returns when it is on the server's disk."""
        self._raw().execute("COMMIT")

    def rollback(self) -> None:
        """End the transaction; a connection that cannot even do this is given up."""
        if self._database.is_closed():
            return
        raw = self._raw()
        self._broken = self._broken or raw.broken or raw.closed
        if not self._broken and raw.info.transaction_status != 0:  # IDLE
            try:
                raw.execute("ROLLBACK")
            except self.errors:
                self._broken = True

    def now_ms(self, connection: Connection, _wall_ms: Callable[[], int]) -> int:
        """The server's clock: workers stand on different machines."""
        row = connection.execute("SELECT extract(epoch FROM clock_timestamp()) * 1000").fetchone()
        return int(row[0])

    def broken(self) -> bool:
        """Whether the connection was lost since `begin`."""
        return self._broken

    def translate(self, exc: Exception) -> Exception:
        """See `Engine`."""
        return _translate(exc, self.name)

    def close(self) -> None:
        """Let go. What is locked is free before the server has noticed that the connection is gone."""
        with suppress(*self.errors):
            if not (self._broken or self._database.is_closed()):
                self._raw().execute(b"SELECT pg_advisory_unlock_all()")
            self._database.close()

    def _raw(self) -> "psycopg.Connection[tuple[Any, ...]]":
        raw: psycopg.Connection[tuple[Any, ...]] = self._database.connection()  # type: ignore[no-untyped-call]
        return raw

    def _connect(self) -> None:
        _dial(self._database, self.name)
        self._broken = False
        raw = self._raw()
        for statement in SESSION:
            raw.execute(statement.encode())
        self._check_durable(raw)
        self._lock(raw)

    def _lock(self, raw: "psycopg.Connection[tuple[Any, ...]]") -> None:
        """For as long as the connection stands. The server may not have noticed yet that one before is gone."""
        end_s = time.monotonic() + UNLOCKED_S
        how = b"pg_try_advisory_lock_shared" if self._shared else b"pg_try_advisory_lock"
        query = b"SELECT " + how + b"(%s, hashtext(current_schema()))"
        while (row := raw.execute(query, (_LOCK,)).fetchone()) is None or not row[0]:
            if time.monotonic() < end_s:
                time.sleep(0.05)
                continue
            self._database.close()
            if self._opened:
                raise StoreRefused("store_io", f"{self.name}: it is still locked; trying again")
            raise StartError(
                "store_in_use", f"{self.name}: another receiver uses this database; stop it or name another"
            )

    def _check_durable(self, raw: "psycopg.Connection[tuple[Any, ...]]") -> None:
        """An ack is a promise: COMMIT must be on disk when it returns."""
        row = raw.execute("SELECT current_setting('fsync'), current_setting('synchronous_commit')").fetchone()
        syncs, commits = row or ("off", "off")
        if syncs != "on":
            self._database.close()
            raise StartError(
                "store_unsafe",
                f"{self.name}: fsync is off on this server, so what is acknowledged could be lost; turn it on",
            )
        if commits == "off":  # what waits for more than its own disk, such as a standby's, may go on so
            raw.execute("SET synchronous_commit = on")


class PostgresConnection:
    """psycopg's, in the words of `sql.Connection`."""

    def __init__(self, connection: "psycopg.Connection[tuple[Any, ...]]") -> None:
        self._connection = connection

    def execute(self, sql: str, parameters: Parameters = (), /) -> Rows:
        """Run one statement."""
        rows: Rows = self._connection.execute(translated(sql), _storable(parameters))
        return rows

    def executemany(self, sql: str, parameters: Iterable[Sequence[object]], /) -> None:
        """Run it for each of these, without waiting in between."""
        many = [_storable(row) for row in parameters]
        if many:
            self._connection.cursor().executemany(translated(sql), many)

    def close(self) -> None:
        """Close it."""
        self._connection.close()


def is_postgres(url: str) -> bool:
    """Whether a database is meant by this URL that is reached here."""
    return url.partition("://")[0] in SCHEMES


def name_of(url: str) -> str:
    """What is said of it: user, server and database, never more. Raises `ConfigError` for a secret in the URL."""
    parts = urlsplit(url)
    if parts.password is not None or any(key in _SECRET for key, _ in parse_qsl(parts.query)):
        raise ConfigError(
            "database",
            "the URL of the database holds a password, which everybody on this machine can read; "
            "put it into ~/.pgpass (or PGPASSFILE) and take it out of the URL",
        )
    return f"postgresql://{parts.netloc}{parts.path}"


def open_for_reading(url: str) -> Reading:
    """A second, read-only connection with one view of everything; raises `StoreRefused`, `StartError`."""
    name = name_of(url)
    database = _database(url)
    _dial(database, name)
    try:
        if "migration" not in database.get_tables():
            raise StartError("not_ours", f"{name}: holds no receiver's record; see search_path in the URL")
        check_known(database, name)
        raw: psycopg.Connection[tuple[Any, ...]] = database.connection()  # type: ignore[no-untyped-call]
        raw.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    except PeeweeException as exc:
        raise _translate(exc, name) from exc
    return _Reading(raw)


class _Reading(PostgresConnection):
    """See `sql.Reading`."""

    def each(self, sql: str, parameters: Parameters = (), /) -> Iterator[RowT]:
        """The rows of a large result, some at a time: psycopg's own cursor would hold all of them."""
        with self._connection.cursor("each") as cursor:
            cursor.itersize = 1000
            yield from cursor.execute(translated(sql), _storable(parameters))


@lru_cache(maxsize=512)
def translated(sql: str) -> bytes:
    """The statement with psycopg's places for parameters."""
    sql = re.sub(r"\binstr\(([\w.]+), \?\)", r"position(? IN \1)", sql)  # of bytes
    return re.sub(r"%|\?|(?<!:):([a-z_]+)", _place, sql).encode()


def _place(match: re.Match[str]) -> str:
    if match[0] == "%":
        return "%%"
    return "%s" if match[0] == "?" else f"%({match[1]})s"


def _storable(parameters: Parameters) -> Any:
    """PostgreSQL takes no text with a zero in it, and a peer may send one: it is shown as a sign instead."""
    if isinstance(parameters, dict):
        return {name: _shown(value) for name, value in parameters.items()}
    return [_shown(value) for value in parameters]


def _shown(value: object) -> object:
    return value.replace("\0", "\u2400") if isinstance(value, str) else value


def _database(url: str) -> Database:
    return Database(
        f"postgresql://{url.partition('://')[2]}",
        # As in SQLite, numbers have 64 bits: milliseconds and sequences need them.
        field_types={"INT": "BIGINT", "AUTO": "BIGSERIAL"},
        prefer_psycopg3=True,
        thread_safe=False,
        autoconnect=False,
        **CONNECTING,
    )


def _dial(database: PostgresqlDatabase, name: str) -> None:
    """Connect. Raises `StartError` without the driver, else what PostgreSQL's refusal means."""
    try:
        import psycopg
    except ImportError as exc:
        raise StartError(
            "no_driver", f"{name}: psycopg is not installed: pip install 'zhijiao-gateway[postgres]'"
        ) from exc
    try:
        database.connect()
    except (PeeweeException, psycopg.Error) as exc:
        raise _translate(exc, name) from exc


def _translate(exc: Exception, name: str) -> Exception:
    import psycopg

    cause: BaseException | None = exc
    while cause is not None and not isinstance(cause, psycopg.Error):
        cause = cause.__cause__ or cause.__context__
    if cause is None:
        return exc
    state = cause.sqlstate or ""
    refusal = _REFUSALS.get(state) or _REFUSALS.get(state[:2])
    if refusal is not None:
        return StoreRefused(refusal[0], f"{name}: {refusal[1]} (SQLSTATE {state})")
    if isinstance(cause, psycopg.OperationalError):
        # No SQLSTATE: not reached, refused, or cut off. libpq's text names host and cause, and no secret.
        said = str(cause).strip().splitlines()
        return StoreRefused("store_io", f"{name}: {said[-1] if said else 'the server was not reached'}")
    return exc
