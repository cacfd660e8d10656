"""A box whose accounts and kiosks are kept as by a running gateway."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import argon2
import pytest

from gateway.access import hashing
from gateway.access.keeper import AccessKeeper
from gateway.access.model import AccessRefused, Principal, Role
from gateway.clock import ManualClock
from gateway.config import load
from gateway.evidence import canonical
from gateway.ingest.ingest import Ingest
from gateway.keyring import Keys
from gateway.metrics import Metrics
from gateway.store.store import Store
from tests.gateway.store_fixtures import GATEWAY, running_store
from tests.gateway.technicians_box import Box, box, wires

ADMIN = Principal(Role.ADMIN, "admin-1")
KIOSKS = ("kiosk-1", "kiosk-2")
PASSWORD = "four unrelated words, canary 7319"
DESK = "192.168.1.7"

READER = """
[[device]]
id = "idcard-{n}"
kind = "idcard.sam"
port = "/dev/ttyS{n}"
[[kiosk]]
id = "kiosk-{n}"
devices = ["idcard-{n}"]
"""


def access_box(folder: Path) -> Box:
    made = box(folder)
    text = made.config.read_text() + "".join(READER.format(n=n) for n in (1, 2))
    made.config.write_text(text)
    return made


def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests that are not about hashes: the same algorithm, a hundredth of the work."""
    monkeypatch.setattr(hashing, "_HASHER", argon2.PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))


@dataclass
class Running:
    store: Store
    access: AccessKeeper
    clock: ManualClock
    metrics: Metrics

    async def refusal(self, name: str, password: str, source: str = DESK) -> AccessRefused:
        try:
            await self.access.sign_in(name, password, source)
        except AccessRefused as exc:
            return exc
        raise AssertionError("was let in")

    async def code(self, name: str, password: str, source: str = DESK) -> str:
        return (await self.refusal(name, password, source)).code


@asynccontextmanager
async def running(
    desk: Box, clock: ManualClock | None = None, *, clean: bool = True
) -> AsyncIterator[Running]:
    """The parts of a gateway that sign-in passes through."""
    clock, metrics = clock or ManualClock(), Metrics()
    keys = Keys.load(load(desk.config))
    async with running_store(desk.store, clock, clean=clean) as store:
        access = AccessKeeper(
            folder=desk.store.parent,
            seal=keys.access,
            store=store,
            ingest=Ingest(store, clock, keys.sealer, metrics, GATEWAY),
            clock=clock,
            metrics=metrics,
            kiosks=frozenset(KIOSKS),
        )
        await access.load()
        yield Running(store, access, clock, metrics)
        await access.close()


async def add(box: Running, name: str, role: Role = Role.STAFF, password: str = PASSWORD) -> None:
    await box.access.accounts.add(ADMIN, name, role, password)


def told(desk: Box, kind: str) -> list[dict[str, Any]]:
    """The data of every event of a kind in the store."""
    events: list[Any] = [canonical.decode(wire) for wire in wires(desk.store)]
    return [one["data"] for one in events if one["type"] == f"cn.zhijiao.{kind}"]
