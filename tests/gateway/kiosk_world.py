"""Kiosks as they run in a gateway, without its devices: a real store, scripted modules, invented people."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import cast
from zoneinfo import ZoneInfo

from drivers.driver import Driver
from drivers.factors import Enrolment, Factor, Guide, Identified, Matched, NotEnrolled, NotMatched, Step
from gateway.access.closed import ClosedAccess
from gateway.access.model import Principal, Role
from gateway.api.parts import Parts
from gateway.checkin.facts import RosterState, Standing, Visitor
from gateway.checkin.kiosk import Kiosk
from gateway.checkin.kiosks import Kiosks
from gateway.checkin.roster import Method
from gateway.checkin.schedule import Where
from gateway.checkin.session import Stage
from gateway.clock import ManualClock
from gateway.config import KioskConfig
from gateway.devices.places import Places
from gateway.errors import StoreRefused
from gateway.evidence.canonical import Json
from gateway.evidence.canonical import decode as decoded
from gateway.ingest.facts import Fact
from gateway.ingest.ingest import Ingest
from gateway.ingest.sealing import Sealer
from gateway.metrics import Metrics
from gateway.store.store import Store
from gateway.uuid7 import uuid7
from tests.gateway.store_fixtures import GATEWAY, running_store
from tests.gateway.uplink_bench import until
from tests.ui.scripted import ScriptedGateway, healthy

MODULE, FACES = "ZFM-00A1B2", "EFAA-77"
BOTH = frozenset({Method.FINGER, Method.STAFF})
ZONE = ZoneInfo("Asia/Shanghai")
NEXT = date(2026, 11, 30)
HOSTILE = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>'

ANNA = Visitor("p-anna", "安*娜", BOTH)
BORIS = Visitor("p-boris", "鲍*斯", frozenset({Method.FINGER, Method.FACE}))
CLARA = Visitor("p-clara", "克*拉", BOTH, protected=True)
ENDED = Visitor("p-ended", "完*了", BOTH, ended=True)
CANARY = Visitor("p-canary", HOSTILE, BOTH)
STAFF_ONLY = Visitor("p-staff", "施*夫", frozenset({Method.STAFF}))
PEOPLE = [ANNA, BORIS, CLARA, ENDED, CANARY, STAFF_ONLY]


def token(kiosk: str) -> str:
    return f"token-of-{kiosk}-0123456789abcdef"


CENTER = "历下区社区矫正管理局智慧矫正中心"


class Roster:
    """Numbers are `NUMBER<place>`, fingers and faces lie in the slot of their person's place."""

    def __init__(self, sealer: Sealer) -> None:
        self.state: RosterState | None = RosterState(7, 60, expired=False)
        self.standings: dict[str, Standing] = {ANNA.ref: Standing(Where.ON_TIME, NEXT)}
        self._by_card = {sealer.number_hash(number(one)): one for one in PEOPLE}

    def by_card(self, number_hmac: str) -> Visitor | None:
        return self._by_card.get(number_hmac)

    def by_slot(self, module: str, slot: int) -> Visitor | None:
        return PEOPLE[slot] if module in {MODULE, FACES} and 0 <= slot < len(PEOPLE) else None

    def standing(self, ref: str) -> Standing | None:
        return self.standings.get(ref)


def number(person: Visitor) -> str:
    return f"1101011890010100{PEOPLE.index(person):02d}"


class Module:
    """A fingerprint or face module that answers when a test says so."""

    def __init__(self, factor: Factor) -> None:
        self.factor = factor
        self.guide: Guide = lambda _step: None
        self.lights: list[bool] = []
        self._serial = MODULE if factor is Factor.FINGER else FACES
        self._answers: asyncio.Queue[Identified] = asyncio.Queue()

    def present(self, person: Visitor) -> None:
        self._answers.put_nowait(Matched(PEOPLE.index(person), 88, self._serial))

    def fail(self, reason: str = "unknown") -> None:
        self._answers.put_nowait(NotMatched(reason))

    async def identify(self, *, timeout_s: float, guide: Guide) -> Identified:
        self.guide = guide
        guide(Step.PRESENT)
        async with asyncio.timeout(timeout_s):
            return await self._answers.get()

    async def enrol(self, *, slot: int | None, timeout_s: float, guide: Guide) -> Enrolment:
        del timeout_s, guide
        return NotEnrolled("full", slot)

    async def erase(self, slots: Sequence[int]) -> None:
        del slots

    async def slots(self) -> frozenset[int]:
        return frozenset()

    async def show(self, *, accepted: bool) -> None:
        self.lights.append(accepted)


class Tokens(ClosedAccess):
    """`Access` that knows the tokens of kiosks and nobody else."""

    def __init__(self, kiosks: Sequence[str]) -> None:
        self.known = {token(one): Principal(Role.KIOSK, one) for one in kiosks}

    def kiosk(self, token: str, source: str = "") -> Principal | None:
        """Tokens are bound to a network: without the address of whoever asks none counts."""
        return self.known.get(token) if source else None


class Disk(Ingest):
    """The gateway's own, whose disk a test can fill or stop."""

    refusal_of_test: StoreRefused | None = None
    gate: asyncio.Event | None = None

    async def store(self, facts: Sequence[Fact], device: str, **more: object):  # type: ignore[no-untyped-def]
        if self.gate is not None:
            await self.gate.wait()
        if self.refusal_of_test is not None:
            raise self.refusal_of_test
        return await super().store(facts, device, **more)  # type: ignore[arg-type]


@dataclass
class World:
    """Two kiosks, what stands there, and everything behind them."""

    store: Store
    clock: ManualClock
    ingest: Disk
    roster: Roster
    viewed: ScriptedGateway
    access: Tokens
    kiosks: Kiosks
    modules: dict[str, Module]
    parts: Parts
    now_s: float = 0.0
    cards: int = 0
    running: list[asyncio.Task[None]] = field(default_factory=list)

    def kiosk(self, name: str = "kiosk-1") -> Kiosk:
        desk = self.kiosks.find(name)
        assert desk is not None
        return desk.kiosk

    def lay(self, person: Visitor | None, kiosk: str = "kiosk-1") -> None:
        self.cards += 1
        text = "11010118900101999X" if person is None else number(person)
        assert self.kiosk(kiosk).card(self.ingest.keyed_hash(text.encode()), f"card-event-{self.cards}")

    async def stage(self, stage: Stage, kiosk: str = "kiosk-1") -> None:
        await until(lambda: self.kiosk(kiosk).view.stage is stage, f"{stage}, not {self.kiosk(kiosk).view}")

    def pass_s(self, seconds: float) -> None:
        self.now_s += seconds

    async def events(self) -> list[tuple[str, dict[str, Json]]]:
        rows = await self.store.read(lambda box: box.recent(200))
        found = [decoded(wire) for _, wire, _ in rows]
        return [
            (str(one["type"]).removeprefix("cn.zhijiao."), cast("dict[str, Json]", one["data"]))
            for one in sorted(found, key=lambda one: str(one["sequence"]))
        ]

    async def restart(self) -> None:
        """The kiosks die where they stand and start again on the same disk."""
        await self.kill()
        fresh = build(self.store, self.clock, self.ingest, self.roster, lambda: self.now_s)
        self.kiosks.all[:], self.modules = fresh[0].all, fresh[1]
        self.kiosks._desks, self.kiosks._places = fresh[0]._desks, fresh[0]._places
        self.start()

    def start(self) -> None:
        self.running = [asyncio.create_task(work) for work in self.kiosks.tasks().values()]

    async def kill(self) -> None:
        for task in self.running:
            task.cancel()
        await asyncio.wait(self.running)


CONFIGURED = [
    KioskConfig(id="kiosk-1", devices=("finger-1", "face-1"), purpose="any", printer=True),
    KioskConfig(id="kiosk-2", devices=("finger-2",), purpose="report"),
    KioskConfig(id="terminal-1", devices=(), purpose="any", terminal=True),
]


def build(
    store: Store, clock: ManualClock, ingest: Disk, roster: Roster, seconds: Callable[[], float]
) -> tuple[Kiosks, dict[str, Module]]:
    modules = {
        "finger-1": Module(Factor.FINGER),
        "face-1": Module(Factor.FACE),
        "finger-2": Module(Factor.FINGER),
    }
    kiosks = Kiosks(
        Places(CONFIGURED, cast("dict[str, Driver]", modules)),
        directory=lambda _kiosk: roster,
        recorder=ingest,
        new_id=lambda: uuid7(clock.now().wall_ms),
        changed=lambda: None,
        stamp=clock.now,
        zone=ZONE,
    )
    for kiosk in kiosks.all:
        kiosk._clock = seconds
    return kiosks, modules


@asynccontextmanager
async def world(folder: Path) -> AsyncIterator[World]:
    clock = ManualClock()
    async with running_store(folder / "events.db", clock) as store:
        sealer = Sealer(GATEWAY, bytes(32), None)
        ingest, roster = Disk(store, clock, sealer, Metrics(), GATEWAY), Roster(sealer)
        viewed = ScriptedGateway(replace(healthy(), gateway=GATEWAY, devices=(), center=CENTER))
        access = Tokens([one.id for one in CONFIGURED])
        made: list[World] = []
        kiosks, modules = build(store, clock, ingest, roster, lambda: made[0].now_s if made else 0.0)
        parts = Parts(viewed=viewed, metrics=bytes, access=access, kiosks=kiosks)
        here = World(store, clock, ingest, roster, viewed, access, kiosks, modules, parts)
        made.append(here)
        here.start()
        try:
            yield here
        finally:
            with contextlib.suppress(ValueError):
                await here.kill()
