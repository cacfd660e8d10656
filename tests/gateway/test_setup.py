"""The first run: the center's name, and what is still missing until the first check-in counts."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.clock import ManualClock
from gateway.errors import ContractError, StoreRefused
from gateway.setup.center_name import CENTER_NAME, LONGEST, CenterName, fitting
from gateway.setup.checklist import Known, steps
from gateway.setup.verified import checkin_verified
from gateway.view import Level
from gateway.web.messages import load_catalogue
from tests.gateway.network_bench import MemoryRecords
from tests.gateway.setup_bench import SetupBench
from tests.gateway.store_fixtures import draft, running_store
from tests.ui.scripted import healthy

ALL = Known(
    staff=True,
    kiosks=1,
    paired=1,
    readers=frozenset({"idcard-1"}),
    address=True,
    trust=True,
    roster=True,
    verified=True,
)
DONE = replace(healthy(), center="历城区智慧矫正中心")


def missing(known: Known = ALL, **changed: object) -> dict[str, Level]:
    snapshot = replace(DONE, **changed)  # type: ignore[arg-type]  # the test names the field
    return {one.code: one.level for one in steps(snapshot, known) if not one.done}


def test_a_center_that_has_everything_lacks_nothing() -> None:
    assert missing() == {}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"staff": False}, "staff"),
        ({"paired": 0}, "paired"),
        ({"readers": frozenset({"idcard-9"})}, "reader"),
        ({"address": False}, "address"),
        ({"trust": False}, "trust"),
        ({"roster": False}, "roster"),
        ({"verified": False}, "verified"),
    ],
)
def test_each_thing_that_lacks_is_named(change: Mapping[str, object], code: str) -> None:
    assert missing(replace(ALL, **change)) == {code: Level.ATTENTION}  # type: ignore[arg-type]


def test_what_nobody_can_tell_is_neither_done_nor_missing() -> None:
    assert missing(replace(ALL, address=None, verified=None)) == dict.fromkeys(
        ("address", "verified"), Level.UNKNOWN
    )


def test_without_a_kiosk_none_is_paired_and_a_demo_trusts_nobody() -> None:
    assert set(missing(replace(ALL, kiosks=0, paired=0))) == {"kiosk", "paired"}
    assert set(missing(demo=True)) == {"trust"}
    assert set(missing(center=None)) == {"center_name"}


def test_each_step_says_what_to_do() -> None:
    catalogue = load_catalogue()
    for one in steps(DONE, ALL):
        assert f"setup_step.{one.code}" in catalogue
        assert f"setup_step.{one.code}.do" in catalogue


# -- the name ---------------------------------------------------------------------------------------------


def named(records: MemoryRecords) -> CenterName:
    return CenterName(records=records, noted=lambda: records.noted(CENTER_NAME), gateway="gw-370102-01")


async def test_a_name_is_an_event_and_outlives_the_run() -> None:
    records = MemoryRecords()
    name = named(records)
    await name.give("admin-1", "  历城区  智慧矫正中心 ")
    await name.give("admin-1", "历城区 智慧矫正中心")  # the same: nothing to say
    assert [(one["what"], one["name"], one["by"], one["via"], one["before"]) for one in records.facts] == [
        ("center_named", "历城区 智慧矫正中心", "admin-1", "page", None)
    ]
    again = named(records)
    await again.load()
    assert again.now == "历城区 智慧矫正中心"


async def test_a_disk_that_takes_nothing_changes_no_name() -> None:
    records = MemoryRecords(full=True)
    name = named(records)
    with pytest.raises(StoreRefused):
        await name.give("admin-1", "中心")
    assert name.now is None


@pytest.mark.parametrize("text", ["", "   ", "中" * (LONGEST + 1), "a\u202eb", "a\x07b"])
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(ContractError) as refusal:
        fitting(text)
    assert refusal.value.code == "bad_center_name"


# -- the first check-in -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "proves"), [("checkin.completed", True), ("device.online", False)])
async def test_a_checkin_counts_as_verified_once_the_center_has_acknowledged_it(
    tmp_path: Path,
    kind: str,
    proves: bool,  # noqa: FBT001
) -> None:
    path, clock = tmp_path / "events.db", ManualClock()
    async with running_store(path, clock) as store:
        await store.append([draft(clock.now(), kind)], clock.now())
        assert not checkin_verified(path), "it waits"
        await store.settle([(1, 100)])
        assert checkin_verified(path) is proves


async def test_a_store_that_cannot_be_read_is_not_a_verified_checkin(tmp_path: Path) -> None:
    bench = SetupBench(tmp_path, known=replace(ALL, verified=False))
    await bench.first_run.look()
    assert {one.code for one in bench.first_run.steps(DONE) if not one.done} == {"verified"}
