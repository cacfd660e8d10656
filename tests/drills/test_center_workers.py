"""Two workers on one record, one of them killed at random moments under load: acks never run ahead of commits.

Small gateways send to a real mosquitto; `zhijiao receive --worker` twice, on SQLite and on PostgreSQL. Whatever an
ack tells is looked for in the record at once, by a connection of the drill's own; in the end every event is there
once. Control: a worker that commits after it acks must be found out.
"""

import asyncio
import random
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.demo.keys import ACK_KID, DemoKeys
from gateway.evidence.keys import Role, TrustedKey, load_trust, trust_document
from gateway.uplink.acks import EpochAck
from tests.broker import Mosquitto, free_port
from tests.drills.ground import ROOT, form
from tests.drills.small_fleet import SmallGateway
from tests.e2e.independent import weigh

pytestmark = [pytest.mark.drill, pytest.mark.timeout(form(ci=120, long=3600))]

GATEWAYS = form(ci=4, long=12)
KILLS = form(ci=3, long=200)
PER_S = 25.0  # events of each gateway
LEASE_S = 1.5
NAMES = ("a", "b")


@dataclass
class Center:
    """A record, its workers, and what is found out about their acks."""

    folder: Path
    db: str
    broker: Mosquitto
    look: Callable[[str, tuple[object, ...]], list[tuple[Any, ...]]]
    program: tuple[str, ...] = ("-m", "gateway")
    gateways: list[SmallGateway] = field(default_factory=list)
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    page: int = field(default_factory=free_port)
    acks: int = 0
    ahead: list[str] = field(default_factory=list)  # what was told and not committed
    _found: dict[str, set[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        keys = DemoKeys(self.folder / "keys", "gw-370102-99")
        keys.ensure()
        known = load_trust(keys.trust, allow_demo=True).everybody()
        ack = next(key for key in known if key.kid == ACK_KID)
        public = Ed25519PublicKey.from_public_bytes(ack.public)
        self.gateways = [
            SmallGateway(n, self.broker.port, public, self.judge, PER_S) for n in range(1, GATEWAYS + 1)
        ]
        ours = [
            TrustedKey(one.signer.kid, Role.GATEWAY, one.name, one.signer.public.public_bytes_raw())
            for one in self.gateways
        ]
        keys.trust.write_text(trust_document([*known, *ours], demo=True))
        self.keys = keys

    def start(self, name: str) -> None:
        command = [
            *(sys.executable, *self.program, "receive", "--worker", name, "--lease", str(LEASE_S)),
            *("--db", self.db, "--broker", f"mqtt://127.0.0.1:{self.broker.port}", "--demo"),
            *("--trust", str(self.keys.trust), "--ack-key", str(self.keys.ack_key), "--ack-kid", ACK_KID),
            *("--follow", "json"),
            *(("--page", f"127.0.0.1:{self.page}") if name == NAMES[0] else ()),
        ]
        with self.log(name).open("ab") as log:
            self.running[name] = subprocess.Popen(command, stdout=log, stderr=log, cwd=ROOT)

    def end(self, name: str, how: signal.Signals) -> int:
        process = self.running.pop(name)
        process.send_signal(how)
        process.send_signal(signal.SIGCONT)
        return process.wait(20)

    def log(self, name: str) -> Path:
        return self.folder / f"worker-{name}.log"

    def metrics(self) -> list[str]:
        """What one worker's page tells of all gateways; nothing while it starts."""
        with (
            suppress(OSError),
            urllib.request.urlopen(f"http://127.0.0.1:{self.page}/metrics", timeout=20) as answer,
        ):
            text: bytes = answer.read()
            return text.decode().splitlines()
        return []

    def stored_by(self, name: str) -> int:
        return self.log(name).read_text(errors="replace").count('"outcome": "accepted"')

    def judge(self, gateway: SmallGateway, ack: EpochAck) -> None:
        """An ack has come: what it tells must be committed by now."""
        self.acks += 1
        found = self._found.setdefault(gateway.name, set())
        told = {*range(1, ack.upto + 1)}.union(*(range(first, last + 1) for first, last in ack.sack))
        if told <= found:
            return
        rows = self.look(
            "SELECT e.seq FROM event e JOIN cursor c ON c.id = e.cursor WHERE c.gw = ? AND c.epoch = ?",
            (gateway.name, gateway.epoch),
        )
        found |= {int(row[0]) for row in rows}
        self.ahead += [f"{gateway.name} #{seq}" for seq in sorted(told - found)]

    async def load(self, kills: int) -> int:
        """Everything at once; how many events were made."""
        async with asyncio.TaskGroup() as tasks:
            going = [tasks.create_task(gateway.run()) for gateway in self.gateways]
            for name in NAMES:
                self.start(name)
            await self.until(lambda: all(gateway.settled for gateway in self.gateways), "the first acks")
            for _ in range(kills):
                await asyncio.sleep(random.uniform(0.1, 1.2))
                victim = random.choice(NAMES)
                self.end(victim, signal.SIGKILL)
                await asyncio.sleep(random.choice((0.0, random.uniform(0, 1.5 * LEASE_S))))
                self.start(victim)
            await self.until(
                lambda: bool(self.ahead) or all(self.stored_by(name) for name in NAMES), "both to take part"
            )
            for gateway in self.gateways:
                gateway.making = False
            if not self.ahead:
                await self.until(
                    lambda: all(len(one.settled) >= len(one.made) for one in self.gateways), "the last acks"
                )
            for task in going:
                task.cancel()
        return sum(len(gateway.made) for gateway in self.gateways)

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        end_s = time.monotonic() + 60
        while not condition():
            logs = "\n".join(self.log(name).read_text(errors="replace")[-2000:] for name in NAMES)
            assert time.monotonic() < end_s, f"waited for {what}\n{logs}"
            for name, process in self.running.items():
                assert process.poll() is None, f"worker {name} ended\n{logs}"
            await asyncio.sleep(0.05)


@contextmanager
def center(folder: Path, broker: Mosquitto, db: str, look: Any, *program: str) -> Iterator[Center]:
    made = Center(folder, db, broker, look, *((program,) if program else ()))
    try:
        yield made
    finally:
        for process in made.running.values():
            process.kill()
            process.wait()


@pytest.fixture(params=["sqlite", "postgresql"])
def record(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Any]]:
    """(--db, a way to look into what is committed)."""
    if request.param == "sqlite":
        yield str(tmp_path / "center.db"), _sqlite(tmp_path / "center.db")
        return
    import psycopg

    server = request.getfixturevalue("postgres")
    url = server.url("drill")
    with psycopg.connect(url, autocommit=True) as connection:
        yield (
            url,
            lambda sql, args: connection.execute(sql.replace("?", "%s").encode(), args).fetchall(),
        )


def _sqlite(path: Path) -> Any:
    def look(sql: str, args: tuple[object, ...]) -> list[tuple[Any, ...]]:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10) as db:
            return db.execute(sql, args).fetchall()

    return look


async def test_no_ack_runs_ahead_of_its_commit_and_nothing_is_lost_or_doubled(
    tmp_path: Path, mosquitto: Mosquitto, record: tuple[str, Any], tell: Callable[[str], None]
) -> None:
    with center(tmp_path, mosquitto, *record) as bench:
        await bench.load(KILLS)
        holders = "SELECT count(DISTINCT holder) FROM lease"
        await bench.until(lambda: bench.look(holders, ()) == [(2,)], "both to have a share")
        await bench.until(lambda: "zhijiao_center_workers 2.0" in bench.metrics(), "both on the page")
        assert {one for one in bench.metrics() if one.startswith("zhijiao_center_gateway_missing{")} == {
            f'zhijiao_center_gateway_missing{{gw="{one.name}"}} 0.0' for one in bench.gateways
        }
        assert {bench.end(name, signal.SIGTERM) for name in NAMES} == {0}
        wires = [bytes(row[0]) for row in bench.look("SELECT wire FROM event", ())]
        public = {one.signer.kid: one.signer.public.public_bytes_raw() for one in bench.gateways}
        receipts = [receipt for one in bench.gateways for receipt in one.receipts()]
        result = weigh(wires, receipts, public)
        alarms = {row[0] for row in bench.look("SELECT kind FROM alarm", ())}
        shares = {name: bench.stored_by(name) for name in NAMES}
        tell(
            f"kills {KILLS}, acks {bench.acks}, ahead of their commit {len(bench.ahead)}, {result}, by {shares}"
        )
        assert bench.ahead == []
        assert result.faults == []
        assert alarms == set()
        assert all(shares.values()), "both took part"
        assert bench.look("SELECT count(*) FROM lease", ()) == [(0,)], "given back in the end"


async def test_the_drill_notices_a_worker_that_acks_before_it_commits(
    tmp_path: Path, mosquitto: Mosquitto, tell: Callable[[str], None]
) -> None:
    path = tmp_path / "center.db"
    with center(tmp_path, mosquitto, str(path), _sqlite(path), "-m", "tests.drills.hasty_worker") as bench:
        with suppress(AssertionError):
            await bench.load(0)
        tell(f"control, must run ahead: acks {bench.acks}, ahead of their commit {len(bench.ahead)}")
        assert bench.ahead
