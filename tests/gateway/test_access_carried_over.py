"""Accounts, tokens and locks outlive what the roster outlives: restarts, salvages, backups, older stores."""

import random
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gateway.access.lockout import LOCK_MS, TRIES
from gateway.access.model import Role
from gateway.clock import ManualClock
from tests.gateway.access_box import ADMIN, DESK, PASSWORD, Running, access_box, add, quick_hashes, running
from tests.gateway.store_fixtures import draft
from tests.gateway.technicians_box import Box, new_boot

WRONG = "quite another password"
TABLES = ("account", "kiosk_token", "lockout")
PAGE = 4096


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    quick_hashes(monkeypatch)


@pytest.fixture
def desk(tmp_path: Path) -> Box:
    return access_box(tmp_path)


def rows(path: Path) -> dict[str, list[Any]]:
    with closing(sqlite3.connect(path)) as db:
        return {name: sorted(db.execute(f"SELECT * FROM {name}").fetchall()) for name in TABLES}  # noqa: S608


async def furnished(desk: Box, clock: ManualClock) -> str:
    """Two accounts, one of them locked from one machine and known from another; a token; many events."""
    async with running(desk, clock) as box:
        await add(box, "admin-1", Role.ADMIN)
        await add(box, "desk-1")
        await box.access.sign_in("admin-1", PASSWORD, DESK)
        for _ in range(TRIES):
            await box.code("desk-1", WRONG)
        token = await box.access.accounts.make_token(ADMIN, "kiosk-1", "192.168.1.0/24")
        events = [draft(clock.now(), n=i, pad="x" * 200) for i in range(300)]
        await box.store.append(events, clock.now())
        await box.store.settle([(1, 100)])
    return token


async def assert_as_before(box: Running, token: str, *, locked: bool = True) -> None:
    assert box.access.kiosk(token, DESK) is not None
    assert box.access.kiosk(token, "10.0.0.1") is None
    if locked:
        assert await box.code("desk-1", PASSWORD) == "locked"
    assert (await box.access.sign_in("desk-1", PASSWORD, "192.168.1.8")).principal.role is Role.STAFF
    assert (await box.access.sign_in("admin-1", PASSWORD, DESK)).principal.role is Role.ADMIN


async def test_a_restart_of_the_process_goes_on_with_the_lock(desk: Box) -> None:
    clock = ManualClock()
    token = await furnished(desk, clock)
    clock.advance(LOCK_MS - 1)
    clock.step(-86_400_000 * 365)
    async with running(desk, clock) as box:
        await assert_as_before(box, token)
        refused = await box.refusal("desk-1", PASSWORD)
        assert (refused.code, refused.retry_after_s) == ("locked", 1)
        clock.advance(1)
        await box.access.sign_in("desk-1", PASSWORD, DESK)


async def test_a_restart_of_the_machine_begins_the_lock_where_it_was_written(desk: Box) -> None:
    clock = ManualClock()
    token = await furnished(desk, clock)
    clock.advance(LOCK_MS * 10)
    clock.step(86_400_000 * 365)
    new_boot(clock, "e").mono_ms = 5_000
    async with running(desk, clock) as box:
        assert (await box.refusal("desk-1", PASSWORD)).retry_after_s == LOCK_MS // 1000
        clock.advance(LOCK_MS - 1)
    async with running(desk, clock) as box:
        await assert_as_before(box, token)
        clock.advance(1)
        await box.access.sign_in("desk-1", PASSWORD, DESK)


async def test_what_is_over_does_not_begin_again(desk: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ManualClock()
    token = await furnished(desk, clock)
    async with running(desk, clock) as box:
        clock.advance(LOCK_MS)
        box.access._lockout.tidy(clock.mono_ms)
        await box.access._save_locks()
    async with running(desk, new_boot(clock, "e")) as box:
        await assert_as_before(box, token, locked=False)
        await box.access.sign_in("desk-1", PASSWORD, DESK)


@pytest.mark.parametrize("seed", range(3))
async def test_a_salvage_carries_them_over(desk: Box, seed: int) -> None:
    clock = ManualClock()
    token = await furnished(desk, clock)
    before = rows(desk.store)
    assert all(before.values())
    raw = bytearray(desk.store.read_bytes())
    pages = [at // PAGE for at in range(0, len(raw), PAGE) if b"x" * 150 in raw[at : at + PAGE]]
    rng = random.Random(seed)
    for page in rng.sample(pages, 4):
        raw[page * PAGE : (page + 1) * PAGE] = rng.randbytes(PAGE)
    desk.store.write_bytes(bytes(raw))
    desk.store.with_name("events.db.suspect").write_text("found while running")
    async with running(desk, clock) as box:
        assert box.store.started is not None
        assert box.store.started.salvaged is not None
        assert rows(desk.store) == before
        await assert_as_before(box, token)


async def test_a_mending_in_place_carries_them_over(desk: Box) -> None:
    clock = ManualClock()
    token = await furnished(desk, clock)
    before = rows(desk.store)
    with closing(sqlite3.connect(desk.store)) as db:
        db.execute("UPDATE event SET wire = zeroblob(100) WHERE n = 50")
        db.commit()
    told = desk.run("outbox", "repair", "--yes", "--json")
    assert told.json["mended"], told.out
    assert rows(desk.store) == before
    async with running(desk, clock) as box:
        await assert_as_before(box, token)


async def test_a_backup_brings_them_back(desk: Box) -> None:
    clock = ManualClock()
    token = await furnished(desk, clock)
    before = rows(desk.store)
    assert desk.run("backup", "--out", desk.folder / "copy.db").code == 0
    async with running(desk, clock) as box:
        await box.access.accounts.remove(ADMIN, "desk-1")
        await box.access.accounts.revoke_token(ADMIN, "kiosk-1")
    told = desk.run("restore", desk.folder / "copy.db", "--yes")
    assert told.code == 0, told.err
    async with running(desk, clock) as box:
        assert rows(desk.store) == before
        await assert_as_before(box, token)


async def test_damaged_rows_are_left_out_and_the_rest_works(
    desk: Box, caplog: pytest.LogCaptureFixture
) -> None:
    clock = ManualClock()
    token = await furnished(desk, clock)
    with closing(sqlite3.connect(desk.store)) as db:
        db.execute("UPDATE account SET hash = zeroblob(30) WHERE name = 'admin-1'")
        db.execute(
            "INSERT INTO account SELECT 'desk-2', 'king', hash, 1, 1, 1, 0, 0 FROM account WHERE name = 'desk-1'"
        )
        db.execute("INSERT INTO account VALUES ('desk-3', 'staff', 'torn', 1, 1, 1, 0, 0)")
        db.execute("INSERT INTO kiosk_token VALUES ('kiosk-2', x'00', 1, NULL)")
        db.execute("INSERT INTO lockout VALUES ('desk-1', '10.0.0.1', 'x', 0, '', 1, 1)")
        db.commit()
    async with running(desk, clock) as box:
        (said,) = [one for one in caplog.records if "not usable" in one.message]
        assert (said.__dict__["damaged"], said.__dict__["accounts"]) == (3, 2)
        assert box.access.kiosk(token, DESK) is not None
        for name in ("admin-1", "desk-2", "desk-3"):
            assert await box.code(name, PASSWORD) == "bad_credentials"
        await box.access.sign_in("desk-1", PASSWORD, "192.168.1.8")
    told = desk.run("user", "list")
    assert told.code == 1
    assert "desk-3" in told.out
    assert "damaged" in told.out


async def test_a_store_of_an_older_release_gets_the_tables(desk: Box) -> None:
    async with running(desk):
        pass
    with closing(sqlite3.connect(desk.store)) as db:
        for table in TABLES:
            db.execute(f"DROP TABLE {table}")
        db.execute("DELETE FROM migration WHERE name = '0006_access'")
        db.commit()
    told = desk.run("user", "list")
    assert told.code == 1, "beside an older gateway: nobody can sign in, and nothing is written"
    async with running(desk) as box:
        await add(box, "desk-1")
    assert [row[0] for row in rows(desk.store)["account"]] == ["desk-1"]
