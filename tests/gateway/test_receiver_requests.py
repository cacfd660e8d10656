"""What a gateway asks and what it is told: signed, bounded, and never at the cost of an event."""

import asyncio
from pathlib import Path

import pytest

from gateway.clock import iso_ms
from gateway.envelope import sequence
from gateway.evidence.canonical import Json
from gateway.mqtt_bridge import Endpoint, connect
from gateway.receiver.receiver import Receiver
from gateway.receiver.requests import BURST, PER_S
from gateway.receiver.service import Service
from gateway.receiver.verdict import Outcome
from tests.broker import Mosquitto
from tests.gateway.receiver_fixtures import (
    ACK,
    EPOCH,
    GW,
    ROOT,
    Time,
    chain,
    message,
    opened,
    receiving,
    record,
    request,
)


def rejected_request(first: int, **changes: Json) -> tuple[str, bytes]:
    content: dict[str, Json] = {"reqid": "r-1", "epoch": EPOCH, "from": sequence(first)}
    return request("rejected", **{**content, **changes})


@pytest.mark.usefixtures("on_both")
async def test_refusals_are_listed_from_where_the_gateway_asks_and_paged(tmp_path: Path) -> None:
    bad = range(20, 160, 2)  # 70 of them
    time = Time()
    async with receiving(tmp_path / "c.db", time) as receiver:
        await receiver.accept_many([message(event) for event in chain(170, broken=bad)])
        await receiver.accept(*rejected_request(1))
        ((topic, wire),) = receiver.messages_due()
        first = opened(wire)
        assert topic == f"{ROOT}res/rejected"
        assert [entry["seq"] for entry in first["rejected"]] == [sequence(seq) for seq in bad][:64]
        assert {entry["code"] for entry in first["rejected"]} == {"attribute"}
        assert all("NO NAME" not in entry["msg"] for entry in first["rejected"]), "a value left the center"
        assert (first["more"], first["gw"], first["reqid"], first["ts"]) == (
            True, GW, "r-1", iso_ms(time.wall_ms),
        )  # fmt: skip
        await receiver.accept(*rejected_request(int(first["rejected"][-1]["seq"]) + 1))
        rest = opened(receiver.messages_due()[0][1])
        assert [entry["seq"] for entry in rest["rejected"]] == [sequence(seq) for seq in bad][64:]
        assert rest["more"] is False
        assert receiver.messages_due() == [], "an answer was given twice"


@pytest.mark.usefixtures("on_both")
async def test_an_epoch_without_refusals_gets_an_empty_answer(tmp_path: Path) -> None:
    async with receiving(tmp_path / "c.db") as receiver:
        await receiver.accept_many([message(event) for event in chain(3)])
        for epoch in (EPOCH, "00000000"):
            await receiver.accept(*rejected_request(1, epoch=epoch))
            answer = opened(receiver.messages_due()[0][1])
            assert (answer["epoch"], answer["rejected"], answer["more"]) == (epoch, [], False)


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        (f"{ROOT}req/rejected", b""),
        (f"{ROOT}req/rejected", b"[]"),
        rejected_request(1, epoch="ALL"),
        rejected_request(1, reqid=""),
        rejected_request(1, reqid="x" * 129),
        rejected_request(1, **{"from": 1}),
        rejected_request(1, v=2),
        request("time", reqid="t", mono="-1"),
        request("time", reqid="t", mono=5),
        request("time", mono="5"),
        request("everything"),
    ],
)
async def test_a_malformed_request_is_counted_and_stops_nothing(
    tmp_path: Path, topic: str, payload: bytes
) -> None:
    events = chain(2)
    async with receiving(tmp_path / "c.db") as receiver:
        assert receiver.answer_at_once(topic, payload) is None
        verdicts = await receiver.accept_many([message(events[0]), (topic, payload), message(events[1])])
        assert [verdict.outcome for verdict in verdicts] == [
            Outcome.ACCEPTED, Outcome.IGNORED, Outcome.ACCEPTED,
        ]  # fmt: skip
        assert receiver.messages_due() == []
        assert await tally(receiver) == {"requests_malformed": 1}


async def tally(receiver: Receiver) -> dict[str, int]:
    def read(connection: object) -> dict[str, int]:
        rows = connection.execute("SELECT name, n FROM tally WHERE gw = ?", (GW,))  # type: ignore[attr-defined]
        return dict(rows.fetchall())

    return await receiver._turns.database.run(read)


async def test_the_time_is_told_with_the_question_s_own_clock(tmp_path: Path) -> None:
    time = Time()
    async with receiving(tmp_path / "c.db", time) as receiver:
        asked = request("time", reqid="t-1", mono="123455331")
        answer = receiver.answer_at_once(*asked)
        assert answer is not None
        assert answer[0] == f"{ROOT}res/time"
        assert opened(answer[1]) == {
            "v": 1, "gw": GW, "name": "time", "reqid": "t-1", "mono": "123455331", "ts": iso_ms(time.wall_ms),
        }  # fmt: skip
        await receiver.accept(*asked)  # a transport that does not look first
        assert opened(receiver.messages_due()[0][1])["mono"] == "123455331"


async def test_a_flood_of_requests_is_answered_in_part_and_every_event_is_taken(tmp_path: Path) -> None:
    time, events = Time(), chain(50)
    async with receiving(tmp_path / "c.db", time) as receiver:
        for event in events:
            verdicts = await receiver.accept_many([rejected_request(1)] * 40 + [message(event)])
            assert verdicts[-1].outcome is Outcome.ACCEPTED
        assert len(receiver.messages_due()) == BURST
        assert await tally(receiver) == {"requests_dropped": 50 * 40 - BURST}
        time.pass_s(3)
        await receiver.accept_many([rejected_request(1)] * 40)
        assert len(receiver.messages_due()) == 3 * PER_S, "the allowance does not come back"


async def test_a_stranger_is_told_nothing(tmp_path: Path) -> None:
    stranger = ROOT.replace("-01/", "-02/")
    async with receiving(tmp_path / "c.db") as receiver:
        for topic, payload in (request("time", reqid="t", mono="1"), rejected_request(1), request("ack")):
            there = topic.replace(ROOT, stranger)
            assert receiver.answer_at_once(there, payload) is None
            assert (await receiver.accept(there, payload)).outcome is Outcome.IGNORED
        assert receiver.messages_due() == []
        assert receiver.acks_pending() == []


async def test_over_a_broker_the_time_comes_before_the_backlog_is_stored(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    """3000 events wait at the broker; the time is told while most of them are still to be stored."""
    from gateway.receiver.receiver import ReceiverSettings
    from tests.gateway.receiver_fixtures import TRUST

    made = chain(3000)
    center = Endpoint(host="127.0.0.1", port=mosquitto.port, client_id="center", receive_maximum=8192)
    away = await connect(center, ("cc/#",), None)  # the session that the broker keeps messages for
    await away.close()
    gateway = await connect(
        Endpoint(host="127.0.0.1", port=mosquitto.port, client_id=GW), (f"{ROOT}res/#",), None
    )
    for start in range(0, len(made), 32):
        await asyncio.gather(*[gateway.publish(*message(event)) for event in made[start : start + 32]])
    await gateway.publish(*request("time", reqid="t-1", mono="5"))
    receiver = await Receiver.open(
        ReceiverSettings(database=record(tmp_path / "c.db"), trust=TRUST, ack_signer=ACK)
    )
    stop, all_stored, stored = asyncio.Event(), asyncio.Event(), 0

    def count(_verdict: object) -> None:
        nonlocal stored
        stored += 1
        if stored >= len(made):
            all_stored.set()

    serving = asyncio.create_task(Service(receiver, center, count).run(stop))
    async with asyncio.timeout(30):
        answer = await gateway.incoming.get()
        stored_at_answer = stored
        await all_stored.wait()
    stop.set()
    await serving
    await receiver.close()
    await gateway.close()
    assert answer.topic == f"{ROOT}res/time"
    assert opened(answer.payload)["reqid"] == "t-1"
    assert stored_at_answer < len(made), "the question waited until everything was stored"
