"""A terminal over HTTP and a gateway that is killed in the middle of its uploads: nothing lost, nothing doubled."""

import asyncio
import random
import socket
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from drivers.simulators.terminal import SimulatedTerminal, TerminalFaults
from tests.broker import Mosquitto
from tests.e2e.bench_center import Center, center
from tests.e2e.independent import judge
from tests.e2e.test_checkin import at_center, stored, wires

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(150)]

SERIAL = "E2E0001"
RECORDS, KILLS = 600, 4
CONFIG = """
[terminals]
listen = "127.0.0.1:{port}"
[[device]]
id = "terminal-1"
kind = "terminal.zk_adms"
serial = "{serial}"
address = "127.0.0.1"
card_and_finger = 10
[[kiosk]]
id = "kiosk-1"
devices = ["terminal-1"]
purpose = "report"
"""
CANARY = b"CANARYcanary0123456789TEMPLATE"


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def kept(bench: Center) -> int:
    """Records in the gateway's store."""
    if not bench.store.exists():
        return 0
    with sqlite3.connect(f"file:{bench.store}?mode=ro", uri=True, timeout=10) as db:
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'device_record'").fetchall():
            return 0
        return int(db.execute("SELECT count(*) FROM device_record").fetchone()[0])


def full(terminal: SimulatedTerminal, count: int) -> list[datetime]:
    """A day of records, a second apart."""
    begin = datetime.now(UTC).replace(tzinfo=None, microsecond=0) - timedelta(days=1)
    times = [begin + timedelta(seconds=n) for n in range(count)]
    for n, at in enumerate(times):
        terminal.punch(str(n % 7 + 1), 10, at=at)
    return times


async def test_killed_in_the_middle_of_uploads_nothing_is_lost_or_doubled(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    port = free_port()
    config = CONFIG.format(port=port, serial=SERIAL)
    with center(tmp_path, mosquitto, readers=0, device_config=config) as bench:
        faults = TerminalFaults(repeat=0.2, cut=0.05, stale_stamp=True, templates=True)
        far = SimulatedTerminal("127.0.0.1", port, SERIAL, faults=faults, seed=7, batch=10)
        times = full(far, RECORDS)
        bench.start_receiver()
        bench.start_gateway()
        serving = asyncio.create_task(far.serve(pause_s=0.02, error_pause_s=0.05))
        dice = random.Random(11)
        for kill in range(1, KILLS + 1):
            mark = RECORDS * kill // (KILLS + 2)
            await bench.until(lambda mark=mark: kept(bench) >= mark, f"{mark} records")  # type: ignore[misc]
            await asyncio.sleep(dice.random() * 0.05)
            bench.kill_gateway()
            assert kept(bench) < RECORDS, "killed too late to prove anything"
            bench.start_gateway()
        await bench.until(lambda: far.taken == RECORDS and kept(bench) == RECORDS, "all records")
        serving.cancel()
        await asyncio.wait([serving])
        far.faults = TerminalFaults()
        assert await far.hello(), "the gateway answers"
        assert far.taken == 0, "it wants all of it again"
        assert await far.upload()
        await bench.until(lambda: bench.waiting() == 0, "everything to be settled")
        assert bench.stop_gateway() == 0
        receipts = [(r.epoch, r.seq, r.id, r.hash) for r in bench.receipts()]
        judge(wires(bench), receipts, bench.public_keys())
        events = [e for e in at_center(bench) if e["type"] == "cn.zhijiao.checkin.pending_review"]
    claimed = sorted(event["data"]["device_time"] for event in events)
    assert claimed == [(at - timedelta(hours=8)).isoformat() + ".000Z" for at in times], "each once"
    assert len({event["id"] for event in events}) == RECORDS


async def test_templates_are_nowhere_on_the_box_and_strangers_write_nothing(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    port = free_port()
    config = CONFIG.format(port=port, serial=SERIAL)
    with center(
        tmp_path, mosquitto, readers=0, device_config=config, api_config='listen = "127.0.0.1:0"'
    ) as bench:
        bench.start_gateway()
        far = SimulatedTerminal("127.0.0.1", port, SERIAL, faults=TerminalFaults(in_2000=True))
        stranger = SimulatedTerminal("127.0.0.1", port, "STRANGER1")
        await bench.until(lambda: "gateway runs" in bench.log_text("gateway"), "the gateway")
        for _ in range(100):
            try:
                await far.hello()
                break
            except OSError:
                await asyncio.sleep(0.1)
        far.punch("1", 10)
        assert await far.upload()
        for table in ("BIODATA", "BIOPHOTO", "USERPIC", "OPERLOG", "USERINFO", "FACE"):
            assert (await far.send_template(table, CANARY * 3000)).taken
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            for path in ("/", "/metrics", "/healthz", "/openapi.json"):
                assert (await client.get(path)).status_code == 404
        stranger.punch("1", 10)
        for _ in range(50):
            assert not await stranger.upload()
        assert set(stranger.refusals) == {403}
        await bench.until(lambda: len(stored(bench, "device.online")) == 1, "the terminal")
        (review,) = stored(bench, "checkin.pending_review")
        assert review["data"]["device_time"] == "1999-12-31T16:00:00.000Z"
        with sqlite3.connect(f"file:{bench.store}?mode=ro", uri=True) as db:
            (count,) = db.execute("SELECT count(*) FROM event").fetchone()
        files = [one for one in tmp_path.rglob("*") if one.is_file()]
        found = [one.name for one in files if CANARY in one.read_bytes()]
        assert any(one.name.endswith("-wal") for one in files), "the log of the store was looked at, too"
        bench.kill_gateway()
    assert found == []
    assert count < 12, "strangers make no rows"
