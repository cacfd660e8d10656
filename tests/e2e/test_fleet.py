"""A simulated fleet with certificates at a real broker: the center holds every event of it, verified, without a gap."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gateway.demo.keys import ACK_KID, DemoKeys
from gateway.fleet.boxes import names
from tests.broker import Mosquitto, Pki

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]
GATEWAYS, EVENTS = 12, 8


def zhijiao(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gateway", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_everything_that_a_fleet_said_is_at_the_center(tmp_path: Path, pki: Pki) -> None:
    keys, certs = DemoKeys(tmp_path / "keys", "gw-370102-01"), tmp_path / "certs"
    trust, db = tmp_path / "fleet.json", tmp_path / "c.db"
    keys.ensure()
    certs.mkdir()
    for _, gateway in names(GATEWAYS):
        made = pki.client(gateway)
        shutil.copy(made.cert, certs / f"{gateway}.pem")
        shutil.copy(made.key, certs / f"{gateway}-key.pem")
    center = pki.client("center")
    fleet = ("simulate", "fleet", "--gateways", GATEWAYS, "--events", EVENTS)
    assert zhijiao(*fleet, "--trust", keys.trust, "--write-trust", trust).returncode == 0
    with Mosquitto(tmp_path / "mosquitto", tls=pki) as broker:
        url = f"mqtts://127.0.0.1:{broker.tls_port}"
        with (tmp_path / "receiver.log").open("wb") as log:
            receiver = subprocess.Popen(
                [sys.executable, "-m", "gateway", "receive", "--broker", url, "--ca", pki.ca, "--cert", center.cert,
                 "--key", center.key, "--db", db, "--trust", trust, "--ack-key", keys.ack_key, "--ack-kid", ACK_KID,
                 "--demo"], stderr=log,
            )  # fmt: skip
        give_up = time.monotonic() + 30
        while b"receiver connected" not in (tmp_path / "receiver.log").read_bytes():
            assert time.monotonic() < give_up, "the center does not come up"
            time.sleep(0.05)
        try:
            played = zhijiao(
                *fleet, "--broker", url, "--ca", pki.ca, "--certs", certs, "--trust", trust, "--json"
            )
        finally:
            receiver.terminate()
            receiver.wait(20)
    figures = json.loads(played.stdout)
    assert played.returncode == 0, figures
    assert (figures["done"], figures["settled"]) == (GATEWAYS, GATEWAYS * EVENTS)
    verdict = json.loads(zhijiao("verify", db, "--trust", trust, "--json").stdout)
    assert (verdict["integrity"], verdict["events"]) == ("intact", GATEWAYS * EVENTS)
    assert all(epoch["held"] == [[1, EVENTS]] and not epoch["missing"] for epoch in verdict["epochs"])
    assert len(verdict["epochs"]) == GATEWAYS


def test_a_fleet_whose_center_is_silent_says_how_far_it_came(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """The control: no receiver, no proof, no success."""
    keys = DemoKeys(tmp_path / "keys", "gw-370102-01")
    keys.ensure()
    played = zhijiao(
        "simulate", "fleet", "--gateways", 2, "--events", 3, "--broker", f"mqtt://127.0.0.1:{mosquitto.port}",
        "--trust", keys.trust, "--deadline", 3, "--json",
    )  # fmt: skip
    figures = json.loads(played.stdout)
    assert (played.returncode, figures["ok"], figures["done"], figures["settled"]) == (1, False, 0, 0)
