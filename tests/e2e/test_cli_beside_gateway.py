"""The technician's commands beside a real gateway: processes, ptys, a broker, people laying cards.

Each command is its own process, as on a box.
"""

import asyncio
import json
import os
import pty
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.broker import Mosquitto
from tests.e2e.bench_center import Center, Counter, center
from tests.e2e.independent import judge

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


async def zhijiao(*words: object) -> subprocess.CompletedProcess[str]:
    """One command, to its end."""
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "gateway", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stdout + done.stderr
    return done


async def asked(bench: Center, *words: object) -> Any:
    """The JSON answer of a command about this gateway."""
    return json.loads((await zhijiao(*words, "--config", bench.config, "--json")).stdout)


async def test_everything_can_be_asked_while_cards_are_laid(tmp_path: Path, mosquitto: Mosquitto) -> None:
    with center(tmp_path, mosquitto, readers=1) as bench:
        bench.start_receiver()
        bench.start_gateway()
        counter = Counter(bench.port_of(1), seed=1)
        await counter.open()
        await bench.until(lambda: len(bench.receipts()) > 10, "events")

        status = await asked(bench, "outbox", "status")
        assert status["running"] is True
        assert next(line for line in status["lines"] if line["name"] == "gateway")["state"] == "ok"

        before = len(bench.receipts())
        verified = await asked(bench, "outbox", "verify")
        assert (verified["verdict"], verified["signatures"]) == ("intact", True)
        assert verified["events"] >= before

        before = len(bench.receipts())
        copy = await asked(bench, "backup", "--out", tmp_path / "backup.db")
        assert copy["last_seq"] >= before, "what was receipted before the backup is in it"

        exported = await zhijiao(
            "outbox", "export", "--config", bench.config, "--out", tmp_path / "range.jsonl"
        )
        assert exported.returncode == 0, exported.stderr
        for words in (("outbox", "repair", "--yes"), ("restore", tmp_path / "backup.db", "--yes")):
            refused = await zhijiao(*words, "--config", bench.config)
            assert (refused.returncode, "[store_in_use]" in refused.stderr) == (69, True)

        after = len(bench.receipts())
        await bench.until(lambda: len(bench.receipts()) > after + 5, "events after all that")
        await counter.close()
        assert bench.stop_gateway() == 0

        *lines, _manifest = (tmp_path / "range.jsonl").read_bytes().splitlines()
        judge(lines, (), bench.public_keys())
        offline = await zhijiao("verify", tmp_path / "range.jsonl", "--trust", bench.keys.trust)
        assert offline.returncode == 0, offline.stdout
        stopped = await asked(bench, "outbox", "status")
        assert (stopped["running"], stopped["clean_stop"]) == (False, True)


async def test_a_killed_gateway_is_restored_and_the_center_holds_no_fork(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    """Backup, more events, kill -9, restore, start: everything receipted before or after is at the center once."""
    with center(tmp_path, mosquitto, readers=1) as bench:
        bench.start_receiver()
        bench.start_gateway()
        counter = Counter(bench.port_of(1), seed=1)
        await counter.open()
        await bench.until(lambda: len(bench.receipts()) > 10, "events")
        assert (await asked(bench, "backup", "--out", tmp_path / "backup.db"))["ok"]
        known = len(bench.receipts())
        await bench.until(lambda: len(bench.receipts()) > known + 10 and bench.waiting() == 0, "more events")
        bench.kill_gateway()
        restored = await asked(bench, "restore", tmp_path / "backup.db", "--yes")
        assert restored["ok"]
        assert Path(restored["set_aside"]).exists()
        assert (await asked(bench, "outbox", "export", "--out", tmp_path / "range.jsonl"))["recorded"]
        bench.start_gateway()
        again = len(bench.receipts())
        await bench.until(lambda: len(bench.receipts()) > again + 5 and bench.waiting() == 0, "events again")
        await counter.close()
        assert bench.stop_gateway() == 0

        receipts = bench.receipts()
        places = [(receipt.epoch, receipt.seq) for receipt in receipts]
        assert len(set(places)) == len(places), "no number was given twice"
        assert len({epoch for epoch, _ in places}) == 2
        report = await zhijiao("receive", "--db", bench.db, "--report", "--json")
        epochs = [json.loads(line) for line in report.stdout.splitlines()]
        assert all(epoch["intact"] for epoch in epochs)
        assert not any("duplicate_identity" in epoch["alarms"] for epoch in epochs)
        with closing(sqlite3.connect(bench.db)) as db:
            exports = db.execute("SELECT wire FROM events WHERE type = 'audit.exported'").fetchall()
        assert len(exports) == 1, "what was handed out while it stood still is known at the center"
        verified = await asked(bench, "outbox", "verify")
        assert verified["verdict"] in {"intact", "holes"}, verified["findings"]


def on_a_terminal(*words: object) -> str:
    """What a person sees: the command on a pty."""
    leader, follower = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "gateway", *map(str, words)], stdin=follower, stdout=follower, stderr=follower
    ) as process:
        os.close(follower)
        seen = b""
        while True:
            try:
                chunk = os.read(leader, 65536)
            except OSError:
                break
            if not chunk:
                break
            seen += chunk
        process.wait(30)
    os.close(leader)
    return seen.decode()


async def test_progress_is_shown_on_a_terminal_only(tmp_path: Path, mosquitto: Mosquitto) -> None:
    with center(tmp_path, mosquitto, readers=1) as bench:
        bench.start_gateway()
        await bench.until(lambda: len(bench.receipts()) > 1, "events")
        assert bench.stop_gateway() == 0
        words = ("outbox", "verify", "--config", bench.config)
        seen = await asyncio.to_thread(on_a_terminal, *words)
        assert re.search(r"\rverifying \[#+-*\] +\d+%", seen)
        assert "verdict" in seen.rpartition("\r\x1b[K")[2], "the line is taken away before the answer"
        piped = await zhijiao(*words)
        assert "\r" not in piped.stdout + piped.stderr
        assert piped.stderr == ""
