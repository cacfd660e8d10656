"""The demo as a newcomer meets it: it runs, shows acknowledged events, ends cleanly, goes on where it was."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from tests.broker import find_mosquitto
from tests.e2e.bench_center import stored_events

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]
SCHEMAS = Path(__file__).parents[2] / "docs/contract/schemas"

WHEEL_BROKER = """
import gateway.demo.broker as broker
broker.SEARCH = "/nowhere"  # a machine without mosquitto
from gateway.cli.main import main
main()
"""


def play(state: Path, *program: str) -> str:
    """One short demo; everything it printed."""
    words = [
        *(program or ("-m", "gateway")),
        "demo",
        "--state",
        str(state),
        "--seconds",
        "7",
        "--interval",
        "2",
    ]
    told = subprocess.run([sys.executable, *words], capture_output=True, text=True, timeout=90, check=False)
    assert told.returncode == 0, told.stdout[-2000:] + told.stderr
    assert told.stderr == ""
    return told.stdout


def settled(output: str) -> list[int]:
    return [int(line.split("#")[1].split()[0]) for line in output.splitlines() if "  settled " in line]


def test_it_shows_acknowledged_cards_and_goes_on_where_it_was(tmp_path: Path) -> None:
    find_mosquitto()
    first = play(tmp_path / "demo")
    assert "mosquitto, 127.0.0.1" in first
    assert "http://127.0.0.1:" in first
    assert any("settled" in line and "identity.card_read" in line for line in first.splitlines())
    assert any("center" in line and "chain ok" in line for line in first.splitlines())
    assert "invented persons, signed and imported" in first
    assert any("settled" in line and "system.roster_applied" in line for line in first.splitlines())
    again = play(tmp_path / "demo")
    assert "system.roster_applied" in again
    (signs_in,) = [line for line in first.splitlines() if line.startswith("  sign in ")]
    assert signs_in in again.splitlines(), "the accounts are those of before"
    assert "#1 " not in again, "the epoch goes on"
    assert min(settled(again)) > max(settled(first)) - 3
    report = [
        sys.executable,
        "-m",
        "gateway",
        "receive",
        "--report",
        "--db",
        str(tmp_path / "demo/center.db"),
    ]
    told = subprocess.run(report, capture_output=True, text=True, timeout=60, check=False)
    assert told.returncode == 0, told.stdout + told.stderr
    assert "complete; intact" in told.stdout
    as_published(tmp_path / "demo/center.db")


def as_published(db: Path) -> None:
    """Everything that a whole center said is what the published schemas say, and the receiver understood it."""
    events = stored_events(db, "SELECT type, understood, wire FROM event")
    assert {str(one["type"]) for one in events} >= {"identity.card_read", "system.started"}
    assert not {one["type"] for one in events if not one["understood"]}
    assert stored_events(db, "SELECT * FROM rejected") == []
    for one in events:
        schema = json.loads((SCHEMAS / f"{one['type']}.json").read_text(encoding="utf-8"))
        wire: Any = one["wire"]
        jsonschema_rs.Draft202012Validator(schema).validate(json.loads(wire))


def test_it_runs_without_mosquitto(tmp_path: Path) -> None:
    output = play(tmp_path / "demo", "-c", WHEEL_BROKER)
    assert "iotcore" in output
    assert any("settled" in line and "identity.card_read" in line for line in output.splitlines())


def test_a_second_demo_in_the_same_folder_is_told_so(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gateway", "demo", "--state", str(tmp_path), "--interval", "2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as running:
        assert running.stdout is not None
        for line in running.stdout:
            if "stop" in line:
                break
        second = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert second.returncode == 69
        assert "runs there already" in second.stderr
        os.killpg(running.pid, signal.SIGINT)  # Ctrl-C
        running.stdout.read()
        assert running.wait(30) == 0
