"""Terminals in the office as it is put together: the roster alone says whose PIN it is."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from drivers.factors import Factor
from drivers.terminals import Punch
from gateway.clock import ManualClock
from gateway.config import load
from gateway.ingest.ingest import Ingest
from gateway.keyring import Keys
from gateway.metrics import Metrics
from gateway.office import Office
from tests.gateway import rosters
from tests.gateway.roster_box import roster_box
from tests.gateway.store_fixtures import GATEWAY, running_store
from tests.gateway.technicians_box import Box, wires
from tests.gateway.test_enroller import give

TERMINAL = """
[terminals]
listen = "127.0.0.1:8081"

[[device]]
id = "terminal-1"
kind = "terminal.zk_adms"
serial = "T-1"
address = "10.9.9.9"
card_and_finger = 10

[[kiosk]]
id = "kiosk-1"
devices = ["terminal-1"]
purpose = "report"
"""
PIN = {"method": "finger", "module": "T-1", "slot": 7, "enrolment": "e-7"}


def people(*references: dict[str, Any]) -> list[Any]:
    return [rosters.person(0), rosters.person(1, references=list(references))]


@pytest.fixture
def desk(tmp_path: Path) -> Box:
    made = roster_box(tmp_path)
    made.config.write_text(made.config.read_text() + TERMINAL)
    return made


@asynccontextmanager
async def office(desk: Box) -> AsyncIterator[Office]:
    clock, config = ManualClock(), load(desk.config)
    keys, metrics = Keys.load(config), Metrics()
    async with running_store(desk.store, clock, clean=True) as store:
        ingest = Ingest(store, clock, keys.sealer, metrics, GATEWAY)
        made = Office(config, keys=keys, store=store, ingest=ingest, clock=clock, metrics=metrics)
        await made.references.load()
        await made.roster.load()
        yield made


async def punch(one: Office, desk: Box) -> Any:
    """What comes of card and finger under the PIN 7, now."""
    now_ms = one._clock.now().wall_ms
    record = Punch(
        terminal="T-1", record_time=str(len(list(wires(desk.store)))).encode(), record=b"7", pin="7",
        claimed_ms=now_ms, status=0, verify=10, second_factor=Factor.FINGER,
    )  # fmt: skip
    assert await one.desk.take("terminal-1", [record]) == 1
    return json.loads(list(wires(desk.store))[-1])


async def test_after_a_backup_was_put_back_a_pin_is_still_whose_the_roster_says(
    desk: Box, tmp_path: Path
) -> None:
    """No template of a terminal is made or deleted here, so nothing of it can have been forgotten."""
    give(desk, people(PIN))
    async with office(desk) as one:
        assert (await punch(one, desk))["type"] == "cn.zhijiao.checkin.completed"
    copy = tmp_path / "copy.db"
    assert desk.run("backup", "--out", copy).code == 0
    assert desk.run("restore", copy, "--yes").code == 0
    async with office(desk) as one:
        came = await punch(one, desk)
        assert (came["type"], came["subject"]) == ("cn.zhijiao.checkin.completed", "person/p-0001")
        give(desk, people({**PIN, "enrolment": "e-8"}), version=2)
        await one.roster.look()
        assert (await punch(one, desk))["subject"] == "person/p-0001"
