"""A backlog drains to the real receiver over a real broker: once, behind what is fresh, past what is dropped."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.evidence.keys import Role, TrustedKey, TrustStore
from gateway.mqtt_bridge import Endpoint
from gateway.receiver.receiver import Receiver, ReceiverSettings
from gateway.receiver.service import Service
from gateway.uplink import outstanding
from tests.broker import Mosquitto
from tests.gateway.store_fixtures import GATEWAY, SIGNER
from tests.gateway.uplink_bench import KEYS, Bench, until, uplink_on

ACK = KEYS[Role.ACK]
TRUST = TrustStore([TrustedKey(SIGNER.kid, Role.GATEWAY, GATEWAY, SIGNER.public.public_bytes_raw())])


@asynccontextmanager
async def receiver_on(port: int, path: Path, *, receive_maximum: int = 1024) -> AsyncIterator[Receiver]:
    receiver = await Receiver.open(ReceiverSettings(database=str(path), trust=TRUST, ack_signer=ACK))
    endpoint = Endpoint(
        host="127.0.0.1", port=port, client_id="center", receive_maximum=receive_maximum, version="3.1.1"
    )
    stop = asyncio.Event()
    serving = asyncio.create_task(Service(receiver, endpoint, lambda _verdict: None).run(stop))
    try:
        yield receiver
    finally:
        stop.set()
        await serving
        await receiver.close()


def sent(bench: Bench) -> float:
    return sum(bench.count("events_sent_total", lane=lane) for lane in ("L0", "L1", "L2"))


async def fill(bench: Bench, count: int) -> None:
    for _ in range(count // 100):
        await bench.append(100)


async def test_a_drain_sends_each_event_once(tmp_path: Path, mosquitto: Mosquitto) -> None:
    async with (
        receiver_on(mosquitto.port, tmp_path / "center.db"),
        uplink_on(mosquitto.port, tmp_path / "s.db") as bench,
    ):
        mosquitto.stop()
        await fill(bench, 3000)
        mosquitto.start()
        await until(lambda: bench.store.waiting == 0, "the drain", 90)
        assert bench.count("rewinds_total") == 0
        print(f"\nsent {sent(bench):.0f} of {bench.store.tail.seq}")
        assert sent(bench) <= 1.1 * bench.store.tail.seq
        await until(lambda: not bench.sender.out.sent, "nothing to be remembered of what is settled")


async def test_what_went_to_nobody_is_sent_again_as_soon_as_somebody_listens(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    """A gateway that is there before its center: the broker says 0x10, and patience would be 30 s."""
    async with uplink_on(mosquitto.port, tmp_path / "s.db", version="5") as bench:
        await bench.append(20)
        await until(lambda: bench.count("pubacks_total", reason="0x10") >= 20, "the broker's answers")
        async with receiver_on(mosquitto.port, tmp_path / "center.db") as receiver:
            await asyncio.sleep(0)
            loop = asyncio.get_running_loop()
            began = loop.time()
            while bench.store.waiting:
                await bench.append(1)  # people come, one after the other
                await asyncio.sleep(0.2)
                assert loop.time() - began < 15, "sent again only when patience ended"
            assert receiver is not None
        assert bench.count("rewinds_total") == 0


async def test_a_check_in_during_a_drain_is_at_the_center_at_once(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    async with (
        receiver_on(mosquitto.port, tmp_path / "center.db"),
        uplink_on(mosquitto.port, tmp_path / "s.db", drain_cap_per_s=200) as bench,
    ):
        await fill(bench, 3000)
        await until(lambda: 100 < bench.store.waiting < 2800, "the drain to run")
        await bench.append(1, "checkin.completed")
        n = bench.store.tail.next_n - 1
        loop = asyncio.get_running_loop()
        began = loop.time()
        settled = False
        while not settled:
            settled = n not in [row.n for row in await bench.store.after(0, n - 1, 1)]
            await asyncio.sleep(0.01)
        took_s = loop.time() - began
        print(f"\nsettled after {took_s * 1000:.0f} ms, {bench.store.waiting} waiting")
        assert bench.store.waiting > 500, "the backlog still drains"
        assert took_s < 5.0


async def test_what_a_broker_drops_is_sent_again_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker with a queue of twelve drops part of each burst; it has PUBACKed all of it."""
    monkeypatch.setattr(outstanding, "FIRST_PATIENCE_S", 0.5)
    limits = "max_inflight_messages 4\nmax_queued_messages 12"
    with Mosquitto(tmp_path / "broker", queue="default", extra=limits) as broker:
        async with (
            receiver_on(broker.port, tmp_path / "center.db", receive_maximum=4),
            uplink_on(broker.port, tmp_path / "s.db") as bench,
        ):
            await fill(bench, 400)
            await until(lambda: bench.store.waiting == 0, "the drain", 90)
            print(
                f"\nsent {sent(bench):.0f} of {bench.store.tail.seq}, rewinds {bench.count('rewinds_total')}"
            )
            assert bench.count("events_resent_total") > 0, "nothing was dropped: this shows nothing"
            # Only the very last ones may have to wait for it: behind them nothing came that could overtake.
            assert bench.count("rewinds_total") <= 2, "others flowed: no reason to begin again"
            assert sent(bench) < 2 * bench.store.tail.seq
