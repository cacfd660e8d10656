"""A start that works is given time by the service manager; one that is stuck is not."""

import asyncio
import hashlib
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway import app, starting_time
from gateway.errors import StartError
from gateway.starting_time import EXTENSION_S, LONGEST_S, LOOK_S, used, worked_through
from gateway.systemd import Notifier

DEADLINE_S = 15.0
UNIT = Path("deploy/systemd/zhijiao.service")


@pytest.fixture
def ear(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(0)
        yield listening


@pytest.fixture
def notifier(ear: socket.socket) -> Notifier:
    return Notifier({"NOTIFY_SOCKET": ear.getsockname()})


def heard(ear: socket.socket) -> list[str]:
    said: list[str] = []
    while True:
        try:
            said.append(ear.recv(4096).decode())
        except BlockingIOError:
            return said


class Work:
    """What a start has used, by the word of the test."""

    def __init__(self, *amounts: float) -> None:
        self.amounts = list(amounts)
        self.looked = asyncio.Event()

    def __call__(self) -> tuple[float, int]:
        if len(self.amounts) == 1:
            self.looked.set()
            return self.amounts[0], 0
        return self.amounts.pop(0), 0


async def test_each_look_that_finds_work_asks_for_more_time(ear: socket.socket, notifier: Notifier) -> None:
    work = Work(0.0, 1.0, 2.0, 2.0, 3.0, 3.0)
    async with asyncio.timeout(DEADLINE_S), worked_through(notifier, work=work, look_s=0.01):
        await work.looked.wait()
    said = heard(ear)
    assert len(said) == 3, "the look that found nothing new said nothing"
    assert all(
        re.fullmatch(rf"EXTEND_TIMEOUT_USEC={EXTENSION_S * 1_000_000:.0f}\nSTATUS=.+", s) for s in said
    )


async def test_a_start_that_does_nothing_is_not_extended(ear: socket.socket, notifier: Notifier) -> None:
    """For real: a thread that waits for a lock, as on a disk that does not answer."""
    never = threading.Event()
    stuck = asyncio.get_running_loop().run_in_executor(None, never.wait)
    async with worked_through(notifier, look_s=0.3):
        await asyncio.sleep(0.5)  # the first look has the end of what was before
        heard(ear)
        await asyncio.sleep(1.5)
    never.set()
    await stuck
    assert heard(ear) == []


async def test_a_start_that_works_is_extended(ear: socket.socket, notifier: Notifier) -> None:
    """For real: another thread hashes, as a salvage does."""
    done = threading.Event()

    def hash_on() -> None:
        while not done.is_set():
            hashlib.sha256(bytes(1_000_000)).digest()

    working = asyncio.get_running_loop().run_in_executor(None, hash_on)
    async with worked_through(notifier, look_s=0.2):
        async with asyncio.timeout(DEADLINE_S):
            for _ in range(3):
                await asyncio.get_running_loop().sock_recv(ear, 4096)
        done.set()
        await working


async def test_a_start_that_works_for_ever_is_given_up(
    ear: socket.socket, notifier: Notifier, caplog: pytest.LogCaptureFixture
) -> None:
    """A loop that goes round and round looks like work: there is an end to it."""
    amounts = iter(range(1_000_000))
    async with worked_through(notifier, work=lambda: (float(next(amounts)), 0), look_s=0.01, longest_s=0.2):
        await asyncio.sleep(0.5)
        heard(ear)
        await asyncio.sleep(0.2)
        assert heard(ear) == []
    assert "start not extended any more" in caplog.text


async def test_nothing_is_said_once_the_start_is_over(ear: socket.socket, notifier: Notifier) -> None:
    amounts = iter(range(1_000_000))
    async with worked_through(notifier, work=lambda: (float(next(amounts)), 0), look_s=0.01):
        await asyncio.sleep(0.1)
    assert heard(ear)
    await asyncio.sleep(0.1)
    assert heard(ear) == []


async def test_without_a_service_manager_nobody_looks() -> None:
    def never() -> tuple[float, int]:
        raise AssertionError("asked")

    async with worked_through(Notifier({}), work=never, look_s=0.01):
        await asyncio.sleep(0.05)


def test_looks_come_often_enough_for_what_they_ask() -> None:
    (allowed,) = re.findall(r"^TimeoutStartSec=(\d+)$", UNIT.read_text(), re.MULTILINE)
    assert int(allowed) > LOOK_S, "the first word comes before the time of the unit is over"
    assert 2 * LOOK_S < EXTENSION_S
    assert EXTENSION_S < LONGEST_S


def test_work_is_seen() -> None:
    cpu_s, _ = used()
    for _ in range(50):
        hashlib.sha256(bytes(1_000_000)).digest()
    assert used()[0] > cpu_s


async def test_the_start_of_the_gateway_is_extended(
    ear: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it: keys, store, epoch, what was found."""

    async def build(*_args: Any) -> None:
        def work() -> None:
            hashlib.pbkdf2_hmac("sha256", b"", b"", 1_500_000)

        await asyncio.get_running_loop().run_in_executor(None, work)
        raise StartError("done", "it got as far as this")

    monkeypatch.setenv("NOTIFY_SOCKET", ear.getsockname())
    monkeypatch.setattr(starting_time, "LOOK_S", 0.05)
    monkeypatch.setattr(app._Gateway, "build", build)
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "add_signal_handler", lambda *_: None)
    with pytest.raises(StartError):
        await app.run(None, app.RunOptions())  # type: ignore[arg-type]
    said = heard(ear)
    assert said
    assert all(line.startswith("EXTEND_TIMEOUT_USEC=") for line in said)
