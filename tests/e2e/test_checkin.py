"""From a card on the reader of a kiosk to the check-in at the center, in real processes."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from drivers.simulators.cards import cards
from tests.broker import Mosquitto
from tests.drills.ground import held
from tests.e2e.bench_center import Center, Counter, center
from tests.e2e.independent import judge

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

KIOSK = '[[kiosk]]\nid = "kiosk-1"\ndevices = ["idcard-1"]\npurpose = "report"\n'


def at_center(bench: Center) -> list[dict[str, Any]]:
    """What the center holds, in order."""
    return [json.loads(wire) for wire in wires(bench)]


def wires(bench: Center) -> list[bytes]:
    return held(bench) if bench.db.exists() else []


async def test_without_a_roster_everybody_is_recorded_for_review(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    with center(tmp_path, mosquitto, readers=1, device_config=KIOSK) as bench:
        counter = Counter(bench.port_of(1), seed=4)
        await counter.open(people=False)
        bench.start_receiver()
        bench.start_gateway()
        await bench.until(lambda: "device online" in bench.log_text("gateway"), "the reader")
        people = list(itertools.islice(cards(4), 3))
        for card in people:
            await counter.visit(card)
        await bench.until(
            lambda: sum(e["type"].endswith("checkin.pending_review") for e in at_center(bench)) == 3,
            "three check-ins at the center",
        )
        await bench.until(lambda: bench.waiting() == 0, "everything to be settled")
        await counter.close()
        assert bench.stop_gateway() == 0
        events = at_center(bench)
        receipts = [(r.epoch, r.seq, r.id, r.hash) for r in bench.receipts()]
        judge(wires(bench), receipts, bench.public_keys())
    reads = [event for event in events if event["type"] == "cn.zhijiao.identity.card_read"]
    ends = [event for event in events if event["type"] == "cn.zhijiao.checkin.pending_review"]
    opened = [event for event in events if event["type"] == "cn.zhijiao.checkin.opened"]
    assert [end["data"]["card_event"] for end in ends] == [read["id"] for read in reads]
    assert [one["data"]["session"] for one in opened] == [end["data"]["session"] for end in ends]
    assert len({end["data"]["session"] for end in ends}) == 3
    assert {(end["deviceid"], end["data"]["reason"], end["data"]["purpose"]) for end in ends} == {
        ("kiosk-1", "no_roster", "report")
    }
    order = [event["type"].removeprefix("cn.zhijiao.") for event in events if event["deviceid"] == "kiosk-1"]
    assert order == ["checkin.opened", "checkin.pending_review"] * 3
