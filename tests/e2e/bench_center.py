"""A center for end-to-end tests: mosquitto, `zhijiao receive`, `zhijiao run`, simulated readers on ptys.

Everything but the readers is its own process and is started, killed and restarted by the test. The
readers live on the test's loop, behind real ptys, and keep laying cards while the gateway is dead.
"""

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from drivers.simulators.cards import Card, cards
from drivers.simulators.idcard import SimulatedReader
from drivers.simulators.pty_host import PtyHost
from gateway.demo.keys import ACK_KID, DemoKeys
from tests.broker import Mosquitto

ORG, GATEWAY = "370102", "gw-370102-01"
POLL_S = 0.02
IMPATIENT_S = 2.0  # the gateway may be dead: people go on coming
DEADLINE_S = 60.0


@dataclass(frozen=True, slots=True)
class Receipt:
    """One line of the receipt channel: this event's COMMIT returned."""

    epoch: str
    seq: int
    id: str
    hash: str


@dataclass(slots=True)
class Center:
    """Paths and processes of one test's center."""

    folder: Path
    broker: Mosquitto
    readers: int = 2
    env: dict[str, str] = field(default_factory=dict)
    api_config: str = "enabled = false"
    store_config: str = ""
    wrapper: tuple[str, ...] = ()  # a program that starts the gateway, such as setpriv
    uplink_config: str = ""
    state_dir: Path | None = None  # default: below `folder`; receipts stay there in any case
    uplink_port: int | None = None  # default: the broker's own; a proxy's to disturb the line
    poll_ms: int = 20
    device_config: str = ""  # more devices than the readers
    rosters: Path | None = None  # folder of the receiver
    receiver_mqtt: str = "5"
    gateway: subprocess.Popen[bytes] | None = None
    receiver: subprocess.Popen[bytes] | None = None

    @property
    def keys(self) -> DemoKeys:
        return DemoKeys(self.folder / "keys", GATEWAY)

    @property
    def db(self) -> Path:
        return self.folder / "center.db"

    @property
    def store(self) -> Path:
        return (self.state_dir or self.folder / "gateway") / "events.db"

    @property
    def config(self) -> Path:
        return self.folder / "zhijiao.toml"

    def port_of(self, reader: int) -> Path:
        return self.folder / "ports" / f"idcard-{reader}"

    def write_config(self) -> None:
        self.keys.ensure()
        (self.folder / "ports").mkdir(exist_ok=True)
        text = f"""
[gateway]
org = "{ORG}"
id = "{GATEWAY}"
state_dir = "{self.store.parent}"
demo = true
[keys]
event_key_file = "{self.keys.event_key}"
event_kid = "{self.keys.event_kid}"
trust_file = "{self.keys.trust}"
id_hmac_key_file = "{self.keys.hmac_key}"
[uplink]
broker = "mqtt://127.0.0.1:{self.uplink_port or self.broker.port}"
drain_cap_per_s = 0
{self.uplink_config}
[log]
format = "json"
[api]
{self.api_config}
[store]
{self.store_config if "reserve_mib" in self.store_config else "reserve_mib = 8" + chr(10) + self.store_config}
"""
        for n in range(1, self.readers + 1):
            text += f"""
[[device]]
id = "idcard-{n}"
kind = "idcard.sam"
port = "{self.port_of(n)}"
poll_interval_ms = {self.poll_ms}
gone_after_ms = {self.poll_ms}
"""
        self.config.write_text(text + self.device_config)

    # -- processes ------------------------------------------------------------------------------------

    def start_gateway(self, *program: str, receipts_fd: int | None = None) -> None:
        """`zhijiao run`, or another program that takes the same arguments; receipts to a file, or to this fd."""
        if receipts_fd is None:
            receipts = os.open(self.folder / "receipts", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        else:
            receipts = os.dup(receipts_fd)
        try:
            command = [
                *self.wrapper,
                sys.executable,
                *(program or ("-m", "gateway")),
                "run",
                "--config",
                str(self.config),
            ]
            with self.log("gateway").open("ab") as log:
                self.gateway = subprocess.Popen(
                    [*command, "--receipts", str(receipts)],
                    pass_fds=[receipts],
                    stdout=log,
                    stderr=log,
                    env={**os.environ, **self.env},
                )
        finally:
            os.close(receipts)

    def start_receiver(self, *, stdout: int | None = None, demo: bool = True) -> None:
        command = [
            *(sys.executable, "-m", "gateway", "receive"),
            *("--broker", f"mqtt://127.0.0.1:{self.broker.port}", "--db", str(self.db)),
            *("--trust", str(self.keys.trust), "--ack-key", str(self.keys.ack_key), "--ack-kid", ACK_KID),
            *(("--demo",) if demo else ()),
            *("--follow", "json", "--mqtt", self.receiver_mqtt),
            *(() if self.rosters is None else ("--rosters", str(self.rosters))),
        ]
        with self.log("receiver").open("ab") as log:
            self.receiver = subprocess.Popen(command, stdout=log if stdout is None else stdout, stderr=log)

    def kill_gateway(self) -> None:
        assert self.gateway is not None
        self.gateway.kill()
        self.gateway.wait()
        self.gateway = None

    def stop_gateway(self, timeout_s: float = 10.0) -> int:
        """SIGTERM; its exit code."""
        assert self.gateway is not None
        self.gateway.send_signal(signal.SIGTERM)
        code = self.gateway.wait(timeout_s)
        self.gateway = None
        return code

    def stop_receiver(self, *, kill: bool = False) -> int:
        assert self.receiver is not None
        self.receiver.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
        code = self.receiver.wait(20)
        self.receiver = None
        return code

    def end(self) -> None:
        for process in (self.gateway, self.receiver):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()

    def public_keys(self) -> dict[str, bytes]:
        """By kid, from the trust file."""
        document = json.loads(self.keys.trust.read_text())
        return {key["kid"]: bytes.fromhex(key["public"]) for key in document["keys"]}

    # -- what can be seen -----------------------------------------------------------------------------

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def log_text(self, name: str) -> str:
        path = self.log(name)
        return path.read_text(errors="replace") if path.exists() else ""

    def receipts(self) -> list[Receipt]:
        path = self.folder / "receipts"
        if not path.exists():
            return []
        lines = path.read_bytes().split(b"\n")[:-1]  # a torn last line was never a receipt
        parts = [line.decode().split(" ") for line in lines]
        return [Receipt(epoch, int(seq), event_id, digest) for epoch, seq, event_id, digest in parts]

    def waiting(self) -> int:
        """Unsettled events in the gateway's store, read from outside."""
        with sqlite3.connect(f"file:{self.store}?mode=ro", uri=True, timeout=10) as db:
            return int(db.execute("SELECT count(*) FROM waiting").fetchone()[0])

    async def until(self, condition: Callable[[], bool], what: str, timeout_s: float = DEADLINE_S) -> None:
        end = time.monotonic() + timeout_s
        while not condition():
            for name, process in (("gateway", self.gateway), ("receiver", self.receiver)):
                if process is not None and process.poll() is not None:
                    raise AssertionError(
                        f"{name} ended while waiting for {what}:\n{self.log_text(name)[-3000:]}"
                    )
            if time.monotonic() > end:
                raise AssertionError(
                    f"waited {timeout_s} s for {what}\n{self.log_text('gateway')[-3000:]}\n"
                    f"{self.log_text('receiver')[-2000:]}"
                )
            await asyncio.sleep(POLL_S)


@contextmanager
def center(folder: Path, broker: Mosquitto, **settings: object) -> Iterator[Center]:
    """A center whose processes end with the test."""
    made = Center(folder, broker, **settings)  # type: ignore[arg-type]  # its own field names
    made.write_config()
    try:
        yield made
    finally:
        made.end()


class Counter:
    """A reader and the people who come to it, on the test's loop."""

    def __init__(
        self, port: Path, seed: int, *, pause_s: float = 0.06, reader: SimulatedReader | None = None
    ) -> None:
        self.port = PtyHost(port)
        self.reader = reader or SimulatedReader()
        self._deck = cards(seed)
        self._pause_s = pause_s
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self, *, people: bool = True) -> None:
        self.port.plug()
        self._tasks = [asyncio.create_task(self._serve())]
        if people:
            self._tasks.append(asyncio.create_task(self._people()))

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.port.unplug()

    async def _serve(self) -> None:
        while True:
            await self.port.until_plugged()
            await self.reader.serve(self.port)

    async def _people(self) -> None:
        for card in self._deck:
            await self.visit(card, IMPATIENT_S)

    async def visit(self, card: Card, patience_s: float = 30.0) -> None:
        """One person: lays the card, takes it when it was read, or when nothing happens for so long."""
        self.reader.present(card)
        try:
            async with asyncio.timeout(patience_s):
                await self.reader.until_settled()
        except TimeoutError:
            pass
        self.reader.lift()
        await asyncio.sleep(self._pause_s)

    async def visit_timed(self, card: Card) -> float:
        """One person; the monotonic time at which the last byte of the card's record was on the wire."""
        self.reader.present(card)
        await self.reader.until_settled()
        replied = time.monotonic()
        self.reader.lift()
        await asyncio.sleep(self._pause_s)
        return replied


def stored_events(db: Path, query: str) -> list[Mapping[str, object]]:
    """Rows of the receiver's database, read from outside."""
    with sqlite3.connect(f"file:{db}?mode=ro", uri=True, timeout=10) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(query)]
