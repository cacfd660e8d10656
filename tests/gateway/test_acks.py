"""Acks: believed only when they are the center's and ours; what they settle, and what they must not."""

from collections.abc import Collection
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.clock import ManualClock
from gateway.errors import ContractError
from gateway.evidence.canonical import Json
from gateway.evidence.jws import FindKey, Signer
from gateway.evidence.keys import Role, TrustedKey, TrustStore
from gateway.store.models import Event, Waiting
from gateway.store.store import Store
from gateway.uplink.acks import read_ack
from gateway.uplink.settling import LEFT, Applied, apply
from tests.gateway.store_fixtures import GATEWAY, draft, opening, running_store

CENTER = Signer("center-ack#1", Ed25519PrivateKey.from_private_bytes(bytes(32)))
MALLORY = Signer("center-ack#1", Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32))


HASH = "ab" * 32
EVERYTHING = range(1, 10_000)  # as if all of it had been sent in this run


def trusted() -> FindKey:
    key = TrustedKey(CENTER.kid, Role.ACK, None, CENTER.public.public_bytes_raw())
    return TrustStore([key]).find(Role.ACK)


def entry(epoch: str, upto: int, head: str, **members: Json) -> dict[str, Json]:
    base: dict[str, Json] = {
        "epoch": epoch,
        "upto": f"{upto:016d}",
        "head": head,
        "sack": [],
        "lost": [],
        "rejected_n": 0,
        "rejected": [],
        "blocked": None,
    }
    return base | members


def ack(*entries: dict[str, Json], gw: str = GATEWAY, signer: Signer = CENTER) -> bytes:
    return signer.sign_object({"v": 1, "gw": gw, "epochs": list(entries), "ts": "2026-11-22T01:02:05.400Z"})


async def taken(store: Store, wire: bytes, sent: Collection[int] = EVERYTHING) -> Applied:
    return await apply(store, read_ack(wire, GATEWAY, trusted()), sent)


async def head_of(store: Store, seq: int) -> str:
    found = await store.run(lambda box: box.hash_at(store.tail.first_n + seq - 1))
    assert found is not None
    return found.hex()


@pytest.mark.parametrize(
    ("wire", "code"),
    [
        (ack(signer=MALLORY), "signature"),
        (ack(signer=Signer("center-ops#1", Ed25519PrivateKey.generate())), "unknown_kid"),
        (ack(gw="gw-370102-02"), "foreign"),
        (ack() + b" ", "not_jcs"),
        (b'{"v":1}', "unsigned"),
        (b"", "not_json"),
        (CENTER.sign_object({"v": 2, "gw": GATEWAY, "epochs": []}), "malformed"),
        (CENTER.sign_object({"v": 1, "gw": GATEWAY, "epochs": [1]}), "malformed"),
        (ack({"epoch": "x"}), "malformed"),
        (ack(entry("e", 1, HASH, sack=[[2, 1]])), "malformed"),
        (ack(entry("e", 1, HASH, sack=[["a", "b"]])), "malformed"),
        (ack(entry("e", 1, HASH, rejected=[3])), "malformed"),
        (ack(entry("e", 1, "")), "malformed"),
        (ack(entry("e", 1, HASH) | {"upto": "1"}), "malformed"),
        (ack(entry("e", 1, HASH) | {"upto": "٠" * 16}), "malformed"),
        (ack(entry("e", 1, HASH) | {"upto": True}), "malformed"),
        (ack(entry("e", 1, HASH) | {"upto": -1}), "malformed"),
        (ack(entry("e", 1, HASH, rejected_n=-1)), "malformed"),
        (ack(entry("e", 1, HASH, sack=[[0, 4]])), "malformed"),
        (ack(entry("e", 1, HASH, rejected=[{"seq": 0, "code": "x"}])), "malformed"),
        (ack(entry("e", 1, HASH, rejected=[{"seq": "9" * 17, "code": "x"}])), "malformed"),
        (ack(entry("e", 1, HASH, rejected=[{"seq": "1" * 400, "code": "x"}])), "malformed"),
    ],
)
def test_what_is_not_our_centers_ack_is_not_believed(wire: bytes, code: str) -> None:
    with pytest.raises(ContractError) as caught:
        read_ack(wire, GATEWAY, trusted())
    assert caught.value.code == code


async def test_upto_and_sack_settle_and_nothing_else(tmp_path: Path) -> None:
    clock = ManualClock()
    async with running_store(tmp_path / "s.db", clock) as store:
        await store.append([draft(clock.now()) for _ in range(9)], clock.now())
        epoch = store.tail.epoch
        applied = await taken(store, ack(entry(epoch, 3, await head_of(store, 3), sack=[[5, 6], [9, 9]])))
        assert applied.count == 6
        assert [row.n for row in await store.after(1, 0, 20)] == [4, 7, 8, 10]


async def test_a_replayed_ack_unsettles_nothing(tmp_path: Path) -> None:
    clock = ManualClock()
    async with running_store(tmp_path / "s.db", clock) as store:
        await store.append([draft(clock.now()) for _ in range(9)], clock.now())
        old = ack(entry(store.tail.epoch, 2, await head_of(store, 2)))
        await taken(store, old)
        await taken(store, ack(entry(store.tail.epoch, 8, await head_of(store, 8))))
        assert (await taken(store, old)).count == 0
        assert store.waiting == 2


async def test_another_head_than_ours_settles_nothing_of_that_epoch(tmp_path: Path) -> None:
    clock = ManualClock()
    async with running_store(tmp_path / "s.db", clock) as store:
        await store.append([draft(clock.now()) for _ in range(4)], clock.now())
        applied = await taken(store, ack(entry(store.tail.epoch, 4, "00" * 32, sack=[[5, 5]])))
        assert applied.mismatched == [store.tail.epoch]
        assert applied.count == 0
        assert store.waiting == 5


@pytest.mark.parametrize(
    "beyond", [{"upto": f"{9:016d}"}, {"sack": [[4, 9]]}, {"upto": f"{3:016d}", "sack": [[9, 9]]}]
)
async def test_an_ack_beyond_our_end_settles_nothing_of_that_epoch(
    tmp_path: Path, beyond: dict[str, Json]
) -> None:
    """A store put back from a backup gives out again what an older one gave out: those are other events."""
    clock = ManualClock()
    async with running_store(tmp_path / "s.db", clock) as store:
        await store.append([draft(clock.now()) for _ in range(4)], clock.now())
        applied = await taken(store, ack(entry(store.tail.epoch, 0, await head_of(store, 3)) | beyond))
        assert applied.rolled_back == [(store.tail.epoch, 9, 5)]
        assert applied.count == 0
        assert store.waiting == 5


async def test_a_sack_settles_only_what_was_sent_in_this_run(tmp_path: Path) -> None:
    clock = ManualClock()
    async with running_store(tmp_path / "s.db", clock) as store:
        await store.append([draft(clock.now()) for _ in range(9)], clock.now())
        wire = ack(entry(store.tail.epoch, 2, await head_of(store, 2), sack=[[4, 8]]))
        applied = await taken(store, wire, sent={5, 6, 8, 9})
        assert applied.count == 5
        assert [row.n for row in await store.after(1, 0, 20)] == [3, 4, 7, 9, 10]


async def test_a_head_is_proven_by_the_next_event_where_its_own_is_gone(tmp_path: Path) -> None:
    clock = ManualClock()
    async with running_store(tmp_path / "s.db", clock) as store:
        await store.append([draft(clock.now()) for _ in range(5)], clock.now())
        head, epoch = await head_of(store, 4), store.tail.epoch
        await forget(store, 4)
        assert (await taken(store, ack(entry(epoch, 4, HASH)), sent=())).mismatched == [epoch]
        assert store.waiting == 5
        await taken(store, ack(entry(epoch, 4, head)), sent=())
        assert [row.n for row in await store.after(1, 0, 20)] == [5, 6]


async def test_a_head_that_nothing_here_can_prove_settles_only_what_was_sent(tmp_path: Path) -> None:
    clock = ManualClock()
    async with running_store(tmp_path / "s.db", clock) as store:
        await store.append([draft(clock.now()) for _ in range(5)], clock.now())
        await forget(store, 4)
        await forget(store, 5)
        await taken(store, ack(entry(store.tail.epoch, 4, HASH)), sent={2, 6})
        assert [row.n for row in await store.after(1, 0, 20)] == [1, 3, 6]


async def test_a_head_below_a_lost_range_is_compared_at_its_own_place(tmp_path: Path) -> None:
    """`head` is the hash of the highest *stored* event up to `upto`."""
    clock = ManualClock()
    async with running_store(tmp_path / "s.db", clock) as store:
        await store.append([draft(clock.now()) for _ in range(6)], clock.now())
        wire = ack(entry(store.tail.epoch, 5, await head_of(store, 3), lost=[[4, 5]]))
        applied = await taken(store, wire, sent={5})
        assert applied.mismatched == []
        assert [row.n for row in await store.after(1, 0, 20)] == [4, 5, 6, 7], (
            "4 and 5 are here after all: they go out, and wait until the center has them"
        )


async def forget(store: Store, n: int) -> None:
    """What salvage could not read of a damaged file."""

    def lose() -> None:
        Event.delete().where(Event.n == n).execute()
        Waiting.delete().where(Waiting.lane == 1, Waiting.n == n).execute()

    await store.run(lambda _box: lose())
    store._ledger.waiting -= 1


async def test_an_epoch_we_never_had_is_passed_over(tmp_path: Path) -> None:
    clock = ManualClock()
    async with running_store(tmp_path / "s.db", clock) as store:
        applied = await taken(store, ack(entry("ffffffff", 9, "00" * 32)))
        assert applied == Applied(unknown=["ffffffff"])
        assert store.waiting == 1


async def test_what_was_put_back_into_an_epoch_that_was_left_settles_when_it_was_sent(tmp_path: Path) -> None:
    clock = ManualClock()
    async with running_store(tmp_path / "s.db", clock) as store:
        await store.append([draft(clock.now()) for _ in range(3)], clock.now())
        old = store.tail
        await store.leave_epoch(old.epoch, "store_rollback", clock.now(), opening(clock.now()))
        await store.run(lambda box: box.note(f"{LEFT}{old.epoch}", "store_rollback"))
        await store.run(lambda box: box.wait_again([(2, 1), (3, 1)]))
        waiting = store.waiting
        applied = await taken(store, ack(entry(old.epoch, 90, HASH)), sent={2, 5, 6})
        assert applied.rolled_back == []
        assert applied.count == 1
        assert store.waiting == waiting - 1, "2 was sent; 3 was not; 5 and 6 are of the next epoch"


async def test_older_epochs_settle_at_their_own_places(tmp_path: Path) -> None:
    clock = ManualClock()
    async with running_store(tmp_path / "s.db", clock, clean=False) as store:
        await store.append([draft(clock.now()) for _ in range(4)], clock.now())
        first, head = store.tail, await head_of(store, 4)
    clock.boot_id = "c" * 32
    async with running_store(tmp_path / "s.db", clock) as store:
        await store.append([draft(clock.now())], clock.now())
        await taken(
            store, ack(entry(first.epoch, 4, head), entry(store.tail.epoch, 1, await head_of(store, 1)))
        )
        assert [row.n for row in await store.after(1, 0, 20)] == [5, 7]


async def test_a_rejection_settles_is_kept_and_is_told_once(tmp_path: Path) -> None:
    clock = ManualClock()
    async with running_store(tmp_path / "s.db", clock) as store:
        await store.append([draft(clock.now()) for _ in range(2)], clock.now())
        refused: Json = [{"seq": f"{2:016d}", "code": "schema", "msg": "no"}]
        epoch = store.tail.epoch
        wire = ack(entry(epoch, 3, await head_of(store, 3), rejected_n=2, rejected=refused))
        first, second = await taken(store, wire), await taken(store, wire)
        assert [(r.rejection.seq, r.rejection.code, r.type) for r in first.rejected] == [
            (2, "schema", "identity.card_read")
        ]
        assert first.unlisted == second.unlisted == [(epoch, 2)], "the center refused two and listed one"
        assert second.rejected == []
        assert store.waiting == 0


async def test_a_rejection_of_a_place_that_was_never_given_out_is_passed_over(tmp_path: Path) -> None:
    clock = ManualClock()
    async with running_store(tmp_path / "s.db", clock) as store:
        refused: Json = [{"seq": seq, "code": "schema"} for seq in (7, 2**53 - 1, "9" * 16)]
        wire = ack(entry(store.tail.epoch, 1, await head_of(store, 1), rejected_n=3, rejected=refused))
        applied = await taken(store, wire)
        assert applied.rejected == []
        assert applied.count == 1
