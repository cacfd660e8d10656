"""The book in SQLite: each question and each change one transaction, durable when it returns.

Several processes may use it at once (`receive --enroll` and `zhijiao center …`): a change takes the write lock
before it looks.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from peewee import PeeweeException, SqliteDatabase

from gateway.errors import StartError, StoreRefused
from gateway.evidence.canonical import Json
from gateway.registrar.models import LAYOUT, MODELS, Done, Setting

_PRAGMAS = {"journal_mode": "wal", "synchronous": "full", "foreign_keys": 1, "busy_timeout": 10_000}
SELDOM_MS = 60_000
_CRL_NUMBER = "crl_number"
_LAYOUT = "layout"


class Book:
    """The tables, by way of `transaction`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._database = SqliteDatabase(str(path), pragmas=_PRAGMAS, thread_safe=True)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """The models of `models` belong to this book inside; raises `StoreRefused`: then nothing was changed."""
        try:
            with (
                self._database.bind_ctx(MODELS),
                self._database.connection_context(),
                self._database.atomic("IMMEDIATE"),
            ):
                yield
        except (PeeweeException, sqlite3.Error) as exc:
            raise StoreRefused(
                "center_io",
                f"{self._path}: {type(exc).__name__}; look at the disk and at the owner of the file",
            ) from exc

    def prepare(self) -> None:
        """Make the tables where there are none; raises `StartError` (store_newer), `StoreRefused`."""
        self._path.touch(mode=0o600, exist_ok=True)
        with self.transaction():
            self._database.create_tables(MODELS)
            if _setting(_LAYOUT, LAYOUT).value > LAYOUT:
                raise StartError("store_newer", f"{self._path}: written by a newer release; install that one")


def note(at_ms: int, what: str, gateway: str, **detail: Json) -> None:
    """A line of the audit, inside of a transaction."""
    Done.create(at_ms=at_ms, what=what, gw=gateway, detail=json.dumps(detail, sort_keys=True))


def note_seldom(at_ms: int, what: str, gateway: str, **detail: Json) -> None:
    """The same, at most once a minute: whoever holds a code must not be able to fill the disk."""
    last = Done.select().where(Done.gw == gateway, Done.what == what).order_by(Done.n.desc()).first()
    if last is None or not 0 <= at_ms - last.at_ms < SELDOM_MS:
        note(at_ms, what, gateway, **detail)


def next_list_number() -> int:
    """Of the revocation list, inside of a transaction; 1 was the empty one that the center began with."""
    setting = _setting(_CRL_NUMBER, 1)
    setting.value += 1
    setting.save()
    return int(setting.value)


def _setting(name: str, first: int) -> Setting:
    found = Setting.get_or_none(Setting.name == name)
    return Setting.create(name=name, value=first) if found is None else found
