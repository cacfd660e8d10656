"""Commands of the center: who may, when, once; and what a resend brings back."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.clock import ClockQuality, ManualClock, iso_ms
from gateway.evidence.canonical import Json
from gateway.evidence.jws import Signer
from gateway.evidence.keys import Role
from gateway.store import commands as book
from gateway.store.models import Event
from gateway.uplink.command_message import SIGNERS
from gateway.uuid7 import uuid7
from tests.broker import Mosquitto
from tests.gateway.store_fixtures import GATEWAY, running_store
from tests.gateway.uplink_bench import KEYS, TOPICS, Bench, CenterClient, center_on, until, uplink_on

MALLORY = Signer("center-ack#1", Ed25519PrivateKey.generate())


async def test_a_ping_is_answered_with_the_time_and_only_once(tmp_path: Path, mosquitto: Mosquitto) -> None:
    async with center_on(mosquitto.port) as center, uplink_on(mosquitto.port, tmp_path / "s.db") as bench:
        cmdid = await center.command("ping", {})
        answer = await center.answer("ping", cmdid)
        assert answer["status"] == "done"
        assert answer["error"] is None
        await center.command(
            "ping", {}, changes={"cmdid": cmdid, "session": "of long ago", "expires": iso_ms(0)}
        )
        assert await center.answer("ping", cmdid, nth=2) == answer, "a repeat gets the stored answer"
        assert bench.count("commands_total", command="ping", status="done") == 1


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"session": "00000000-0000-4000-8000-000000000000"}, "rejected", "session"),
        ({"expires": "2001-01-01T00:00:00.000Z"}, "expired", "expired"),
        ({"expires": "soon"}, "rejected", "malformed"),
        ({"args": []}, "rejected", "malformed"),
        ({"v": 2}, "rejected", "malformed"),
    ],
)
async def test_what_the_center_got_wrong_is_answered(
    tmp_path: Path, mosquitto: Mosquitto, changes: dict[str, Json], status: str, code: str
) -> None:
    clock = ManualClock()  # synchronised, whatever this machine is
    async with (
        center_on(mosquitto.port) as center,
        uplink_on(mosquitto.port, tmp_path / "s.db", clock=clock),
    ):
        answer = await center.answer("ping", await center.command("ping", {}, changes=changes))
        assert answer["status"] == status
        error = answer["error"]
        assert isinstance(error, dict)
        assert error["code"] == code


async def test_every_other_name_of_the_contract_is_unsupported_for_the_key_that_may(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    async with center_on(mosquitto.port) as center, uplink_on(mosquitto.port, tmp_path / "s.db"):
        others = [name for name in SIGNERS if name not in {"ping", "resend"}]
        assert len(others) == 13
        for name in (*others, "of-the-future"):
            role = SIGNERS.get(name, Role.OPERATIONS)
            answer = await center.answer(name, await center.command(name, {}, role=role))
            assert (answer["status"], answer["error"]) == (
                "rejected",
                {"code": "unsupported", "msg": answer["error"]["msg"]},  # type: ignore[index,call-overload]
            )


async def test_strangers_and_keys_of_another_role_get_no_answer_and_are_counted(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    async with center_on(mosquitto.port) as center, uplink_on(mosquitto.port, tmp_path / "s.db") as bench:
        session = (await center.online())["session"]
        good: dict[str, Json] = {
            "v": 1, "gw": GATEWAY, "name": "wipe", "cmdid": uuid7(0), "session": session,
            "issued": iso_ms(0), "expires": "2099-01-01T00:00:00.000Z", "by": "x", "args": {},
        }  # fmt: skip
        wrong = [
            ("wipe", MALLORY.sign_object(good), "wrong_role"),  # a kid that may not, before the signature
            ("wipe", KEYS[Role.OPERATIONS].sign_object(good), "wrong_role"),
            ("wipe", KEYS[Role.ACK].sign_object(good), "wrong_role"),
            ("ping", MALLORY.sign_object(good | {"name": "ping"}), "signature"),
            ("ping", KEYS[Role.ROOT].sign_object(good | {"name": "ping"}), "wrong_role"),
            ("ping", KEYS[Role.ACK].sign_object(good), "wrong_topic"),
            ("ping", KEYS[Role.ACK].sign_object(good | {"name": "ping", "gw": "gw-370102-02"}), "foreign"),
            ("ping", KEYS[Role.ACK].sign_object(good | {"name": "ping", "cmdid": "1"}), "cmdid"),
            ("ping", b"{}", "unsigned"),
            ("ping", b"\xff", "not_json"),
        ]
        for name, wire, code in wrong:
            before = bench.count("commands_not_verified_total", reason=code)
            await center.publish(TOPICS.command(name), wire)
            await until(lambda: bench.count("commands_not_verified_total", reason=code) > before, code)  # noqa: B023
        await center.answer("ping", await center.command("ping", {}))
        assert len(center.on(TOPICS.response("ping"))) == 1
        assert center.on(TOPICS.response("wipe")) == []
        assert await bench.store.run(lambda _box: book.Command.select().count()) == 1, (
            "nothing is kept of them"
        )


async def test_at_1970_the_session_alone_stops_replays(tmp_path: Path, mosquitto: Mosquitto) -> None:
    clock = ManualClock(wall_ms=0, quality=ClockQuality.UNSYNCED)
    async with center_on(mosquitto.port) as center, uplink_on(mosquitto.port, tmp_path / "s.db", clock=clock):
        answer = await center.answer("ping", await center.command("ping", {}, changes={"expires": iso_ms(0)}))
        assert answer["status"] == "done"
        answer = await center.answer("ping", await center.command("ping", {}, changes={"session": "x"}))
        assert answer["status"] == "rejected"


async def test_what_a_crash_cut_off_is_answered_interrupted_and_not_run_again(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    clock = ManualClock()
    cmdid = uuid7(clock.wall_ms)
    async with running_store(tmp_path / "s.db", clock) as store:
        await store.run(lambda _box: book.begin(cmdid, "ping", clock.wall_ms))
    async with center_on(mosquitto.port) as center, uplink_on(mosquitto.port, tmp_path / "s.db"):
        answer = await center.answer("ping", cmdid)
        assert answer["status"] == "interrupted"
        await center.command("ping", {}, changes={"cmdid": cmdid})
        assert await center.answer("ping", cmdid, nth=2) == answer


async def settled_chain(bench: Bench, center: CenterClient, count: int) -> None:
    """So many events at the center, all acked, the opening among them."""
    await bench.append(count - 1)
    await center.online()
    await until(lambda: len(center.events()) >= count, "events")
    tail = bench.store.tail
    await center.ack(tail.epoch, tail.seq, tail.hash)
    await until(lambda: bench.store.waiting == 0, "the ack")


async def test_a_resend_brings_identical_bytes_once_and_waits_for_the_ack(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    async with center_on(mosquitto.port) as center, uplink_on(mosquitto.port, tmp_path / "s.db") as bench:
        await settled_chain(bench, center, 40)
        first = list(center.events())
        tail = bench.store.tail
        await center.publish(TOPICS.ack, b"", retain=True)
        args: dict[str, Json] = {"epoch": tail.epoch, "from": f"{5:016d}", "to": f"{9:016d}"}
        answer = await center.answer("resend", await center.command("resend", args))
        assert answer["result"] == {"sent": [[f"{5:016d}", f"{9:016d}"]], "unavailable": []}
        await until(lambda: len(center.events()) >= len(first) + 5, "the events again")
        assert sorted(center.events()[-5:]) == sorted(first[4:9])
        assert bench.store.waiting == 5
        head = await bench.store.run(lambda box: box.hash_at(tail.first_n + 3))
        assert head is not None
        await center.ack(tail.epoch, 4, head, sack=[[5, 9]])
        await until(lambda: bench.store.waiting == 0, "the ack of what was sent again")


async def test_a_resend_names_what_is_gone_and_nothing_outside_of_the_epoch(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    async with center_on(mosquitto.port) as center, uplink_on(mosquitto.port, tmp_path / "s.db") as bench:
        await settled_chain(bench, center, 30)
        tail = bench.store.tail

        def purge() -> None:
            Event.delete().where(Event.n << (3, 4, 10)).execute()

        await bench.store.run(lambda _box: purge())
        args: dict[str, Json] = {"epoch": tail.epoch, "from": 1, "to": "9" * 16}
        answer = await center.answer("resend", await center.command("resend", args))
        seq = "{:016d}".format
        assert answer["result"] == {
            "sent": [[seq(1), seq(2)], [seq(5), seq(9)], [seq(11), seq(30)]],
            "unavailable": [[seq(3), seq(4)], [seq(10), seq(10)]],
        }


@pytest.mark.parametrize(
    ("args", "code"),
    [
        ({"epoch": "ffffffff", "from": 1, "to": 2}, "unknown_epoch"),
        ({"from": 1, "to": 2}, "malformed"),
        ({"epoch": "{epoch}", "from": "1", "to": 2}, "malformed"),
        ({"epoch": "{epoch}", "from": 0, "to": 2}, "malformed"),
        ({"epoch": "{epoch}", "from": 9, "to": 2}, "out_of_range"),
        ({"epoch": "{epoch}", "from": 900, "to": 901}, "out_of_range"),
    ],
)
async def test_a_resend_of_nothing_is_rejected(
    tmp_path: Path, mosquitto: Mosquitto, args: dict[str, Json], code: str
) -> None:
    async with center_on(mosquitto.port) as center, uplink_on(mosquitto.port, tmp_path / "s.db") as bench:
        filled: dict[str, Json] = json.loads(json.dumps(args).replace("{epoch}", bench.store.tail.epoch))
        answer = await center.answer("resend", await center.command("resend", filled))
        assert answer["status"] == "rejected"
        error = answer["error"]
        assert isinstance(error, dict)
        assert error["code"] == code


async def test_a_long_resend_keeps_to_the_window_and_survives_the_end_of_the_process(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    path = tmp_path / "s.db"
    async with center_on(mosquitto.port) as center:
        async with uplink_on(mosquitto.port, path) as bench:
            await bench.append(2499)
            await bench.store.settle([(1, 2500)])
            args: dict[str, Json] = {"epoch": bench.store.tail.epoch, "from": 1, "to": 2500}
            answer = await center.answer("resend", await center.command("resend", args))
            assert answer["result"] == {"sent": [[f"{1:016d}", f"{2500:016d}"]], "unavailable": []}
            await until(center.events, "the first of them")
            assert len(center.events()) < 200, "not all at once: nothing is settled yet"
        async with uplink_on(mosquitto.port, path) as bench:
            assert bench.store.waiting == 2500
