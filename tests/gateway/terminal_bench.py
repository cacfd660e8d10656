"""A gateway's listener for terminals over a real store and real HTTP, in this process."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from drivers.zk_terminal import ZkTerminal
from gateway.api.listening import listen
from gateway.api.server import serve_on
from gateway.api.terminal_server import create_terminal_app
from gateway.checkin.terminals import TerminalDesk
from gateway.clock import ManualClock
from gateway.config import KioskConfig
from gateway.ingest.ingest import Ingest
from gateway.ingest.sealing import Sealer
from gateway.metrics import Metrics
from gateway.store.store import Store
from gateway.supervisor import DeviceTask
from gateway.terminals import TerminalDoor
from gateway.view import DeviceView
from tests.gateway.store_fixtures import GATEWAY, running_store
from tests.gateway.test_session import Roster

SERIAL = "module-1"  # as the session tests name their module
TABLE = {"serial": SERIAL, "address": "127.0.0.0/30", "card_and_finger": 10, "card_and_face": 18}
KIOSK = KioskConfig(id="kiosk-1", devices=("terminal-1",), purpose="report")
CENTER = X25519PrivateKey.from_private_bytes(bytes(range(32)))


class Listener:
    """The parts, and what can be seen of them."""

    def __init__(self, folder: Path, store: Store, clock: ManualClock, table: dict[str, object]) -> None:
        self.db = folder / "events.db"
        self.store = store
        self.clock = clock
        self.metrics = Metrics()
        sealer = Sealer(GATEWAY, bytes(32), ("center-1", CENTER.public_key()))
        self.ingest = Ingest(store, clock, sealer, self.metrics, GATEWAY)
        self.roster = Roster()
        desk = TerminalDesk(lambda: [KIOSK], directory=self.roster, ingest=self.ingest, clock=clock)
        view = DeviceView(id="terminal-1", kind="terminal.zk_adms", state="unknown", since_ms=0, port="")
        self.task = DeviceTask(
            view, ingest=self.ingest, alarms=None, clock=clock, metrics=self.metrics,  # type: ignore[arg-type]
            changed=lambda: None, take_records=desk.take,
        )  # fmt: skip
        self.driver = ZkTerminal.build("terminal-1", table, self.task)
        self.seconds = 0.0
        self.door = TerminalDoor(
            {"terminal-1": self.driver},
            ingest=self.ingest,
            clock=clock,
            metrics=self.metrics,
            seconds=lambda: self.seconds,
        )
        self.port = 0

    def events(self, kind: str = "checkin.") -> list[dict[str, Any]]:
        with sqlite3.connect(f"file:{self.db}?mode=ro", uri=True) as db:
            events = [json.loads(wire) for (wire,) in db.execute("SELECT wire FROM event ORDER BY n")]
        return [event for event in events if event["type"].startswith(f"cn.zhijiao.{kind}")]

    def reasons(self) -> list[str]:
        return [str(event["data"].get("reason", "counted")) for event in self.events()]

    def metric(self, name: str, **labels: str) -> float:
        value = self.metrics.registry.get_sample_value(f"zhijiao_{name}", labels)
        return 0.0 if value is None else value

    def written(self) -> bytes:
        """Everything of the store on the disk, and the metrics."""
        files: Sequence[Path] = sorted(self.db.parent.glob("*"))
        return b"".join(one.read_bytes() for one in files if one.is_file()) + self.metrics.render()


@asynccontextmanager
async def listener(
    folder: Path, *, clock: ManualClock | None = None, max_mib: int | None = None, **settings: object
) -> AsyncIterator[Listener]:
    """A listener on a free port of this machine."""
    clock = clock or ManualClock()
    async with running_store(folder / "events.db", clock, max_mib=max_mib) as store:
        made = Listener(folder, store, clock, {**TABLE, **settings})
        sock = listen("127.0.0.1", 0)
        made.port = sock.getsockname()[1]
        serving = asyncio.create_task(serve_on(create_terminal_app(made.door), sock, dated=False))
        try:
            yield made
        finally:
            serving.cancel()
            await asyncio.wait([serving])
