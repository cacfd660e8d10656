"""What a broker and a disk do behind the uplink's back, with real processes: nothing is lost by it.

Judged by the receipt channel and by the center's own database, with a control that must lose events.
"""

import asyncio
import json
import os
import shutil
import time
from pathlib import Path

import pytest

from gateway.clock import iso_ms
from gateway.demo.keys import ACK_KID
from gateway.evidence.canonical import Json
from gateway.evidence.jws import Signer
from gateway.evidence.keys import load_signer
from gateway.uuid7 import uuid7
from tests.broker import Mosquitto
from tests.deploy.mqtt_peer import Peer, Session
from tests.e2e.bench_center import GATEWAY, ORG, Center, Counter, center, stored_events
from tests.e2e.independent import judge

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]
ROOT = f"cc/v1/{ORG}/{GATEWAY}"
TRUSTING = str(Path(__file__).with_name("trusting_acks.py"))


def judged(bench: Center) -> dict[str, int]:
    rows = stored_events(bench.db, "SELECT wire FROM event")
    receipts = [(r.epoch, r.seq, r.id, r.hash) for r in bench.receipts()]
    return judge((bytes(row["wire"]) for row in rows), receipts, bench.public_keys())  # type: ignore[call-overload]


async def events(bench: Center, more: int) -> None:
    """So many further events, by people at the first reader."""
    want = len(bench.receipts()) + more
    counter = Counter(bench.port_of(1), seed=want)
    await counter.open()
    await bench.until(lambda: len(bench.receipts()) >= want, "events")
    await counter.close()


async def test_what_a_broker_took_and_forgot_reaches_the_center_all_the_same(tmp_path: Path) -> None:
    """Default limits, no persistence, killed after its PUBACKs: it comes back with an empty memory."""
    broker = Mosquitto(tmp_path / "broker", persistence=False, queue="default")
    with broker, center(tmp_path, broker, readers=1) as bench:
        bench.start_receiver()
        bench.start_gateway()
        await events(bench, 5)
        await bench.until(lambda: bench.waiting() == 0, "the first acks")
        bench.stop_receiver(kill=True)
        with Peer(Session(broker.port, client_id="onlooker")) as peer:
            peer.subscribe(f"{ROOT}/evt/#")
            await events(bench, 30)
            last = bench.receipts()[-1].id
            while (
                last.encode() not in (await asyncio.to_thread(peer.until, f"{ROOT}/evt/identity"))[-1].payload
            ):
                pass  # the broker has it, and so it has them all
        assert bench.waiting() >= 30
        broker.kill()
        broker.start()
        bench.start_receiver()
        await bench.until(lambda: bench.waiting() == 0, "everything to be settled")
        assert bench.stop_gateway() == 0
        assert len(judged(bench)) == 1


def said(bench: Center, **fields: str) -> bool:
    """Whether a line of the gateway's log holds these."""
    lines = [json.loads(line) for line in bench.log_text("gateway").splitlines() if line.startswith("{")]
    return any(all(line.get(key) == value for key, value in fields.items()) for line in lines)


async def frozen(bench: Center, within_s: float) -> float:
    """Freeze the broker under a connected gateway; how long until that was noticed."""
    bench.start_gateway()
    await bench.until(lambda: "uplink connected" in bench.log_text("gateway"), "the uplink")
    await asyncio.sleep(1)
    bench.broker.pause()
    began = time.monotonic()
    try:
        await bench.until(lambda: said(bench, msg="uplink offline"), "the verdict", within_s)
        return time.monotonic() - began
    finally:
        bench.broker.resume()


async def test_a_frozen_broker_is_noticed_within_one_and_a_half_keepalives(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    with center(tmp_path, mosquitto, readers=1, uplink_config="keepalive_s = 5") as bench:
        bench.start_receiver()
        took_s = await frozen(bench, within_s=9.0)
        assert took_s > 5.0, "a ping had its chance"
        await bench.until(
            lambda: bench.log_text("gateway").count("uplink connected") >= 2, "a new connection"
        )
        await bench.until(lambda: bench.waiting() == 0, "the acks")
        assert bench.stop_gateway() == 0


@pytest.mark.skipif(os.environ.get("DRILLS") != "long", reason="not run: takes a minute; DRILLS=long")
async def test_a_frozen_broker_is_noticed_within_45_seconds(tmp_path: Path, mosquitto: Mosquitto) -> None:
    with center(tmp_path, mosquitto, readers=1) as bench:
        took_s = await frozen(bench, within_s=50.0)
        print(f"\nnoticed after {took_s:.1f} s")
        assert took_s <= 45.0
        assert bench.stop_gateway() == 0


async def backup_restored(bench: Center, *program: str) -> None:
    """The state folder goes back to an earlier one; new events stand at places that were given out before."""
    state, backup = bench.store.parent, bench.folder / "backup"
    bench.start_receiver()
    bench.start_gateway(*program)
    await events(bench, 5)
    assert bench.stop_gateway() == 0
    shutil.copytree(state, backup)
    bench.start_gateway(*program)
    await events(bench, 25)
    await bench.until(lambda: bench.waiting() == 0, "acks")
    assert bench.stop_gateway() == 0
    bench.broker.stop()  # what follows is committed before any ack can come
    shutil.rmtree(state)
    backup.rename(state)
    bench.start_gateway(*program)
    await events(bench, 12)
    bench.broker.start()
    await bench.until(lambda: bench.waiting() == 0, "everything to be settled", 90)
    assert bench.stop_gateway() == 0
    bench.stop_receiver()


def at_center(bench: Center) -> set[str]:
    rows = stored_events(bench.db, "SELECT lower(hex(event_id)) AS id FROM event")
    return {str(row["id"]) for row in rows}


def receipted(bench: Center) -> set[str]:
    """Every fact that was confirmed; an epoch's own opening speaks of that epoch alone."""
    return {r.id.replace("-", "") for r in bench.receipts() if r.seq != 1}


# So few are sent before the old ack is read that the rest stands unsent at the places it covers.
FEW_AT_A_TIME = "max_inflight_messages 2"


async def test_a_store_put_back_from_a_backup_loses_no_event_to_an_old_ack(tmp_path: Path) -> None:
    with (
        Mosquitto(tmp_path / "broker", extra=FEW_AT_A_TIME) as broker,
        center(tmp_path, broker, readers=1) as bench,
    ):
        await backup_restored(bench)
        assert receipted(bench) <= at_center(bench)
        assert said(bench, msg="alarm raised", kind="store_rollback")


async def test_the_drill_notices_a_gateway_that_settles_whatever_an_ack_covers(tmp_path: Path) -> None:
    with (
        Mosquitto(tmp_path / "broker", extra=FEW_AT_A_TIME) as broker,
        center(tmp_path, broker, readers=1) as bench,
    ):
        await backup_restored(bench, TRUSTING)
        assert receipted(bench) - at_center(bench), "events were settled that the center never had"


async def test_a_center_that_lost_events_gets_them_again_byte_by_byte(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    """The command is signed as any center would sign it; the events come through the real receiver."""
    with center(tmp_path, mosquitto, readers=1) as bench:
        bench.start_receiver()
        bench.start_gateway()
        await events(bench, 12)
        await bench.until(lambda: bench.waiting() == 0, "acks")
        before = {bytes(row["wire"]) for row in stored_events(bench.db, "SELECT wire FROM event")}  # type: ignore[call-overload]
        bench.stop_receiver()
        bench.db.unlink()
        for left in bench.folder.glob("center.db-*"):
            left.unlink()
        epoch, last = bench.receipts()[-1].epoch, bench.receipts()[-1].seq
        with Peer(Session(mosquitto.port, client_id="desk")) as peer:
            peer.publish(f"{ROOT}/ack", b"", retain=True)
            peer.subscribe(f"{ROOT}/status", f"{ROOT}/rsp/resend")
            status = json.loads((await asyncio.to_thread(peer.until, f"{ROOT}/status"))[-1].payload)
            now = time.time_ns() // 1_000_000
            command: dict[str, Json] = {
                "v": 1, "gw": GATEWAY, "name": "resend", "cmdid": uuid7(now), "session": status["session"],
                "issued": iso_ms(now), "expires": iso_ms(now + 60_000), "by": "desk",
                "args": {"epoch": epoch, "from": f"{1:016d}", "to": f"{last:016d}"},
            }  # fmt: skip
            wire = load_signer(bench.keys.ack_key, ACK_KID).sign_object(command)
            bench.start_receiver()
            peer.publish(f"{ROOT}/cmd/resend", wire)
            answer = json.loads((await asyncio.to_thread(peer.until, f"{ROOT}/rsp/resend"))[-1].payload)
        assert answer["result"] == {"sent": [[f"{1:016d}", f"{last:016d}"]], "unavailable": []}
        await bench.until(lambda: bench.db.exists() and bench.waiting() == 0, "acks of what was sent again")
        after = {bytes(row["wire"]) for row in stored_events(bench.db, "SELECT wire FROM event")}  # type: ignore[call-overload]
        assert {wire for wire in before if int(json.loads(wire)["sequence"]) <= last} <= after
        assert bench.stop_gateway() == 0


async def test_forged_foreign_and_replayed_acks_settle_nothing(tmp_path: Path, mosquitto: Mosquitto) -> None:
    with center(tmp_path, mosquitto, readers=1) as bench:
        bench.start_gateway()
        await events(bench, 6)
        await bench.until(lambda: "uplink connected" in bench.log_text("gateway"), "the uplink")
        last = bench.receipts()[-1]
        good = load_signer(bench.keys.ack_key, ACK_KID)
        forged = Signer(ACK_KID, load_signer(bench.keys.event_key, "x")._key)
        old = good.sign_object(ack_of(last.epoch, 1, bench.receipts()[0].hash))
        with Peer(Session(mosquitto.port, client_id="mallory")) as peer:
            for wire in (
                forged.sign_object(ack_of(last.epoch, last.seq, last.hash)),
                good.sign_object(ack_of(last.epoch, last.seq, last.hash) | {"gw": "gw-370102-02"}),
                good.sign_object(ack_of("ffffffff", last.seq, last.hash)),
                old,
            ):
                peer.publish(f"{ROOT}/ack", wire, retain=True)
            before = len(bench.receipts())
            await bench.until(lambda: bench.waiting() == before - 1, "the one true ack")
            peer.publish(f"{ROOT}/ack", good.sign_object(ack_of(last.epoch, last.seq, last.hash)))
            await bench.until(lambda: bench.waiting() == before - last.seq, "the newer ack")
            peer.publish(f"{ROOT}/ack", old)
            await asyncio.sleep(0.5)
            assert bench.waiting() == before - last.seq, "what is settled stays settled"
        for reason in ("signature", "foreign"):
            assert said(bench, reason=reason)
        assert bench.stop_gateway() == 0


def ack_of(epoch: str, upto: int, head: str) -> dict[str, Json]:
    entry: dict[str, Json] = {
        "epoch": epoch, "upto": f"{upto:016d}", "head": head, "sack": [], "lost": [],
        "rejected_n": 0, "rejected": [], "blocked": None,
    }  # fmt: skip
    return {"v": 1, "gw": GATEWAY, "epochs": [entry], "ts": "2026-11-22T01:02:05.400Z"}
