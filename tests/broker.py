"""A real mosquitto on 127.0.0.1 for tests: start, stop, kill, freeze, come back on the same port.

    with Mosquitto(tmp_path / "broker", tls=pki) as broker:
        ...connect to broker.port (plain, anonymous) or broker.tls_port (client certificate)...
        broker.kill()        # what was only in its memory is gone
        broker.start()       # same ports, same folder

`BrokerProcess` runs any configuration text (the one we ship); `Mosquitto` writes one for itself.
A machine without mosquitto skips the test and names the package, but fails it when CI=true.
"""

import os
import random
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Literal, NoReturn, Self

import pytest

from tests.pki import GATEWAY, Identity, Pki

__all__ = [
    "GATEWAY",
    "HOST",
    "BrokerError",
    "BrokerProcess",
    "Identity",
    "Mosquitto",
    "Pki",
    "find_mosquitto",
    "free_port",
    "not_run",
    "skip_or_fail",
    "wait_port",
]

HOST = "127.0.0.1"
START_S = 30.0  # a start takes 30 ms; the rest is for a machine that is busy with other tests
STOP_S = 20.0
POLL_S = 0.01
# Below Linux' ephemeral range: while a broker is down, no outgoing connection can be given its port,
# and a client that retries on loopback cannot connect to itself.
PORTS = range(20_000, 32_000)
LARGE_QUEUE = 1_000_000  # messages per client; mosquitto's own default of 1000 drops the rest silently


class BrokerError(Exception):
    """mosquitto did not come up; the message holds the end of its log."""


def skip_or_fail(missing: str, package: str) -> NoReturn:
    """Skip for want of a program, naming its Debian package; on CI (CI=true) that is a failure."""
    not_run(f"{missing} is not installed: apt-get install --no-install-recommends {package}")


def not_run(reason: str) -> NoReturn:
    """Skip for this reason, which says what to do; on CI (CI=true) that is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def find_mosquitto() -> Path:
    """Return the broker's path. Debian keeps it in /usr/sbin, which is not on a user's PATH."""
    found = shutil.which("mosquitto", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")
    if found is None:
        skip_or_fail("mosquitto", "mosquitto")
    return Path(found)


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on and that the kernel never hands out by itself."""
    for _ in range(1000):
        port = random.choice(PORTS)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise BrokerError(f"no free port in {PORTS.start}..{PORTS.stop - 1} on {HOST}")


def wait_port(port: int, timeout_s: float = START_S) -> None:
    """Return when something accepts connections on the port; TimeoutError when nothing does in time."""
    deadline = time.monotonic() + timeout_s
    while not _accepts(port):
        if time.monotonic() > deadline:
            raise TimeoutError(f"nobody listens on {HOST}:{port} after {timeout_s:g} s")
        time.sleep(POLL_S)


def _accepts(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), 1).close()
    except OSError:
        return False
    return True


def _serves(port: int) -> bool:
    """Whether the broker's loop turns: it hangs up on nonsense.

    The kernel accepts connections long before: certificates are not read yet then, and SIGHUP would kill.
    """
    try:
        with socket.create_connection((HOST, port), 1) as sock:
            sock.sendall(bytes(16))
            while sock.recv(1024):
                pass
    except ConnectionResetError:
        return True
    except OSError:
        return False
    return True


class BrokerProcess:
    """One mosquitto with a given configuration, which must name `ports` as its only listeners."""

    def __init__(self, folder: Path, config: str, ports: list[int]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.config = folder / "mosquitto.conf"
        self.config.write_text(config, encoding="utf-8")
        self.log = folder / "mosquitto.log"
        self._exe = find_mosquitto()
        self._ports = ports
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether the process is there (a paused one is)."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process id; only while it runs."""
        return self._started().pid

    def start(self) -> Self:
        """Start, and return when every listener serves. BrokerError when it exits or never does."""
        if self.running:
            raise BrokerError("start() of a broker that runs")
        with self.log.open("ab") as log:
            self._process = subprocess.Popen([self._exe, "-c", self.config], stdout=log, stderr=log)
        deadline = time.monotonic() + START_S
        while not all(_serves(port) for port in self._ports):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise BrokerError(f"mosquitto did not start; its log ends with\n{self.log_text()[-2000:]}")
            time.sleep(POLL_S)
        return self

    def stop(self) -> None:
        """Stop in order: it writes its persistence file. Harmless when it does not run."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill: what it had only in memory is lost. Harmless when it does not run."""
        self._end(signal.SIGKILL)

    def restart(self) -> Self:
        """Stop in order and start again on the same ports and folder."""
        self.stop()
        return self.start()

    def pause(self) -> None:
        """Freeze it: TCP stays up and nobody answers, the outage that only a keep-alive finds."""
        self._started().send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused broker go on."""
        self._started().send_signal(signal.SIGCONT)

    def reload(self) -> None:
        """Make it read ACL and settings again (SIGHUP), as `systemctl reload mosquitto` does."""
        self._started().send_signal(signal.SIGHUP)

    def save(self) -> None:
        """Make it write its persistence file now (SIGUSR1)."""
        self._started().send_signal(signal.SIGUSR1)

    def log_text(self) -> str:
        """What it logged so far, over all its starts."""
        return self.log.read_text("utf-8", errors="replace") if self.log.exists() else ""

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            raise BrokerError("the broker does not run")
        return self._process

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        process.send_signal(signal.SIGCONT)  # a paused one would never see SIGTERM
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise BrokerError(f"mosquitto ignored {how.name} for {STOP_S:g} s and was killed") from None


class Mosquitto(BrokerProcess):
    """A broker for tests: `port` plain and anonymous, with `tls` also `tls_port` (client certificate).

    On `tls_port` the certificate's common name becomes user name and client id, as at the center.
    `acl` is the text of an ACL file and then binds both listeners; `extra` is appended as it stands,
    so a listener option in it belongs to the last listener. `queue="default"` keeps mosquitto's limits.
    """

    def __init__(
        self,
        folder: Path,
        *,
        tls: Pki | None = None,
        acl: str | None = None,
        persistence: bool = True,
        queue: Literal["large", "default"] = "large",
        extra: str = "",
    ) -> None:
        self.tls = tls
        self.port = free_port()
        self.tls_port = free_port() if tls else 0  # 0: no such listener
        lines = [
            "per_listener_settings false",
            "allow_anonymous true",
            "set_tcp_nodelay true",
            "sys_interval 0",
            "log_dest stderr",
        ]
        if os.getuid() == 0:
            lines += ["user root"]  # or it becomes `mosquitto`, who cannot read a test's folder
        if persistence:
            lines += ["persistence true", f"persistence_location {folder}/"]
        if queue == "large":
            lines += [f"max_queued_messages {LARGE_QUEUE}"]
        if acl is not None:
            lines += [f"acl_file {folder / 'acl'}"]
        lines += [f"listener {self.port} {HOST}"]
        if tls is not None:
            lines += [
                f"listener {self.tls_port} {HOST}",
                f"cafile {tls.ca}",
                f"certfile {tls.server.cert}",
                f"keyfile {tls.server.key}",
                "require_certificate true",
                "use_identity_as_username true",
                "use_username_as_clientid true",
            ]
        super().__init__(
            folder, "\n".join([*lines, extra, ""]), [self.port, *([self.tls_port] if tls else [])]
        )
        if acl is not None:
            (folder / "acl").write_text(acl, encoding="utf-8")
            (folder / "acl").chmod(0o600)
