"""A store that is older than it was: put back, copied over, or forgotten by the card. Nothing is ever placed twice."""

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.clock import ManualClock
from gateway.store.epochs import Lost
from gateway.store.store import Store
from gateway.store.witness import SLOT, FileMark, Seen, Statement, Witness
from tests.gateway.store_fixtures import draft, running_store
from tests.gateway.test_store import assert_chained, events

FILES = ("s.db", "s.db-wal", "s.db-shm", "witness")


def copy_aside(folder: Path, aside: Path, *, with_witness: bool) -> None:
    aside.mkdir()
    for name in FILES if with_witness else FILES[:3]:
        if (folder / name).exists():
            shutil.copy(folder / name, aside / name)


def put_back(aside: Path, folder: Path, *, how: str) -> None:
    for name in FILES[:3]:
        if not (aside / name).exists():
            (folder / name).unlink(missing_ok=True)
    for one in aside.iterdir():
        if how == "rename":
            (folder / one.name).unlink(missing_ok=True)
        shutil.copy(one, folder / one.name)


async def later(path: Path, clock: ManualClock, count: int, *, clean: bool) -> tuple[str, int]:
    """A run that stores something; where it stood at the end."""
    async with running_store(path, clock, clean=clean) as store:
        await store.append([draft(clock.now()) for _ in range(count)], clock.now())
        return store.tail.epoch, store.tail.seq


def reason(store: Store) -> str | None:
    assert store.started is not None
    return store.started.reason


@pytest.mark.parametrize("how", ["copy over", "rename"])
@pytest.mark.parametrize("with_witness", [False, True])
@pytest.mark.parametrize("same_boot", [False, True])
async def test_a_copy_taken_after_a_clean_stop_never_goes_on_in_its_epoch(
    tmp_path: Path, how: str, *, with_witness: bool, same_boot: bool
) -> None:
    folder, clock = tmp_path / "state", ManualClock()
    folder.mkdir()
    path = folder / "s.db"
    await later(path, clock, 10, clean=True)
    copy_aside(folder, tmp_path / "aside", with_witness=with_witness)
    clock.boot_id = "b" * 32
    epoch, _ = await later(path, clock, 5, clean=True)
    if not same_boot:
        clock.boot_id = "c" * 32
    put_back(tmp_path / "aside", folder, how=how)
    async with running_store(path, clock) as store:
        assert reason(store) in {"restored", "store_rollback"}
        assert store.tail.epoch != epoch
        # The new epoch's rows stand behind everything that was ever placed in the old one, as far as known.
        old = (await store.lineage())[0]
        assert store.tail.first_n > old.last_n
    assert_chained(events(path))


async def test_a_card_that_forgot_its_tail_opens_an_epoch_and_declares_the_loss(tmp_path: Path) -> None:
    path, clock = tmp_path / "s.db", ManualClock()
    epoch, seq = await later(path, clock, 10, clean=False)
    copy_aside(tmp_path, tmp_path / "aside", with_witness=False)
    async with running_store(path, clock, clean=False) as store:
        await store.append([draft(clock.now()) for _ in range(7)], clock.now())
        await store.settle([(1, 13)])
        await store.testify()
    put_back(tmp_path / "aside", tmp_path, how="copy over")
    clock.boot_id = "b" * 32
    async with running_store(path, clock) as store:
        assert reason(store) == "store_rollback"
        assert store.started is not None
        assert store.started.lost == (Lost(epoch, 14, seq + 7),)
        assert store.tail.first_n > seq + 7, "an ack of the old epoch must not reach into the new one"
        assert (await store.lineage())[0].last_seq == seq + 7
        assert [trouble.kind for trouble in store.started.troubles] == ["store_rollback"]


async def test_without_its_witness_a_store_opens_a_new_epoch(tmp_path: Path) -> None:
    path, clock = tmp_path / "s.db", ManualClock()
    await later(path, clock, 3, clean=True)
    (tmp_path / "witness").unlink()
    async with running_store(path, clock) as store:
        assert reason(store) == "restored"


async def test_a_torn_witness_falls_back_to_its_other_slot(tmp_path: Path) -> None:
    path, clock = tmp_path / "s.db", ManualClock()
    epoch, _ = await later(path, clock, 3, clean=False)
    raw = bytearray((tmp_path / "witness").read_bytes())
    newest = Witness(tmp_path / "witness").read()
    assert newest is not None
    at = SLOT * (newest.count % 2)
    raw[at : at + SLOT] = os.urandom(SLOT)
    (tmp_path / "witness").write_bytes(bytes(raw))
    async with running_store(path, clock) as store:
        assert store.tail.epoch == epoch or newest.count == 1


def statements() -> st.SearchStrategy[Statement]:
    seen = st.builds(
        Seen,
        epoch=st.from_regex(r"[0-9a-f]{8}", fullmatch=True),
        first_n=st.integers(1, 1 << 40),
        last_seq=st.integers(0, 1 << 40),
        last_hash=st.binary(min_size=32, max_size=32),
        settled=st.integers(0, 1 << 40),
    )
    size = st.integers(0, 1 << 62)
    return st.builds(
        Statement,
        boot_id=st.from_regex(r"[0-9a-f]{32}", fullmatch=True),
        inode=size,
        epochs=st.lists(seen, max_size=16).map(tuple),
        left=st.none() | st.builds(FileMark, size, size, size),
    )


@settings(deadline=None)  # it syncs to a disk that others use
@given(st.lists(statements(), min_size=1, max_size=4), st.integers(0, 2 * SLOT - 1))
def test_what_is_written_is_read_and_a_flipped_byte_never_lies(
    tmp_path_factory: pytest.TempPathFactory, written: list[Statement], flipped: int
) -> None:
    path = tmp_path_factory.mktemp("witness") / "witness"
    witness = Witness(path)
    for one in written:
        witness.write(one)
    found = Witness(path).read()
    assert found is not None
    assert (found.boot_id, found.inode, found.epochs, found.left) == (
        written[-1].boot_id, written[-1].inode, written[-1].epochs, written[-1].left,
    )  # fmt: skip
    raw = bytearray(path.read_bytes())
    raw[flipped] ^= 0x20
    path.write_bytes(bytes(raw))
    spoilt = Witness(path).read()
    assert spoilt is None or any(
        (spoilt.boot_id, spoilt.epochs, spoilt.left) == (one.boot_id, one.epochs, one.left)
        for one in written[-2:]
    )
