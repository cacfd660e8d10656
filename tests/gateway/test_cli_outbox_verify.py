"""`zhijiao outbox verify` finds every change and every hole, and calls an explained hole explained."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.clock import ManualClock
from gateway.envelope import Place, seal
from gateway.evidence.chain import keyring
from gateway.evidence.jws import Signer
from gateway.store.checking import check_store
from gateway.store.findings import StoreCheck, Verdict
from gateway.store.reading import open_for_reading
from gateway.store.retention import DAY_MS
from tests.gateway.store_fixtures import GATEWAY, ORG, SIGNER, draft, running_store
from tests.gateway.technicians_box import PUBLIC, Box, box, fill, new_boot, zhijiao


@pytest.fixture
def desk(tmp_path: Path) -> Box:
    return box(tmp_path)


def check(path: Path) -> StoreCheck:
    with open_for_reading(path) as reading:
        return check_store(
            reading,
            gateway=GATEWAY,
            find_key=keyring({SIGNER.kid: PUBLIC}),
            progress=lambda _done, _all: None,
        )


def codes(found: StoreCheck) -> set[str]:
    return {finding.code for finding in found.findings}


async def test_a_sound_store_is_intact_over_several_epochs(desk: Box) -> None:
    clock = ManualClock()
    async with running_store(desk.store, clock, clean=False) as store:
        await store.append([draft(clock.now(), n=i) for i in range(20)], clock.now())
    for boot in "bc":
        async with running_store(desk.store, new_boot(clock, boot), clean=False) as store:
            await store.append([draft(clock.now(), n=i) for i in range(700)], clock.now())
    told = desk.run("outbox", "verify", "--json")
    assert (told.code, told.json["verdict"], told.json["signatures"]) == (0, "intact", True)
    assert [(e["first"], e["last"]) for e in told.json["epochs"]] == [(1, 21), (1, 701), (1, 701)]
    assert told.json["waiting"] == told.json["events"] == 1423
    assert "intact, nothing missing" in desk.run("outbox", "verify").out


@pytest.mark.parametrize("option", [["--key"], ["--trust"], []])
async def test_the_key_may_come_from_anywhere_but_must_be_the_right_one(desk: Box, option: list[str]) -> None:
    await fill(desk.store, ManualClock(), 3)
    given = {"--key": desk.public_key, "--trust": desk.trust}
    words = [word for name in option for word in (name, given[name])]
    assert zhijiao("outbox", "verify", "--config", desk.config, *words).code == 0
    other = Ed25519PrivateKey.generate().public_key().public_bytes_raw().hex()
    assert desk.run("outbox", "verify", "--key", other).code == 2
    assert desk.run("outbox", "verify", "--key", f"someone#1={other}").code == 2


async def test_without_any_key_it_does_not_pretend(desk: Box) -> None:
    await fill(desk.store, ManualClock(), 3)
    told = zhijiao("outbox", "verify", "--store", desk.store)
    assert "[no_key]" in told.err
    assert zhijiao("outbox", "verify", "--store", desk.store, "--no-signatures").code == 0


async def test_purged_rows_are_holes_not_breaks(desk: Box) -> None:
    clock = ManualClock()
    async with running_store(desk.store, clock) as store:
        await store.append([draft(clock.now(), n=i) for i in range(50)], clock.now())
        await store.settle([(1, 20), (25, 40)])
        await store.purge(clock.now().wall_ms)
        assert await store.purge(clock.now().wall_ms + 400 * DAY_MS) == 36
    found = check(desk.store)
    assert found.verdict is Verdict.HOLES
    assert found.epochs[0].purged == 36
    told = desk.run("outbox", "verify")
    assert told.code == 1
    assert "36 purged" in told.out


async def test_purged_positions_among_kept_events_are_explained_and_younger_ones_are_not(desk: Box) -> None:
    clock = ManualClock()
    async with running_store(desk.store, clock) as store:
        for _ in range(10):
            await store.append([draft(clock.now()), draft(clock.now(), "tracker.fix")], clock.now())
        await store.settle([(1, 21)])
        await store.purge(clock.now().wall_ms)
        await store.append([draft(clock.now(), n=i) for i in range(10)], clock.now())
        await store.settle([(22, 31)])
        assert await store.purge(clock.now().wall_ms + 40 * DAY_MS) == 10
    assert check(desk.store).verdict is Verdict.HOLES
    with desk.database() as db:
        db.execute("DELETE FROM event WHERE n = 25")
    assert [(f.code, f.first) for f in check(desk.store).findings] == [("hole", 25)]


async def test_a_hole_that_nothing_explains_is_a_break(desk: Box) -> None:
    await fill(desk.store, ManualClock(), 30, settled=31)
    with desk.database() as db:
        db.execute("DELETE FROM event WHERE n IN (15, 16)")
    found = check(desk.store)
    assert found.verdict is Verdict.BROKEN
    (hole,) = found.findings
    assert (hole.code, hole.first, hole.last) == ("hole", 15, 16)
    told = desk.run("outbox", "verify")
    assert told.code == 2
    assert "#15 to 16" in told.out


async def test_a_hole_that_an_event_declares_lost_is_explained_and_no_more_than_that(desk: Box) -> None:
    clock = ManualClock()
    async with running_store(desk.store, clock) as store:
        await store.append([draft(clock.now(), n=i) for i in range(30)], clock.now())
        lost = {"epoch": store.tail.epoch, "from": 15, "to": 16, "reason": "store_damaged"}
        await store.append([draft(clock.now(), "system.range_lost", **lost)], clock.now())  # type: ignore[arg-type]
        await store.settle([(1, 32)])
    with desk.database() as db:
        db.execute("DELETE FROM event WHERE n IN (15, 16)")
    assert check(desk.store).verdict is Verdict.HOLES
    with desk.database() as db:
        db.execute("DELETE FROM event WHERE n = 17")
    found = check(desk.store)
    assert [(f.code, f.first, f.last) for f in found.findings] == [("hole", 17, 17)]


@pytest.mark.parametrize(("settled", "declared", "unsaid"), [(0, 1, 0), (61, 0, 1)])
async def test_a_salvaged_store_is_explained_by_what_the_gateway_declared(
    desk: Box, settled: int, declared: int, unsaid: int
) -> None:
    """What the center has already is not declared lost; that it is not here is explained all the same."""
    clock = ManualClock()
    await fill(desk.store, clock, 60, settled=settled)
    with desk.database() as db:
        db.execute("UPDATE event SET hash = zeroblob(32) WHERE n = 30")
    assert check(desk.store).verdict is Verdict.BROKEN
    assert desk.run("outbox", "repair", "--yes").code == declared
    await fill(desk.store, clock, 1)
    found = check(desk.store)
    assert found.verdict is Verdict.HOLES, found.findings
    assert (found.epochs[0].declared, found.epochs[0].salvaged) == (declared, unsaid)


async def test_what_the_card_forgot_is_explained_by_the_opening_that_says_so(desk: Box) -> None:
    """The witness knows of 20 events more than the store that was put back."""
    clock = ManualClock()
    await fill(desk.store, clock, 10, settled=11)
    old = desk.store.read_bytes()
    async with running_store(desk.store, clock) as store:
        await store.append([draft(clock.now(), n=i) for i in range(20)], clock.now())
        await store.settle([(12, 31)])
    desk.store.write_bytes(old)
    async with running_store(desk.store, clock) as store:
        assert store.started is not None
        assert store.started.reason == "store_rollback"
    found = check(desk.store)
    assert found.verdict is Verdict.HOLES, found.findings
    assert found.epochs[0].declared == 20


async def test_rows_in_each_others_places_are_found(desk: Box) -> None:
    await fill(desk.store, ManualClock(), 30)
    with desk.database() as db:
        db.execute("UPDATE event SET n = -1 WHERE n = 10")
        db.execute("UPDATE event SET n = 10 WHERE n = 11")
        db.execute("UPDATE event SET n = 11 WHERE n = -1")
    assert codes(check(desk.store)) == {"place"}


async def test_a_forged_event_with_a_matching_hash_fails_its_signature_and_only_that(desk: Box) -> None:
    clock = ManualClock()
    await fill(desk.store, clock, 5)
    with desk.database() as db:
        before = bytes(db.execute("SELECT hash FROM event WHERE n = 5").fetchone()[0])
        epoch = db.execute("SELECT epoch FROM epoch").fetchone()[0]
        forger = Signer(SIGNER.kid, Ed25519PrivateKey.generate())
        forged = seal(draft(clock.now()), Place(ORG, GATEWAY, epoch, 6, before), clock.now(), forger)
        db.execute("UPDATE event SET hash = ?, wire = ? WHERE n = 6", (forged.hash, forged.wire))
    assert codes(check(desk.store)) == {"signature"}
    assert desk.run("outbox", "verify", "--no-signatures").code == 0, "what the quick form cannot see"


async def test_an_event_signed_by_the_gateway_but_not_chained_is_found(desk: Box) -> None:
    clock = ManualClock()
    await fill(desk.store, clock, 5)
    with desk.database() as db:
        epoch = db.execute("SELECT epoch FROM epoch").fetchone()[0]
        other = seal(draft(clock.now()), Place(ORG, GATEWAY, epoch, 3, b"x" * 32), clock.now(), SIGNER)
        db.execute("UPDATE event SET hash = ?, wire = ? WHERE n = 3", (other.hash, other.wire))
    assert [(f.code, f.first, f.last) for f in check(desk.store).findings] == [("prevhash", 3, 4)]


async def test_an_epoch_taken_out_whole_is_found(desk: Box) -> None:
    clock = ManualClock()
    for boot in "abc":
        async with running_store(desk.store, new_boot(clock, boot), clean=False) as store:
            await store.append([draft(clock.now(), n=i) for i in range(5)], clock.now())
            await store.settle([(1, 100)])
    with desk.database() as db:
        db.execute("DELETE FROM event WHERE n BETWEEN 7 AND 12")
        db.execute("DELETE FROM epoch WHERE first_n = 7")
    assert check(desk.store).verdict is Verdict.BROKEN


async def test_a_waiting_entry_without_its_event_is_found(desk: Box) -> None:
    await fill(desk.store, ManualClock(), 5)
    with desk.database() as db:
        db.execute("INSERT INTO waiting VALUES (0, 99)")
    assert codes(check(desk.store)) == {"waiting"}


async def test_pages_that_cannot_be_read_are_named_and_the_rest_is_verified(desk: Box) -> None:
    await fill(desk.store, ManualClock(), 600)
    raw = bytearray(desk.store.read_bytes())
    raw[100 * 4096 : 101 * 4096] = b"\xff" * 4096
    desk.store.write_bytes(bytes(raw))
    found = check(desk.store)
    assert "unreadable" in codes(found)
    assert 590 < found.events < 601


async def test_many_findings_are_counted_and_few_are_listed(desk: Box) -> None:
    await fill(desk.store, ManualClock(), 400)
    with desk.database() as db:
        db.execute("UPDATE event SET hash = zeroblob(32) WHERE n % 2 = 0")
    found = check(desk.store)
    assert found.finding_count == 200
    assert len(found.findings) == 64
    assert "200 findings" in desk.run("outbox", "verify").out


async def test_retention_at_work_while_we_read_is_not_taken_for_a_break(desk: Box) -> None:
    """The rows vanish behind the reader's back, as beside a running gateway."""
    await fill(desk.store, ManualClock(), 2000, settled=2001)

    def purge(done: int, _total: int) -> None:
        if done == 500:
            with desk.database() as db:
                db.execute("DELETE FROM event WHERE n < 1800")

    with open_for_reading(desk.store) as reading:
        found = check_store(reading, gateway=GATEWAY, find_key=None, progress=purge)
    assert found.verdict is Verdict.HOLES, found.findings
    assert found.events < 1000


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sound") / "events.db"
    asyncio.run(fill(path, ManualClock(), 12))
    return path


@settings(max_examples=150, deadline=None)
@given(n=st.integers(1, 13), in_wire=st.booleans(), where=st.integers(0), bit=st.integers(0, 7))
def test_every_flipped_bit_of_a_row_is_found(
    sound: Path, n: int, where: int, bit: int, *, in_wire: bool
) -> None:
    update = "UPDATE event SET hash = ?, wire = ? WHERE n = ?"
    with closing(sqlite3.connect(sound, isolation_level=None)) as db:
        kept = db.execute("SELECT hash, wire FROM event WHERE n = ?", (n,)).fetchone()
        flipped = [bytearray(kept[0]), bytearray(kept[1])]
        raw = flipped[in_wire]
        raw[where % len(raw)] ^= 1 << bit
        db.execute(update, (*map(bytes, flipped), n))
        try:
            assert check(sound).verdict is Verdict.BROKEN
        finally:
            db.execute(update, (*kept, n))
    assert check(sound).verdict is Verdict.INTACT
