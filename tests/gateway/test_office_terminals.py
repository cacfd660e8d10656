"""Terminals in the office as it is put together: the roster alone says whose PIN it is."""

import json
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from drivers.errors import DeviceFault
from drivers.factors import Factor
from drivers.terminals import Answer, Punch, Terminal
from gateway.checkin.references import RESTORED
from gateway.checkin.release import LEFT_OUT, STAFF, released
from gateway.checkin.terminal_erasing import TerminalErasing
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
    """No template of a terminal is made here, and what was deleted there stays deleted: nothing can be forgotten."""
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


class FakeTerminal:
    """A terminal that takes orders; the driver of a real one is tested over HTTP (`test_zk_terminal`)."""

    serial = "T-1"

    def __init__(self) -> None:
        self.asked: list[frozenset[int]] = []
        self.obeys = True

    def allows(self, source: object) -> bool:
        raise NotImplementedError

    def body_limit(self, request: object) -> int:
        raise NotImplementedError

    async def handle(self, *args: object, **named: object) -> Answer:
        raise NotImplementedError

    async def forget(self, pins: Collection[int]) -> frozenset[int]:
        self.asked.append(frozenset(pins))
        if not self.obeys:
            raise DeviceFault("not_erased", "it did not answer")
        return frozenset(pins)


def erasing(one: Office, terminal: Terminal) -> TerminalErasing:
    return TerminalErasing(
        {"terminal-1": terminal}, lambda: frozenset({"terminal-1"}), one.references,
        clock=one._clock, changed=lambda: None,
    )  # fmt: skip


def erased(desk: Box) -> list[dict[str, Any]]:
    events = [json.loads(wire) for wire in wires(desk.store)]
    return [one for one in events if one["type"] == "cn.zhijiao.identity.erased"]


async def test_who_is_released_is_deleted_at_the_terminal_by_its_word(desk: Box) -> None:
    give(desk, people(PIN))
    terminal = FakeTerminal()
    async with office(desk) as one:
        work = erasing(one, terminal)
        await work.look("terminal-1")
        assert terminal.asked == [], "nobody is deleted who was not released"
        keeper = one.references
        rows = released(keeper.book, "p-0001", by="desk-1", reason=STAFF, now_ms=1)
        await keeper.commit([], rows, "gateway")
        came = await punch(one, desk)
        assert (came["type"], came["data"]["reason"]) == (
            "cn.zhijiao.checkin.pending_review",
            "unknown_person",
        )
        terminal.obeys = False
        with pytest.raises(DeviceFault):
            await work.look("terminal-1")
        assert erased(desk) == [], "nothing is said before the terminal has confirmed it"
        terminal.obeys = True
        await work.look("terminal-1")
        (fact,) = erased(desk)
        assert fact["subject"] == "person/p-0001"
        assert fact["data"] | {"done": "", "requested": ""} == {
            "module": "T-1", "slots": [7], "enrolments": ["e-7"], "reason": "staff", "requested_by": "desk-1",
            "gone_before": False, "confirmed_by": "terminal", "done": "", "requested": "",
        }  # fmt: skip
        await work.look("terminal-1")
        assert terminal.asked == [{7}, {7}], "once is enough"
        assert (await punch(one, desk))["data"]["reason"] == "unknown_person"


@pytest.mark.parametrize("whose", ["p-0000", "p-0001"])
async def test_a_number_that_the_roster_gave_to_another_enrolment_is_left_alone(
    desk: Box, whose: str
) -> None:
    give(desk, people(PIN))
    terminal = FakeTerminal()
    async with office(desk) as one:
        keeper = one.references
        await keeper.commit([], released(keeper.book, "p-0001", by="d", reason=STAFF, now_ms=1), "gateway")
        again = [{**PIN, "enrolment": "e-9"}]
        mine = whose == "p-0001"
        give(
            desk,
            [
                rosters.person(0, references=[] if mine else again),
                rosters.person(1, references=again if mine else []),
            ],
            version=2,
        )
        await one.roster.look()
        await erasing(one, terminal).look("terminal-1")
        assert terminal.asked == []
        assert (await punch(one, desk))["subject"] == f"person/{whose}"


async def test_a_store_that_was_put_back_deletes_nobody_at_a_terminal(desk: Box, tmp_path: Path) -> None:
    give(desk, people(PIN))
    async with office(desk):
        pass
    copy = tmp_path / "copy.db"
    assert desk.run("backup", "--out", copy).code == 0
    assert desk.run("restore", copy, "--yes").code == 0
    terminal = FakeTerminal()
    async with office(desk) as one:
        assert [one.reason for one in one.references.book] == [RESTORED]
        await erasing(one, terminal).look("terminal-1")
        assert terminal.asked == []
        give(desk, people(), version=2)
        await one.roster.look()
        await erasing(one, terminal).look("terminal-1")
        assert terminal.asked == [], "left out by a roster is not yet released"
        keeper = one.references
        await keeper.commit(
            [], released(keeper.book, "p-0001", by=None, reason=LEFT_OUT, now_ms=1), "gateway"
        )
        await erasing(one, terminal).look("terminal-1")
        assert terminal.asked == [{7}]
