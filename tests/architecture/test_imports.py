"""The borders between the rooms hold, and the check that says so can fail."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("gateway", "drivers", "firmware_protocols")


def contracts(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the import contracts of `folder` on the packages of `folder`."""
    code = "import sys; sys.path.insert(0, '.'); from importlinter.cli import lint_imports; sys.exit(lint_imports())"
    return subprocess.run(
        [sys.executable, "-P", "-c", code],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_the_contracts_are_kept() -> None:
    told = contracts(ROOT)
    assert told.returncode == 0, told.stdout[-3000:]


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("firmware_protocols/checksums.py", "import time"),
        ("drivers/presentation.py", "import gateway.clock"),
        ("gateway/uplink/sender.py", "import paho.mqtt.client"),
        ("drivers/links/ble_radio.py", "import bleak"),
        ("drivers/links/ble_door.py", "import dbus_fast"),
        ("gateway/receiver/cursor.py", "import gateway.store.outbox"),
        ("gateway/evidence/jws.py", "import gateway.app"),
        ("gateway/checkin/schedule.py", "import gateway.store.rosters"),
    ],
)
def test_a_planted_violation_is_found(tmp_path: Path, file: str, line: str) -> None:
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    path = tmp_path / file
    path.write_text(f"{path.read_text()}\n\n{line}\n")
    told = contracts(tmp_path)
    assert told.returncode != 0, told.stdout[-3000:]
    assert "BROKEN" in told.stdout
