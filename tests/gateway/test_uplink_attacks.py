"""What a hostile broker, a replaying stranger or an unlucky line can do to a gateway's uplink."""

import asyncio
import datetime as dt
import json
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.clock import Anchor, CertificateTime, ClockQuality, ClockSource, ManualClock, Timekeeper
from gateway.clock.center import Sample, choose
from gateway.clock.memory import Memory
from gateway.errors import StoreRefused
from gateway.evidence.canonical import Json
from gateway.uplink import backoff, window
from gateway.uplink.command_message import Command, check_valid_now
from gateway.uplink.lanes import FreshMarks
from tests.broker import Mosquitto, Pki
from tests.gateway.test_tls import reach
from tests.gateway.uplink_bench import TOPICS, Bench, CenterClient, ack_of, center_on, until, uplink_on

TEN_YEARS_MS = 10 * 365 * 86_400_000
IN_2026 = 1_795_309_322_000


async def alarms_of(events: list[bytes], kind: str) -> int:
    return sum(1 for wire in events if json.loads(wire)["data"].get("kind") == kind)


async def test_replayed_acks_make_at_most_one_alarm_event_in_ten_seconds(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    """Two acks that the center once signed, again and again, in turns: rows that cannot be purged."""
    async with uplink_on(mosquitto.port, tmp_path / "s.db") as bench, center_on(mosquitto.port) as center:
        await center.online()
        await bench.append(3)
        epoch = bench.store.tail.epoch
        head = await bench.store.read(lambda box: box.hash_at(bench.store.tail.first_n))
        assert head is not None
        blocked = ack_of(epoch, 1, head, blocked={"seq": f"{2:016d}", "code": "unknown_kid"})
        free = ack_of(epoch, 1, head)
        before = bench.store.tail.seq
        began = asyncio.get_running_loop().time()
        for _ in range(10):
            await center.publish(TOPICS.ack, blocked)
            await center.publish(TOPICS.ack, free)
        await asyncio.sleep(12.0)
        took_s = asyncio.get_running_loop().time() - began
        made = bench.store.tail.seq - before
        print(f"\n{made} events within {took_s:.1f} s")
        assert made <= 2 + took_s / 10, f"{made} events within {took_s:.1f} s"


async def test_a_pile_of_old_acks_keeps_no_command_waiting(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """Each restart of a receiver leaves one for a gateway that is away; nothing new is in them."""
    async with uplink_on(mosquitto.port, tmp_path / "s.db") as bench, center_on(mosquitto.port) as center:
        await center.online()
        head = await bench.store.read(lambda box: box.hash_at(bench.store.tail.first_n))
        assert head is not None
        old = ack_of(bench.store.tail.epoch, 1, head)
        await center.publish(TOPICS.ack, old)
        await until(lambda: bench.store.waiting == 0, "the first ack")
        for _ in range(12):
            await center.publish(TOPICS.ack, old)
        began = asyncio.get_running_loop().time()
        cmdid = await center.command("ping", {})
        await center.answer("ping", cmdid)
        took_s = asyncio.get_running_loop().time() - began
        print(f"\nanswered after {took_s:.1f} s, behind 12 acks")
        assert took_s < 3.0


def failed(bench: Bench) -> float:
    """Attempts that did not become a connection."""
    return bench.count("mqtt_connects_total", result="refused")


async def test_two_long_outages_are_no_second_machine(
    tmp_path: Path, mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each attempt made a session of its own; the one that was online falls out of what is remembered."""
    monkeypatch.setattr(backoff, "LEAST_S", 0.02)
    monkeypatch.setattr(backoff, "MOST_S", 0.02)
    async with uplink_on(mosquitto.port, tmp_path / "s.db") as bench:
        for turn in (1, 2):
            await until(lambda: bench.uplink.state == "online", "the uplink")
            await asyncio.sleep(0.5)
            mosquitto.stop()
            await until(lambda t=turn: failed(bench) >= 20 * t, "twenty attempts")  # type: ignore[misc]
            mosquitto.start()
        await until(lambda: bench.uplink.state == "online", "the uplink")
        await asyncio.sleep(2.0)
        assert not any(key.startswith("duplicate_identity") for key in bench.alarms.standing)


async def test_an_outage_on_a_full_memory_of_sessions_is_no_sign(
    tmp_path: Path, mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backoff, "LEAST_S", 0.02)
    monkeypatch.setattr(backoff, "MOST_S", 0.02)
    async with uplink_on(mosquitto.port, tmp_path / "s.db") as bench:
        await until(lambda: bench.uplink.state == "online", "the uplink")
        await asyncio.sleep(0.5)
        mosquitto.stop()
        await until(lambda: failed(bench) >= 20, "twenty attempts")
        mosquitto.start()
        await until(lambda: bench.uplink.state == "online", "the uplink")
        await asyncio.sleep(1.0)
        assert len(bench.uplink._rooms.identity._signs) == 0


def test_what_is_fresh_is_forgotten_while_nobody_is_connected() -> None:
    """`first_fresh` prunes; it is called while connected only. A year of check-ins offline stays in memory."""
    marks = FreshMarks(1)
    for n in range(1, 100_001):
        marks.add(n, n * 1000)
    assert len(marks._marks) < 1000


def keeper(path: Path, clock: ManualClock, remembered: Memory) -> Timekeeper:
    return Timekeeper(clock, "0" * 32, path / "clock.json", remembered)


def usable(certificate_time: CertificateTime | None, machine_ms: int) -> bool:
    """Whether a certificate of 2026 to 2028 is believed."""
    at_ms = machine_ms if certificate_time is None else certificate_time.at_ms
    return at_ms < IN_2026 + 2 * 365 * 86_400_000


def test_an_unset_clock_ten_years_ahead_does_not_judge_certificates(tmp_path: Path) -> None:
    """Nobody vouches for it: it is no time that has passed."""
    clock = ManualClock(
        IN_2026 + TEN_YEARS_MS, 5_000, quality=ClockQuality.UNSYNCED, error_ms=None, source=ClockSource.NONE
    )
    found = keeper(tmp_path, clock, Memory(good_wall_ms=IN_2026)).certificate_time()
    assert usable(found, IN_2026 + TEN_YEARS_MS), f"judged at {found}"


def test_a_clock_chip_ten_years_ahead_does_not_judge_certificates(tmp_path: Path) -> None:
    clock = ManualClock(
        IN_2026 + TEN_YEARS_MS, 5_000, quality=ClockQuality.HOLDOVER, error_ms=None, source=ClockSource.RTC
    )
    found = keeper(tmp_path, clock, Memory(good_wall_ms=IN_2026)).certificate_time()
    assert usable(found, IN_2026 + TEN_YEARS_MS), f"judged at {found}"


def test_a_clock_chip_once_ahead_does_not_refuse_the_center_for_ever(tmp_path: Path) -> None:
    """Its time is in the recorded events; nobody vouched for it."""
    clock = ManualClock(61_000, 5_000, quality=ClockQuality.UNSYNCED, error_ms=None, source=ClockSource.NONE)
    time = keeper(tmp_path, clock, Memory(good_wall_ms=IN_2026))
    time.saw_events([(ClockQuality.HOLDOVER, IN_2026 + TEN_YEARS_MS)])
    choose([Sample(IN_2026, 5_000, 5_050)], time.floor_ms)


async def test_a_center_whose_clock_was_wrong_once_is_believed_when_it_is_right_again(tmp_path: Path) -> None:
    """An hour of a wrong clock at the center, on a network without a time server."""
    clock = ManualClock(61_000, 5_000, quality=ClockQuality.UNSYNCED, error_ms=None, source=ClockSource.NONE)
    time = keeper(tmp_path, clock, Memory(good_wall_ms=IN_2026 - 86_400_000))
    wrong = choose([Sample(IN_2026 + TEN_YEARS_MS, 5_000, 5_050)], time.floor_ms)
    rests_on(clock, wrong)
    await time.keep()
    later = keeper(
        tmp_path,
        ManualClock(61_000, 5_000, quality=ClockQuality.UNSYNCED, error_ms=None, source=ClockSource.NONE),
        Memory.from_text((tmp_path / "clock.json").read_text()),
    )
    assert usable(later.certificate_time(), 61_000), f"never connects again: {later.certificate_time()}"
    choose([Sample(IN_2026 + 86_400_000, 5_000, 5_050)], later.floor_ms)


def rests_on(clock: ManualClock, anchor: Anchor) -> None:
    clock.accept(anchor)


POISON = range(2, 10)  # eight events that the center sets aside each time: damaged on the card


async def ack_all_but_poison(center: CenterClient, epoch: str, head: bytes) -> None:
    """A center that holds everything that came, but for what it had to set aside."""
    acked = 0
    while True:
        await asyncio.sleep(0.05)
        came = {int(json.loads(wire)["sequence"]) for wire in center.events()} - set(POISON) - {1}
        if len(came) > acked:
            acked = len(came)
            sack: list[Json] = [[seq, seq] for seq in sorted(came)]
            await center.ack(epoch, 1, head, sack=sack[-256:])


@pytest.mark.parametrize("kind", ["identity.card_read", "checkin.completed"])
async def test_a_few_events_that_are_never_settled_stop_nobody_else(
    tmp_path: Path, mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """After a quiet night the window is at its least, and all of it is theirs. Patience is cut to a hundredth."""
    monkeypatch.setattr(window, "FIRST_PATIENCE_S", 0.3)
    monkeypatch.setattr(window, "MOST_PATIENCE_S", 9.0)
    async with uplink_on(mosquitto.port, tmp_path / "s.db") as bench, center_on(mosquitto.port) as center:
        await center.online()
        bench.sender.window.patience_s = 0.3
        head = await bench.store.read(lambda box: box.hash_at(bench.store.tail.first_n))
        assert head is not None
        acking = asyncio.create_task(ack_all_but_poison(center, bench.store.tail.epoch, head))
        await bench.append(30)
        await until(lambda: bench.store.waiting == len(POISON), "everything else")
        await until(lambda: bench.sender.window.size == window.LEAST, "a quiet night")
        first = bench.store.tail.seq + 1
        began = asyncio.get_running_loop().time()
        await bench.append(5, kind)

        def arrived() -> int:
            return len(
                {int(json.loads(wire)["sequence"]) for wire in center.events()} & set(range(first, first + 5))
            )

        with suppress(AssertionError):
            await until(lambda: arrived() == 5, "them", 12.0)
        took_s = asyncio.get_running_loop().time() - began
        acking.cancel()
        print(
            f"\n{arrived()} of 5 {kind} after {took_s:.1f} s; rewinds {bench.count('uplink_rewinds_total')}"
        )
        assert arrived() == 5
        assert took_s < 1.0


def test_a_clock_chip_that_nobody_vouches_for_refuses_no_command() -> None:
    now = ManualClock(
        IN_2026 + TEN_YEARS_MS, quality=ClockQuality.HOLDOVER, error_ms=None, source=ClockSource.RTC
    ).now()
    check_valid_now(Command("ping", "x", "s", IN_2026 + 300_000, {}), "s", now)


async def test_a_load_balancer_without_a_broker_behind_it_says_nothing_about_mqtt_5(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    """It takes connections and closes them. When the broker is back, everybody speaks 3.1.1 until restart."""
    alive, taken = False, 0
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal taken
        if not alive:
            writer.close()
            taken += 1
            return
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", mosquitto.port)

        async def pump(one: asyncio.StreamReader, other: asyncio.StreamWriter) -> None:
            while data := await one.read(65536):
                other.write(data)
            other.close()  # a line that ends on one side ends on the other

        await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer), return_exceptions=True)
        for one in (far_writer, writer):
            one.close()
        await asyncio.gather(far_writer.wait_closed(), writer.wait_closed(), return_exceptions=True)

    async with (
        await asyncio.start_server(serve, "127.0.0.1", 0) as balancer,
        uplink_on(balancer.sockets[0].getsockname()[1], tmp_path / "s.db", version="5") as bench,
    ):
        bench.uplink._auto_version = True
        await until(lambda: taken >= 2, "two attempts")
        alive = True
        await until(lambda: bench.uplink.state == "online", "the uplink", 30)
        assert bench.uplink.endpoint.version == "5"
    await asyncio.wait(serving, timeout=10)  # the lines end with the gateway's: none is left open


async def test_a_gateway_that_gives_its_line_up_does_not_stay_online_at_the_center(
    tmp_path: Path, mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that can no longer be read: the line ends with a DISCONNECT, which takes the will away."""
    async with uplink_on(mosquitto.port, tmp_path / "s.db") as bench, center_on(mosquitto.port) as center:
        await center.online()

        async def refused(*_args: object, **_kwargs: object) -> None:
            raise StoreRefused("store_io", "the disk reports errors")

        monkeypatch.setattr(bench.store, "read", refused)
        monkeypatch.setattr(bench.store, "run", refused)
        bench.sender.put_back()
        await until(lambda: bench.uplink.state == "offline", "the end of the line")
        await asyncio.sleep(3)
        assert bench.uplink.state == "offline"
        assert center.status()["state"] != "online", "nobody will ever say otherwise"
        monkeypatch.undo()


async def test_a_broker_at_2036_by_an_unset_clock_is_reached(tmp_path: Path, pki: Pki) -> None:
    """The same over a real handshake."""
    clock = ManualClock(
        IN_2026 + TEN_YEARS_MS, 5_000, quality=ClockQuality.UNSYNCED, error_ms=None, source=ClockSource.NONE
    )
    time = keeper(tmp_path, clock, Memory(good_wall_ms=IN_2026))
    until_2030 = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)
    pki.server = pki.dated_server(not_before=dt.datetime(2026, 1, 1, tzinfo=dt.UTC), not_after=until_2030)
    with Mosquitto(tmp_path / "broker", tls=pki) as broker:
        assert await reach(broker, pki, time.certificate_time()) == "connected"
