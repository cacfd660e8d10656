"""The clock at 1970, set by a day in both directions, a time server late, the center's time, a reboot.

A real gateway on a wrong clock, a real broker, the center on the right one. What the center then holds is
judged by a reader of this file's own, against the moments at which the drill laid the cards.
"""

import asyncio
import datetime as dt
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from drivers.simulators.cards import Card, cards
from tests.broker import Mosquitto, Pki
from tests.drills.wrong_clock import WrongClock, true_ms
from tests.e2e.bench_center import GATEWAY, Center, Counter, center, stored_events

pytestmark = [pytest.mark.drill, pytest.mark.timeout(180)]

DAY_MS = 86_400_000
ALLOWED_MS = 1_000
EACH_TIME = 3
Event = dict[str, Any]


class Wrong(AssertionError):  # noqa: N818 - a verdict
    """What the center holds is not what happened."""


@dataclass(slots=True)
class Drill:
    """One machine, the people who come to it, and when they came."""

    bench: Center
    clock: WrongClock
    visits: list[tuple[int, int]] = field(default_factory=list)  # right time before and after
    program: tuple[str, ...] = ()
    counter: Counter | None = None
    deck: Iterator[Card] = field(default_factory=lambda: iter(cards(5)))

    def start(self) -> None:
        self.bench.env.update(self.clock.env)
        self.bench.start_gateway(*self.program)

    async def people(self, count: int = EACH_TIME) -> None:
        """Lay cards one by one; each is at the gateway's disk before the next."""
        if self.counter is None:
            self.counter = Counter(self.bench.port_of(1), seed=1)
            await self.counter.open(people=False)
        for _ in range(count):
            before_ms, there = true_ms(), len(self.cards_at_center())
            await self.counter.visit(next(self.deck))
            await self.until_cards(there + 1)
            self.visits.append((before_ms, true_ms()))

    def at_center(self) -> list[Event]:
        """All that the center holds, by sequence."""
        if not self.bench.db.exists():
            return []
        rows = stored_events(self.bench.db, "SELECT wire FROM event")
        found: list[Event] = [json.loads(bytes(row["wire"])) for row in rows]  # type: ignore[call-overload]
        return sorted(found, key=lambda event: event["sequence"])

    def cards_at_center(self) -> list[Event]:
        return [event for event in self.at_center() if event["type"].endswith(".identity.card_read")]

    def told(self, kind: str) -> list[Event]:
        return [event for event in self.at_center() if event["type"] == f"cn.zhijiao.clock.{kind}"]

    async def until_cards(self, count: int) -> None:
        await self.bench.until(lambda: len(self.cards_at_center()) >= count, "a card at the center", 20)

    async def until_told(self, kind: str, count: int) -> None:
        await self.bench.until(lambda: len(self.told(kind)) >= count, f"clock.{kind} at the center", 30)


def listening_center(bench: Center) -> None:
    """What is sent before anybody listens waits half a minute: longer than these drills do."""
    bench.start_receiver()
    give_up = time.monotonic() + 20
    while "receiver connected" not in bench.log_text("receiver"):
        assert time.monotonic() < give_up, "the center does not come up"
        time.sleep(0.05)


@pytest.fixture
def drill(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[Drill]:
    clock = WrongClock(tmp_path)
    with center(tmp_path, mosquitto, readers=1) as bench:
        listening_center(bench)
        yield Drill(bench, clock)
    clock.close()


# -- the reader ----------------------------------------------------------------------------------------


def corrected(event: Event, everything: Sequence[Event]) -> int | None:
    """By the nearest pairing of the event's boot; None: that boot has none."""
    pairings = [
        (int(other["data"]["mono_ms"]), int(other["data"]["wall_ms"]))
        for other in everything
        if other["type"] == "cn.zhijiao.clock.synced" and other["bootid"] == event["bootid"]
    ]
    if not pairings:
        return None
    mono = int(event["monoms"])
    mono_sync, wall_sync = min(pairings, key=lambda pairing: abs(pairing[0] - mono))
    return wall_sync - (mono_sync - mono)


def judge(drill: Drill, everything: Sequence[Event], *, boots: Sequence[str]) -> None:
    """Order by sequence, nothing missing, and every card of these boots at its right time."""
    if [int(event["sequence"]) for event in everything] != list(range(1, len(everything) + 1)):
        raise Wrong("sequences are not contiguous from 1")
    laid = [event for event in everything if event["type"].endswith(".identity.card_read")]
    if len(laid) != len(drill.visits):
        raise Wrong(f"{len(drill.visits)} cards were laid, {len(laid)} are at the center")
    for event, (before_ms, after_ms) in zip(laid, drill.visits, strict=True):
        if event["bootid"] not in boots:
            continue
        time_ms = corrected(event, everything)
        where = f"card {event['sequence']}"
        if time_ms is None:
            raise Wrong(f"{where}: no pairing in its boot")
        if not before_ms - ALLOWED_MS <= time_ms <= after_ms + ALLOWED_MS:
            raise Wrong(f"{where}: corrected time is {time_ms - before_ms} ms after it was laid")


def of_another_boot(everything: Sequence[Event], boot_id: str) -> list[Event]:
    """The same events, but every pairing claims to be of this boot."""
    return [
        {**event, "bootid": boot_id} if event["type"] == "cn.zhijiao.clock.synced" else event
        for event in everything
    ]


def without_pairings(everything: Sequence[Event]) -> list[Event]:
    """Each pairing in its place, but saying what the event itself believed."""
    return [
        {**event, "data": {**event["data"], "wall_ms": 61_000}}
        if event["type"] == "cn.zhijiao.clock.synced"
        else event
        for event in everything
    ]


def stated(event: Event) -> int:
    """The time in the event itself, ms since 1970."""
    moment = dt.datetime.fromisoformat(event["time"])
    return round(moment.timestamp() * 1000)


# -- the drills ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("first_ms", [DAY_MS, -DAY_MS], ids=["forward then back", "back then forward"])
async def test_steps_of_a_day_and_a_late_time_server(drill: Drill, first_ms: int) -> None:
    clock, bench = drill.clock, drill.bench
    drill.start()
    await drill.people()
    clock.step(first_ms)
    await drill.people()
    await drill.until_told("stepped", 1)
    clock.step(-first_ms)
    await drill.until_told("stepped", 2)
    await drill.people()
    clock.time_server(off_ms=15, error_ms=40)
    await drill.until_told("synced", 1)
    await drill.people()

    bench.kill_gateway()  # within the boot, with a hand on the clock meanwhile
    clock.step(first_ms)
    drill.start()
    await drill.people()
    assert bench.stop_gateway() == 0

    clock.boot()  # and a boot that is never synced
    drill.start()
    await drill.people()
    await bench.until(lambda: bench.waiting() == 0, "acks")
    assert bench.stop_gateway() == 0

    first, second = clock.boot_ids
    everything = drill.at_center()
    judge(drill, everything, boots=[first])
    laid = drill.cards_at_center()
    by_time = sorted(laid, key=stated)
    assert by_time != laid, "the drill must have mixed up the times, or order by sequence says nothing"
    steps = [event["data"]["step_ms"] for event in drill.told("stepped")]
    assert len(steps) == 4, "two by hand, one by the time server, one while no gateway ran"
    assert [*steps[:2], steps[3]] == pytest.approx([first_ms, -first_ms, first_ms], abs=1_000)
    assert {event["clockq"] for event in laid[: 3 * EACH_TIME]} == {"unsynced"}
    for event, (before_ms, after_ms) in list(zip(laid, drill.visits, strict=True))[
        3 * EACH_TIME : 5 * EACH_TIME
    ]:
        assert event["clockq"] in {"synced", "holdover"}
        assert before_ms - event["clockerrms"] <= stated(event) <= after_ms + event["clockerrms"]
    assert {event["clockq"] for event in laid[4 * EACH_TIME : 5 * EACH_TIME]} == {"holdover"}

    # The boot that was never synced: nothing is claimed, but from when on it was is known.
    assert {event["clockq"] for event in laid[5 * EACH_TIME :]} == {"unsynced"}
    assert corrected(laid[-1], everything) is None
    started = [event for event in everything if event["type"].endswith(".system.started")][-1]
    passed = stated({"time": started["data"]["passed"]})
    assert drill.visits[0][0] < passed <= drill.visits[5 * EACH_TIME][1]

    # Controls: the same judgement without the pairing, and with a pairing of another boot, must fail.
    for wrong, boots in (
        (without_pairings(everything), [first]),
        (of_another_boot(everything, second), [second]),
        ([event for event in everything if event["sequence"] != laid[1]["sequence"]], [first]),
    ):
        with pytest.raises(Wrong):
            judge(drill, wrong, boots=boots)


TLS = """
ca_file = "{ca}"
cert_file = "{cert}"
key_file = "{key}"
"""


@pytest.fixture
def tls_drill(tmp_path: Path, pki: Pki) -> Iterator[Drill]:
    """At 1970 every certificate is not yet valid, and there is no time server."""
    clock, client = WrongClock(tmp_path), pki.client(GATEWAY)
    uplink = TLS.format(ca=pki.ca, cert=client.cert, key=client.key)
    with (
        Mosquitto(tmp_path / "mosquitto", tls=pki) as broker,
        center(tmp_path, broker, readers=1, uplink_config=uplink) as bench,
    ):
        text = bench.config.read_text()
        bench.config.write_text(
            text.replace(f"mqtt://127.0.0.1:{broker.port}", f"mqtts://127.0.0.1:{broker.tls_port}")
        )
        listening_center(bench)
        yield Drill(bench, clock)
    clock.close()


async def test_without_a_time_server_the_center_is_reached_at_1970_and_gives_the_time(
    tls_drill: Drill,
) -> None:
    drill, clock, bench = tls_drill, tls_drill.clock, tls_drill.bench
    drill.program = ("-m", "tests.drills.asking_gateway")
    drill.start()
    await drill.people()
    await drill.until_told("synced", 1)
    await drill.people()
    clock.step(-DAY_MS)
    await drill.until_told("stepped", 1)
    await drill.people()
    bench.kill_gateway()
    drill.start()
    await drill.people()
    await bench.until(lambda: bench.waiting() == 0, "acks")
    assert bench.stop_gateway() == 0

    everything, laid = drill.at_center(), drill.cards_at_center()
    judge(drill, everything, boots=clock.boot_ids)
    assert {event["data"]["source"] for event in drill.told("synced")} == {"center"}
    assert {event["clockq"] for event in laid[EACH_TIME:]} == {"holdover"}
    for event, (before_ms, after_ms) in list(zip(laid, drill.visits, strict=True))[EACH_TIME:]:
        assert before_ms - event["clockerrms"] <= stated(event) <= after_ms + event["clockerrms"]
    with pytest.raises(Wrong):
        judge(drill, without_pairings(everything), boots=clock.boot_ids)


async def test_a_gateway_without_the_floor_never_reaches_the_center_at_1970(tls_drill: Drill) -> None:
    """The control of the drill above."""
    drill = tls_drill
    drill.program = ("-m", "tests.drills.asking_gateway", "floorless")
    drill.start()
    await drill.bench.until(lambda: "not yet valid" in drill.bench.log_text("gateway"), "the refusal")
    await asyncio.sleep(3)  # some more attempts
    assert "uplink connected" not in drill.bench.log_text("gateway")
    assert drill.at_center() == []
