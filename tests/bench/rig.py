"""One run: remote broker, a line that can fail, counting subscriber, and the system under test.

with Rig(folder, ours.OurGateway(...)) as rig:
    rig.warm()
    numbers = rig.source.send(seconds=5)
    rig.wait_for(numbers, 30)
"""

import subprocess
import sys
import time
from collections.abc import Iterable, Set
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from tests.bench.sources import Source
from tests.bench.subscriber import LogReader
from tests.broker import HOST, Mosquitto, free_port, wait_port

POLL_S = 0.02
WARM_S = 60.0


class System(Protocol):
    """A gateway under test."""

    name: str
    topic: str  # where its events come out
    acl: str | None  # of the remote broker, where it needs one

    @property
    def source(self) -> Source:
        """Where its events come from."""
        ...

    def subscriber_options(self) -> list[str]:
        """What the subscriber must know."""
        ...

    def start(self, remote_port: int) -> None:
        """Begin; `remote_port` is the broker, or the line to it."""
        ...

    def kill(self) -> None:
        """SIGKILL, and nothing is left."""
        ...

    @property
    def pid(self) -> int:
        """The process that is measured."""
        ...

    def numbers(self, payload: bytes) -> Iterable[int]:
        """Which of the source's lines a message at the far end carries."""
        ...


class Arrivals:
    """What came out at the far end, first copies."""

    def __init__(self, log: Path, system: System) -> None:
        self.at: dict[int, int] = {}  # number -> monotonic ns
        self.copies = 0
        self.disordered = 0
        self.messages: list[bytes] = []
        self._highest = -1
        self._reader = LogReader(log)
        self._system = system

    def look(self) -> None:
        """Take up what came."""
        for ns, payload in self._reader.new():
            self.messages.append(payload)
            for number in self._system.numbers(payload):
                if number in self.at:
                    self.copies += 1
                    continue
                self.disordered += number < self._highest
                self._highest = max(self._highest, number)
                self.at[number] = ns


class Rig:
    """Everything of one run; ends with its `with`."""

    def __init__(self, folder: Path, system: System, *, line: bool = False) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.system = system
        self.arrivals = Arrivals(folder / "arrivals", system)
        self._with_line = line
        self._line: subprocess.Popen[str] | None = None
        self._stack = ExitStack()
        self.broker = Mosquitto(
            folder / "remote", acl=system.acl, persistence=False, extra="max_inflight_messages 0"
        )
        self.remote_port = self.broker.port

    @property
    def source(self) -> Source:
        """The system's source."""
        return self.system.source

    def __enter__(self) -> Self:
        try:
            self._build()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _build(self) -> None:
        self._stack.enter_context(self.broker)
        self._stack.callback(self.source.close)
        if self._with_line:
            self.remote_port = free_port()
            ports = ["--listen", str(self.remote_port), "--target", str(self.broker.port)]
            self._line = self._python("tests.bench.proxy", *ports)
            self.line("up")
            wait_port(self.remote_port)
        options = ["--port", str(self.broker.port), "--topic", self.system.topic]
        subscriber = self._python(
            "tests.bench.subscriber",
            *options,
            *("--out", str(self.folder / "arrivals")),
            *self.system.subscriber_options(),
        )
        _expect(subscriber, "subscribed")
        self._stack.callback(self.system.kill)

    def _python(self, module: str, *args: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._stack.callback(_end, process)
        return process

    def line(self, command: str) -> float:
        """`up`, `down` or `silent`; when it was done."""
        if self._line is None or self._line.stdin is None:
            raise RuntimeError("this rig has no line that can fail")
        self._line.stdin.write(command + "\n")
        self._line.stdin.flush()
        _expect(self._line, "done")
        return time.monotonic()

    def start(self) -> None:
        """Start the system."""
        self.system.start(self.remote_port)

    def warm(self) -> None:
        """Start, and return when events come through."""
        self.start()
        self.until_it_flows()

    def until_it_flows(self) -> None:
        """Send single events until one comes out, and the stragglers behind it."""
        end, first = time.monotonic() + WARM_S, self.source.count
        while not any(number >= first for number in self.arrivals.at):
            if time.monotonic() > end:
                raise RuntimeError(f"{self.system.name}: nothing came through in {WARM_S:g} s")
            self.source.send(count=1)
            self.wait(0.3)
        self.wait(1.0)

    def wait(self, seconds: float) -> None:
        """Let time pass and look."""
        time.sleep(seconds)
        self.arrivals.look()

    def wait_for(self, numbers: Iterable[int], timeout_s: float, *, quiet_s: float = 15.0) -> Set[int]:
        """Until all of them came, or nothing new for `quiet_s`; those that did not."""
        wanted, end, last, seen = set(numbers), time.monotonic() + timeout_s, time.monotonic(), -1
        while True:
            self.arrivals.look()
            missing = wanted - self.arrivals.at.keys()
            now = time.monotonic()
            if len(self.arrivals.at) != seen:
                seen, last = len(self.arrivals.at), now
            if not missing or now > end or now - last > quiet_s:
                return missing
            time.sleep(POLL_S)

    def latencies_ms(self, numbers: Iterable[int]) -> list[float]:
        """Line begun -> received at the far end."""
        sent, at = self.source.sent, self.arrivals.at
        return [(at[number] - sent[number]) / 1e6 for number in numbers if number in at]


def _expect(process: subprocess.Popen[str], word: str) -> None:
    if process.stdout is None or process.stdout.readline().strip() != word:
        raise RuntimeError(f"{process.args!r} did not say {word}")


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


__all__ = ["HOST", "Rig", "System"]
