"""How fast: latency and cost at 100 events/s, sustained rate, drain, a slow disk, the first event after exec."""

import shutil
import subprocess
import time
from collections import Counter
from pathlib import Path

from tests.bench import meters
from tests.bench.ours import OurGateway
from tests.bench.plan import BRIDGE, NAIVE, OURS, TB_MQTT, TB_SERIAL, Plan, median
from tests.bench.report import NOT_RUN, Row, at_least, at_most, fact, limit
from tests.bench.rig import Rig, System
from tests.bench.simple_peers import paho_alone_rate
from tests.broker import Mosquitto

RATE = 100.0
TAIL = 1.6  # longer than the other stretches: a p99 of 500 events rests on five of them
DRAIN_S = 90.0
BACKLOG = 5_000
# Whoever retries at fixed times after a break is lucky or not by how long it lasts: so the rounds differ.
OUTAGES_S = (3.0, 7.0, 12.0)
SLOWER_MS = 10
CARDS, PAHO = "ours, sealed cards", "paho alone"
PAHO_MESSAGES = 10_000


def latency(plan: Plan) -> list[Row]:
    """100 events/s: first byte on the line until the far end has it; processor time for each."""
    found = plan.rounds_of(plan.there(OURS, TB_MQTT, BRIDGE, NAIVE), lambda name: _steady(plan, name))

    def of(name: str, figure: str) -> float | None:
        return median(found, name, figure)

    rows = [
        at_most("p50 at 100/s", of(OURS, "p50") or 0, of(TB_MQTT, "p50"), 0.03, unit="ms", peer_name=TB_MQTT),
        at_most("p99 at 100/s", of(OURS, "p99") or 0, of(TB_MQTT, "p99"), 0.1, unit="ms", peer_name=TB_MQTT),
        at_most(
            "CPU per event at 100/s",
            of(OURS, "cpu") or 0,
            of(TB_MQTT, "cpu"),
            0.7,
            unit="ms",
            peer_name=TB_MQTT,
        ),
    ]
    for name in (BRIDGE, NAIVE):
        if name in found:
            figures = f"p50 {of(name, 'p50'):.2f} p99 {of(name, 'p99'):.1f} CPU {of(name, 'cpu'):.2f} ms"
            rows.append(fact("", "", f"{name}: {figures}"))
    return rows


def _steady(plan: Plan, name: str) -> dict[str, float]:
    system = plan.make(name)
    with Rig(plan.fresh(), system) as rig:
        rig.warm()
        before = meters.use(system.pid)
        numbers = rig.source.send(seconds=plan.seconds * TAIL, rate=RATE)
        after = meters.use(system.pid)
        missing = rig.wait_for(numbers, DRAIN_S)
        took = rig.latencies_ms(numbers)
        _verify(rig)
    if missing and name == OURS:
        raise RuntimeError(f"{len(missing)} events did not arrive")
    return {
        "p50": meters.percentile(took, 0.5),
        "p99": meters.percentile(took, 0.99),
        "cpu": (after.cpu_s - before.cpu_s) * 1000 / max(1, len(numbers)),
    }


def sustained(plan: Plan) -> list[Row]:
    """The source flat out; events/s until the last of them has arrived."""
    names = plan.there(OURS, TB_MQTT, TB_SERIAL, BRIDGE, NAIVE)
    found = plan.rounds_of([*names, CARDS, PAHO], lambda name: _flat_out(plan, name))
    ours = median(found, OURS, "rate") or 0
    rows = [
        at_least("sustained, serial in", ours, median(found, peer, "rate"), share, unit="/s", peer_name=peer)
        for peer, share in ((TB_MQTT, 2.5), (TB_SERIAL, 20), (PAHO, 0.3))
    ]
    cards, taken = median(found, CARDS, "rate"), median(found, OURS, "taken")
    rows.append(fact("  of these with sealed cards", f"{cards:,.0f} /s"))
    rows.append(fact("  taken and committed meanwhile", f"{taken:,.0f} /s"))
    others = [f"{name} {median(found, name, 'rate'):,.0f} /s" for name in (BRIDGE, NAIVE) if name in found]
    return [*rows, fact("", "", ", ".join(others) or NOT_RUN)]


def _flat_out(plan: Plan, name: str) -> dict[str, float]:
    if name == PAHO:
        with Mosquitto(plan.fresh(), persistence=False) as broker:
            return {"rate": paho_alone_rate(broker.port, PAHO_MESSAGES)}
    system: System = OurGateway(plan.fresh(), form="card") if name == CARDS else plan.make(name)
    with Rig(plan.fresh(), system) as rig:
        rig.warm()
        return _pour(rig, plan.seconds)


def _pour(rig: Rig, seconds: float) -> dict[str, float]:
    before, began = meters.use(rig.system.pid), time.monotonic_ns()
    numbers = rig.source.send(seconds=seconds)
    missing = rig.wait_for(numbers, DRAIN_S)
    if missing and isinstance(rig.system, OurGateway):
        raise RuntimeError(f"ours: {len(missing)} of {len(numbers)} events did not arrive")
    arrived = [rig.arrivals.at[number] for number in numbers if number in rig.arrivals.at]
    cpu_s = meters.use(rig.system.pid).cpu_s - before.cpu_s
    _verify(rig)
    return {
        "rate": len(arrived) / ((max(arrived) - began) / 1e9),
        "taken": len(numbers) / seconds,
        "cpu us": cpu_s * 1e6 / max(1, len(numbers)),
    }


def drain(plan: Plan) -> list[Row]:
    """5,000 events while nobody listens; from the moment the line is back. Our drain cap is off (0)."""
    turns: Counter[str] = Counter()

    def drained(name: str) -> dict[str, float]:
        turns[name] += 1
        return _drain(plan, name, OUTAGES_S[(turns[name] - 1) % len(OUTAGES_S)])

    found = plan.rounds_of(plan.there(OURS, TB_MQTT), drained)

    def of(name: str, figure: str) -> float | None:
        return median(found, name, figure)

    return [
        at_least(
            "drain of 5,000, rate",
            of(OURS, "rate") or 0,
            of(TB_MQTT, "rate"),
            0.2,
            unit="/s",
            peer_name=TB_MQTT,
        ),
        at_most(
            "drain of 5,000, heal to last",
            of(OURS, "last") or 0,
            of(TB_MQTT, "last"),
            1,
            unit="s",
            peer_name=TB_MQTT,
        ),
        limit(
            "first event after a short outage",
            of(OURS, "first") or 0,
            10,
            unit="s",
            beside=f"{TB_MQTT}: {of(TB_MQTT, 'first') or 0:.1f} s",
        ),
        fact(
            "  out of order",
            f"{of(OURS, 'disordered'):.0f}",
            f"{TB_MQTT}: {of(TB_MQTT, 'disordered') or 0:,.0f}",
        ),
    ]


def _drain(plan: Plan, name: str, outage_s: float) -> dict[str, float]:
    system = plan.make(name)
    with Rig(plan.fresh(), system, line=True) as rig:
        rig.warm()
        rig.line("down")
        time.sleep(outage_s)
        numbers = rig.source.send(count=BACKLOG)
        time.sleep(1)
        disordered = rig.arrivals.disordered
        healed = int(rig.line("up") * 1e9)
        missing = rig.wait_for(numbers, DRAIN_S, quiet_s=40)
        if missing:
            raise RuntimeError(f"{name}: {len(missing)} of {len(numbers)} did not arrive")
        arrived = [rig.arrivals.at[number] for number in numbers]
        _verify(rig)
    first, last = min(arrived), max(arrived)
    return {
        "first": (first - healed) / 1e9,
        "last": (last - healed) / 1e9,
        "rate": len(arrived) / max(1e-9, (last - first) / 1e9),
        "disordered": float(rig.arrivals.disordered - disordered),
    }


def slow_disk(plan: Plan) -> list[Row]:
    """The same with a disk whose every fsync takes 10 ms longer."""
    library = _slow_library(plan.folder)
    if library is None:
        return [fact(f"fsync {SLOWER_MS} ms slower", NOT_RUN, "no C compiler here")]
    slow = {"LD_PRELOAD": str(library), "SLOWSYNC_US": str(SLOWER_MS * 1000)}
    as_is, slower = "ours as it is", "ours, slow disk"

    def pour(name: str) -> dict[str, float]:
        with Rig(plan.fresh(), OurGateway(plan.fresh(), env=slow if name == slower else None)) as rig:
            rig.warm()
            return _pour(rig, plan.seconds)

    found = plan.rounds_of([as_is, slower], pour)
    return [
        at_least(
            f"sustained, fsync {SLOWER_MS} ms slower",
            median(found, slower, "rate") or 0,
            median(found, as_is, "rate"),
            0.5,
            unit="/s",
            peer_name="as it is",
        )
    ]


def _slow_library(folder: Path) -> Path | None:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        return None
    library = folder / "slowsync.so"
    source = Path(__file__).with_name("slowsync.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", library, source, "-ldl"], check=True)
    return library


def cold_start(plan: Plan) -> list[Row]:
    """From exec to the first event at the far end; the device speaks every 20 ms. Our page is on."""
    found = plan.rounds_of(plan.there(OURS, TB_MQTT), lambda name: _cold(plan, name))
    ours, peer = median(found, OURS, "first"), median(found, TB_MQTT, "first")
    return [at_most("exec to first event forwarded", ours or 0, peer, 0.8, unit="s", peer_name=TB_MQTT)]


def _cold(plan: Plan, name: str) -> dict[str, float]:
    system = OurGateway.with_page(plan.fresh()) if name == OURS else plan.make(name)
    with Rig(plan.fresh(), system) as rig:
        began = time.monotonic_ns()
        rig.start()
        end = time.monotonic() + DRAIN_S
        while not rig.arrivals.at:
            if time.monotonic() > end:
                raise RuntimeError(f"{name}: no event came")
            if rig.source.ready(system.pid):
                rig.source.send(count=1)
            rig.wait(0.02)
        return {"first": (min(rig.arrivals.at.values()) - began) / 1e9}


def _verify(rig: Rig) -> None:
    """After the clock has stopped: what our gateway sent is signed, every bit of it."""
    if isinstance(rig.system, OurGateway):
        rig.system.verify(rig.arrivals.messages)
