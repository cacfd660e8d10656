"""Acks that the center signed and no sane center would send: they end nothing and settle nothing unproven."""

import random
from pathlib import Path

import pytest

from gateway.clock import ManualClock
from gateway.errors import ContractError
from gateway.evidence.canonical import Json
from gateway.uplink.acks import read_ack
from gateway.uplink.settling import apply
from tests.gateway.store_fixtures import GATEWAY, draft, running_store
from tests.gateway.test_acks import ack, entry, trusted

ODD: list[Json] = [
    0,
    1,
    -1,
    7,
    12,
    13,
    10**15,
    2**53 - 1,
    f"{3:016d}",
    f"{12:016d}",
    f"{13:016d}",
    "9" * 16,
    "0" * 16,
    "",
    None,
    True,
    [],
    {},
    [[1, 3]],
    [[2, 2], [2, 9]],
    [[5, 12]],
    [[12, 12]],
    [["9" * 16, "9" * 16]],
    "x" * 300,
]


@pytest.mark.parametrize("seed", range(4))
async def test_odd_acks_settle_only_what_their_head_or_their_sack_covers(tmp_path: Path, seed: int) -> None:
    rng, clock = random.Random(seed), ManualClock()
    async with running_store(tmp_path / "s.db", clock) as store:
        await store.append([draft(clock.now()) for _ in range(11)], clock.now())
        tail = store.tail
        numbers = range(tail.first_n, tail.first_n + 12)
        heads = await store.run(lambda box: [(box.hash_at(n) or b"").hex() for n in numbers])
        read = 0
        for _ in range(150):
            members: dict[str, Json] = {
                name: rng.choice(ODD)
                for name in ("upto", "sack", "lost", "rejected_n", "rejected", "blocked")
                if rng.random() < 0.4
            }
            head = rng.choice(["00" * 32, *heads])
            wire = ack(*[entry(rng.choice([tail.epoch, tail.epoch, "ffffffff"]), rng.randrange(13), head) | members
                         for _ in range(rng.randrange(1, 4))])  # fmt: skip
            before = store.waiting
            try:
                acks = read_ack(wire, GATEWAY, trusted())
            except ContractError:
                continue
            read += 1
            sent = [tail.first_n + n for n in range(12) if rng.random() < 0.3] + list(range(1000, 1010))
            applied = await apply(store, acks, sent)
            allowed = set()
            for one in acks:
                if one.epoch != tail.epoch or one.last > 12:
                    continue
                at = one.proven_at
                proven = heads[at - 1] == one.head if at else one.upto == 0
                if proven:
                    allowed |= set(range(1, one.upto + 1)) - {
                        s for a, b in one.lost for s in range(a, min(b, 12) + 1)
                    }
                for a, b in (*one.sack, *one.lost):
                    allowed |= {s for s in range(a, min(b, 12) + 1) if tail.first_n + s - 1 in sent}
                if not proven and at == 0:
                    allowed |= {s for s in range(1, one.upto + 1) if tail.first_n + s - 1 in sent}
            settled = {n - tail.first_n + 1 for a, b in applied.ranges for n in range(a, b + 1)}
            assert settled <= allowed, (settled - allowed, acks)
            assert before - store.waiting == applied.count
        assert read > 20
