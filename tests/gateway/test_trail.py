"""What the auditor reads of a real store: pages that neither skip nor repeat, whatever lies between."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gateway.clock import ManualClock
from gateway.store import trail as module
from gateway.store.trail import AuditEvent, chain, trail
from tests.gateway.store_fixtures import draft, running_store


async def filled(path: Path, count: int = 130) -> None:
    clock = ManualClock()
    async with running_store(path, clock) as store:
        for number in range(count):
            kind = ("identity.card_read", "audit.login", "identity.card_read", "audit.viewed")[number % 4]
            stamp = clock.now()
            hidden = {"type": "cn.zhijiao.audit.login"} if number % 8 == 0 else {}
            await store.append([draft(stamp, kind, by=f"staff-{number}", sealed=None, **hidden)], stamp)
            clock.advance(1000)
        await store.settle([(1, 100)])


async def test_every_look_and_sign_in_stands_on_one_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "events.db"
    await filled(path)
    monkeypatch.setattr(module, "PAGE", 7)
    monkeypatch.setattr(module, "LOOKED_AT", 10)
    found: list[AuditEvent] = []
    before: int | None = None
    for _ in range(40):
        page = trail(path, before)
        assert len(page.events) <= 7
        found += page.events
        before = page.before
        if before is None:
            break
    assert [one.data["by"] for one in found] == [f"staff-{n}" for n in range(129, 0, -2)]
    assert {one.type for one in found} == {"audit.login", "audit.viewed"}
    assert all("sealed" not in one.data for one in found)
    assert [one.seq for one in found] == sorted((one.seq for one in found), reverse=True)


async def test_a_search_that_takes_long_says_how_far_it_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "events.db"
    await filled(path)
    monkeypatch.setattr(module, "PATIENCE_S", -1.0)
    page = trail(path)
    assert (page.events, page.before) == ([], 132)
    monkeypatch.undo()
    assert len(trail(path, page.before).events) == module.PAGE


async def test_the_chain_says_what_is_held_confirmed_and_absent(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    await filled(path)
    (epoch,) = chain(path)
    assert (epoch.first, epoch.last, epoch.settled, epoch.gaps, epoch.running) == (1, 131, 100, 0, True)
    assert epoch.head is not None
    with closing(sqlite3.connect(path)) as db:
        assert bytes.fromhex(epoch.head) == db.execute("SELECT hash FROM event WHERE n = 131").fetchone()[0]
        db.execute("DELETE FROM event WHERE n BETWEEN 50 AND 52")
        db.commit()
    assert chain(path)[0].gaps == 3


async def test_a_row_that_is_no_event_is_counted_not_fatal(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    await filled(path, 12)
    with closing(sqlite3.connect(path)) as db:
        db.execute("""UPDATE event SET wire = '{"type":"cn.zhijiao.audit.login",broken' WHERE n = 3""")
        db.execute("UPDATE event SET wire = CAST(wire AS BLOB)")
        db.commit()
    page = trail(path)
    assert page.unreadable == 1
    assert len(page.events) == 5
