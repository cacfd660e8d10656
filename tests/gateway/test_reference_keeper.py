"""References on disk: through restart, roster, salvage and a backup that is put back."""

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from gateway.checkin.beside import aside
from gateway.checkin.keeper import RosterKeeper
from gateway.checkin.reference_keeper import ReferenceKeeper
from gateway.checkin.references import RESTORED, WITHDRAWN, Origin, Reference, State
from gateway.checkin.roster import Method, Roster
from gateway.clock import ManualClock
from gateway.config import load
from gateway.contract.example_events import EVENTS
from gateway.ingest.facts import Fact
from gateway.ingest.ingest import Ingest
from gateway.keyring import Keys
from gateway.metrics import Metrics
from tests.gateway import rosters
from tests.gateway.roster_box import roster_box
from tests.gateway.store_fixtures import GATEWAY, running_store
from tests.gateway.technicians_box import Box
from tests.gateway.test_enroller import give

NAMED = [{"method": "finger", "module": "M1", "slot": 7, "enrolment": "e-7"}]
OWN = Reference(
    id="own",
    person="p-0000",
    method=Method.FINGER,
    module="M1",
    slot=3,
    origin=Origin.HERE,
    state=State.ACTIVE,
    slots_before=frozenset({1, 2}),
)


@asynccontextmanager
async def opened(desk: Box, *, clean: bool = True) -> AsyncIterator[tuple[ReferenceKeeper, RosterKeeper]]:
    clock, keys = ManualClock(), Keys.load(load(desk.config))
    async with running_store(desk.store, clock, clean=clean) as store:
        ingest = Ingest(store, clock, keys.sealer, Metrics(), GATEWAY)
        references = ReferenceKeeper(store, ingest, keys.roster.seal, lambda: clock.now().wall_ms)
        keeper = RosterKeeper(
            folder=desk.store.parent,
            keys=keys.roster,
            store=store,
            ingest=ingest,
            clock=clock,
            companion=references,
        )
        await references.load()
        await keeper.load()
        yield references, keeper


def persons(references: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [rosters.person(0), rosters.person(1, references=references)]


def states(references: ReferenceKeeper) -> dict[str, tuple[State, str | None]]:
    return {one.id: (one.state, one.reason) for one in references.book}


async def keep(references: ReferenceKeeper, row: Reference = OWN) -> None:
    data = {**EVENTS["identity.enrolled"][2], "enrolment": row.id}
    fact = Fact("identity.enrolled", f"person/{row.person}", data, restricted=True)
    await references.commit([fact], [row], "kiosk-1")


async def test_a_roster_becomes_rows_and_what_it_names_no_more_is_void(tmp_path: Path) -> None:
    desk = roster_box(tmp_path)
    give(desk, persons(NAMED))
    async with opened(desk) as (references, keeper):
        await keep(references)
        assert states(references) == {"e-7": (State.ACTIVE, None), "own": (State.ACTIVE, None)}
        assert references.book.owner("M1", 7, references.roster) == "p-0001"
        give(desk, persons([]), version=2)
        await keeper.look()
        assert states(references) == {"e-7": (State.VOID, WITHDRAWN), "own": (State.ACTIVE, None)}
        give(desk, persons(NAMED), version=3)
        await keeper.look()
        assert states(references)["e-7"] == (State.ACTIVE, None)


async def test_rows_survive_a_kill(tmp_path: Path) -> None:
    desk = roster_box(tmp_path)
    async with opened(desk, clean=False) as (references, _):
        await keep(references)
    async with opened(desk) as (references, _):
        assert list(references.book) == [OWN]


async def test_after_a_backup_was_put_back_nothing_counts_not_even_by_a_later_roster(tmp_path: Path) -> None:
    desk = roster_box(tmp_path)
    give(desk, persons(NAMED))
    async with opened(desk) as (references, _):
        await keep(references)
    copy = tmp_path / "copy.db"
    assert desk.run("backup", "--out", copy).code == 0
    async with opened(desk) as (references, _):
        assert set(states(references).values()) == {(State.ACTIVE, None)}, "control: a backup is no doubt"
    assert desk.run("restore", copy, "--yes").code == 0
    async with opened(desk) as (references, keeper):
        assert states(references) == {"e-7": (State.ERASING, RESTORED), "own": (State.ERASING, RESTORED)}
        later = [*NAMED, {**NAMED[0], "slot": 8, "enrolment": "e-8"}]
        give(desk, persons(later), version=2)
        await keeper.look()
        assert [references.book.owner("M1", slot, references.roster) for slot in (3, 7, 8)] == [None] * 3
        await keep(references, Reference(**{**_members(OWN), "id": "new", "slot": 9}))
    async with opened(desk) as (references, _):
        assert references.book.owner("M1", 9, references.roster) == "p-0000", "what came later counts"


@pytest.mark.parametrize("lossy", [False, True])
async def test_a_salvage_keeps_them_and_doubts_them_where_something_was_lost(
    tmp_path: Path, *, lossy: bool
) -> None:
    desk = roster_box(tmp_path)
    async with opened(desk) as (references, _):
        await keep(references)
    if lossy:
        with closing(sqlite3.connect(desk.store)) as db, db:
            db.execute("DELETE FROM event WHERE n = (SELECT max(n) FROM event)")
    (desk.store.parent / "events.db.suspect").write_text("a test\n")
    async with opened(desk) as (references, _):
        expected = (State.ERASING, RESTORED) if lossy else (State.ACTIVE, None)
        assert states(references) == {"own": expected}
    assert list(desk.store.parent.glob("events.db.damaged-*")), "it was salvaged"


def _members(one: Reference) -> dict[str, Any]:
    return {name: getattr(one, name) for name in Reference.__dataclass_fields__}


async def test_what_becomes_of_a_reference_between_preparing_a_roster_and_its_transaction_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new roster names it no more, and in that very moment its template is proven to be erased."""
    desk = roster_box(tmp_path)
    give(desk, persons(NAMED))
    async with opened(desk) as (references, keeper):
        prepare = references.prepare
        (named,) = references.book
        erased = Reference(**{**_members(named), "state": State.ERASED, "reason": "staff"})

        async def and_then(roster: Roster) -> None:
            await prepare(roster)
            await keep(references, erased)

        monkeypatch.setattr(references, "prepare", and_then)
        give(desk, persons([]), version=2)
        await keeper.look()
        assert states(references) == {"e-7": (State.ERASED, "staff")}
    async with opened(desk) as (references, _):
        assert states(references) == {"e-7": (State.ERASED, "staff")}, "on disk too"


async def test_what_is_enrolled_while_the_book_is_read_anew_stays_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = roster_box(tmp_path)
    async with opened(desk) as (references, _):
        unpatched = aside

        async def slowly(work: Callable[[], Any]) -> Any:
            found = await unpatched(work)
            if not list(references.book):
                await keep(references)
            return found

        monkeypatch.setattr("gateway.checkin.reference_keeper.aside", slowly)
        await references._reload()
        assert list(references.book) == [OWN]
