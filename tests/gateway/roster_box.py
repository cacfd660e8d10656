"""A box that takes rosters: its trust file names the center's keys, its key for ID numbers is that of `rosters`."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.checkin.at_rest import RosterKeys
from gateway.checkin.keeper import RosterKeeper
from gateway.clock import ManualClock
from gateway.config import load
from gateway.evidence import canonical
from gateway.evidence.keys import Role, TrustedKey, trust_document
from gateway.ingest.ingest import Ingest
from gateway.keyring import Keys, load_roster_keys
from gateway.metrics import Metrics
from gateway.store.store import Store
from tests.gateway import rosters
from tests.gateway.store_fixtures import GATEWAY, SIGNER, running_store
from tests.gateway.technicians_box import PUBLIC, Box, box, wires


def roster_box(folder: Path) -> Box:
    made = box(folder)
    own = TrustedKey(SIGNER.kid, Role.GATEWAY, GATEWAY, PUBLIC)
    center = [key for key in rosters.trusted() if key.role is not Role.GATEWAY]
    made.trust.write_text(trust_document([own, *center], demo=False))
    set_number_key(made, rosters.HMAC_KEY)
    return made


def set_number_key(desk: Box, key: bytes) -> None:
    (desk.folder / "id-hmac.key").write_text(key.hex())


def keys_of(desk: Box) -> RosterKeys:
    return load_roster_keys(load(desk.config))


@dataclass
class Running:
    store: Store
    keeper: RosterKeeper
    clock: ManualClock

    def version(self) -> int | None:
        in_force = self.keeper.in_force
        return None if in_force is None else in_force.roster.head.version

    async def state(self, key: str) -> str | None:
        return await self.store.read(lambda box: box.noted(key))


@asynccontextmanager
async def running(
    desk: Box, clock: ManualClock | None = None, *, clean: bool = True
) -> AsyncIterator[Running]:
    """The parts of a gateway that a roster passes through."""
    clock = clock or ManualClock()
    keys = Keys.load(load(desk.config))
    async with running_store(desk.store, clock, clean=clean) as store:
        ingest = Ingest(store, clock, keys.sealer, Metrics(), GATEWAY)
        keeper = RosterKeeper(
            folder=desk.store.parent, keys=keys.roster, store=store, ingest=ingest, clock=clock
        )
        await keeper.load()
        yield Running(store, keeper, clock)


def applied(desk: Box) -> list[dict[str, Any]]:
    """The data of every `system.roster_applied` in the store."""
    events: list[Any] = [canonical.decode(wire) for wire in wires(desk.store)]
    return [one["data"] for one in events if one["type"] == "cn.zhijiao.system.roster_applied"]


def stored_versions(desk: Box) -> list[int]:
    with closing(sqlite3.connect(desk.store)) as db:
        return [row[0] for row in db.execute("SELECT version FROM roster")]
