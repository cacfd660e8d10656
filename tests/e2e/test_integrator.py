"""The integrator's page: its eighty lines and its access list, run as they stand against a real gateway."""

import asyncio
import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from deploy.mosquitto.make_acl import acl
from gateway.demo.keys import ACK_KID
from tests.broker import HOST, Mosquitto, Pki
from tests.deploy.mqtt_peer import Peer, Session
from tests.e2e.bench_center import GATEWAY, ORG, Center, Counter, center
from tests.e2e.independent import judge

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]
DOCS = Path(__file__).parents[2] / "docs"
CONSUMER = DOCS / "consumer.py"
ROOT = f"cc/v1/{ORG}/{GATEWAY}"
OTHER = f"gw-{ORG}-02"
LINES = 80


@contextmanager
def consumer(bench: Center, pki: Pki) -> Iterator[None]:
    """The page's program, on the door for the center: TLS with its certificate."""
    own = pki.client("center")
    command = [
        sys.executable, str(CONSUMER), HOST, str(bench.broker.tls_port), str(bench.keys.trust),
        str(bench.keys.ack_key), ACK_KID, str(bench.db), str(pki.ca), str(own.cert), str(own.key),
    ]  # fmt: skip
    with bench.log("receiver").open("ab") as log:
        bench.receiver = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield
    finally:
        bench.receiver.send_signal(signal.SIGKILL)
        bench.receiver.wait()
        bench.receiver = None


def rows(bench: Center, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(f"file:{bench.db}?mode=ro", uri=True, timeout=10)) as db:
        return db.execute(query).fetchall()


async def test_from_connect_to_verified_events_in_a_database(tmp_path: Path, pki: Pki) -> None:
    own, rules = pki.client(GATEWAY), acl([GATEWAY, OTHER], centers=["center"])
    with Mosquitto(tmp_path / "broker", tls=pki, acl=rules) as broker:
        line = f"""ca_file = "{pki.ca}"\ncert_file = "{own.cert}"\nkey_file = "{own.key}" """
        with center(tmp_path, broker, readers=1, uplink_config=line) as bench:
            text = bench.config.read_text()
            bench.config.write_text(
                text.replace(f"mqtt://127.0.0.1:{broker.port}", f"mqtts://{HOST}:{broker.tls_port}")
            )
            bench.start_gateway()
            counter = Counter(bench.port_of(1), seed=1)
            await counter.open()
            with consumer(bench, pki):
                await bench.until(lambda: len(bench.receipts()) > 10, "events")
            await bench.until(lambda: len(bench.receipts()) > 16, "events while the center is killed")
            await counter.close()
            with consumer(bench, pki):
                await bench.until(lambda: bench.waiting() == 0, "acks of the eighty lines")
                assert bench.stop_gateway() == 0
                _forge(bench, pki)
                await bench.until(lambda: len(rows(bench, "SELECT * FROM refused")) == 2, "refusals")
            _judge(bench)


def _forge(bench: Center, pki: Pki) -> None:
    """A changed byte under the gateway's own name, and a genuine event under another gateway's."""
    (wire,) = rows(bench, "SELECT wire FROM event WHERE seq = 3")[0]
    assert isinstance(wire, bytes)
    changed = wire.replace(b'"monoms":"', b'"monoms":"1', 1)
    with Peer(Session(bench.broker.tls_port, pki.ca, pki.client(GATEWAY), GATEWAY)) as peer:
        peer.publish(f"{ROOT}/evt/identity", changed)
    with Peer(Session(bench.broker.tls_port, pki.ca, pki.client(OTHER), OTHER)) as peer:
        peer.publish(f"cc/v1/{ORG}/{OTHER}/evt/identity", wire)


def _judge(bench: Center) -> None:
    wires = [row[0] for row in rows(bench, "SELECT wire FROM event")]
    receipts = [(one.epoch, one.seq, one.id, one.hash) for one in bench.receipts()]
    keys = bench.public_keys()
    last = judge((wire for wire in wires if isinstance(wire, bytes)), receipts, keys)
    cursors = {str(epoch): upto for epoch, upto in rows(bench, "SELECT epoch, upto FROM cursor")}
    assert cursors == last, "acked as far as there is something"
    refused = [str(row[0]) for row in rows(bench, "SELECT why FROM refused")]
    assert refused == ["InvalidSignature()", "ValueError('key, source and topic name different gateways')"]
    print(
        f"docs/consumer.py: {len(wires)} events verified, stored and acked, {len(refused)} forged ones refused"
    )


async def test_the_published_examples_are_acked_to_their_end(
    tmp_path: Path, mosquitto: Mosquitto, pki: Pki
) -> None:
    """Minute 3 of the page: no gateway, the keys that everybody knows."""
    wires = (DOCS / "contract/examples/events.jsonl").read_bytes().splitlines()
    with center(tmp_path, mosquitto, readers=0) as bench:
        command = [
            sys.executable, str(CONSUMER), HOST, str(mosquitto.port), str(DOCS / "contract/examples/trust.json"),
            str(bench.keys.ack_key), "my-ack#1", str(bench.db),
        ]  # fmt: skip
        with bench.log("receiver").open("ab") as log:
            bench.receiver = subprocess.Popen(command, stdout=log, stderr=log)
        with Peer(Session(mosquitto.port, client_id="page")) as peer:
            peer.subscribe(f"{ROOT}/ack")
            peer.publish(f"{ROOT}/status", b"{}", retain=True)
            await asyncio.to_thread(peer.until, f"{ROOT}/ack")  # it has subscribed
            for wire in wires:
                peer.publish(f"{ROOT}/evt/system", wire)
        upto = "SELECT upto FROM cursor"
        await bench.until(lambda: rows(bench, upto) == [(len(wires),)], "the end of the chain")
        assert rows(bench, "SELECT * FROM refused") == []


def test_the_program_is_as_short_as_the_page_says_and_the_pages_show_what_is() -> None:
    assert len(CONSUMER.read_text().splitlines()) <= LINES
    for page in ("integrate.md", "integrate.zh.md"):
        text = (DOCS / page).read_text(encoding="utf-8")
        assert f"```text\n{acl([GATEWAY], centers=['center'])}```" in text
        assert "(consumer.py)" in text
        for block in text.split("```json\n")[1:]:
            json.loads(block.partition("```")[0])
