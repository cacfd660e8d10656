"""`python -m tests.bench.center`: what the center's side can take. Prints figures, asserts nothing.

canonical     one 900-byte signed event: encode, decode with its check, signature, whole verification
library       `Receiver.accept_many` in batches, events a second, with COMMIT on a real disk
service       the same behind a real mosquitto: one sender with a window like a gateway's
ack           first event of a batch published -> the ack that covers it received

--profile     where the library's time goes (cProfile, both threads)
--only NAME   one of the above
"""

import argparse
import asyncio
import cProfile
import os
import pstats
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from gateway.clock import ManualClock
from gateway.envelope import GENESIS, Draft, Place, Sealed, seal
from gateway.evidence import canonical, hpke, jws
from gateway.evidence.canonical import Json
from gateway.evidence.jws import Signer, b64url
from gateway.evidence.keys import Role, TrustedKey, TrustStore, trust_document
from gateway.mqtt_bridge import Connection, Endpoint, connect
from gateway.mqtt_bridge.endpoint import MAX_IN_FLIGHT
from gateway.receiver import topics
from gateway.receiver.intervals import Ranges
from gateway.receiver.receiver import Receiver, ReceiverSettings
from gateway.receiver.verdict import Outcome
from gateway.receiver.verify import Event, verify
from gateway.uplink.acks import read_ack
from gateway.uuid7 import uuid7
from tests.broker import Mosquitto

ORG, GW, EPOCH = "370102", "gw-370102-01", "5f0c2a91"
KEY = Signer(f"{GW}#1", Ed25519PrivateKey.from_private_bytes(bytes([7]) * 32))
ACK_KEY = Ed25519PrivateKey.from_private_bytes(bytes([3]) * 32)
ACK = Signer("center-ack#1", ACK_KEY)
TRUST_KEYS = [
    TrustedKey(KEY.kid, Role.GATEWAY, GW, KEY.public.public_bytes_raw()),
    TrustedKey(ACK.kid, Role.ACK, None, ACK.public.public_bytes_raw()),
]
ROOT = f"cc/v1/{ORG}/{GW}/"
WINDOW = 512  # sent and not settled: the most that a gateway allows itself


def events(count: int) -> list[Sealed]:
    """An epoch of card readings of an invented person, sealed and signed as the gateway does it."""
    clock, made, previous = ManualClock(), list[Sealed](), GENESIS
    seal_to = X25519PrivateKey.from_private_bytes(bytes([5]) * 32).public_key()
    for seq in range(1, count + 1):
        clock.advance(37)
        event_id = uuid7(clock.wall_ms)
        if seq == 1:
            draft = Draft(
                id=event_id, type="system.epoch_opened", subject=f"gateway/{GW}", device="gateway", at=clock.now(),
                data={"reason": "new_store", "profile": "intl", "software": "0", "previous": None},
            )  # fmt: skip
        else:
            personal = canonical.encode(
                {"id_number": "11010119900307000X", "name": "张三", "valid_to": "20361231"}
            )
            sealed = hpke.seal(personal, seal_to, info=b"zhijiao/sealed/1", aad=f"{GW}|{event_id}".encode())
            data: dict[str, Json] = {
                "medium": "id_card",
                "card_type": "resident",
                "number_hmac": "6b" * 32,
                "check_digit_ok": True,
                "text_repaired": False,
                "sealed": {"kid": "center-seal#1", "enc": b64url(sealed.enc), "ct": b64url(sealed.ct)},
            }
            draft = Draft(
                id=event_id, type="identity.card_read", subject="device/idcard-1", device="idcard-1",
                at=clock.now(), data=data, unit="370102-07", restricted=True,
            )  # fmt: skip
        made.append(seal(draft, Place(ORG, GW, EPOCH, seq, previous), clock.now(), KEY))
        previous = made[-1].hash
    return made


def message(event: Sealed) -> tuple[str, bytes]:
    return f"{ROOT}evt/{'system' if event.seq == 1 else 'identity'}", event.wire


def settings(path: Path) -> ReceiverSettings:
    return ReceiverSettings(database=str(path), trust=TrustStore(TRUST_KEYS), ack_signer=ACK)


def each_us(work: Callable[[], object], rounds: int = 5, times: int = 2000) -> float:
    """The best round's microseconds per call: the least disturbed one."""
    best = float("inf")
    for _ in range(rounds):
        began = time.perf_counter()
        for _ in range(times):
            work()
        best = min(best, time.perf_counter() - began)
    return best / times * 1e6


def bench_canonical() -> None:
    event = events(3)[2]
    message = canonical.decode(event.wire)
    signature = str(message.pop("jws"))
    payload = canonical.encode(message)
    trust = TrustStore(TRUST_KEYS)
    find = trust.find(Role.GATEWAY, gateway=GW)
    topic = topics.parse(f"{ROOT}evt/identity")
    assert topic is not None
    assert isinstance(verify(topic, event.wire, trust), Event)
    raw = KEY.public.public_bytes_raw()
    rows: list[tuple[str, Callable[[], object]]] = [
        ("encode", lambda: canonical.encode(message)),
        ("decode with its check", lambda: canonical.decode(event.wire)),
        ("check alone", lambda: canonical.check(message)),
        ("jws.verify", lambda: jws.verify(payload, signature, find)),
        ("jws.sign", lambda: KEY.sign(payload)),
        ("Ed25519 verify alone", lambda: KEY.public.verify(ACK_SIGNED, ACK_MESSAGE)),
        ("sha256", lambda: __import__("hashlib").sha256(payload).digest()),
        ("receiver's verify()", lambda: verify(topic, event.wire, trust)),
    ]
    assert len(raw) == 32
    print(f"one event of {len(event.wire)} bytes:")
    for name, work in rows:
        print(f"  {name:<24}{each_us(work):8.1f} us")


ACK_MESSAGE = bytes(range(256)) * 5  # as long as the signing input of a 900-byte event
ACK_SIGNED = Ed25519PrivateKey.from_private_bytes(bytes([7]) * 32).sign(ACK_MESSAGE)


async def bench_library(folder: Path, count: int, *, profile: bool) -> None:
    made = [message(event) for event in events(count)]
    for batch in (100, 256):
        path = folder / f"library-{batch}.db"
        receiver = await Receiver.open(settings(path))
        profiler = cProfile.Profile()
        if profile:
            transact: Any = receiver._turns.database._transact
            receiver._turns.database._transact = partial(profiler.runcall, transact)  # type: ignore[method-assign]
        began = time.perf_counter()
        cpu = time.process_time()
        for start in range(0, len(made), batch):
            verdicts = await receiver.accept_many(made[start : start + batch])
            assert all(verdict.outcome is Outcome.ACCEPTED for verdict in verdicts)
            receiver.acks_due()
        took, spent = time.perf_counter() - began, time.process_time() - cpu
        await receiver.close()
        print(
            f"library, batches of {batch}: {count / took:7.0f} events/s, {spent / count * 1e6:6.0f} us CPU each"
        )
        if profile:
            pstats.Stats(profiler).sort_stats("tottime").print_stats(22)


async def bench_service(folder: Path, count: int) -> None:
    """`zhijiao receive` in its own process: what a broker has kept for it, then a sender with a window."""
    made = events(2 * count)
    with Mosquitto(folder / "broker") as broker:
        with _receiving(folder, broker):
            sender = await connect(
                Endpoint(host="127.0.0.1", port=broker.port, client_id=GW), (f"{ROOT}ack",), None
            )
            await _until_answered(sender)
        for start in range(0, count, MAX_IN_FLIGHT):
            some = made[start : min(count, start + MAX_IN_FLIGHT)]
            await asyncio.gather(*[sender.publish(*message(event)) for event in some])
        began = time.perf_counter()
        with _receiving(folder, broker) as pid:
            first = await _until_acked(sender, 1) - began
            cpu = _cpu_s(pid)
            took = await _until_acked(sender, count) - began - first
            spent = _cpu_s(pid) - cpu
            print(
                f"service, kept by the broker: {count / took:7.0f} events/s, "
                f"{spent / count * 1e6:6.0f} us of its CPU each"
            )
            cpu = _cpu_s(pid)
            began = time.perf_counter()
            waits = await _send(sender, made[count:])
            took = time.perf_counter() - began
            spent = _cpu_s(pid) - cpu
        await sender.close()
    print(
        f"service, one sender:         {count / took:7.0f} events/s, {spent / count * 1e6:6.0f} us of its CPU each"
    )
    _row("  sent to acked", waits)


@contextmanager
def _receiving(folder: Path, broker: Mosquitto) -> Iterator[int]:
    trust, key = folder / "trust.json", folder / "ack.pem"
    trust.write_text(trust_document(TRUST_KEYS, demo=False))
    key.write_bytes(_pem(ACK_KEY))
    command = [
        sys.executable, "-m", "gateway", "receive", "--broker", f"mqtt://127.0.0.1:{broker.port}",
        "--db", str(folder / "service.db"), "--trust", str(trust), "--ack-key", str(key), "--ack-kid", ACK.kid,
    ]  # fmt: skip
    with (folder / "receiver.log").open("ab") as log:
        receiver = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield receiver.pid
    finally:
        receiver.terminate()
        receiver.wait(20)


async def _until_acked(sender: Connection, upto: int) -> float:
    """When an ack covered `upto`."""
    async with asyncio.timeout(120):
        while True:
            ack = await sender.incoming.get()
            ack.done()
            if any(epoch.upto >= upto for epoch in read_ack(ack.payload, GW, lambda _kid: ACK.public)):
                return time.perf_counter()


async def bench_ack(folder: Path) -> None:
    """The latency of an ack with nothing else going on: one event at a time, then 100 at once."""
    made = events(700)
    with Mosquitto(folder / "broker2") as broker:
        from gateway.receiver.service import RECEIVE_MAXIMUM, Service

        receiver = await Receiver.open(settings(folder / "ack.db"))
        stop = asyncio.Event()
        endpoint = Endpoint(
            host="127.0.0.1", port=broker.port, client_id="center", receive_maximum=RECEIVE_MAXIMUM
        )
        serving = asyncio.create_task(Service(receiver, endpoint, lambda _verdict: None).run(stop))
        sender = await connect(
            Endpoint(host="127.0.0.1", port=broker.port, client_id=GW), (f"{ROOT}ack",), None
        )
        await _until_answered(sender)
        single = []
        for event in made[:60]:
            single += await _send(sender, [event])
        burst = [max(await _send(sender, made[start : start + 100])) for start in range(60, 660, 100)]
        await sender.close()
        stop.set()
        await serving
        await receiver.close()
    _row("ack of a single event", single)
    _row("ack of 100 at once", burst)


def _row(name: str, values: Sequence[float]) -> None:
    ordered = sorted(value * 1000 for value in values)
    p99 = ordered[int(len(ordered) * 0.99)]
    print(
        f"{name:<24} median {statistics.median(ordered):6.1f} ms   p99 {p99:6.1f} ms   most {ordered[-1]:6.1f} ms"
    )


async def _until_answered(sender: Connection) -> None:
    """The receiver is there: it answers a request."""
    while True:
        sender.publish(f"{ROOT}req/ack", canonical.encode({"v": 1}))
        try:
            async with asyncio.timeout(0.3):
                (await sender.incoming.get()).done()
                return
        except TimeoutError:
            continue


async def _send(sender: Connection, made: Sequence[Sealed]) -> list[float]:
    """Publish all of them and wait until they are acked; seconds from sent to acked."""
    sent: dict[int, float] = {}
    took: list[float] = []
    waiting = list(reversed(made))
    in_flight: set[asyncio.Future[int]] = set()
    getting = asyncio.ensure_future(sender.incoming.get())
    while sent or waiting:
        while waiting and len(sent) < WINDOW and len(in_flight) < MAX_IN_FLIGHT:
            event = waiting.pop()
            future = sender.publish(*message(event))
            in_flight.add(future)
            future.add_done_callback(in_flight.discard)
            sent[event.seq] = time.perf_counter()
        waited: set[asyncio.Future[Any]] = {getting, *in_flight}
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED, timeout=30)
        if not getting.done():
            continue
        ack, getting = getting.result(), asyncio.ensure_future(sender.incoming.get())
        ack.done()
        now = time.perf_counter()
        for epoch in read_ack(ack.payload, GW, lambda _kid: ACK.public):
            covered = Ranges([(1, epoch.upto), *epoch.sack] if epoch.upto else epoch.sack)
            took += [now - sent.pop(seq) for seq in list(sent) if seq in covered]
    getting.cancel()
    return took


def _pem(key: Ed25519PrivateKey) -> bytes:
    from cryptography.hazmat.primitives import serialization

    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=["canonical", "library", "service", "ack"])
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--folder", type=Path, help="where the databases lie (default: the temporary folder)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="zhijiao-bench-", dir=args.folder) as name:
        folder = Path(name)
        if args.only in (None, "canonical"):
            bench_canonical()
        if args.only in (None, "library"):
            await bench_library(folder, args.count, profile=args.profile)
        if args.only in (None, "service"):
            await bench_service(folder, args.count)
        if args.only in (None, "ack"):
            await bench_ack(folder)


if __name__ == "__main__":
    asyncio.run(main())
