"""The service manager's ear: real datagrams on a real socket."""

import asyncio
import os
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.systemd import NO_OP_DEADLINE_S, Notifier, watchdog

DEADLINE_S = 15.0


@pytest.fixture
def ear(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(DEADLINE_S)
        yield listening


def environment(ear: socket.socket, **more: str) -> dict[str, str]:
    return {"NOTIFY_SOCKET": ear.getsockname(), **more}


def heard(ear: socket.socket) -> list[str]:
    """Everything said so far."""
    said: list[str] = []
    ear.settimeout(0)
    while True:
        try:
            said.append(ear.recv(4096).decode())
        except BlockingIOError:
            return said


async def until(ear: socket.socket, wanted: int) -> list[str]:
    """The next `wanted` datagrams."""
    ear.settimeout(0)
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(DEADLINE_S):
        return [(await loop.sock_recv(ear, 4096)).decode() for _ in range(wanted)]


def test_each_state_is_one_datagram(ear: socket.socket) -> None:
    notifier = Notifier(environment(ear))
    notifier.ready("1 device, uplink connecting")
    notifier.status("online")
    notifier.alive()
    notifier.stopping()
    assert heard(ear) == [
        "READY=1\nSTATUS=1 device, uplink connecting",
        "STATUS=online",
        "WATCHDOG=1",
        "STOPPING=1",
    ]


def test_a_status_cannot_smuggle_in_another_state(ear: socket.socket) -> None:
    Notifier(environment(ear)).status("broker says\nSTOPPING=1\r\nMAINPID=1 " + "x" * 500)
    (said,) = heard(ear)
    assert said.startswith("STATUS=broker says STOPPING=1 MAINPID=1 x")
    assert "\n" not in said
    assert len(said) < 300


def test_the_abstract_namespace_is_spoken_too() -> None:
    name = f"zhijiao-test-{uuid.uuid4()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("\0" + name)
        Notifier({"NOTIFY_SOCKET": "@" + name}).ready()
        assert heard(listening) == ["READY=1"]


@pytest.mark.parametrize("given", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1234"}])
async def test_without_a_service_manager_nothing_is_done(given: dict[str, str]) -> None:
    notifier = Notifier(given)
    assert not notifier.enabled
    assert notifier.watchdog_interval_s is None
    notifier.ready()
    notifier.alive()
    await watchdog(notifier, {"database": asyncio.Event().wait})  # returns at once, or this would hang


@pytest.mark.parametrize("address", ["/nowhere/notify", "/" + "x" * 200])
def test_an_ear_that_went_away_is_no_reason_to_stop(address: str, caplog: pytest.LogCaptureFixture) -> None:
    Notifier({"NOTIFY_SOCKET": address}).ready()
    assert "service manager not reached" in caplog.text


@pytest.mark.parametrize(
    ("given", "interval_s"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 10.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 10.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),  # meant for another process
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "-1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_is_ours_only_if_it_names_us(given: dict[str, str], interval_s: float | None) -> None:
    assert Notifier(given).watchdog_interval_s == interval_s


def test_an_answer_just_within_its_deadline_still_feeds_in_time() -> None:
    allowed_s = 30  # WatchdogSec of the unit
    interval_s = Notifier({"WATCHDOG_USEC": str(allowed_s * 1_000_000)}).watchdog_interval_s
    assert interval_s is not None
    assert interval_s + NO_OP_DEADLINE_S < allowed_s


class DatabaseThread:
    """Answers while it is told to."""

    def __init__(self) -> None:
        self.answers = asyncio.Event()
        self.answers.set()
        self.asked = asyncio.Event()

    async def no_op(self) -> None:
        self.asked.set()
        await self.answers.wait()

    async def asked_again(self, times: int) -> None:
        async with asyncio.timeout(DEADLINE_S):
            for _ in range(times):
                self.asked.clear()
                await self.asked.wait()


async def test_the_watchdog_is_fed_while_the_database_thread_answers(ear: socket.socket) -> None:
    database = DatabaseThread()
    feeding = asyncio.create_task(
        watchdog(Notifier(environment(ear, WATCHDOG_USEC="30000")), {"database": database.no_op})
    )
    assert await until(ear, 5) == ["WATCHDOG=1"] * 5
    await database.asked_again(2)
    feeding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await feeding


async def test_a_silent_database_thread_starves_the_watchdog_until_it_answers(
    ear: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    database = DatabaseThread()
    notifier = Notifier(environment(ear, WATCHDOG_USEC="30000"))
    async with asyncio.TaskGroup() as group:
        feeding = group.create_task(watchdog(notifier, {"database": database.no_op}, deadline_s=0.05))
        await until(ear, 2)
        database.answers.clear()
        await database.asked_again(1)  # the question that was on its way may still have been answered
        heard(ear)
        await database.asked_again(4)
        assert heard(ear) == []
        database.answers.set()
        assert await until(ear, 2) == ["WATCHDOG=1"] * 2
        feeding.cancel()
    told = [record for record in caplog.records if "watchdog not fed" in record.message]
    assert [record.__dict__["check"] for record in told] == ["database"], "told once, not at every turn"


async def test_a_bug_in_a_check_ends_the_watchdog_loudly(ear: socket.socket) -> None:
    async def broken() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await watchdog(Notifier(environment(ear, WATCHDOG_USEC="30000")), {"database": broken})
    assert heard(ear) == []
