"""Our gateway under test: the real process, a real pty, every event committed, chained and signed."""

import datetime as dt
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, Self

from gateway.demo.keys import ACK_KID, DemoKeys
from gateway.evidence import jws
from gateway.evidence.keys import Role, load_trust
from gateway.ingest.sealing import Sealer
from tests.bench.sources import SerialSource
from tests.broker import free_port
from tests.e2e.bench_center import GATEWAY, ORG, Receipt

Form = Literal["plain", "card"]
_MARKS = {
    "plain": re.compile(rb'"sha256":"([0-9a-f]{64})"'),
    "card": re.compile(rb'"number_hmac":"([0-9a-f]{64})"'),
}


class OurGateway:
    """`zhijiao run` with the streaming device of the bench."""

    topic = "cc/v1/+/+/evt/#"
    acl: str | None = None

    def __init__(
        self,
        folder: Path,
        *,
        form: Form = "plain",
        state: Path | None = None,
        env: dict[str, str] | None = None,
        uplink: str = "",
        api: str = "enabled = false",
        receipts: bool = False,
        wrapper: tuple[str, ...] = (),
    ) -> None:
        self.name = "ours"
        self.folder = folder
        self.form = form
        self.state = state or folder / "state"
        self.log = folder / "gateway.log"
        self.receipts_file = folder / "receipts" if receipts else None
        self._env, self._uplink, self._api, self._wrapper = env or {}, uplink, api, wrapper
        folder.mkdir(parents=True)
        self.source = SerialSource(folder / "tty")
        self.keys = DemoKeys(folder / "keys", GATEWAY)
        self.keys.ensure()
        self._sealer = Sealer(GATEWAY, bytes.fromhex(self.keys.hmac_key.read_text()), None)
        self._known: dict[str, int] = {}  # what stands for a line in its event -> number
        self._learnt = 0
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    def with_page(cls, folder: Path) -> Self:
        """With the page on a free port, as the product runs by default."""
        return cls(folder, api=f'listen = "127.0.0.1:{free_port()}"')

    def subscriber_options(self) -> list[str]:
        return ["--ack-key", str(self.keys.ack_key), "--ack-kid", ACK_KID]

    def start(self, remote_port: int) -> None:
        config = self.folder / "zhijiao.toml"
        config.write_text(self._config(remote_port))
        command = [*self._wrapper, sys.executable, "-m", "tests.bench.stream_gateway"]
        command += ["run", "--config", str(config)]
        passed: list[int] = []
        if self.receipts_file is not None:
            passed = [os.open(self.receipts_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)]
            command += ["--receipts", str(passed[0])]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, env={**os.environ, **self._env}, pass_fds=passed
            )
        for descriptor in passed:
            os.close(descriptor)

    def kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def stop(self) -> None:
        """SIGTERM, and wait."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGTERM)
            process.wait(20)

    @property
    def pid(self) -> int:
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError(f"the gateway ended:\n{self.log.read_text()[-2000:]}")
        return self._process.pid

    def numbers(self, payload: bytes) -> Iterable[int]:
        mark = _MARKS[self.form].search(payload)
        if mark is None:
            return []
        number = self._number_of(mark[1].decode())
        return [] if number is None else [number]

    def _number_of(self, text: str) -> int | None:
        if text not in self._known:
            for number in range(self._learnt, len(self.source.lines)):
                digest = hashlib.sha256(self.source.lines[number]).hexdigest()
                self._known[digest if self.form == "plain" else self._sealer.number_hash(digest)] = number
                self._learnt = number + 1
        return self._known.get(text)

    def receipts(self) -> list[Receipt]:
        """What was told to be committed; a torn last line was never a receipt."""
        if self.receipts_file is None or not self.receipts_file.exists():
            return []
        lines = self.receipts_file.read_bytes().split(b"\n")[:-1]
        parts = [line.decode().split(" ") for line in lines]
        return [Receipt(epoch, int(seq), event_id, digest) for epoch, seq, event_id, digest in parts]

    def said(self, text: str, since: int) -> float | None:
        """When the log first says `text` behind byte `since` (seconds since 1970); None when it does not."""
        for line in self.log.read_bytes()[since:].splitlines():
            entry = json.loads(line) if line.startswith(b"{") else {}
            if entry.get("msg") == text:
                return dt.datetime.fromisoformat(entry["ts"]).timestamp()
        return None

    def verify(self, messages: Iterable[bytes]) -> int:
        """Check the signature of every event that arrived; how many. Raises `ContractError`."""
        find = load_trust(self.keys.trust, allow_demo=True).find(Role.GATEWAY)
        count = 0
        for message in messages:
            jws.open_message(message, find)
            count += 1
        return count

    def _config(self, port: int) -> str:
        return f"""
[gateway]
org = "{ORG}"
id = "{GATEWAY}"
state_dir = "{self.state}"
demo = true
[keys]
event_key_file = "{self.keys.event_key}"
event_kid = "{self.keys.event_kid}"
trust_file = "{self.keys.trust}"
id_hmac_key_file = "{self.keys.hmac_key}"
[uplink]
broker = "mqtt://127.0.0.1:{port}"
drain_cap_per_s = 0
{self._uplink}
[store]
reserve_mib = 8
[log]
format = "json"
[api]
{self._api}
[[device]]
id = "stream-1"
kind = "bench.stream"
port = "{self.source.link}"
card = {int(self.form == "card")}
"""
