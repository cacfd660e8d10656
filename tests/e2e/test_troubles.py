"""Everything that goes wrong on the first day: one clear line with cause and remedy, and the rest goes on.

Real processes, real ports, a real broker. No line of a traceback may ever reach a user.
"""

import asyncio
import json
import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.broker import Mosquitto, Pki, free_port
from tests.e2e.bench_center import Center, Counter, center

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


def lines(bench: Center) -> list[dict[str, Any]]:
    found = []
    for line in bench.log_text("gateway").splitlines():
        assert line.startswith("{"), f"not a log line: {line}"
        found.append(json.loads(line))
    return found


def said(bench: Center, msg: str, **fields: str) -> list[dict[str, Any]]:
    return [
        line
        for line in lines(bench)
        if line["msg"] == msg and all(value in str(line.get(key)) for key, value in fields.items())
    ]


@asynccontextmanager
async def running(bench: Center, *, counters: int = 0) -> AsyncIterator[list[Counter]]:
    opened = [Counter(bench.port_of(n), seed=n) for n in range(1, counters + 1)]
    for counter in opened:
        await counter.open()
    bench.start_gateway()
    try:
        yield opened
        assert bench.gateway is not None
        assert bench.stop_gateway() == 0
    finally:
        for counter in opened:
            await counter.close()
    assert "Traceback" not in bench.log_text("gateway")


def outcome(bench: Center) -> tuple[int, str]:
    """Exit code and what a person sees of a gateway that cannot start."""
    bench.start_gateway()
    assert bench.gateway is not None
    code = bench.gateway.wait(30)
    bench.gateway = None
    return code, bench.log_text("gateway")


async def test_bad_configuration_names_line_and_nearest_key(tmp_path: Path, mosquitto: Mosquitto) -> None:
    with center(tmp_path, mosquitto) as bench:
        bench.config.write_text(bench.config.read_text().replace("drain_cap_per_s", "drain_cap_pers"))
        code, text = outcome(bench)
        line = bench.config.read_text().splitlines().index("drain_cap_pers = 0") + 1
        assert code == 78
        assert f"{bench.config}:{line}" in text
        assert "drain_cap_per_s" in text
        assert "Traceback" not in text


async def test_a_device_setting_nobody_knows_names_line_and_nearest(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    with center(tmp_path, mosquitto) as bench:
        bench.config.write_text(bench.config.read_text().replace("poll_interval_ms", "poll_intervall_ms", 1))
        code, text = outcome(bench)
        assert code == 78
        assert "poll_interval_ms" in text
        assert f"{bench.config}:" in text
        assert "Traceback" not in text


async def test_missing_keys_say_enrol(tmp_path: Path, mosquitto: Mosquitto) -> None:
    with center(tmp_path, mosquitto) as bench:
        bench.keys.event_key.unlink()
        code, text = outcome(bench)
        assert code == 78
        assert str(bench.keys.event_key) in text
        assert "Traceback" not in text


async def test_an_absent_port_is_said_once_and_served_when_it_appears(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    with center(tmp_path, mosquitto, readers=1) as bench:
        async with running(bench):
            await bench.until(lambda: bool(said(bench, "device not available", code="absent")), "the message")
            counter = Counter(bench.port_of(1), seed=1)
            await counter.open()
            await bench.until(lambda: bool(said(bench, "device back")), "the device", 10)
            await counter.close()
        assert len(said(bench, "device not available", code="absent")) == 1


async def test_a_port_in_use_is_named_and_the_other_reader_is_served(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    import serial

    with center(tmp_path, mosquitto, readers=2) as bench:
        counter = Counter(bench.port_of(1), seed=1)
        counter.port.plug()
        with serial.Serial(str(bench.port_of(1)), exclusive=True):
            second = Counter(bench.port_of(2), seed=2)
            await second.open()
            async with running(bench):
                await bench.until(
                    lambda: bool(said(bench, "device not available", code="in_use")), "the message"
                )
                await bench.until(lambda: len(bench.receipts()) > 5, "events of the other reader")
            await second.close()
        counter.port.unplug()
        (line,) = said(bench, "device not available", device="idcard-1")
        assert "stop it" in line["cause"]


async def test_a_reader_unplugged_and_plugged_in_again(tmp_path: Path, mosquitto: Mosquitto) -> None:
    with center(tmp_path, mosquitto, readers=2) as bench:
        async with running(bench, counters=2) as counters:
            await bench.until(lambda: len(bench.receipts()) > 6, "events")
            counters[0].port.unplug()
            await bench.until(lambda: bool(said(bench, "device lost", device="idcard-1")), "the loss", 10)
            before = len(bench.receipts())
            await bench.until(lambda: len(bench.receipts()) > before + 3, "events of the other reader")
            counters[0].port.plug()
            await bench.until(lambda: bool(said(bench, "device back", device="idcard-1")), "the device", 10)
        assert len(said(bench, "device lost")) == 1
        assert len(said(bench, "device back")) == 1


async def test_an_absent_broker_is_said_once_and_events_wait(tmp_path: Path, mosquitto: Mosquitto) -> None:
    with center(tmp_path, mosquitto, readers=1) as bench:
        mosquitto.stop()
        async with running(bench, counters=1):
            await bench.until(lambda: len(bench.receipts()) > 5, "events")
            await bench.until(lambda: bool(said(bench, "uplink offline", code="refused")), "the message")
            mosquitto.start()
            await bench.until(lambda: bool(said(bench, "uplink connected")), "the uplink", 60)
        assert len(said(bench, "uplink offline")) == 1
        assert "is the broker up?" in said(bench, "uplink offline")[0]["cause"]


async def test_a_broker_with_a_foreign_certificate_is_refused(tmp_path: Path, pki: Pki) -> None:
    other = Pki(tmp_path / "other")
    with Mosquitto(tmp_path / "broker", tls=other) as broker, center(tmp_path, broker, readers=1) as bench:
        tls = f'broker = "mqtts://localhost:{broker.tls_port}"\nca_file = "{pki.ca}"'
        bench.config.write_text(
            bench.config.read_text().replace(f'broker = "mqtt://127.0.0.1:{broker.port}"', tls)
        )
        async with running(bench):
            await bench.until(lambda: bool(said(bench, "uplink offline", code="certificate")), "the message")
        assert "ca_file" in said(bench, "uplink offline")[0]["cause"]


async def test_a_gateway_goes_on_when_nobody_watches_any_more(tmp_path: Path, mosquitto: Mosquitto) -> None:
    with center(tmp_path, mosquitto, readers=1) as bench:
        reading, writing = os.pipe()
        os.close(reading)
        with bench.log("gateway").open("ab") as log:
            bench.gateway = subprocess.Popen(
                [sys.executable, "-m", "gateway", "run", "--config", str(bench.config), "--watch"],
                stdout=writing,
                stderr=log,
            )
        os.close(writing)
        await bench.until(lambda: bool(said(bench, "nobody watches any more")), "the line about it")
        await bench.until(lambda: bool(said(bench, "gateway runs")), "the gateway")
        await asyncio.sleep(0.5)
        assert bench.stop_gateway() == 0
        assert len(said(bench, "nobody watches any more")) == 1


async def test_a_taken_page_port_is_said_and_check_ins_go_on(tmp_path: Path, mosquitto: Mosquitto) -> None:
    with socket.create_server(("127.0.0.1", free_port())) as taken:
        port = taken.getsockname()[1]
        with center(tmp_path, mosquitto, readers=1, api_config=f'listen = "127.0.0.1:{port}"') as bench:
            async with running(bench, counters=1):
                await bench.until(lambda: bool(said(bench, "page not served")), "the message")
                before = len(bench.receipts())
                await bench.until(lambda: len(bench.receipts()) > before + 2, "events")
            assert str(port) in said(bench, "page not served")[0]["remedy"]


async def test_a_full_store_refuses_says_so_and_recovers_by_itself(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    with center(tmp_path, mosquitto, readers=1, store_config="max_mib = 8") as bench:
        async with running(bench, counters=1):
            await bench.until(lambda: len(bench.receipts()) > 3, "events")
        fill(bench.store, 8)
        async with running(bench, counters=1):
            await bench.until(
                lambda: bool(said(bench, "store takes no events", code="store_full")), "the refusal"
            )
            assert len(said(bench, "store takes no events")) == 1
            make_room(bench.store)
            before = len(bench.receipts())
            await bench.until(lambda: len(bench.receipts()) > before + 3, "events again")
            assert said(bench, "store takes events again")
            await bench.until(
                lambda: bool(said(bench, "alarm cleared", kind="store_full")), "the alarm's clear"
            )


async def test_a_store_that_cannot_be_written_is_a_state_and_not_an_end(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    """Another program holds the database for longer than anybody waits; a failing disk looks the same."""
    with center(tmp_path, mosquitto, readers=1) as bench:
        bench.start_receiver()
        async with running(bench, counters=1):
            await bench.until(lambda: len(bench.receipts()) > 3, "events")
            with sqlite3.connect(bench.store, isolation_level=None) as holder:
                holder.execute("BEGIN IMMEDIATE")
                await bench.until(
                    lambda: bool(said(bench, "store takes no events", code="store_io")), "the refusal"
                )
                await asyncio.sleep(2)  # the uplink and the watchers meet it too
                holder.execute("ROLLBACK")
            before = len(bench.receipts())
            await bench.until(lambda: len(bench.receipts()) > before + 3, "events again")
            await bench.until(lambda: bool(said(bench, "store takes events again")), "the recovery")


def fill(store: Path, mib: int) -> None:
    """Leave no page free under the quota, as a disk does that is full."""
    with sqlite3.connect(store) as db:
        db.execute("CREATE TABLE filler (x)")
        db.execute(f"PRAGMA max_page_count = {mib * 256}")
        for size in (100_000, 3_000, 10):
            try:
                while True:
                    db.execute("INSERT INTO filler VALUES (zeroblob(?))", (size,))
                    db.commit()
            except sqlite3.OperationalError:
                db.rollback()
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def make_room(store: Path) -> None:
    with sqlite3.connect(store, timeout=20) as db:
        db.execute("DELETE FROM filler")


async def test_a_damaged_store_is_set_aside_and_the_center_goes_on(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    with center(tmp_path, mosquitto, readers=1) as bench:
        async with running(bench, counters=1):
            await bench.until(lambda: len(bench.receipts()) > 8, "events")
        epoch = bench.receipts()[0].epoch
        raw = bytearray(bench.store.read_bytes())
        raw[:100] = os.urandom(100)
        bench.store.write_bytes(bytes(raw))
        async with running(bench, counters=1):
            before = len(bench.receipts())
            await bench.until(lambda: len(bench.receipts()) > before + 5, "events")
        (line,) = said(bench, "store was damaged; what could be read was kept")
        assert (bench.store.parent / line["set_aside"]).exists()
        assert bench.receipts()[-1].epoch != epoch
        assert said(bench, "alarm raised", kind="store_damaged")


async def test_a_store_of_another_owner_says_whose_it_must_be(tmp_path: Path, mosquitto: Mosquitto) -> None:
    with center(tmp_path, mosquitto) as bench:
        (tmp_path / "gateway").write_text("a file where the folder should be")
        code, text = outcome(bench)
        assert code == 74
        assert "service user" in text
        assert "Traceback" not in text


@pytest.mark.skipif(os.geteuid() != 0, reason="not run: needs root, to take a capability away")
async def test_a_port_without_permission_names_the_group(tmp_path: Path, mosquitto: Mosquitto) -> None:
    with center(tmp_path, mosquitto, readers=1) as bench:
        counter = Counter(bench.port_of(1), seed=1)
        counter.port.plug()
        bench.port_of(1).chmod(0)  # the pty behind the name
        drop = "-dac_override,-dac_read_search"  # what lets root read everything
        bench.wrapper = ("setpriv", "--bounding-set", drop, "--inh-caps", drop)
        bench.start_gateway()
        await bench.until(lambda: bool(said(bench, "device not available", code="permission")), "the message")
        assert "dialout" in said(bench, "device not available")[0]["cause"]
        assert bench.stop_gateway() == 0
        counter.port.unplug()
