"""The center comes back from an older backup: it says so, gets again what it forgot, and names what is gone.

The gateway has settled everything and keeps it for its retention. The center's database is then put
back to an older copy. Control: where the gateway may not be asked, the center must stay incomplete.
"""

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.broker import Mosquitto
from tests.drills.ground import RATED, ROOT, alarms_of, form, rated, weighed
from tests.e2e.bench_center import Center, center, stored_events

pytestmark = [pytest.mark.drill, pytest.mark.timeout(form(ci=90, long=300))]

FORGOTTEN = form(ci=60, long=3000)  # events that the backup does not hold
GONE = 10  # events behind the backup that the gateway's retention has taken meanwhile
PATIENCE_S = 20.0


async def restored(bench: Center, *, purged: int = 0) -> tuple[int, int]:
    """Run, back up, run on until all is settled, put the backup back, and let the gateway connect anew.

    The range that is purged: the backup holds nothing of it, however long it took to stop for it.
    """
    bench.start_receiver()
    bench.start_gateway(*RATED)
    await bench.until(lambda: len(bench.receipts()) > 30, "events")
    assert bench.stop_gateway() == 0
    await bench.until(lambda: bench.waiting() == 0 or bench.gateway is None, "the center")
    assert bench.stop_receiver() == 0
    backup = bench.folder / "backup.db"
    shutil.copy(bench.db, backup)
    bench.start_receiver()
    before = len(bench.receipts())
    bench.start_gateway(*RATED)
    await bench.until(lambda: len(bench.receipts()) > before + FORGOTTEN, "events that will be forgotten")
    assert bench.stop_gateway() == 0
    bench.device_config = ""
    bench.write_config()
    runs = bench.log_text("gateway").count("uplink connected")
    bench.start_gateway()
    await bench.until(lambda: bench.log_text("gateway").count("uplink connected") > runs, "the uplink")
    await bench.until(lambda: bench.waiting() == 0, "everything to be settled")
    assert bench.stop_gateway() == 0  # and says in its last status how far it is
    assert bench.stop_receiver() == 0
    for suffix in ("-wal", "-shm"):
        bench.db.with_name(bench.db.name + suffix).unlink(missing_ok=True)
    shutil.copy(backup, bench.db)
    first = int(str(stored_events(backup, "SELECT max(seq) AS n FROM event")[0]["n"])) + 5
    gone = first, first + purged - 1
    if purged:
        with closing(sqlite3.connect(bench.store, isolation_level=None)) as store:
            store.execute("DELETE FROM event WHERE n BETWEEN ? AND ?", gone)
    bench.start_receiver()
    bench.start_gateway()
    return gone


def held_events(bench: Center) -> int:
    return int(str(stored_events(bench.db, "SELECT count(*) AS n FROM event")[0]["n"]))


def report_code(bench: Center) -> int:
    command = [sys.executable, "-m", "gateway", "receive", "--db", str(bench.db), "--report"]
    return subprocess.run(command, capture_output=True, check=False, cwd=ROOT).returncode


async def test_the_center_says_that_it_forgot(
    tmp_path: Path, mosquitto: Mosquitto, tell: Callable[[str], None]
) -> None:
    with center(tmp_path, mosquitto, readers=0, device_config=rated(150)) as bench:
        await restored(bench)
        await bench.until(lambda: "center_rollback" in alarms_of(bench), "the alarm", 10)
        tell(f"receipts {len(bench.receipts())}, center's alarms {sorted(alarms_of(bench))}")


async def test_what_the_center_forgot_is_sent_again(
    tmp_path: Path, mosquitto: Mosquitto, tell: Callable[[str], None]
) -> None:
    with center(tmp_path, mosquitto, readers=0, device_config=rated(150)) as bench:
        await restored(bench)
        await bench.until(lambda: held_events(bench) >= len(bench.receipts()), "the resend", PATIENCE_S)
        result = weighed(bench)
        tell(f"{result}, report says {report_code(bench)}")
        assert result.faults == []
        assert report_code(bench) == 0


async def test_what_the_gateway_no_longer_holds_is_declared(
    tmp_path: Path, mosquitto: Mosquitto, tell: Callable[[str], None]
) -> None:
    with center(tmp_path, mosquitto, readers=0, device_config=rated(150)) as bench:
        gone = await restored(bench, purged=GONE)
        # Asked anew each time: the start's last events may be receipted, and overtake, while this waits.
        await bench.until(
            lambda: held_events(bench) >= len(bench.receipts()) - GONE, "the resend", PATIENCE_S
        )
        epoch = bench.receipts()[0].epoch
        result = weighed(bench, {epoch: [gone]})
        tell(f"{result}, report says {report_code(bench)}")
        assert result.faults == []
        assert report_code(bench) == 1, "incomplete, declared"
        rows = stored_events(bench.db, "SELECT first, last FROM lost")
        assert [(row["first"], row["last"]) for row in rows] == [gone]


async def test_the_drill_notices_a_center_that_stays_incomplete(
    tmp_path: Path, mosquitto: Mosquitto, tell: Callable[[str], None]
) -> None:
    """Nobody is asked: the gateway is stopped as soon as it is there."""
    with center(tmp_path, mosquitto, readers=0, device_config=rated(150)) as bench:
        await restored(bench)
        bench.kill_gateway()
        result = weighed(bench)
        tell(f"control, must miss events: {result}")
        assert result.lost
