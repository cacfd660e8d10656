"""Acks that must settle nothing: forged, for another gateway, replayed, of another chain; and rejections missed.

A real gateway with waiting events on a real broker; the acks are made by hand. That an ack did nothing
is shown by a good one sent after it, which settles exactly what it says. Control: a gateway that
believes every ack must be found out.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.demo.keys import ACK_KID
from tests.broker import Mosquitto
from tests.deploy.mqtt_peer import Peer, Session
from tests.drills.center_by_hand import Pen, ack, cursor
from tests.drills.ground import RATED, rated
from tests.e2e.bench_center import GATEWAY, ORG, Center, center

pytestmark = [pytest.mark.drill, pytest.mark.timeout(90)]

BELIEVING = ("-m", "tests.drills.believing_gateway")
ROOT = f"cc/v1/{ORG}/{GATEWAY}"
EVENTS = 40


@dataclass(frozen=True, slots=True)
class Desk:
    """A center's desk: its pen, its line to the broker, and a gateway whose events all wait."""

    bench: Center
    peer: Peer
    pen: Pen

    @property
    def epoch(self) -> str:
        return self.bench.receipts()[0].epoch

    def head(self, seq: int) -> str:
        return next(r.hash for r in self.bench.receipts() if r.seq == seq)

    async def say(self, payload: bytes) -> None:
        await asyncio.to_thread(self.peer.publish, f"{ROOT}/ack", payload, retain=True)

    async def settle(self, upto: int) -> None:
        """A good ack, and proof that it and nothing else was believed."""
        waiting = self.bench.waiting()
        await self.say(self.pen.sign(ack(cursor(self.epoch, upto, self.head(upto)))))
        await self.bench.until(lambda: self.bench.waiting() < waiting, "the good ack", 10)


@asynccontextmanager
async def desk(tmp_path: Path, broker: Mosquitto, program: tuple[str, ...] = RATED) -> AsyncIterator[Desk]:
    with center(tmp_path, broker, readers=0, device_config=rated(200)) as bench:
        bench.start_gateway(*program)
        await bench.until(lambda: len(bench.receipts()) >= EVENTS, "events")
        assert bench.stop_gateway() == 0
        bench.device_config = ""
        bench.write_config()
        began = bench.log_text("gateway").count("uplink connected")
        bench.start_gateway(*program)
        await bench.until(lambda: bench.log_text("gateway").count("uplink connected") > began, "the uplink")
        with Peer(Session(broker.port, client_id="center-by-hand")) as peer:
            peer.subscribe(f"{ROOT}/req/#")
            yield Desk(bench, peer, Pen.of_file(ACK_KID, bench.keys.ack_key))
        assert bench.stop_gateway() == 0


def forgeries(it: Desk) -> Mapping[str, bytes]:
    last = len(it.bench.receipts())
    good = ack(cursor(it.epoch, last, it.head(last)))
    signed = it.pen.sign(good)
    stranger = Pen(ACK_KID, Ed25519PrivateKey.generate())
    gateway_itself = Pen.of_file(it.bench.keys.event_kid, it.bench.keys.event_key)
    low = it.pen.sign(ack(cursor(it.epoch, 1, it.head(1))))
    return {
        "another key under the center's name": stranger.sign(good),
        "an unknown name": Pen("nobody#1", stranger.key).sign(good),
        "the gateway's own key": gateway_itself.sign(good),
        "no signature": json.dumps(good, sort_keys=True, separators=(",", ":")).encode(),
        "changed after signing": low.replace(b'"upto":"0000000000000001"', b'"upto":"%016d"' % last),
        "not in canonical form": signed.replace(b'"v":1', b'"v": 1'),
        "another gateway's": it.pen.sign(ack(cursor(it.epoch, last, it.head(last)), gateway="gw-370102-02")),
        "another version": it.pen.sign({**good, "v": 2}),
    }


async def test_a_forged_or_foreign_ack_settles_nothing(
    tmp_path: Path, mosquitto: Mosquitto, tell: Callable[[str], None]
) -> None:
    async with desk(tmp_path, mosquitto) as it:
        waiting = it.bench.waiting()
        forged = forgeries(it)
        for payload in forged.values():
            await it.say(payload)
        await it.settle(5)  # in order: those before it have been looked at
        said = [line for line in it.bench.log_text("gateway").splitlines() if "ack not believed" in line]
        reasons = {json.loads(line)["reason"] for line in said}
        assert len(reasons) >= len(forged) - 2, "each kind is told, the same one seldom"
        tell(
            f"forged acks {len(forged)}, waiting {waiting}, settled by the good one {waiting - it.bench.waiting()}"
        )
        assert it.bench.waiting() == waiting - 5


async def test_a_replayed_ack_settles_nothing_new(
    tmp_path: Path, mosquitto: Mosquitto, tell: Callable[[str], None]
) -> None:
    async with desk(tmp_path, mosquitto) as it:
        old = it.pen.sign(ack(cursor(it.epoch, 3, it.head(3))))
        await it.say(old)
        await it.bench.until(lambda: it.bench.waiting() == len(it.bench.receipts()) - 3, "the first ack")
        await it.settle(10)
        after = it.bench.waiting()
        for _ in range(5):
            await it.say(old)
        await it.settle(12)
        tell(f"replayed 5, waiting {after} before and {it.bench.waiting()} after a good ack of 2 more")
        assert it.bench.waiting() == after - 2


async def test_an_ack_of_another_chain_settles_nothing_of_it(
    tmp_path: Path, mosquitto: Mosquitto, tell: Callable[[str], None]
) -> None:
    """The center's head differs from ours: what waits gets a place in a new epoch and goes on waiting."""
    async with desk(tmp_path, mosquitto) as it:
        ids = {receipt.id for receipt in it.bench.receipts()}
        await it.say(
            it.pen.sign(ack(cursor(it.epoch, 20, "ab" * 32, sack=[["0000000000000021", "0000000000000030"]])))
        )
        await it.bench.until(lambda: "chain_mismatch" in it.bench.log_text("gateway"), "the alarm", 10)
        await it.bench.until(lambda: it.bench.receipts()[-1].epoch != it.epoch, "the new epoch", 10)
        again = {r.id for r in it.bench.receipts() if r.epoch != it.epoch}
        left = ids - again
        tell(
            f"events {len(ids)}, issued again {len(ids & again)}, left {len(left)}, waiting {it.bench.waiting()}"
        )
        assert len(left) == 1, "all but the opening of the old epoch have a new place"
        assert it.bench.waiting() >= len(ids) - 1


async def test_rejections_that_were_missed_are_asked_for(
    tmp_path: Path, mosquitto: Mosquitto, tell: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.deploy.mqtt_peer.DEADLINE_S", 10.0)
    async with desk(tmp_path, mosquitto) as it:
        one = [{"seq": f"{4:016d}", "code": "attribute", "msg": "drill"}]
        await it.say(it.pen.sign(ack(cursor(it.epoch, 9, it.head(9), rejected_n=3, rejected=one))))
        await it.bench.until(
            lambda: "center refuses an event" in it.bench.log_text("gateway"), "the refusal", 10
        )
        asked: list[Any] = await asyncio.to_thread(it.peer.until, f"{ROOT}/req/rejected")
        tell(f"asked {len(asked)} times for the rejections")
        assert asked


async def test_the_drill_notices_a_gateway_that_believes_every_ack(
    tmp_path: Path, mosquitto: Mosquitto, tell: Callable[[str], None]
) -> None:
    async with desk(tmp_path, mosquitto, BELIEVING) as it:
        waiting = it.bench.waiting()
        await it.say(forgeries(it)["another key under the center's name"])
        await it.bench.until(lambda: it.bench.waiting() < waiting, "the forged ack to settle")
        tell(f"control, must settle by a forged ack: waiting {waiting}, then {it.bench.waiting()}")
