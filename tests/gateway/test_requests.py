"""What the gateway asks, and that only a signed answer to that question counts."""

import asyncio
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.clock import iso_ms
from gateway.evidence.canonical import Json
from gateway.evidence.jws import Signer
from gateway.evidence.keys import Role
from gateway.uplink import requests
from gateway.uplink.requests import RequestFailed
from tests.broker import Mosquitto
from tests.gateway.store_fixtures import GATEWAY
from tests.gateway.uplink_bench import KEYS, TOPICS, CenterClient, center_on, until, uplink_on

MALLORY = Signer("center-ack#1", Ed25519PrivateKey.generate())


async def question(center: CenterClient, name: str, nth: int = 1) -> dict[str, Json]:
    await until(lambda: len(center.on(TOPICS.request(name))) >= nth, f"question {nth} on req/{name}")
    asked: dict[str, Json] = json.loads(center.on(TOPICS.request(name))[nth - 1])
    return asked


def answer(name: str, asked: dict[str, Json], **members: Json) -> dict[str, Json]:
    return {"v": 1, "gw": GATEWAY, "name": name, "reqid": asked["reqid"], "ts": iso_ms(5_000), **members}


async def reply(
    center: CenterClient, name: str, message: dict[str, Json], signer: Signer | None = None
) -> None:
    await center.publish(TOPICS.result(name), (signer or KEYS[Role.ACK]).sign_object(message))


async def test_the_centers_time_is_asked_and_paired_with_our_monotonic_clock(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    async with center_on(mosquitto.port) as center, uplink_on(mosquitto.port, tmp_path / "s.db") as bench:
        await center.online()
        before_ms = bench.clock.now().mono_ms
        asking = asyncio.create_task(bench.uplink.requests.ask_time())
        asked = await question(center, "time")
        assert set(asked) == {"v", "reqid", "mono"}
        await reply(center, "time", answer("time", asked, mono=asked["mono"]))
        center_ms, sent_ms, received_ms = await asking
        assert center_ms == 5_000
        assert asked["mono"] == str(sent_ms)
        assert before_ms <= sent_ms <= received_ms <= bench.clock.now().mono_ms


@pytest.mark.parametrize(
    ("changes", "signer", "code"),
    [
        ({}, MALLORY, "signature"),
        ({}, KEYS[Role.ROOT], "wrong_role"),
        ({"gw": "gw-370102-02"}, None, "foreign"),
        ({"name": "rejected"}, None, "unasked"),
        ({"reqid": "0190b9c8-0000-7000-8000-000000000000"}, None, "unasked"),
    ],
)
async def test_an_answer_that_is_not_the_centers_to_this_question_does_not_count(
    tmp_path: Path, mosquitto: Mosquitto, changes: dict[str, Json], signer: Signer | None, code: str
) -> None:
    async with center_on(mosquitto.port) as center, uplink_on(mosquitto.port, tmp_path / "s.db") as bench:
        await center.online()
        asking = asyncio.create_task(bench.uplink.requests.ask_time())
        asked = await question(center, "time")
        good = answer("time", asked, mono=asked["mono"])
        await reply(center, "time", good | changes, signer)
        await until(lambda: bench.count("answers_rejected_total", reason=code), code)
        assert not asking.done()
        await reply(center, "time", good)
        assert (await asking)[0] == 5_000


async def test_an_answer_with_another_echo_is_malformed(tmp_path: Path, mosquitto: Mosquitto) -> None:
    async with center_on(mosquitto.port) as center, uplink_on(mosquitto.port, tmp_path / "s.db") as bench:
        await center.online()
        asking = asyncio.create_task(bench.uplink.requests.ask_time())
        asked = await question(center, "time")
        await reply(center, "time", answer("time", asked, mono="1"))
        with pytest.raises(RequestFailed) as caught:
            await asking
        assert caught.value.code == "malformed"


async def test_a_question_without_an_answer_ends_and_so_does_one_without_a_connection(
    tmp_path: Path, mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "DEADLINE_S", 0.2)
    async with center_on(mosquitto.port) as center, uplink_on(mosquitto.port, tmp_path / "s.db") as bench:
        await center.online()
        with pytest.raises(RequestFailed) as caught:
            await bench.uplink.requests.ask_time()
        assert caught.value.code == "no_answer"
        mosquitto.stop()
        await until(lambda: bench.uplink.state == "offline", "the loss")
        with pytest.raises(RequestFailed) as caught:
            await bench.uplink.requests.ask_time()
        assert caught.value.code == "offline"


async def test_refusals_that_the_ack_does_not_list_are_asked_for_page_by_page(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    async with center_on(mosquitto.port) as center, uplink_on(mosquitto.port, tmp_path / "s.db") as bench:
        await bench.append(30)
        await until(lambda: len(center.events()) >= 31, "events")
        tail = bench.store.tail
        refused: list[Json] = [{"seq": f"{30:016d}", "code": "schema", "msg": "no"}]
        await center.ack(tail.epoch, tail.seq, tail.hash, rejected_n=21, rejected=refused)

        def page(first: int, last: int) -> list[Json]:
            return [{"seq": f"{seq:016d}", "code": "old_rule", "msg": ""} for seq in range(first, last + 1)]

        for nth, (begin, rejected, more) in enumerate(
            [(1, page(5, 14), True), (15, [*page(15, 24), refused[0]], False)], start=1
        ):
            asked = await question(center, "rejected", nth)
            assert (asked["epoch"], asked["from"]) == (tail.epoch, f"{begin:016d}")
            await reply(
                center,
                "rejected",
                answer("rejected", asked, epoch=tail.epoch, rejected=rejected, more=more),
            )
        await until(lambda: bench.uplink._rooms.refused_pages._done == {tail.epoch: 21}, "the last page")
        assert "rejected/old_rule" in bench.alarms.standing
        assert "rejected/schema" in bench.alarms.standing
        kept = await bench.store.run(lambda box: box.rejected_count(1, 99))
        assert kept == 21
        await center.ack(tail.epoch, tail.seq, tail.hash, rejected_n=21, rejected=refused)
        await center.answer("ping", await center.command("ping", {}))  # the ack was taken
        assert bench.uplink._rooms.refused_pages._wanted == {}
        assert len(center.on(TOPICS.request("rejected"))) == 2, "asked no more"
