"""The trust file is believed as it stands now, without a restart; a broken one changes nothing."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.evidence.keys import TrustedKey, TrustStore, trust_document
from gateway.mqtt_bridge import Connection, Endpoint, connect
from gateway.receiver.receiver import Receiver
from gateway.receiver.trust_file import TrustFile
from gateway.receiver.verdict import Outcome, Verdict
from gateway.uplink.acks import EpochAck, read_ack
from tests.broker import Mosquitto
from tests.gateway.receiver_fixtures import ACK, ACK_KEY, GW, ROOT, TRUSTED, chain, message, receiving

GATEWAY_KEY, ACK_KEY_LINE = TRUSTED


def write(path: Path, *keys: TrustedKey) -> None:
    """As an administrator should: whole, by a rename."""
    fresh = path.with_name("fresh")
    fresh.write_text(trust_document(keys, demo=False))
    fresh.replace(path)


@asynccontextmanager
async def following(path: Path, receiver: Receiver, seen: list[Verdict]) -> AsyncIterator[asyncio.Event]:
    file, asked = TrustFile(path, allow_demo=False), asyncio.Event()
    file.load()
    task = asyncio.create_task(file.follow(receiver, seen.append, asked, every_s=0.01))
    try:
        yield asked
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - a condition of the code under test
            await asyncio.sleep(0.01)


async def test_what_was_parked_is_stored_when_the_file_names_its_key(tmp_path: Path) -> None:
    path, seen = tmp_path / "trust.json", list[Verdict]()
    write(path, ACK_KEY_LINE)
    async with receiving(tmp_path / "c.db", trust=TrustStore([ACK_KEY_LINE])) as receiver:
        async with following(path, receiver, seen):
            for event in chain(3):
                assert (await receiver.accept(*message(event))).outcome is Outcome.PARKED
            write(path, *TRUSTED)
            await until(lambda: len(seen) == 3)
        assert {verdict.outcome for verdict in seen} == {Outcome.ACCEPTED}


async def test_a_key_that_was_taken_away_counts_no_more(tmp_path: Path) -> None:
    path, events = tmp_path / "trust.json", chain(3)
    write(path, *TRUSTED)
    async with receiving(tmp_path / "c.db") as receiver, following(path, receiver, []):
        assert (await receiver.accept(*message(events[0]))).outcome is Outcome.ACCEPTED
        write(path, ACK_KEY_LINE)
        await until(lambda: not receiver._turns.trust.of_gateway(GW))
        assert (await receiver.accept(*message(events[1]))).outcome is Outcome.PARKED


async def test_a_broken_or_missing_file_leaves_the_keys_of_before(tmp_path: Path) -> None:
    path, events, seen = tmp_path / "trust.json", chain(4), list[Verdict]()
    write(path, *TRUSTED)
    async with receiving(tmp_path / "c.db") as receiver, following(path, receiver, seen) as asked:
        for event, text in zip(events, ("{", None), strict=False):
            if text is None:
                path.unlink()
            else:
                path.write_text(text)
            asked.set()
            await until(lambda: not asked.is_set())
            assert (await receiver.accept(*message(event))).outcome is Outcome.ACCEPTED
        write(path, ACK_KEY_LINE)  # it is still looked at
        await until(lambda: not receiver._turns.trust.of_gateway(GW))


async def test_the_running_program_believes_a_key_that_was_added(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    """`zhijiao receive` on a broker; the key is added while three events are parked."""
    trust, key, events = tmp_path / "trust.json", tmp_path / "ack.pem", chain(3)
    write(trust, ACK_KEY_LINE)
    key.write_bytes(ACK_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    gateway = await connect(
        Endpoint(host="127.0.0.1", port=mosquitto.port, client_id=GW), (f"{ROOT}ack",), None
    )
    command = [
        *(sys.executable, "-m", "gateway", "receive", "--broker", f"mqtt://127.0.0.1:{mosquitto.port}"),
        *("--db", str(tmp_path / "c.db"), "--trust", str(trust)),
        *("--ack-key", str(key), "--ack-kid", ACK.kid),
    ]
    with (tmp_path / "log").open("wb") as log:
        receiver = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        sending = asyncio.create_task(_send(gateway, [message(event) for event in events]))
        assert (await _ack(gateway)).blocked == "unknown_kid"
        sending.cancel()
        write(trust, *TRUSTED)
        receiver.send_signal(signal.SIGHUP)
        async with asyncio.timeout(30):
            while (await _ack(gateway)).upto < 3:
                pass
        assert receiver.poll() is None
    finally:
        receiver.terminate()
        assert receiver.wait(20) == 0, (tmp_path / "log").read_text()
        await gateway.close()


async def _send(gateway: Connection, messages: list[tuple[str, bytes]]) -> None:
    """Again and again: nobody may listen yet."""
    while True:
        for topic, wire in messages:
            await gateway.publish(topic, wire)
        await asyncio.sleep(0.2)


async def _ack(gateway: Connection) -> EpochAck:
    async with asyncio.timeout(30):
        while True:
            arrived = await gateway.incoming.get()
            arrived.done()
            epochs = read_ack(arrived.payload, GW, lambda _kid: ACK.public)
            if epochs:
                return epochs[0]
