"""`zhijiao setup` and `zhijiao network` beside a running gateway, and what becomes of what they leave."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.clock import ManualClock
from gateway.ingest.ingest import Ingest
from gateway.ingest.sealing import Sealer
from gateway.metrics import Metrics
from gateway.network import trial as trial_module
from gateway.network.ipv4 import Ipv4
from gateway.network.trial import TRIAL, Network
from gateway.setup import left_by_commands
from gateway.setup.center_name import CENTER_NAME, CenterName
from gateway.setup.left_by_commands import LeftByCommands
from gateway.setup.requests import Request, What, inbox
from gateway.store.store import Store
from tests.gateway.network_bench import MemoryDaemon
from tests.gateway.store_fixtures import GATEWAY, running_store
from tests.gateway.technicians_box import Box, Told, box

NAME = "历城区智慧矫正中心"
FIXED = ("network", "set", "eth0", "--address", "10.1.2.3/24", "--gateway", "10.1.2.1")


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Box:
    monkeypatch.setattr(left_by_commands, "LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(trial_module, "LOOK_S", 0.02)
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    return box(tmp_path)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - there is nothing to wait on
            await asyncio.sleep(0.01)


class Running:
    """A gateway as far as it takes these requests."""

    def __init__(self, desk: Box, store: Store, clock: ManualClock, daemon: MemoryDaemon) -> None:
        ingest = Ingest(store, clock, Sealer(GATEWAY, bytes(32), None), Metrics(), GATEWAY)
        self.desk, self.store, self.daemon = desk, store, daemon
        self.name = CenterName(
            records=ingest, noted=lambda: store.read(lambda one: one.noted(CENTER_NAME)), gateway=GATEWAY
        )
        self.network = Network(
            lambda: daemon,
            records=ingest,
            noted=lambda: store.read(lambda one: one.noted(TRIAL)),
            forget=lambda: store.run(lambda one: one.note(TRIAL, None)),
            gateway=GATEWAY,
            boot="b",
            changed=lambda: None,
        )
        self.left = LeftByCommands(desk.store.parent, store=store, name=self.name, network=self.network)

    async def zhijiao(self, *words: str) -> Told:
        return await asyncio.to_thread(self.desk.run, *words)

    async def said(self) -> list[dict[str, Any]]:
        rows = await self.store.read(lambda one: one.recent(50))
        events = [json.loads(wire) for _, wire, _ in rows]
        return [one["data"] for one in reversed(events) if one["type"].endswith("audit.config_changed")]


@asynccontextmanager
async def running(desk: Box) -> AsyncIterator[Running]:
    clock = ManualClock()
    async with running_store(desk.store, clock) as store:
        one = Running(desk, store, clock, MemoryDaemon())
        await one.name.load()
        task = asyncio.create_task(one.left.run())
        await until(lambda: not one.left._starting)  # what was left before the start is dealt with
        yield one
        await one.network.close()
        task.cancel()
        await asyncio.wait({task})


async def test_a_name_given_to_a_running_gateway_counts_at_once(desk: Box) -> None:
    async with running(desk) as one:
        told = await one.zhijiao("setup", "name", NAME)
        assert (told.code, "the running gateway has taken it" in told.out) == (0, True)
        assert one.name.now == NAME
        (said,) = await one.said()
        assert (said["what"], said["name"], said["via"], said["before"]) == (
            "center_named", NAME, "command", None,
        )  # fmt: skip
        assert isinstance(said["uid"], int)
        assert inbox(desk.store.parent).waiting() == []


async def test_a_name_given_before_the_start_counts_once(desk: Box) -> None:
    async with running(desk):
        pass
    told = await asyncio.to_thread(desk.run, "setup", "name", NAME)
    assert "at its next start" in told.out
    (path,) = inbox(desk.store.parent).waiting()
    left = path.read_bytes()
    for _ in range(2):  # the power goes after the commit, before the file is gone
        async with running(desk) as one:
            await until(lambda: not inbox(desk.store.parent).waiting())
            assert one.name.now == NAME
            assert [said["what"] for said in await one.said()] == ["center_named"]
        path.write_bytes(left)


async def test_an_address_is_tried_kept_and_undone_by_commands(
    desk: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(desk) as one:
        told = await one.zhijiao(*FIXED)
        assert told.code == 0, told.err
        assert "on trial" in told.out
        await until(lambda: one.network.view.trial is not None and one.network.view.trial.up)
        monkeypatch.setenv("SSH_CONNECTION", "10.9.9.9 50000 192.168.7.50 22")
        refused = await one.zhijiao("network", "keep")
        assert (refused.code, "not_over_new" in refused.err) == (65, True)
        monkeypatch.setenv("SSH_CONNECTION", "10.9.9.9 50001 10.1.2.3 22")
        assert (await one.zhijiao("network", "keep")).code == 0
        assert one.daemon.disk.told() == "10.1.2.3/24, gateway 10.1.2.1"
        assert (await one.zhijiao("network", "set", "eth0", "--dhcp")).code == 0
        assert (await one.zhijiao("network", "undo")).code == 0
        assert one.daemon.memory == one.daemon.disk
        said = await one.said()
        assert [each["what"] for each in said] == [
            "network_tried",
            "network_kept",
            "network_tried",
            "network_undone",
        ]
        assert {each["via"] for each in said} == {"command"}


async def test_a_mistake_is_told_and_nothing_is_left(desk: Box) -> None:
    assert desk.run("setup", "name", "   ").code == 65
    assert desk.run("network", "set", "eth0", "--address", "10.1.2.3").code == 65
    async with running(desk):
        pass
    told = desk.run(*FIXED)
    assert (told.code, "[not_running]" in told.err) == (69, True)
    assert inbox(desk.store.parent).waiting() == []


async def test_an_address_asked_for_before_a_restart_is_not_tried(desk: Box) -> None:
    async with running(desk) as one:
        pass
    async with running(desk) as one:
        told = await one.zhijiao(*FIXED)
        assert told.code == 0
        await one.network.undo("x")
    # A file that a power cut left behind, of a request that no answer was written of.
    async with running(desk):
        pass
    values = {"interface": "eth0", "method": "manual", "address": "10.1.2.3", "prefix": "24"}
    asked = Request(id="left-behind", what=What.SET, by="x", uid=0, values=values)
    inbox(desk.store.parent).leave(asked.as_bytes(), 0)
    async with running(desk) as one:
        await until(lambda: not inbox(desk.store.parent).waiting())
        assert one.network.view.trial is None
        assert one.daemon.memory == Ipv4()


async def test_bytes_that_are_no_request_stop_nothing(desk: Box) -> None:
    async with running(desk):
        pass
    for raw in (
        b"",
        b"{",
        b'{"id":1}',
        b'{"id":"1","what":"reboot","by":"x","uid":0,"values":{}}',
        b"[" * 9000,
    ):
        inbox(desk.store.parent).leave(raw, 0)
    async with running(desk) as one:
        await until(lambda: not inbox(desk.store.parent).waiting())
        assert (await one.zhijiao("setup", "name", NAME)).code == 0


def test_what_is_missing_is_said_beside_the_gateway(desk: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={desk.folder}/nobody")
    told = desk.run("setup", "show", "--json")
    assert told.code == 1
    lines = {one["name"]: (one["state"], one["todo"]) for one in told.json["lines"]}
    assert lines["center"] == ("attention", "zhijiao setup name NAME")
    assert lines["network"][0] == "attention"
    assert "apt-get install network-manager" in lines["network"][1]
    assert lines["trust"][0] == lines["check-in"][0] == "attention"
    assert desk.run("network", "show").code == 1
