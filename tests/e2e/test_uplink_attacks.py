"""A hostile or newer peer against the real `zhijiao receive` and `zhijiao run` on a real broker."""

import asyncio
import json
import os
import sqlite3
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.envelope import GENESIS, sequence
from gateway.evidence.canonical import Json
from gateway.evidence.keys import load_signer
from gateway.uuid7 import uuid7
from tests.broker import Mosquitto
from tests.deploy.mqtt_peer import Peer, Session
from tests.e2e.bench_center import GATEWAY, ORG, Center, Counter, center, stored_events

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]
ROOT = f"cc/v1/{ORG}/{GATEWAY}"


def newer_opening(bench: Center) -> bytes:
    """As a gateway of next year would open an epoch: the same type in major 2."""
    now = "2026-11-22T01:02:02.004Z"
    content: dict[str, Json] = {
        "specversion": "1.0", "id": uuid7(1_795_309_322_000), "source": f"/cc/{ORG}/{GATEWAY}/e/0badcafe",
        "type": "cn.zhijiao.system.epoch_opened", "dataschema": "urn:zhijiao:schema:system.epoch_opened:2",
        "subject": f"gateway/{GATEWAY}", "time": now, "recordedtime": now, "datacontenttype": "application/json",
        "sequence": sequence(1), "prevhash": GENESIS.hex(), "bootid": "0" * 32, "monoms": "5", "clockq": "unsynced",
        "deviceid": "gateway", "data": {"because": "new_store"},
    }  # fmt: skip
    return load_signer(bench.keys.event_key, bench.keys.event_kid).sign_object(content)


async def events(bench: Center, more: int) -> None:
    want = len(bench.receipts()) + more
    counter = Counter(bench.port_of(1), seed=want)
    await counter.open()
    await bench.until(lambda: len(bench.receipts()) >= want, "events", 120)
    await counter.close()


async def test_one_event_of_a_newer_gateway_does_not_end_the_center(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    with center(tmp_path, mosquitto, readers=1) as bench:
        bench.start_receiver()
        await bench.until(lambda: "receiver connected" in bench.log_text("receiver"), "the receiver")
        with Peer(Session(mosquitto.port, client_id="newer")) as peer:
            peer.publish(f"{ROOT}/evt/system", newer_opening(bench))
        codes: list[int | None] = []
        for _ in range(3):  # systemd would start it again
            assert bench.receiver is not None
            try:
                codes.append(await asyncio.to_thread(bench.receiver.wait, 4))
            except subprocess.TimeoutExpired:  # it runs on
                codes.append(None)
                break
            bench.start_receiver()
        print("\nexit codes of the receiver:", codes)
        assert codes == [None], f"the receiver ended with {codes}: {bench.log_text('receiver')[-700:]}"
        assert len(stored_events(bench.db, "SELECT n FROM event")) == 1


NONSENSE = [
    b"",
    b"{",
    b"null",
    b"[]",
    b'{"v":1}',
    b"\xff\xfe",
    b'{"v":1e400}',
    b"[" * 60000,
    b'{"a":' * 5000,
    b'{"v":1,"gw":"gw-370102-01"}',
    b'{"v":true}',
    b'{"jws":".."}',
    b'{"jws":"e30..","v":1}',
    b"9" * 9000,
    b'{"v":1,"epochs":' + b"9" * 6000 + b"}",
    b'{"v":1,"state":"online","session":"\\ud800"}',
    b'{"v":1,"state":"online","session":"x","ts":"0000-00-00T00:00:00.000Z","epoch":"00000000","last_seq":0}',
    b'{"v":1,"reqid":"x","mono":"9999999999999999"}',
    b'{"v":1,"reqid":"x","epoch":"ffffffff","from":"9999999999999999"}',
    b'{"v":1,"cmdid":"x","status":"done","result":{"unavailable":[[1,9007199254740991]]}}',
    b"x" * 130_000,
]
UP = ["info", "status", "evt/identity", "evt/system", "evt/x/y", "req/ack", "req/time", "req/rejected", "req/x",
      "rsp/resend", "rsp/x", "dev/a/status"]  # fmt: skip
DOWN = [
    "ack",
    "cmd/ping",
    "cmd/resend",
    "cmd/wipe",
    "cmd/x/y",
    "cmd",
    "res/time",
    "res/rejected",
    "res",
    "status",
]


async def test_nonsense_on_every_topic_ends_and_blocks_nobody(tmp_path: Path, mosquitto: Mosquitto) -> None:
    with center(tmp_path, mosquitto, readers=1) as bench:
        bench.start_receiver()
        bench.start_gateway()
        await events(bench, 3)
        await bench.until(lambda: bench.waiting() == 0, "the first acks")
        with Peer(Session(mosquitto.port, client_id="mallory")) as peer:
            for payload in NONSENSE:
                for topic in (*UP, *DOWN):
                    await asyncio.to_thread(peer.publish, f"{ROOT}/{topic}", payload)
            for topic in (
                "cc/v1/999999/gw-999999-01/status",
                "cc/v1/x/y/evt/z",
                "cc/v1/370102/gw-370103-01/info",
            ):
                await asyncio.to_thread(peer.publish, topic, b"{}")
        await events(bench, 5)
        await bench.until(lambda: bench.waiting() == 0, "acks after it")
        assert bench.stop_gateway() == 0
        assert bench.stop_receiver() == 0


class SlowLine:
    """A proxy of so many bytes a second each way, with a delay."""

    def __init__(self, port: int, per_s: int, delay_s: float) -> None:
        self.port, self._behind, self._per_s, self._delay_s = 0, port, per_s, delay_s
        self.accepted = 0
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=4096)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._behind, limit=4096)
        await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, OSError):
            await asyncio.sleep(self._delay_s)
            while data := await reader.read(192):
                await asyncio.sleep(len(data) / self._per_s)
                writer.write(data)
                await writer.drain()
        writer.close()


@pytest.mark.skipif(os.environ.get("DRILLS") != "long", reason="not run: takes minutes; DRILLS=long")
async def test_a_line_of_9600_baud_carries_a_backlog(tmp_path: Path, mosquitto: Mosquitto) -> None:
    line = SlowLine(mosquitto.port, 960, 0.3)
    await line.start()
    with center(tmp_path, mosquitto, readers=1) as bench:
        bench.config.write_text(bench.config.read_text().replace(f":{mosquitto.port}", f":{line.port}"))
        bench.start_receiver()
        mosquitto.stop()
        bench.start_gateway()
        await events(bench, 60)
        mosquitto.start()
        began, waited = time.monotonic(), bench.waiting()
        with suppress(AssertionError):
            await bench.until(lambda: bench.waiting() == 0, "everything to be settled", 150)
        took_s = time.monotonic() - began
        log = [json.loads(x) for x in bench.log_text("gateway").splitlines() if x.startswith("{")]
        ends = [x.get("code") for x in log if x.get("msg") == "uplink offline"]
        print(
            f"\n{waited} events, {bench.waiting()} left after {took_s:.0f} s, {line.accepted} connections, ends: {ends}"
        )
        assert bench.waiting() == 0
        assert not {"no_puback", "keepalive"} & set(ends)


@pytest.mark.skipif(os.environ.get("DRILLS") != "long", reason="not run: takes minutes; DRILLS=long")
async def test_a_center_restored_twice_gets_every_epoch_again(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """Four epochs; the backup knows half of the first. Killed in the middle, restored once more."""
    with center(tmp_path, mosquitto, readers=1) as bench:
        backup = tmp_path / "backup.db"
        bench.start_receiver()
        for boot in range(4):
            bench.env = {"ZHIJIAO_BOOT_ID": f"{boot:032x}"}
            bench.start_gateway()
            await events(bench, 6)
            await bench.until(lambda: bench.waiting() == 0, "acks")
            if boot == 0:
                bench.stop_receiver()
                backup.write_bytes(bench.db.read_bytes())
                bench.start_receiver()
                await events(bench, 6)
                await bench.until(lambda: bench.waiting() == 0, "acks")
            if boot < 3:
                bench.kill_gateway()
        wanted = {(r.epoch, r.seq) for r in bench.receipts()}
        assert len({epoch for epoch, _ in wanted}) == 4

        def held() -> set[tuple[str, int]]:
            with suppress(Exception):
                rows = stored_events(
                    bench.db, "SELECT c.epoch, e.seq FROM event e JOIN cursor c ON c.id = e.cursor"
                )
                return {(str(row["epoch"]), int(str(row["seq"]))) for row in rows}
            return set()

        for restore in (1, 2):
            bench.stop_receiver(kill=True)
            for left in bench.folder.glob("center.db*"):
                left.unlink()
            bench.db.write_bytes(backup.read_bytes())
            bench.start_receiver()
            before = time.monotonic()
            await bench.until(lambda: len(held()) > 13, "something to come", 90)
            if restore == 1:
                bench.stop_receiver(kill=True)
                bench.start_receiver()
            await bench.until(lambda: wanted <= held(), f"everything, after restore {restore}", 120)
            print(f"\nrestore {restore}: complete after {time.monotonic() - before:.0f} s")
        await bench.until(lambda: bench.waiting() == 0, "acks")
        assert bench.stop_gateway() == 0


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_a_gateway_killed_again_and_again_is_no_second_machine(
    tmp_path: Path, mosquitto: Mosquitto, version: str
) -> None:
    with center(tmp_path, mosquitto, readers=1, uplink_config=f'mqtt_version = "{version}"') as bench:
        bench.start_receiver()
        for turn in range(5):
            bench.start_gateway()
            await bench.until(
                lambda t=turn: bench.log_text("gateway").count("uplink connected") > t,  # type: ignore[misc]
                "the uplink",
            )
            await asyncio.sleep(0.3 * turn)
            bench.kill_gateway()
        bench.start_gateway()
        await bench.until(lambda: bench.log_text("gateway").count("uplink connected") > 5, "the uplink")
        await asyncio.sleep(12)  # the last will of each, and then some
        assert "not ours" not in bench.log_text("gateway")
        assert "duplicate_identity" not in bench.log_text("gateway") + bench.log_text("receiver")
        assert bench.stop_gateway() == 0


def memory_kib(pid: int, what: str = "VmHWM") -> int:
    text = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in text.splitlines() if line.startswith(what)).split()[1])


async def test_a_huge_message_does_not_fill_the_memory_of_a_small_board(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    """The contract ends at 64 KiB; a broker without a limit of its own passes up to 256 MiB on."""
    with center(tmp_path, mosquitto, readers=1) as bench:
        bench.start_receiver()
        bench.start_gateway()
        await events(bench, 3)
        await bench.until(lambda: bench.waiting() == 0, "the first acks")
        assert bench.gateway is not None
        before = memory_kib(bench.gateway.pid)
        with Peer(Session(mosquitto.port, client_id="mallory")) as peer:
            await asyncio.to_thread(peer.publish, f"{ROOT}/res/x", b"x" * 100_000_000)
        await asyncio.sleep(4)
        await events(bench, 3)
        await bench.until(lambda: bench.waiting() == 0, "acks after it")
        grown = (memory_kib(bench.gateway.pid) - before) // 1024
        print(f"\nthe gateway's peak grew by {grown} MiB")
        assert grown < 64


async def test_a_card_that_forgot_and_says_so_is_not_left_by_the_ack_of_its_own_words(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    """events.db goes back, its witness does not: the new epoch declares the range lost, the ack repeats it."""
    with center(tmp_path, mosquitto, readers=1) as bench:
        mosquitto.stop()
        bench.start_gateway()
        await events(bench, 6)
        assert bench.stop_gateway() == 0
        old = {
            path.name: path.read_bytes() for path in bench.store.parent.glob("events.db*") if path.is_file()
        }
        bench.start_gateway()
        await events(bench, 10)
        assert bench.stop_gateway() == 0
        print("\n", sorted(path.name for path in bench.store.parent.iterdir()))
        bench.store.write_bytes(old["events.db"])
        bench.start_gateway()
        await events(bench, 2)
        mosquitto.start()
        bench.start_receiver()
        await bench.until(lambda: bench.waiting() == 0, "everything to be settled", 90)
        log = [json.loads(x) for x in bench.log_text("gateway").splitlines() if x.startswith("{")]
        left = [x for x in log if x.get("msg") == "epoch left"]
        told = stored_events(bench.db, "SELECT count(*) AS n FROM fact WHERE envelopes > 1")
        types = stored_events(bench.db, "SELECT type, count(*) AS n FROM event GROUP BY type")
        print("left:", left, "told twice:", told, types)
        assert not left


async def test_a_gateway_that_was_away_settles_at_once_whatever_the_center_said_meanwhile(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    """Each restart of a receiver leaves an ack in the session of a gateway that is away."""
    with center(tmp_path, mosquitto, readers=1) as bench:
        bench.start_receiver()
        bench.start_gateway()
        await events(bench, 3)
        await bench.until(lambda: bench.waiting() == 0, "the first acks")
        bench.kill_gateway()
        for turn in range(12):
            bench.stop_receiver(kill=True)
            bench.start_receiver()
            await bench.until(
                lambda t=turn: bench.log_text("receiver").count("receiver connected") > t + 1,  # type: ignore[misc]
                "it",
            )
            await asyncio.sleep(0.2)
        bench.start_gateway()
        await bench.until(lambda: bench.log_text("gateway").count("uplink connected") > 1, "the uplink")
        began = time.monotonic()
        await bench.until(lambda: bench.waiting() == 0, "acks", 60)
        print(f"\nsettled {time.monotonic() - began:.1f} s after connecting")
        assert time.monotonic() - began < 4.0


@pytest.mark.parametrize("what", ["data", "type", "monoms"])
async def test_a_row_damaged_while_it_waits_is_told_and_ends_nobody(
    tmp_path: Path, mosquitto: Mosquitto, what: str
) -> None:
    """A worn card: one byte of one waiting event changes while the gateway runs."""
    with center(tmp_path, mosquitto, readers=1) as bench:
        mosquitto.stop()
        bench.start_gateway()
        await events(bench, 6)
        with sqlite3.connect(bench.store, timeout=10) as db:
            n, wire = db.execute("SELECT n, wire FROM event ORDER BY n DESC LIMIT 1 OFFSET 2").fetchone()
            marks = {"data": b'"card', "type": b'"type":"cn.zhijiao', "monoms": b'"monoms":"'}
            at = wire.rindex(marks[what]) + 2
            db.execute("UPDATE event SET wire = ? WHERE n = ?", (wire[:at] + b"\x01" + wire[at + 1 :], n))
        mosquitto.start()
        bench.start_receiver()
        assert bench.gateway is not None
        restarts = 0
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if bench.gateway.poll() is not None:
                print("\ngateway ended with", bench.gateway.poll(), bench.log_text("gateway")[-600:])
                restarts += 1
                if restarts > 3:
                    break
                bench.start_gateway()
            with suppress(sqlite3.Error):  # it is being set aside
                if bench.waiting() == 0:
                    break
            await asyncio.sleep(0.2)
        assert restarts <= 1  # the next start sets the store aside and declares what is lost
        assert bench.waiting() == 0
