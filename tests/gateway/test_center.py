"""What acks come to: alarms with their ends, another chain left behind, a key the center does not know."""

import asyncio
import json
import uuid
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.clock import ManualClock
from gateway.errors import StoreRefused
from gateway.evidence.canonical import Json
from gateway.mqtt_bridge import ConnectFailed, Endpoint, connect, watch
from gateway.store import commands as book
from tests.broker import Mosquitto
from tests.gateway.scripted_broker import ScriptedBroker
from tests.gateway.uplink_bench import TOPICS, Bench, CenterClient, center_on, until, uplink_on


async def arrived(bench: Bench, center: CenterClient) -> None:
    """Everything that waits was sent once."""
    await center.online()
    await until(lambda: len(center.events()) >= bench.store.tail.seq, "all events")


@pytest.mark.parametrize("reason", ["store_rollback", "chain_mismatch"])
async def test_a_chain_that_the_center_does_not_share_is_left_and_the_alarm_ends_with_the_new_opening(
    tmp_path: Path, mosquitto: Mosquitto, reason: str
) -> None:
    async with center_on(mosquitto.port) as center, uplink_on(mosquitto.port, tmp_path / "s.db") as bench:
        await bench.append(5)
        await arrived(bench, center)
        old = bench.store.tail
        if reason == "store_rollback":
            await center.ack(old.epoch, 40, bytes(32))
        else:
            await center.ack(old.epoch, 4, bytes(32))
        await until(lambda: f"{reason}/{old.epoch}" in bench.alarms.standing, "the alarm")
        new = bench.store.tail
        assert new.epoch != old.epoch
        await until(lambda: len([w for w in center.events() if b'"reissueof"' in w]) >= 5, "the facts again")
        await until(lambda: bench.count("epochs_opened_total", reason=reason) == 1, "the count")
        opening = await bench.store.run(lambda box: box.hash_at(new.first_n))
        assert opening is not None
        await center.ack(new.epoch, 1, opening)
        await until(lambda: f"{reason}/{old.epoch}" not in bench.alarms.standing, "the clear")
        await center.ack(old.epoch, 40, bytes(32))  # the center goes on saying it
        await center.answer("ping", await center.command("ping", {}))  # and that was taken
        assert bench.store.tail.epoch == new.epoch
        assert f"{reason}/{old.epoch}" not in bench.alarms.standing


async def test_an_older_epoch_is_left_too_and_nothing_of_it_is_stuck(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    clock = ManualClock()
    path = tmp_path / "s.db"
    async with uplink_on(mosquitto.port, path, clock=clock) as bench:
        await bench.append(3)
        old = bench.store.tail
        await bench.store.leave_epoch(old.epoch, "restored", clock.now(), bench.opening)
        assert bench.store.tail.epoch != old.epoch
    async with center_on(mosquitto.port) as center, uplink_on(mosquitto.port, path, clock=clock) as bench:
        await arrived(bench, center)
        waiting = bench.store.waiting
        await center.ack(old.epoch, 90, bytes(32))
        await until(lambda: f"store_rollback/{old.epoch}" in bench.alarms.standing, "the alarm")
        assert bench.store.waiting == waiting + 1, "nothing settled, and the alarm"


async def test_no_alarm_is_raised_about_a_refused_alarm_and_one_per_code_else(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    async with center_on(mosquitto.port) as center, uplink_on(mosquitto.port, tmp_path / "s.db") as bench:
        await bench.append(1, "alarm.raised")
        await bench.append(3)
        await arrived(bench, center)
        tail = bench.store.tail
        refused: list[Json] = [
            {"seq": f"{2:016d}", "code": "about_alarm", "msg": ""},
            {"seq": f"{3:016d}", "code": "alarm", "msg": "a code of that name is no alarm"},
            {"seq": f"{4:016d}", "code": "alarm", "msg": ""},
        ]
        await center.ack(tail.epoch, tail.seq, tail.hash, rejected_n=3, rejected=refused)
        await until(lambda: "rejected/alarm" in bench.alarms.standing, "the alarm")
        await center.answer("ping", await center.command("ping", {}))  # the whole ack was taken
        assert "rejected/about_alarm" not in bench.alarms.standing
        now_s = bench.uplink.center._refused_s["alarm"]
        await bench.uplink.center.look(now_s + 3599)
        assert "rejected/alarm" in bench.alarms.standing
        await bench.uplink.center.look(now_s + 3601)
        assert "rejected/alarm" not in bench.alarms.standing


async def test_an_unknown_key_brings_info_again_and_an_alarm_that_ends(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    async with center_on(mosquitto.port) as center, uplink_on(mosquitto.port, tmp_path / "s.db") as bench:
        await arrived(bench, center)
        tail, told = bench.store.tail, len(center.on(TOPICS.info))
        blocked: Json = {"seq": f"{1:016d}", "code": "unknown_kid"}
        await center.ack(tail.epoch, 0, bytes(32), blocked=blocked)
        await until(lambda: "certificate/event_key" in bench.alarms.standing, "the alarm")
        assert bench.uplink.blocked
        await until(lambda: len(center.on(TOPICS.info)) == told + 1, "info again")
        await center.ack(tail.epoch, 0, bytes(32))
        await until(lambda: "certificate/event_key" not in bench.alarms.standing, "the clear")


async def test_a_new_epoch_is_announced_at_once(tmp_path: Path, mosquitto: Mosquitto) -> None:
    async with center_on(mosquitto.port) as center, uplink_on(mosquitto.port, tmp_path / "s.db") as bench:
        await arrived(bench, center)
        told = len(center.on(TOPICS.info))
        await center.ack(bench.store.tail.epoch, 1, bytes(32))
        await until(lambda: bench.count("epochs_opened_total", reason="chain_mismatch"), "a new epoch")
        await until(lambda: len(center.on(TOPICS.info)) > told, "info")
        await until(lambda: center.status().get("epoch") == bench.store.tail.epoch, "status")
        assert bench.store.tail.epoch.encode() in center.on(TOPICS.info)[-1]


async def test_info_names_what_is_built(tmp_path: Path, mosquitto: Mosquitto) -> None:
    async with center_on(mosquitto.port) as center, uplink_on(mosquitto.port, tmp_path / "s.db"):
        await until(lambda: center.on(TOPICS.info), "info")
        assert b'"capabilities":["ping","resend"]' in center.on(TOPICS.info)[-1]


async def test_a_broker_that_answers_pings_and_no_publish_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "NO_PUBACK_S", 1.0)
    async with (
        ScriptedBroker(answers_publishes=False) as broker,
        uplink_on(broker.port, tmp_path / "s.db") as bench,
    ):
        await until(lambda: bench.uplink.code == "no_puback", "the verdict")
        broker.answers_publishes = True
        await until(lambda: bench.uplink.state == "online" and broker.connects >= 2, "a fresh connection")
        await until(lambda: len([t for t in broker.topics if "/evt/" in t]) >= 2, "the event again")


async def test_a_class_that_the_broker_refuses_is_told_and_the_others_flow(
    tmp_path: Path,
) -> None:
    async with (
        ScriptedBroker(puback={"evt/identity": 0x87}) as broker,
        uplink_on(broker.port, tmp_path / "s.db", version="5") as bench,
    ):
        await bench.append(300)
        await until(lambda: "not_delivered/identity" in bench.alarms.standing, "the alarm")
        await bench.append(3, "checkin.completed")
        await until(
            lambda: len([t for t in broker.topics if t.endswith("evt/checkin")]) == 3, "the check-ins"
        )
        refused = len([t for t in broker.topics if t.endswith("evt/identity")])
        assert refused <= 64, "one flight, then a pause"
        assert len(bench.sender.out) < 20, "what was refused does not fill the window"
        assert bench.store.waiting >= 303


async def test_a_second_machine_is_noticed_by_its_sessions(tmp_path: Path, mosquitto: Mosquitto) -> None:
    async with center_on(mosquitto.port) as center, uplink_on(mosquitto.port, tmp_path / "s.db") as bench:
        await center.online()
        for n in range(2):
            session = f"00000000-0000-4000-8000-00000000000{n}"
            wire = f'{{"v":1,"state":"online","session":"{session}"}}'.encode()
            await center.publish(TOPICS.status, wire, retain=True)
        await until(lambda: "duplicate_identity/gateway" in bench.alarms.standing, "the alarm")


async def rival(port: int, version: str) -> None:
    """Another machine with our identity: connects, says so, and comes back whenever it is thrown out."""
    while True:
        endpoint = Endpoint(host="127.0.0.1", port=port, client_id=TOPICS.gateway, version=version)
        with suppress(ConnectFailed):
            connection = await connect(endpoint, TOPICS.subscriptions, None)
            status = {"v": 1, "state": "online", "session": str(uuid.uuid4())}
            connection.publish(TOPICS.status, json.dumps(status).encode(), retain=True)
            try:
                await connection.closed
            finally:
                await connection.close()
        await asyncio.sleep(0.3)


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_another_machine_with_our_identity_is_noticed_and_given_way(
    tmp_path: Path, mosquitto: Mosquitto, version: str
) -> None:
    async with uplink_on(mosquitto.port, tmp_path / "s.db", version=version) as bench:
        await until(lambda: bench.uplink.state == "online", "the uplink")
        other = asyncio.create_task(rival(mosquitto.port, version))
        await until(lambda: "duplicate_identity/gateway" in bench.alarms.standing, "the alarm", 40)
        session = bench.uplink.session
        await asyncio.sleep(3)
        assert bench.uplink.session == session, "no new attempt for a minute"
        other.cancel()
        await asyncio.gather(other, return_exceptions=True)


async def test_a_command_on_a_store_that_takes_nothing_fails_and_the_line_stays_up(
    tmp_path: Path, mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with center_on(mosquitto.port) as center, uplink_on(mosquitto.port, tmp_path / "s.db") as bench:
        session = (await center.online())["session"]

        def full(*_: object) -> None:
            raise StoreRefused("store_full", "nothing was stored: test")

        with monkeypatch.context() as patched:
            patched.setattr(book, "begin", full)
            answer = await center.answer("ping", cmdid := await center.command("ping", {}))
            assert answer["status"] == "failed"
        await center.command("ping", {}, changes={"cmdid": cmdid})
        assert (await center.answer("ping", cmdid, nth=2))["status"] == "done", "it may come again"
        assert bench.uplink.session == session
