"""Test code: NetworkManager in memory, with a disk and a power switch; and where facts and notes go."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Interface
from typing import Any

from gateway.errors import StoreRefused
from gateway.ingest.facts import Fact
from gateway.network.interface import ACTIVATED, Interface, NetworkTrouble
from gateway.network.ipv4 import Ipv4
from gateway.network.trial import TRIAL, Network

LEASED = IPv4Interface("192.168.7.50/24")
TAKEN = IPv4Interface("192.168.7.9/24")  # somebody else has it


@dataclass
class MemoryDaemon:
    """Implements `gateway.network.trial.Daemon`. One interface, eth0."""

    disk: Ipv4 = field(default_factory=Ipv4)
    memory: Ipv4 = field(default_factory=Ipv4)
    checkpoints: dict[str, tuple[Ipv4, Ipv4]] = field(default_factory=dict)
    away: str | None = None  # code of every answer
    calls: list[str] = field(default_factory=list)
    made: int = 0

    def _ask(self, what: str) -> None:
        if self.away is not None:
            raise NetworkTrouble(self.away, "as the test wants it")
        self.calls.append(what)

    async def interfaces(self) -> Sequence[Interface]:
        if self.away is not None:
            raise NetworkTrouble(self.away, "as the test wants it")
        address = self.memory.address or LEASED
        up = address != TAKEN
        one = Interface(
            name="eth0",
            path="/eth0",
            state=ACTIVATED if up else 120,
            plugged=True,
            profile="/wired",
            uuid="u",
            configured=self.memory,
            addresses=(address,) if up else (),
            gateway=self.memory.gateway,
        )
        return (
            one,
            replace(one, name="eth1", path="/eth1", state=30, profile=None, configured=None, addresses=()),
        )

    async def put(self, one: Interface, wanted: Ipv4, *, durable: bool) -> None:
        self._ask("put durable" if durable else "put")
        self.memory = wanted
        if durable:
            self.disk = wanted

    async def save(self, one: Interface) -> None:
        self._ask("save")
        self.disk = self.memory

    async def checkpoint(self, one: Interface, timeout_s: int) -> str:
        self._ask("checkpoint")
        self.made += 1
        self.checkpoints[f"/checkpoint/{self.made}"] = (self.disk, self.memory)
        return f"/checkpoint/{self.made}"

    async def holds(self, checkpoint: str) -> bool:
        return checkpoint in self.checkpoints

    async def keep(self, checkpoint: str) -> None:
        self._ask("keep")
        self.checkpoints.pop(checkpoint)

    async def roll_back(self, checkpoint: str) -> None:
        self._ask("roll back")
        if checkpoint not in self.checkpoints:
            raise NetworkTrouble("network_refused", "there is no such checkpoint")
        self.disk, self.memory = self.checkpoints.pop(checkpoint)

    def power_cut(self) -> None:
        """What is in memory is gone."""
        self.memory, self.checkpoints = self.disk, {}


@dataclass
class MemoryRecords:
    """Facts and notes, all or nothing."""

    facts: list[Mapping[str, Any]] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)
    full: bool = False

    async def store(
        self, facts: Sequence[Fact], device: str, *, notes: Mapping[str, str | None] | None = None
    ) -> object:
        await asyncio.sleep(0)
        if self.full:
            raise StoreRefused("store_full", "the disk is full")
        self.facts += [{"type": one.type, "subject": one.subject, **one.data} for one in facts]
        for key, value in (notes or {}).items():
            if value is None:
                self.notes.pop(key, None)
            else:
                self.notes[key] = value
        return None

    async def noted(self, key: str) -> str | None:
        return self.notes.get(key)

    async def forget(self, key: str) -> None:
        if self.full:
            raise StoreRefused("store_full", "the disk is full")
        self.notes.pop(key, None)

    def said(self) -> list[tuple[str, str | None]]:
        return [(str(one["what"]), one.get("reason")) for one in self.facts]


def network_of(daemon: Any, records: MemoryRecords, *, boot: str = "b1", trial_s: float = 30.0) -> Network:
    """The network of a gateway over these."""
    return Network(
        lambda: daemon,
        records=records,
        noted=lambda: records.noted(TRIAL),
        forget=lambda: records.forget(TRIAL),
        gateway="gw-370102-01",
        boot=boot,
        changed=lambda: None,
        trial_s=trial_s,
    )
