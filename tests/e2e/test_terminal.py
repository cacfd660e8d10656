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
from tests.e2e.test_checkin import at_center, give_roster, stored, wires

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


def listening(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


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


async def killed(bench: Center, far: SimulatedTerminal, *program: str) -> None:
    """Uploads until the terminal knows all of it taken; the gateway is killed several times meanwhile."""
    bench.start_gateway(*program)
    serving = asyncio.create_task(far.serve(pause_s=0.02, error_pause_s=0.05))
    dice = random.Random(11)
    for kill in range(1, KILLS + 1):
        mark = RECORDS * kill // (KILLS + 2)
        await bench.until(lambda mark=mark: far.taken >= mark, f"{mark} records")  # type: ignore[misc]
        await asyncio.sleep(dice.random() * 0.03)
        bench.kill_gateway()
        assert far.taken < RECORDS, "killed too late to prove anything"
        bench.start_gateway(*program)
    await bench.until(lambda: far.taken == RECORDS, "all records")
    serving.cancel()
    await asyncio.wait([serving])


async def test_killed_in_the_middle_of_uploads_nothing_is_lost_or_doubled(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    """The terminal never repeats what was answered OK, until it is started anew in the end and repeats it all."""
    port = free_port()
    config = CONFIG.format(port=port, serial=SERIAL)
    with center(tmp_path, mosquitto, readers=0, device_config=config) as bench:
        faults = TerminalFaults(repeat=0.2, cut=0.05, stale_stamp=True, templates=True, own_count=True)
        far = SimulatedTerminal("127.0.0.1", port, SERIAL, faults=faults, seed=7, batch=10, pace_s=0.03)
        times = full(far, RECORDS)
        bench.start_receiver()
        await killed(bench, far)
        assert kept(bench) == RECORDS
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


async def test_a_gateway_that_answers_before_the_commit_loses_records(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    """The control of the test above."""
    port = free_port()
    config = CONFIG.format(port=port, serial=SERIAL)
    with center(tmp_path, mosquitto, readers=0, device_config=config) as bench:
        faults = TerminalFaults(own_count=True)
        far = SimulatedTerminal("127.0.0.1", port, SERIAL, faults=faults, seed=7, batch=10, pace_s=0.03)
        full(far, RECORDS)
        await killed(bench, far, "-m", "tests.e2e.hasty_terminals")
        await asyncio.sleep(1)
        lost = RECORDS - kept(bench)
    assert lost > 0


async def test_card_and_finger_at_a_terminal_count_and_a_finger_alone_does_not(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    port = free_port()
    config = CONFIG.format(port=port, serial=SERIAL)
    with center(tmp_path, mosquitto, readers=0, device_config=config) as bench:
        bench.start_receiver()
        bench.start_gateway("-m", "tests.e2e.impatient_gateway")
        await bench.until(lambda: "uplink connected" in bench.log_text("gateway"), "the uplink")
        give_roster(bench, SERIAL, ["11010118990101001X", "110101189901010028"])
        await bench.until(lambda: "roster applied" in bench.log_text("gateway"), "the roster")
        await bench.until(lambda: listening(port), "the listener")
        far = SimulatedTerminal("127.0.0.1", port, SERIAL)
        async with asyncio.timeout(15):
            while not stored(bench, "checkin.completed"):  # the center gives the time where nobody else does
                far.punch("3", 10)
                await far.upload()
                await asyncio.sleep(1)
        far.punch("4", 1)
        assert await far.upload()
        done, review = stored(bench, "checkin.completed")[0], stored(bench, "checkin.pending_review")[-1]
        bench.kill_gateway()
    assert (done["subject"], done["data"]["method"], done["deviceid"]) == ("person/p-3", "finger", "kiosk-1")
    assert (review["subject"], review["data"]["reason"]) == ("person/p-4", "one_factor")


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
        await bench.until(lambda: listening(port), "the listener")
        assert await far.hello()
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
        files = [*bench.store.parent.iterdir(), bench.log("gateway"), bench.folder / "receipts"]
        found = [one.name for one in files if one.is_file() and CANARY in one.read_bytes()]
        assert any(one.name.endswith("-wal") for one in files), "the log of the store was looked at, too"
        bench.kill_gateway()
    assert found == []
    assert count < 12, "strangers make no rows"
