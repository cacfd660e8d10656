"""Looks and exports are events: once a minute for one viewer and one person, and before anything is shown."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateway.checkin.alarm_board import open_alarms
from gateway.checkin.audit import ONCE_S, Audit
from gateway.clock import ManualClock
from gateway.errors import StoreRefused
from gateway.evidence import canonical
from gateway.ingest.alarms import SEVERITY
from gateway.ingest.ingest import Ingest
from gateway.ingest.sealing import Sealer
from gateway.metrics import Metrics
from gateway.uuid7 import uuid7
from tests.gateway.store_fixtures import GATEWAY, running_store
from tests.gateway.technicians_box import wires
from tests.ui.staff_script import Recorded


@pytest.fixture
def recorded() -> Recorded:
    return Recorded()


async def test_a_look_is_recorded_once_a_minute_for_each_viewer_and_person(recorded: Recorded) -> None:
    now = [0.0]
    audit = Audit(recorded, "gw", clock=lambda: now[0])
    await asyncio.gather(*(audit.viewed_person("a", "p-1") for _ in range(20)))
    await audit.viewed_person("b", "p-1")
    await audit.viewed_person("a", "p-2")
    assert [(one.subject, one.data["by"]) for one in recorded.facts] == [
        ("person/p-1", "a"),
        ("person/p-1", "b"),
        ("person/p-2", "a"),
    ]
    assert all(one.restricted and one.type == "audit.viewed" for one in recorded.facts)
    assert audit.shown_to("a") == {"p-1", "p-2"}
    assert audit.shown_to("c") == frozenset()
    now[0] = ONCE_S
    assert audit.shown_to("a") == frozenset()  # masked again
    await audit.viewed_person("a", "p-1")
    assert len(recorded.facts) == 4


async def test_nothing_may_be_shown_where_the_look_is_not_on_disk(recorded: Recorded) -> None:
    audit = Audit(recorded, "gw")
    recorded.refusal = StoreRefused("store_full", "full")
    with pytest.raises(StoreRefused):
        await audit.viewed_person("a", "p-1")
    assert audit.shown_to("a") == frozenset()
    recorded.refusal = None
    await audit.viewed_person("a", "p-1")
    assert len(recorded.facts) == 1


async def test_what_is_kept_is_an_event_without_a_name(tmp_path: Path) -> None:
    path, clock = tmp_path / "events.db", ManualClock()
    async with running_store(path, clock) as store:
        ingest = Ingest(store, clock, Sealer(GATEWAY, bytes(32), None), Metrics(), GATEWAY)
        audit = Audit(ingest, GATEWAY)
        await audit.viewed_person("staff-1", "p-1")
        await audit.exported("staff-1", "day", {"day": "2026-11-22"})
        await audit.saw_alarm("staff-1", "an-id", "sos")
    events: list[Any] = [canonical.decode(wire) for wire in wires(path)][1:]
    assert [(one["type"], one["subject"], one.get("dataclassification")) for one in events] == [
        ("cn.zhijiao.audit.viewed", "person/p-1", "restricted"),
        ("cn.zhijiao.audit.exported", f"gateway/{GATEWAY}", None),
        ("cn.zhijiao.audit.viewed", f"gateway/{GATEWAY}", None),
    ]
    assert events[2]["data"] == {"by": "staff-1", "what": "alarm", "alarm": "an-id", "kind": "sos"}


def test_alarms_stand_worst_first_and_a_tracker_of_a_person_fits() -> None:
    standing = {
        "clock/gateway": uuid7(1000),
        "sos/person/p-1": uuid7(2000),
        "fence/person/p-2": uuid7(3000),
        "store_full/gateway": uuid7(4000),
        "wormhole/gateway": "no-uuid",
    }
    found = open_alarms(standing)
    assert [one.kind for one in found] == ["store_full", "sos", "wormhole", "fence", "clock"]
    assert [one.grave for one in found] == [True, True, True, False, False]
    assert (found[0].since_ms, found[1].person, found[0].person) == (4000, "p-1", None)
    assert found[2].since_ms is None


def test_every_severity_has_a_place() -> None:
    assert {one.severity for one in open_alarms({f"{kind}/x": uuid7(1) for kind in SEVERITY})} == set(
        SEVERITY.values()
    )
