"""The check behind the start: it finds every altered row, and knows which ones matter for what is still to be sent."""

import asyncio
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.clock import ManualClock
from gateway.store.check import STEP, ChainCheck
from gateway.store.database import StoreDamaged
from tests.gateway.store_fixtures import SIGNER, draft, running_store

COUNT = 2 * STEP + 30


async def filled(path: Path, settled: int) -> None:
    clock = ManualClock()
    async with running_store(path, clock) as store:
        await store.append([draft(clock.now(), text="落款") for _ in range(COUNT - 1)], clock.now())
        await store.settle([(1, settled)])


def alter(path: Path, n: int, at: int) -> None:
    with sqlite3.connect(path) as db:
        wire = bytearray(db.execute("SELECT wire FROM event WHERE n = ?", (n,)).fetchone()[0])
        wire[at % len(wire)] ^= 1
        db.execute("UPDATE event SET wire = ? WHERE n = ?", (bytes(wire), n))


def whole_pass(path: Path) -> tuple[int, ...]:
    check, after_n = ChainCheck(path, SIGNER), 0
    damaged: tuple[int, ...] = ()
    while True:
        look = check.step(after_n)
        damaged += look.settled_damage
        if look.last_n is None:
            return damaged
        after_n = look.last_n


async def test_an_intact_store_passes_also_while_the_gateway_writes(tmp_path: Path) -> None:
    path, clock = tmp_path / "s.db", ManualClock()
    async with running_store(path, clock) as store:
        await store.append([draft(clock.now()) for _ in range(COUNT)], clock.now())
        assert whole_pass(path) == ()


async def test_a_settled_row_that_was_altered_is_told_and_stops_nothing(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    await filled(path, settled=STEP + 20)
    alter(path, STEP + 5, 200)
    assert whole_pass(path) == (STEP + 5,)


async def test_a_waiting_row_that_was_altered_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    await filled(path, settled=20)
    alter(path, STEP + 5, 200)
    with pytest.raises(StoreDamaged, match=f"row {STEP + 5}"):
        whole_pass(path)


async def test_a_row_that_was_taken_out_and_closed_over_is_told_and_stops_nothing(tmp_path: Path) -> None:
    """Each row proves itself: a salvage would keep it as it is, and be begun again at each start."""
    path = tmp_path / "s.db"
    await filled(path, settled=1)
    with sqlite3.connect(path) as db:
        db.execute("DELETE FROM event WHERE n = 50")
        db.execute("UPDATE event SET n = n - 1 WHERE n > 50 AND n < 60")
    assert whole_pass(path) == (50,)


async def test_a_damaged_signature_of_a_waiting_row_is_mended_to_the_bit(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    await filled(path, settled=20)
    with sqlite3.connect(path) as db:
        wire = bytes(db.execute("SELECT wire FROM event WHERE n = 50").fetchone()[0])
    alter(path, 50, wire.index(b'"monoms"') - 10)
    assert ChainCheck(path, SIGNER).step(0).mended == ((50, wire),)


@pytest.fixture(scope="module")
def settled_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("check") / "s.db"
    asyncio.run(filled(path, settled=COUNT))
    return path


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, COUNT), at=st.integers(0, 5000))
def test_no_flipped_bit_of_the_signed_bytes_goes_unnoticed(settled_store: Path, n: int, at: int) -> None:
    with sqlite3.connect(settled_store) as db:
        wire = bytes(db.execute("SELECT wire FROM event WHERE n = ?", (n,)).fetchone()[0])
    signature = range(wire.find(b'"jws":"') + 7, wire.find(b'"monoms"') - 2)
    alter(settled_store, n, at)
    found = whole_pass(settled_store)
    alter(settled_store, n, at)  # back to what it was
    # A bit of the signature itself leaves the hash as it is; where the row still waits it is mended.
    assert found == (n,) or at % len(wire) in signature
