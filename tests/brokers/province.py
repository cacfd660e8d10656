"""A province on one machine: a broker, `zhijiao receive`, a simulated fleet, and the verdict on what arrived."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from gateway.demo.keys import ACK_KID, DemoKeys
from gateway.fleet.boxes import names
from tests.broker import Pki

UP_S = 60.0


@dataclass(slots=True)
class Province:
    """`urls`: the broker, one for each node. With `pki` everybody shows a certificate."""

    folder: Path
    urls: list[str]
    gateways: int
    events: int
    mqtt: str = "5"
    pki: Pki | None = None
    figures: dict[str, object] = field(default_factory=dict)
    _receiver: subprocess.Popen[bytes] | None = None

    @property
    def db(self) -> Path:
        return self.folder / "center.db"

    @property
    def log(self) -> Path:
        return self.folder / "receiver.log"

    def prepare(self) -> None:
        """Keys, certificates and the center's trust, before anything is measured."""
        self._keys.ensure()
        if self.pki is not None:
            (self.folder / "certs").mkdir()
            for _, gateway in names(self.gateways):
                made = self.pki.client(gateway)
                shutil.copy(made.cert, self.folder / f"certs/{gateway}.pem")
                shutil.copy(made.key, self.folder / f"certs/{gateway}-key.pem")
        written = self._zhijiao(*self._fleet, "--trust", self._keys.trust, "--write-trust", self._trust)
        assert written.returncode == 0, written.stderr

    def play(self, *, meanwhile: Callable[[], None] | None = None, deadline_s: float = 100) -> None:
        """Receiver and fleet until all is proven or time is up; `figures` tells. `meanwhile`: once events come in."""
        self._start_receiver()
        assert self._receiver is not None
        try:
            command = [
                *self._fleet, *(word for url in self.urls for word in ("--broker", url)), "--trust", self._trust,
                "--mqtt", self.mqtt, "--deadline", deadline_s, "--json",
            ]  # fmt: skip
            if self.pki is not None:
                command += ["--ca", self.pki.ca, "--certs", self.folder / "certs"]
            playing = subprocess.Popen(
                [sys.executable, "-m", "gateway", *map(str, command)], stdout=subprocess.PIPE, text=True
            )
            if meanwhile is not None:
                self._until(lambda: self.db.stat().st_size > 1 << 20, "events at the center", deadline_s)
                meanwhile()
            told, _ = playing.communicate(timeout=deadline_s + 300)
            self.figures = json.loads(told) | {"receiver_mib": _peak_mib(self._receiver.pid)}
        finally:
            self._receiver.terminate()
            self._receiver.wait(60)

    def verdict(self) -> dict[str, object]:
        """`zhijiao verify` over the center's record, with public keys alone."""
        told: dict[str, object] = json.loads(
            self._zhijiao("verify", self.db, "--trust", self._trust, "--json").stdout
        )
        return told

    def assert_whole(self) -> None:
        """Everything there, verified, without a gap, and the fleet knows it."""
        figures, verdict = self.figures, self.verdict()
        count = self.gateways * self.events
        assert (figures["done"], figures["settled"]) == (self.gateways, count), figures
        assert (verdict["integrity"], verdict["events"]) == ("intact", count)
        epochs = verdict["epochs"]
        assert isinstance(epochs, list)
        assert len(epochs) == self.gateways
        assert all(epoch["held"] == [[1, self.events]] and not epoch["missing"] for epoch in epochs)

    # -- its parts ------------------------------------------------------------------------------------

    @property
    def _keys(self) -> DemoKeys:
        return DemoKeys(self.folder / "keys", "gw-370102-01")

    @property
    def _trust(self) -> Path:
        return self.folder / "fleet.json"

    @property
    def _fleet(self) -> list[object]:
        return ["simulate", "fleet", "--gateways", self.gateways, "--events", self.events]

    def _start_receiver(self) -> None:
        command: list[object] = [
            "receive", "--broker", self.urls[0], "--mqtt", self.mqtt, "--db", self.db, "--trust", self._trust,
            "--ack-key", self._keys.ack_key, "--ack-kid", ACK_KID, "--demo",
        ]  # fmt: skip
        if self.pki is not None:
            center = self.pki.client("center")
            command += ["--ca", self.pki.ca, "--cert", center.cert, "--key", center.key]
        with self.log.open("wb") as log:
            self._receiver = subprocess.Popen(
                [sys.executable, "-m", "gateway", *map(str, command)], stderr=log
            )
        self._until(lambda: b"receiver connected" in self.log.read_bytes(), "the center", UP_S)

    def _until(self, condition: Callable[[], bool], what: str, timeout_s: float) -> None:
        give_up = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < give_up, (
                f"{what}: not after {timeout_s:g} s; {self.log.read_text()[-1000:]}"
            )
            time.sleep(0.05)

    def _zhijiao(self, *words: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "gateway", *map(str, words)],
            capture_output=True, text=True, timeout=900, check=False,
        )  # fmt: skip


def _peak_mib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text("ascii", "replace").splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) // 1024
    return 0
