"""What stands behind the staff's day, made and wired in one place: the teller, the book, what staff record."""

from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from datetime import tzinfo
from functools import partial
from pathlib import Path
from typing import Any

from gateway.checkin.availability import kiosk_ready
from gateway.checkin.beside import aside
from gateway.checkin.book import Book
from gateway.checkin.by_hand import ByHand
from gateway.checkin.day import DayBook
from gateway.checkin.directory import RosterDirectory
from gateway.checkin.keeper import RosterKeeper
from gateway.checkin.said import Said
from gateway.checkin.teller import Teller
from gateway.clock import Clock
from gateway.config import KioskConfig
from gateway.ingest.ingest import Ingest
from gateway.store import diary_reading
from gateway.store.outbox import Row
from gateway.store.room import Level
from gateway.store.store import Store
from gateway.store.tail import Committed


class StaffDay:
    """The parts, by what the gateway does with them."""

    def __init__(
        self,
        *,
        path: Path,
        store: Store,
        ingest: Ingest,
        keeper: RosterKeeper,
        directory: RosterDirectory,
        said: Said,
        clock: Clock,
        zone: tzinfo,
        kiosks: Callable[[], Sequence[KioskConfig]],
        kinds: Callable[[], Mapping[str, str]],
        online: Callable[[], Collection[str]],
        lent: Callable[[], Collection[str]],
    ) -> None:
        """`path`: of the store; `kinds`: of the devices, by id, now; `online`: which of
        them answer now; `lent`: kiosks at which somebody is being enrolled; `said`:
        what was stated, which the directory asks."""
        self._path = path
        self._said = said
        self.teller = Teller(
            path=path,
            store=store,
            ingest=ingest,
            keeper=keeper,
            clock=clock,
            zone=zone,
            kiosk_ready=lambda: kiosk_ready(kiosks(), kinds(), online(), lent()),
            store_ready=lambda: ingest.refusal is None and store.level is not Level.SETTLE,
        )
        self.book = Book(
            path=path,
            keeper=keeper,
            clock=clock,
            zone=zone,
            by_hand=ByHand(path=path, ingest=ingest, keeper=keeper, directory=directory, clock=clock),
            steady_s=lambda: self.teller.steady_s,
        )
        self.days: DayBook = self.book  # what the pages are given

    async def load(self) -> None:
        """Take up what was stated before the restart; raises `StoreRefused`."""
        self._said.load(await aside(partial(_newest_statements, self._path)))

    def tasks(self) -> dict[str, Coroutine[Any, Any, None]]:
        """By name, to be run for as long as the gateway serves."""
        return {"teller": self.teller.run()}

    def committed(self, events: Sequence[Committed], rows: Sequence[Row]) -> None:
        """These are on disk."""
        self._said.committed(rows)
        self.book.committed(events)


def _newest_statements(path: Path) -> dict[str, tuple[str, str]]:
    with diary_reading.moment_of(path) as reading:
        return diary_reading.newest_statements(reading)
