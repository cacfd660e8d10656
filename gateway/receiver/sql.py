"""What the receiver asks of its database, whichever it is: statements that both kinds take, and their rows.

Statements are written once, in what SQLite and PostgreSQL have in common: `?` and `:name` for parameters,
`ON CONFLICT` for what is there already, `RETURNING` for what the database chose.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from peewee import Database

Parameters: TypeAlias = Sequence[object] | Mapping[str, object]
RowT: TypeAlias = Any  # one row: its columns are what the statement names

MANY = 500  # parameters of one statement; every SQLite takes 999


class Rows(Protocol):
    """What a statement found."""

    @property
    def rowcount(self) -> int:
        """Rows that it changed."""

    def fetchone(self) -> RowT:
        """The next row; None when there is none left."""

    def fetchall(self) -> list[RowT]:
        """All rows that are left."""

    def __iter__(self) -> Iterator[RowT]:
        """What is left, one by one."""


class Connection(Protocol):
    """One connection, inside a transaction."""

    def execute(self, sql: str, parameters: Parameters = ..., /) -> Rows:
        """Run one statement."""

    def executemany(self, sql: str, parameters: Iterable[Sequence[object]], /) -> object:
        """Run it for each of these."""


class Reading(Connection, Protocol):
    """One that only reads, with one view of everything."""

    def each(self, sql: str, parameters: Parameters = ..., /) -> Iterator[RowT]:
        """The rows of a large result, never all of them in memory; nothing else is asked meanwhile."""

    def close(self) -> None:
        """Let go of it."""


class Engine(Protocol):
    """One kind of database. All of it but `name` runs on the thread that made it."""

    name: str  # for people; never a password

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """What its driver raises."""

    def open(self) -> Database:
        """Connect and lock. Raises `StartError`, `StoreRefused`, or one of `errors`."""

    def begin(self) -> Connection:
        """Begin the one writing transaction of this database; waits for whoever has it."""

    def commit(self) -> None:
        """Returns when it is on disk."""

    def rollback(self) -> None:
        """End the transaction, where one is open. Never raises one of `errors`."""

    def now_ms(self, connection: Connection, wall_ms: Callable[[], int]) -> int:
        """The time by which workers on different machines agree."""

    def broken(self) -> bool:
        """Whether the connection is gone: nobody knows what of the last transaction is on disk."""

    def translate(self, exc: Exception) -> Exception:
        """What a driver's error means for a person: `StoreRefused`, or the error itself (a bug)."""

    def close(self) -> None:
        """Let go of it."""


def marks(count: int) -> str:
    """Places for so many parameters: `?,?,?`."""
    return ",".join("?" * count)


def some_at_a_time(names: Iterable[str], size: int = MANY) -> Iterator[list[str]]:
    """Slices that fit into the parameters of one statement."""
    listed = list(names)
    return (listed[start : start + size] for start in range(0, len(listed), size))
