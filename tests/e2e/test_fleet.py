"""A simulated fleet with certificates at a real broker: the center holds every event of it, verified, without a gap."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.demo.keys import DemoKeys
from tests.broker import Mosquitto, Pki
from tests.brokers.province import Province

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


def test_everything_that_a_fleet_said_is_at_the_center(tmp_path: Path, pki: Pki) -> None:
    with Mosquitto(tmp_path / "mosquitto", tls=pki) as broker:
        province = Province(
            tmp_path, [f"mqtts://127.0.0.1:{broker.tls_port}"], gateways=12, events=8, pki=pki
        )
        province.prepare()
        province.play()
    province.assert_whole()


def test_a_fleet_whose_center_is_silent_says_how_far_it_came(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """The control: no receiver, no proof, no success."""
    keys = DemoKeys(tmp_path / "keys", "gw-370102-01")
    keys.ensure()
    played = subprocess.run(
        [sys.executable, "-m", "gateway", "simulate", "fleet", "--gateways", "2", "--events", "3", "--broker",
         f"mqtt://127.0.0.1:{mosquitto.port}", "--trust", str(keys.trust), "--deadline", "3", "--json"],
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    figures = json.loads(played.stdout)
    assert (played.returncode, figures["ok"], figures["done"], figures["settled"]) == (1, False, 0, 0)
