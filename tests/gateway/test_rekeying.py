"""After an enrolment anew an epoch has one signer, and what waits under a revoked key is said again."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.clock import ManualClock
from gateway.evidence.jws import Signer, key_id
from gateway.store.opening import StoreSettings
from gateway.store.store import Left, Store, open_store
from tests.gateway.store_fixtures import GATEWAY, ORG, SIGNER, draft, first_events, running_store

NEW = Signer("gw-370102-01#new", Ed25519PrivateKey.from_private_bytes(bytes([9]) * 32))


@asynccontextmanager
async def with_new_keys(
    path: Path, clock: ManualClock, believed: Collection[str]
) -> AsyncIterator[tuple[Store, Left]]:
    settings = StoreSettings(path=path, org=ORG, gateway=GATEWAY, reserve_mib=1)
    store = await open_store(settings, NEW, clock.now())
    try:
        await store.start(clock.now(), first_events(clock.now()))
        yield store, await store.take_up_keys(believed, clock.now(), first_events(clock.now()))
    finally:
        await asyncio.wait_for(store.close(clean=True), 30)


def events(path: Path, where: str = "1") -> list[dict[str, Any]]:
    with sqlite3.connect(path) as db:
        query = f"SELECT wire FROM event e WHERE {where} ORDER BY n"  # noqa: S608 - of this test
        return [json.loads(row[0]) for row in db.execute(query)]


def waiting(path: Path) -> list[dict[str, Any]]:
    return events(path, "n IN (SELECT n FROM waiting)")


def kinds(found: list[dict[str, Any]]) -> list[str]:
    return [event["type"].removeprefix("cn.zhijiao.") for event in found]


async def filled(path: Path, clock: ManualClock, *, settle_first: int = 0) -> str:
    async with running_store(path, clock) as store:
        for _ in range(4):
            await store.append([draft(clock.now())], clock.now())
        if settle_first:
            await store.run(lambda box: box.settle([(1, settle_first)]))
        return store.tail.epoch


async def test_what_waits_under_a_revoked_key_gets_places_by_the_new_one(tmp_path: Path) -> None:
    path, clock = tmp_path / "events.db", ManualClock()
    old_epoch = await filled(path, clock, settle_first=3)
    old_ids = [event["id"] for event in waiting(path)]
    async with with_new_keys(path, clock, {NEW.kid}) as (store, left):
        assert (left.count, left.opened) == (2, True)
        assert store.tail.epoch != old_epoch
    found = waiting(path)
    assert kinds(found) == ["system.epoch_opened", "system.range_lost", *["identity.card_read"] * 2]
    assert {key_id(event["jws"]) for event in found} == {NEW.kid}
    assert found[1]["data"] == {"epoch": old_epoch, "from": 4, "to": 5, "reason": "new_keys"}
    assert [event["id"] for event in found[2:]] == old_ids
    assert [event["reissueof"] for event in found[2:]] == [f"{old_epoch}/{seq:016}" for seq in (4, 5)]
    assert found[0]["data"]["reason"] == "new_keys"
    assert found[0]["data"]["previous"]["epoch"] == old_epoch


async def test_what_waits_under_a_key_that_counts_keeps_its_place(tmp_path: Path) -> None:
    path, clock = tmp_path / "events.db", ManualClock()
    old_epoch = await filled(path, clock)
    async with with_new_keys(path, clock, {SIGNER.kid, NEW.kid}) as (store, left):
        assert (left.count, left.opened) == (0, True)
        assert store.tail.epoch != old_epoch
    assert len(waiting(path)) == 6
    assert kinds(waiting(path))[-1] == "system.epoch_opened"


async def test_with_the_keys_of_before_nothing_happens(tmp_path: Path) -> None:
    path, clock = tmp_path / "events.db", ManualClock()
    epoch = await filled(path, clock)
    async with running_store(path, clock) as store:
        left = await store.take_up_keys({SIGNER.kid}, clock.now(), first_events(clock.now()))
        assert (left.count, left.opened, store.tail.epoch) == (0, False, epoch)


async def test_it_is_done_once(tmp_path: Path) -> None:
    path, clock = tmp_path / "events.db", ManualClock()
    await filled(path, clock)
    async with with_new_keys(path, clock, {NEW.kid}):
        pass
    before = len(events(path))
    async with with_new_keys(path, clock, {NEW.kid}) as (_, left):
        assert (left.count, left.opened) == (0, False)
    assert len(events(path)) == before


async def test_holes_between_settled_events_are_named_each(tmp_path: Path) -> None:
    path, clock = tmp_path / "events.db", ManualClock()
    epoch = await filled(path, clock)
    async with running_store(path, clock) as store:
        await store.run(lambda box: box.settle([(1, 1), (3, 3)]))
    async with with_new_keys(path, clock, {NEW.kid}):
        pass
    lost = [event["data"] for event in waiting(path) if event["type"].endswith("range_lost")]
    assert [(one["epoch"], one["from"], one["to"]) for one in lost] == [(epoch, 2, 2), (epoch, 4, 5)]
