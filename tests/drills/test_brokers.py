"""A province through each broker that a center may have: everything at the center, verified, without a gap.

The fleet is simulated (docs/simulate.md): real signed events over real connections, done when the center's signed acks
have proven everything. Long: 140 gateways with certificates on mosquitto, 3,000 without through each broker, and
a node of the NATS cluster killed while they speak.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.broker import Mosquitto, Pki
from tests.brokers.engines import ENGINES, Engine, Nats
from tests.brokers.province import Province
from tests.drills.ground import LONG, form

pytestmark = [pytest.mark.drill, pytest.mark.timeout(form(ci=240, long=3600))]

GATEWAYS = 3000
WITH_CERTIFICATES = form(ci=20, long=140)
EVENTS = 20
DEADLINE_S = form(ci=100.0, long=1500.0)
SHOWN = (
    "connecting_s", "settling_s", "events_per_s", "ack_p50_ms", "ack_p99_ms", "acks", "resent",
    "connections_lost", "fleet_mib", "receiver_mib",
)  # fmt: skip


def said(province: Province, engine: Engine | None = None) -> str:
    figures = {name: province.figures[name] for name in SHOWN}
    if engine is not None:
        figures |= {"broker_mib": engine.peak_mib(), "broker_cpu_s": round(engine.cpu_s(), 1)}
    told = ", ".join(f"{name} {value}" for name, value in figures.items())
    return f"{province.gateways} gateways x {province.events} events: {told}"


def test_a_province_with_certificates(tmp_path: Path, pki: Pki, tell: Callable[[str], None]) -> None:
    with Mosquitto(tmp_path / "mosquitto", tls=pki) as broker:
        urls = [f"mqtts://127.0.0.1:{broker.tls_port}"]
        province = Province(tmp_path, urls, WITH_CERTIFICATES, EVENTS, pki=pki)
        province.prepare()
        province.play(deadline_s=DEADLINE_S)
    tell(said(province))
    province.assert_whole()


@pytest.mark.parametrize("name", list(ENGINES))
def test_a_province_through(name: str, tmp_path: Path, tell: Callable[[str], None]) -> None:
    if not LONG:
        pytest.skip("not run: takes minutes; DRILLS=long")
    with ENGINES[name]() as engine:
        province = Province(tmp_path, engine.urls, GATEWAYS, EVENTS, engine.mqtt)
        province.prepare()
        province.play(deadline_s=DEADLINE_S)
        tell(said(province, engine))
    province.assert_whole()


@pytest.mark.skipif(not LONG, reason="not run: takes minutes; DRILLS=long")
def test_a_node_is_killed_while_a_province_speaks(tmp_path: Path, tell: Callable[[str], None]) -> None:
    with Nats() as engine:
        province = Province(tmp_path, engine.urls, GATEWAYS, EVENTS, engine.mqtt)
        province.prepare()
        province.play(meanwhile=engine.kill_one, deadline_s=DEADLINE_S)
        tell(said(province, engine))
    assert province.figures["connections_lost"], "nobody was at the node that was killed"
    province.assert_whole()
