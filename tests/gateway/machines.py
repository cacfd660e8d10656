"""Machines that make events by their own clocks, and a center that is opened again for every delivery."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gateway.clock import ClockQuality, ManualClock
from gateway.envelope import GENESIS, Draft, Place, Sealed, seal
from gateway.evidence.canonical import Json
from gateway.receiver.receiver import Receiver
from gateway.receiver.verdict import Outcome
from gateway.uuid7 import uuid7
from tests.gateway.receiver_fixtures import (
    GW,
    KEY,
    ORG,
    Time,
    looking,
    message,
    receiving,
)


@dataclass
class Machine:
    """Makes events by the center's time, or by one that is off by `off_ms`; its boot ends where it is told."""

    time: Time
    boot: str
    off_ms: int = 0
    quality: ClockQuality = ClockQuality.SYNCED
    since_s: float = field(init=False)
    epoch: str = ""
    seq: int = 0
    last: bytes = GENESIS

    def __post_init__(self) -> None:
        self.since_s = self.time.mono_s

    def opens(self, epoch: str, previous: "Machine | None" = None) -> Sealed:
        """The first event of another epoch."""
        told: Json = None
        if previous is not None:
            told = {
                "epoch": previous.epoch,
                "last_seq": previous.seq,
                "last_hash": previous.last.hex(),
            }
        self.epoch, self.seq, self.last = epoch, 0, GENESIS
        data: dict[str, Json] = {"reason": "restored", "profile": "intl", "software": "0", "previous": told}
        return self.place(self.draft("system.epoch_opened", data))

    def makes(self, count: int = 1, every_s: float = 1) -> list[Sealed]:
        made = []
        for _ in range(count):
            self.time.pass_s(every_s)
            made.append(self.place(self.draft("identity.card_read", {"n": self.seq})))
        return made

    def draft(self, kind: str, data: dict[str, Json]) -> Draft:
        now = self.clock().now()
        device = "gateway" if kind.startswith("system") else "idcard-1"
        subject = f"gateway/{GW}" if kind.startswith("system") else "device/idcard-1"
        return Draft(id=uuid7(now.wall_ms), type=kind, subject=subject, device=device, at=now, data=data)

    def place(self, draft: Draft) -> Sealed:
        at = Place(ORG, GW, self.epoch, self.seq + 1, self.last)
        event = seal(draft, at, self.clock().now(), KEY)
        self.seq, self.last = event.seq, event.hash
        return event

    def clock(self) -> ManualClock:
        mono_ms = int((self.time.mono_s - self.since_s) * 1000) + 5_000
        synced = self.quality is ClockQuality.SYNCED
        return ManualClock(
            self.time.wall_ms + self.off_ms, mono_ms, boot_id=self.boot * 32, quality=self.quality,
            error_ms=12 if synced else None,
        )  # fmt: skip

    def copy(self, boot: str) -> "Machine":
        """Its card in another machine, or in this one at its next boot."""
        other = Machine(self.time, boot, self.off_ms, self.quality)
        other.epoch, other.seq, other.last = self.epoch, self.seq, self.last
        return other


@dataclass
class Center:
    """A receiver that is opened again for every delivery: nothing may rest on its memory alone."""

    path: Path
    time: Time
    seen: int = 0

    async def takes(self, *events: Sealed) -> None:
        async with receiving(self.path, self.time) as receiver:
            await self.into(receiver, events)

    async def into(self, receiver: Receiver, events: Sequence[Sealed]) -> None:
        verdicts = await receiver.accept_many([message(event) for event in events])
        assert {v.outcome for v in verdicts} <= {Outcome.ACCEPTED, Outcome.DUPLICATE}, "nothing is ever lost"
        self.seen += sum(v.outcome is Outcome.ACCEPTED for v in verdicts)

    def alarms(self) -> list[tuple[str, int]]:
        with looking(self.path) as db:
            assert db.execute("SELECT count(*) FROM event").fetchone()[0] == self.seen
            found = db.execute("SELECT epoch, n FROM alarm WHERE kind = 'duplicate_identity' ORDER BY epoch")
            return found.fetchall()

    def kinds(self) -> set[str]:
        with looking(self.path) as db:
            return {row[0] for row in db.execute("SELECT DISTINCT kind FROM alarm")}


OLD, NEW = "aaaaaaaa", "bbbbbbbb"
