"""From a card on the reader of a kiosk to the check-in at the center, in real processes."""

import asyncio
import itertools
import json
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from drivers.simulators.cards import Card, cards
from drivers.simulators.fingerprint import Finger, SimulatedModule
from drivers.simulators.people import people as residents
from drivers.simulators.pty_host import PtyHost
from firmware_protocols.idcard_sam.text_block import CardLayout, ResidentText
from firmware_protocols.zfm.family import Family
from gateway.checkin.signed_file import number_key_check, sign_roster
from gateway.clock import iso_ms
from gateway.demo.keys import OPS_KID
from gateway.evidence.canonical import Json
from gateway.evidence.keys import load_signer
from gateway.ingest.sealing import Sealer
from tests.broker import Mosquitto
from tests.drills.ground import ROOT, held
from tests.e2e.bench_center import GATEWAY, ORG, Center, Counter, center
from tests.e2e.independent import judge

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

RESIDENT = (CardLayout.RESIDENT,)
KIOSK = '[[kiosk]]\nid = "kiosk-1"\ndevices = ["idcard-1"]\npurpose = "report"\n'


def at_center(bench: Center) -> list[dict[str, Any]]:
    """What the center holds, in order of sequence: check-ins overtake the rest on their way."""
    return sorted((json.loads(wire) for wire in wires(bench)), key=lambda event: str(event["sequence"]))


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


FINGER = '[[device]]\nid = "finger-1"\nkind = "finger.zfm"\nfamily = "grow"\nport = "{port}"\n'
TWO_DEVICES = '[[kiosk]]\nid = "kiosk-1"\ndevices = ["idcard-1", "finger-1"]\npurpose = "report"\n'
ANNA, BORIS, NOBODY = "anna", "boris", "nobody"


def stored(bench: Center, kind: str) -> list[dict[str, Any]]:
    """Events of one type in the gateway's store."""
    if not bench.store.exists():
        return []
    with sqlite3.connect(f"file:{bench.store}?mode=ro", uri=True, timeout=10) as db:
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'event'").fetchall():
            return []  # being made
        events = [json.loads(wire) for (wire,) in db.execute("SELECT wire FROM event ORDER BY n")]
    return [event for event in events if event["type"] == f"cn.zhijiao.{kind}"]


class Module:
    """A fingerprint module on a pty that knows two fingers, slots 3 and 4."""

    def __init__(self, port: Path) -> None:
        self.port = PtyHost(port)
        self.far = SimulatedModule(Family.GROW)
        self.far.know(3, Finger(ANNA))
        self.far.know(4, Finger(BORIS))
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        self.port.plug()
        self._task = asyncio.create_task(self.far.serve(self.port))

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        self.port.unplug()


def module_name(bench: Center) -> str:
    """What the module calls itself, from the event that it came."""
    (came,) = (event for event in stored(bench, "device.online") if event["deviceid"] == "finger-1")
    return str(came["data"]["serial"])


def give_roster(
    bench: Center,
    module: str,
    numbers: Sequence[str],
    *,
    program: str = "gateway",
    trackers: Sequence[dict[str, Json]] = (),
) -> None:
    """Sign a roster as the center does, and import it as a technician does."""
    hmac_key = bytes.fromhex(bench.keys.hmac_key.read_text().strip())
    sealer, now = Sealer(GATEWAY, hmac_key, None), datetime.now(UTC)
    persons: list[dict[str, Json]] = [
        {
            "ref": f"p-{slot}",
            "number_hmac": sealer.number_hash(number),
            "name": "测*某",
            "unit": "u-1",
            "class": "ordinary",
            "since": (now - timedelta(days=9)).date().isoformat(),
            "until": (now + timedelta(days=99)).date().isoformat(),
            "responsible": GATEWAY,
            "protected": False,
            "methods": ["finger", "staff"],
            "schedule": None,
            "leave": [],
            "references": [{"method": "finger", "module": module, "slot": slot, "enrolment": f"e-{slot}"}],
            "trackers": list(trackers) if slot == 3 else [],
        }
        for slot, number in zip((3, 4), numbers, strict=True)
    ]
    wall_ms = int(now.timestamp() * 1000)
    head: dict[str, Json] = {
        "org": ORG,
        "gw": GATEWAY,
        "version": 1,
        "issued": iso_ms(wall_ms),
        "expires": iso_ms(wall_ms + 86_400_000),
        "number_key": number_key_check(hmac_key),
        "calendar": {
            "from": f"{now.year}-01-01",
            "to": f"{now.year}-12-31",
            "holidays": [],
            "workdays": [],
        },
    }
    file = bench.folder / "roster.jsonl"
    file.write_bytes(sign_roster(head, persons, load_signer(bench.keys.ops_key, OPS_KID)))
    command = [sys.executable, "-m", program, "roster", "import", str(file), "--config", str(bench.config)]
    subprocess.run(command, check=True, cwd=ROOT, timeout=60, capture_output=True)


async def test_card_and_finger_count_and_the_finger_of_another_does_not(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    """The uplink is down: what the person is told does not wait for it. Then everything arrives."""
    port = tmp_path / "ports/finger-1"
    config = FINGER.format(port=port) + TWO_DEVICES
    with center(tmp_path, mosquitto, readers=1, device_config=config) as bench:
        counter, module = Counter(bench.port_of(1), seed=4), Module(port)
        await counter.open(people=False)
        module.open()
        bench.start_receiver()
        people = list(itertools.islice(cards(4, RESIDENT), 3))
        texts = itertools.islice(residents(4, RESIDENT), 2)
        numbers = [cast("ResidentText", text).id_number for text in texts]
        bench.start_gateway()
        await bench.until(lambda: len(stored(bench, "device.online")) == 2, "both devices")
        give_roster(bench, module_name(bench), numbers)
        await bench.until(lambda: "roster applied" in bench.log_text("gateway"), "the roster")
        mosquitto.stop()

        async def come(card: Card, finger: str | None, ending: str, count: int) -> None:
            await counter.visit(card)
            await bench.until(lambda: len(stored(bench, "checkin.opened")) == count, "a session")
            if finger is not None:
                module.far.press(Finger(finger))
            await bench.until(lambda: len(stored(bench, ending)) >= 1, ending, 20)
            module.far.lift()

        await come(people[0], ANNA, "checkin.completed", 1)
        await come(people[0], BORIS, "checkin.rejected", 2)
        await come(people[2], None, "checkin.pending_review", 3)
        mosquitto.start()
        await bench.until(lambda: bench.waiting() == 0, "everything to be settled")
        await module.close()
        await counter.close()
        assert bench.stop_gateway() == 0
        receipts = [(r.epoch, r.seq, r.id, r.hash) for r in bench.receipts()]
        judge(wires(bench), receipts, bench.public_keys())
        events = [event for event in at_center(bench) if event["deviceid"] == "kiosk-1"]
    told = [(event["type"].removeprefix("cn.zhijiao."), event["subject"]) for event in events]
    assert told == [
        ("checkin.opened", "person/p-3"),
        ("identity.finger_matched", "person/p-3"),
        ("checkin.completed", "person/p-3"),
        ("checkin.opened", "person/p-3"),
        ("identity.finger_matched", "person/p-4"),
        ("checkin.rejected", "person/p-3"),
        ("checkin.opened", "device/kiosk-1"),
        ("checkin.pending_review", "device/kiosk-1"),
    ]
    completed, rejected, review = events[2]["data"], events[5]["data"], events[7]["data"]
    assert (completed["method"], completed["roster_version"]) == ("finger", 1)
    assert (rejected["reason"], rejected["card"], rejected["factor"]) == (
        "not_the_same_person", "p-3", "p-4",
    )  # fmt: skip
    assert review["reason"] == "unknown_person"
    assert all(event["dataclassification"] == "restricted" for event in events[:6])
