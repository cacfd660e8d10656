"""One connection against brokers that misbehave: what is said, what is bounded, what is noticed."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.mqtt_bridge import FAILURE, ConnectFailed, Connection, Endpoint, connect
from tests.broker import Mosquitto
from tests.gateway.scripted_broker import ScriptedBroker
from tests.gateway.uplink_bench import until

TOPICS = ("cc/ack", "cc/cmd/#")


def endpoint(port: int, version: str = "5", host: str = "127.0.0.1", keepalive_s: int = 30) -> Endpoint:
    return Endpoint(host=host, port=port, client_id="gw", version=version, keepalive_s=keepalive_s)


@asynccontextmanager
async def connected(
    at: Endpoint, topics: tuple[str, ...] = TOPICS, optional: tuple[str, ...] = ()
) -> AsyncIterator[Connection]:
    connection = await connect(at, topics, None, optional=optional)
    try:
        yield connection
    finally:
        await connection.close()


async def failure(at: Endpoint, topics: tuple[str, ...] = TOPICS) -> ConnectFailed:
    with pytest.raises(ConnectFailed) as caught:
        async with connected(at, topics):
            pass
    return caught.value


@pytest.mark.parametrize("host", ["broker..example", "a" * 64 + ".example"])
async def test_a_name_that_is_none_says_so(host: str) -> None:
    failed = await failure(endpoint(1883, host=host))
    assert failed.code == "dns"
    assert "broker" in str(failed)


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_no_more_than_the_window_is_without_an_answer_and_none_is_dropped(version: str) -> None:
    async with (
        ScriptedBroker(receive_maximum=5, hold=True) as broker,
        connected(endpoint(broker.port, version)) as connection,
    ):
        window = 5 if version == "5" else 32
        assert connection.receive_maximum == window
        waiting = [connection.publish("cc/status", b"x") for _ in range(300)]
        await until(lambda: len(broker.topics) >= window, "a full window")
        assert connection.room < 0
        broker.release()
        async with asyncio.timeout(20):
            assert await asyncio.gather(*waiting) == [0] * 300
        assert broker.most_out <= window
        assert connection.room == window


async def test_what_waits_for_an_answer_ends_with_the_connection() -> None:
    async with ScriptedBroker(hold=True) as broker, connected(endpoint(broker.port)) as connection:
        waiting = [connection.publish("cc/status", b"x") for _ in range(100)]
        connection.give_up("no_puback", "test")
        await asyncio.wait(waiting, timeout=5)
        assert all(future.cancelled() for future in waiting)
        assert connection.publish("cc/status", b"x").cancelled()


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_a_close_on_subscribe_is_not_taken_for_the_wrong_version(version: str) -> None:
    async with ScriptedBroker(closes_on_subscribe=True) as broker:
        failed = await failure(endpoint(broker.port, version))
    assert failed.code == "closed"
    assert not failed.closed_before_connack
    assert failed.closed_subscribing
    assert "while subscribing" in str(failed)


async def test_a_refused_topic_is_a_failure_unless_it_is_optional() -> None:
    async with ScriptedBroker(refuses_topics=("status",)) as broker:
        failed = await failure(endpoint(broker.port), (*TOPICS, "cc/status"))
        assert failed.code == "not_authorised"
        async with connected(endpoint(broker.port), optional=("cc/status",)) as connection:
            assert await connection.publish("cc/x", b"x") == 0


async def test_pings_without_pubacks_are_seen_and_pubacks_end_it() -> None:
    async with ScriptedBroker(hold=True) as broker, connected(endpoint(broker.port)) as connection:
        assert connection.unacked_s(time.monotonic() + 99) == 0, "nothing is out"
        answer = connection.publish("cc/x", b"x")
        connection.publish("cc/x", b"x")
        assert 98 < connection.unacked_s(time.monotonic() + 99) <= 100
        await until(lambda: broker.topics, "a publish")
        broker.release()
        await answer
        await until(lambda: connection.unacked_s(time.monotonic()) == 0, "both answers")


async def test_silence_is_what_the_kernel_received_last(mosquitto: Mosquitto) -> None:
    async with connected(endpoint(mosquitto.port)) as connection:
        mosquitto.pause()
        try:
            await until(lambda: connection.silent_s() >= 1.0, "silence")
            connection.publish("cc/x", b"x")  # sending is no sign of life
            await until(lambda: connection.silent_s() >= 1.5, "silence going on")
        finally:
            mosquitto.resume()
        await until(lambda: connection.silent_s() < 0.5, "a sign of life")


async def test_a_flood_of_kept_messages_waits_on_the_line_and_none_is_missed(mosquitto: Mosquitto) -> None:
    """mosquitto sends far beyond our Receive Maximum what it kept while we were away; nobody takes it at first."""
    small = Endpoint(host="127.0.0.1", port=mosquitto.port, client_id="slow", version="5", receive_maximum=16)
    async with connected(small, ("kept/#",)):
        pass
    sent = 3_000
    async with connected(endpoint(mosquitto.port)) as sender:
        codes = await asyncio.gather(*[sender.publish("kept/x", b"%d" % n) for n in range(sent)])
        assert set(codes) == {0}
    most = 0
    seen: set[bytes] = set()
    async with connected(small, ("kept/#",)) as connection:
        while len(seen) < sent:
            async with asyncio.timeout(20):
                message = await connection.incoming.get()
            if len(seen) > sent // 2:  # what came before the subscription stood has been taken by then
                most = max(most, connection.incoming.qsize())
            seen.add(message.payload)
            message.done()
            await asyncio.sleep(0)
        assert not connection.closed.done()
    assert most <= 4 * 16 + 1


# A PUBACK without a message id, properties longer than their packet, a topic that is not UTF-8, no packet at all.
GARBAGE = (
    b"\x40\x00",
    b"\x40\x04\x00\x01\x00\xff",
    b"\x30\x06\x00\x02\xff\xfe\x00x",
    b"\x00\x00",
    b"\xff" * 40,
)


@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_bytes_that_are_no_mqtt_end_the_connection_and_nothing_else(
    version: str, garbage: bytes
) -> None:
    async with (
        ScriptedBroker(garbage=garbage) as broker,
        connected(endpoint(broker.port, version)) as connection,
    ):
        answer = connection.publish("cc/x", b"x")
        async with asyncio.timeout(5):
            closed = await connection.closed
        assert closed.code in {"client_failed", "closed", "keepalive"}
        assert answer.cancelled()
        broker.garbage = b""
        async with connected(endpoint(broker.port, version)) as again:
            assert await again.publish("cc/x", b"x") == 0


async def test_a_goodbye_takes_the_will_away_and_a_cut_line_does_not(mosquitto: Mosquitto) -> None:
    async with connected(endpoint(mosquitto.port), ("will/#",)) as watcher:
        for orderly in (True, False):
            leaving = Endpoint(
                host="127.0.0.1", port=mosquitto.port, client_id=f"leaves-{orderly}", version="3.1.1"
            )
            connection = await connect(leaving, ("cc/x",), (f"will/{orderly}", b"gone"))
            await connection.close(orderly=orderly)
        async with asyncio.timeout(5):
            message = await watcher.incoming.get()
        assert message.topic == "will/False"
        assert watcher.incoming.empty()


async def test_a_large_burst_over_a_slow_line_arrives_whole(mosquitto: Mosquitto) -> None:
    """Two megabytes at once are more than the line takes: what is gathered goes out as it empties."""
    payloads = [bytes([n]) * 60_000 for n in range(32)]
    async with connected(endpoint(mosquitto.port), ("big/#",)) as connection:
        answers = [connection.publish("big/x", payload) for payload in payloads]
        async with asyncio.timeout(20):
            assert set(await asyncio.gather(*answers)) == {0}
            got: list[bytes] = []
            while len(got) < len(payloads):
                message = await connection.incoming.get()
                got.append(message.payload)
                message.done()
        assert got == payloads


async def test_an_attempt_given_up_when_it_had_just_dialled_says_nothing_any_more(
    mosquitto: Mosquitto,
) -> None:
    """Its CONNECT, sent when the forgotten client is collected, would throw out the one that is connected by then."""
    at = endpoint(mosquitto.port)
    forgotten = Connection(at)
    await asyncio.get_running_loop().run_in_executor(None, forgotten._dial)
    async with connected(at) as living:
        await forgotten.close(orderly=False)
        del forgotten
        gc.collect()
        assert await living.publish("cc/x", b"x") < FAILURE
        assert not living.closed.done()


async def test_a_stop_while_the_broker_closes_on_subscribe_is_not_swallowed() -> None:
    async with ScriptedBroker(closes_on_subscribe=True) as broker:
        for wait_s in (0.0, 0.001, 0.002, 0.004, 0.008, 0.016):
            connecting = asyncio.create_task(connect(endpoint(broker.port), TOPICS, None))
            await asyncio.sleep(wait_s)
            ended = connecting.done()
            connecting.cancel()
            outcome = (await asyncio.gather(connecting, return_exceptions=True))[0]
            assert ended or isinstance(outcome, asyncio.CancelledError), outcome


KEPT = 400


@pytest.fixture
async def center(tmp_path: Path) -> AsyncIterator[Endpoint]:
    """A session with KEPT messages that came while nobody was there, at a broker that sends them all at once."""
    with Mosquitto(tmp_path / "generous", extra="max_inflight_messages 0") as broker:
        center = Endpoint(
            host="127.0.0.1", port=broker.port, client_id="center", version="3.1.1", receive_maximum=16
        )
        async with connected(center, ("kept/#",)):
            pass
        async with connected(endpoint(broker.port)) as sender:
            assert set(await asyncio.gather(*[sender.publish("kept/x", b"x") for _ in range(KEPT)])) == {0}
        yield center


async def test_a_session_that_was_kept_serves_before_the_subscription_is_confirmed(center: Endpoint) -> None:
    """What was kept comes first, and may be more than memory holds: it is taken as it comes."""
    connection = await connect(center, ("kept/#",), None, at_once=True)
    try:
        assert connection.resumed
        most = 0
        for _ in range(KEPT):
            async with asyncio.timeout(20):
                message = await connection.incoming.get()
            most = max(most, connection.incoming.qsize())
            message.done()
        assert most <= 4 * 16, "the rest waits on the line from the beginning"
        assert await connection.publish("kept/x", b"again") == 0
        async with asyncio.timeout(20):
            assert (await connection.incoming.get()).payload == b"again"
    finally:
        await connection.close()


async def test_a_first_session_waits_for_its_subscription(mosquitto: Mosquitto) -> None:
    first = Endpoint(host="127.0.0.1", port=mosquitto.port, client_id="new")
    connection = await connect(first, ("x/#",), None, at_once=True)
    assert not connection.resumed
    assert await connection.publish("x/y", b"heard") == 0
    async with asyncio.timeout(5):
        assert (await connection.incoming.get()).payload == b"heard"
    await connection.close()


async def test_a_late_refusal_of_a_topic_ends_the_connection() -> None:
    async with ScriptedBroker(refuses_topics=("secret",), keeps_sessions=True) as broker:
        connection = await connect(endpoint(broker.port), ("secret",), None, at_once=True)
        async with asyncio.timeout(5):
            assert (await connection.closed).code == "not_authorised"
        await connection.close()


async def test_an_answer_that_may_be_unread_is_not_missed(center: Endpoint) -> None:
    """Its PUBACK lies behind what we do not take in: the broker owes nothing until we have read that."""
    connection = await connect(center, ("kept/#",), None, at_once=True)
    try:
        await until(lambda: connection.incoming.qsize() >= 4 * 16, "a crowd")
        answer = connection.publish("other/x", b"x")
        await asyncio.sleep(0.6)
        assert not answer.done(), "otherwise this shows nothing"
        assert connection.unacked_s(time.monotonic()) < 0.5
        async with asyncio.timeout(20):
            for _ in range(KEPT):
                (await connection.incoming.get()).done()
            assert await answer == 0
    finally:
        await connection.close()
