"""Peers that need nothing but what is here: a mosquitto bridge, a naive script, paho alone."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from tests.bench.sources import MqttClientSource, SerialSource, Source
from tests.broker import find_mosquitto, free_port

NAIVE = Path(__file__).with_name("naive_script.py")


class _Plain:
    """A process whose messages are the source's own lines."""

    topic = "in/#"
    acl: str | None = None
    name: str
    source: Source

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def subscriber_options(self) -> list[str]:
        return []

    def start(self, remote_port: int) -> None:
        with (self._folder / "output").open("ab") as log:
            self._process = subprocess.Popen(self._command(remote_port), stdout=log, stderr=log)

    def _command(self, remote_port: int) -> list[str]:
        raise NotImplementedError

    def kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    @property
    def pid(self) -> int:
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError(f"{self.name} ended: {(self._folder / 'output').read_text()[-500:]}")
        return self._process.pid

    def numbers(self, payload: bytes) -> Iterator[int]:
        with suppress(ValueError):
            event = json.loads(payload)
            if str(event["id"]).startswith(self.source.run):
                yield int(event["seq"])


class Bridge(_Plain):
    """A second mosquitto with persistence, bridging QoS 1; no queue limits, all state saved every 30 s."""

    name = "mosquitto bridge"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._port = free_port()
        self.source: Source = MqttClientSource(self._port)

    def _command(self, remote_port: int) -> list[str]:
        config = self._folder / "bridge.conf"
        user = "user root\n" if os.getuid() == 0 else ""
        config.write_text(
            f"{user}listener {self._port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n"
            "max_queued_messages 0\nmax_inflight_messages 0\nlog_type error\n"
            f"persistence true\npersistence_location {self._folder}/\nautosave_interval 30\n"
            f"connection up\naddress 127.0.0.1:{remote_port}\ntopic in/# out 1\ncleansession false\n"
            "restart_timeout 1\nremote_clientid bridge-bench\nlocal_clientid bridge-local\n"
        )
        return [str(find_mosquitto()), "-c", str(config)]


class NaiveScript(_Plain):
    """What many would write: pyserial `readline`, paho QoS 1, no buffer of its own."""

    name = "naive script"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.link = folder / "tty"
        self.source: Source = SerialSource(self.link)

    def _command(self, remote_port: int) -> list[str]:
        return [sys.executable, str(NAIVE), str(self.link), str(remote_port)]


def paho_alone_rate(port: int, count: int) -> float:
    """paho-mqtt alone in a process, made-up lines: messages/s until the last PUBACK."""
    command = [sys.executable, str(NAIVE.with_name("paho_alone.py")), str(port), str(count)]
    told = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return float(told.stdout)
