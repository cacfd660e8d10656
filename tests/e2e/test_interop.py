"""A consumer that is not ours, against a gateway that runs: it verifies, it acks, and it tells what is spoilt."""

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.demo.keys import ACK_KID
from tests.broker import Mosquitto
from tests.deploy.mqtt_peer import Peer, Session
from tests.e2e.bench_center import GATEWAY, ORG, Center, Counter, center
from tests.interop.node_tools import HERE, node

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(360)]
ROOT = f"cc/v1/{ORG}/{GATEWAY}"
PUBLISHED = HERE.parents[1] / "docs" / "contract"


@dataclass(slots=True)
class Consumer:
    process: subprocess.Popen[str]
    record: Path

    def lines(self) -> list[str]:
        return self.record.read_text().splitlines() if self.record.exists() else []

    def stop(self) -> dict[str, Any]:
        """Its report."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.stdout is not None
        report: dict[str, Any] = json.loads(self.process.stdout.read())
        return report


@contextmanager
def consumer(program: str, bench: Center) -> Iterator[Consumer]:
    record = bench.folder / "record.jsonl"
    command = [
        program, "consumer.mjs", "--broker", f"mqtt://127.0.0.1:{bench.broker.port}", "--gateway", GATEWAY,
        "--trust", str(bench.keys.trust), "--ack-key", str(bench.keys.ack_key), "--ack-kid", ACK_KID,
        "--record", str(record),
    ]  # fmt: skip
    process = subprocess.Popen(command, cwd=HERE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "ready\n"
        yield Consumer(process, record)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def verify(program: str, trust: Path, file: Path, lines: list[str], *more: str) -> dict[str, Any]:
    """What `verify.mjs` says of these lines."""
    file.write_text("\n".join(lines) + "\n")
    command = [program, "verify.mjs", "--gateway", GATEWAY, "--trust", str(trust), *more, str(file)]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=60, check=False)
    assert not done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (0 if report["whole"] else 1)
    return report


async def test_a_gateway_is_verified_and_settled_by_a_consumer_that_is_not_ours(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    program = node()
    with center(tmp_path, mosquitto, readers=1) as bench, consumer(program, bench) as theirs:
        bench.start_gateway()
        counter = Counter(bench.port_of(1), seed=1)
        await counter.open()
        await bench.until(lambda: len(bench.receipts()) > 20, "events")
        await counter.close()
        await bench.until(lambda: bench.waiting() == 0, "acks of the consumer")
        assert bench.stop_gateway() == 0
        with Peer(Session(mosquitto.port, client_id="mallory")) as peer:
            peer.subscribe(f"{ROOT}/ack")
            peer.until(f"{ROOT}/ack")
            forged = json.loads(_flipped(theirs.lines()[-1]))
            peer.publish(forged["topic"], forged["wire"].encode())
            peer.publish(f"{ROOT}/evt/system", b'{"specversion":"1.0"}')
            peer.publish(f"{ROOT}/req/ack", b'{"v":1}')
            peer.until(f"{ROOT}/ack")  # by then it has judged what came before
        epoch, kept = bench.receipts()[0].epoch, theirs.lines()
        report = theirs.stop()

        assert [one["reason"] for one in report["refused"]] == ["signature verification failed", "unsigned"]
        assert report["epochs"][epoch]["missing"] == report["epochs"][epoch]["faults"] == []
        stored = {(one.epoch, one.seq, one.id) for one in bench.receipts()}
        wires = [json.loads(json.loads(line)["wire"]) for line in kept]
        held = {(one["source"][-8:], int(one["sequence"]), one["id"]) for one in wires}
        assert stored <= held
        last = f"{epoch}:{report['epochs'][epoch]['upto']}"
        print(f"consumer on mqtt, jose and canonicalize: {len(kept)} events verified, outbox empty, {last}")

        def judged(lines: list[str]) -> dict[str, Any]:
            return verify(program, bench.keys.trust, tmp_path / "lines", lines, "--last", last)

        whole = judged(kept)
        assert whole["whole"]
        dropped = judged(kept[:4] + kept[5:])
        assert dropped["epochs"][epoch]["missing"] == [[5, 5]]
        cut = judged(kept[:-2])
        assert cut["epochs"][epoch]["missing"] == [[len(kept) - 1, len(kept)]]
        changed = judged([*kept[:6], _flipped(kept[6]), *kept[7:]])
        assert [one["reason"] for one in changed["refused"]] == ["signature verification failed"]
        assert changed["epochs"][epoch]["missing"] == [[7, 7]]
        assert judged([*kept, kept[3]])["duplicates"] == 1
        swapped = judged(kept[::-1])
        assert swapped["whole"], "order of arrival proves nothing"


def _flipped(line: str) -> str:
    """One digit of what it hangs on is another one."""
    one = json.loads(line)
    at = one["wire"].index('"prevhash":"') + len('"prevhash":"')
    digit = "1" if one["wire"][at] != "1" else "2"
    return json.dumps({**one, "wire": one["wire"][:at] + digit + one["wire"][at + 1 :]})


def test_the_published_chain_is_whole_to_it_too(tmp_path: Path) -> None:
    program = node()
    wires = (PUBLISHED / "examples/events.jsonl").read_text().splitlines()
    lines = [json.dumps({"topic": f"{ROOT}/evt/system", "wire": wire}) for wire in wires]
    report = verify(program, PUBLISHED / "examples/trust.json", tmp_path / "lines", lines)
    assert report["whole"]
    assert [one["upto"] for one in report["epochs"].values()] == [len(wires)]


def test_the_official_parser_accepts_the_document(tmp_path: Path) -> None:
    program = node()
    document = PUBLISHED / "asyncapi.json"
    done = _parsed(program, document)
    assert done.returncode == 0, done.stdout + done.stderr
    said, written = json.loads(done.stdout), json.loads(document.read_text())
    assert said["channels"] == len(written["channels"])
    assert said["messages"] == len(written["components"]["messages"])
    broken = tmp_path / "broken.json"
    broken.write_text(document.read_text().replace('"action": "receive"', '"action": "eavesdrop"', 1))
    assert _parsed(program, broken).returncode == 1, "negative control: an operation that does not exist"


def _parsed(program: str, document: Path) -> subprocess.CompletedProcess[str]:
    command = [program, "parse_asyncapi.mjs", str(document)]
    return subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=120, check=False)


def test_the_lock_file_names_no_registry() -> None:
    lock = json.loads((HERE / "package-lock.json").read_text())["packages"]
    assert not [name for name, one in lock.items() if "resolved" in one]
    assert all("integrity" in one for name, one in lock.items() if name)
