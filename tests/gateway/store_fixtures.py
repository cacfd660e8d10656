"""Ready-made drafts, signers and stores for tests."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.clock import ManualClock, Stamp
from gateway.envelope import Draft
from gateway.evidence.canonical import Json
from gateway.evidence.jws import Signer
from gateway.store.database import StoreDamaged
from gateway.store.opening import StoreSettings
from gateway.store.starting import MakeEvent
from gateway.store.store import MakeDraft, Store, open_store
from gateway.uuid7 import uuid7

ORG, GATEWAY = "370102", "gw-370102-01"
SIGNER = Signer("gw-370102-01#1", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))


def draft(stamp: Stamp, kind: str = "identity.card_read", **data: Json) -> Draft:
    return Draft(
        id=uuid7(stamp.wall_ms), type=kind, subject="device/idcard-1", device="idcard-1", at=stamp, data=data
    )


def opening(stamp: Stamp) -> MakeDraft:
    def make(data: dict[str, Json]) -> Draft:
        return draft(stamp, "system.epoch_opened", **data)

    return make


def first_events(stamp: Stamp) -> MakeEvent:
    def make(kind: str, data: dict[str, Json]) -> Draft:
        return draft(stamp, kind, **data)

    return make


@asynccontextmanager
async def running_store(
    path: Path,
    clock: ManualClock,
    *,
    clean: bool = True,
    max_mib: int | None = None,
    receipts_fd: int | None = None,
) -> AsyncIterator[Store]:
    settings = StoreSettings(
        path=path, org=ORG, gateway=GATEWAY, max_mib=max_mib, reserve_mib=1, receipts_fd=receipts_fd
    )
    store = await open_store(settings, SIGNER, clock.now())
    try:
        await store.start(clock.now(), first_events(clock.now()))
        yield store
    except StoreDamaged:
        clean = False
        raise
    finally:
        await asyncio.wait_for(store.close(clean=clean), 30)
