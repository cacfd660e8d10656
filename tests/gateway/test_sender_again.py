"""Rows from memory and rows that wait again: none is passed over, none goes before its lane's turn."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from gateway.clock import ManualClock
from gateway.ingest.alarms import Alarms
from gateway.ingest.ingest import Ingest
from gateway.ingest.sealing import Sealer
from gateway.metrics import Metrics
from gateway.store import commands
from gateway.store.database import StoreDamaged
from gateway.store.db_thread import DbThread
from gateway.store.opening import StoreSettings
from gateway.store.outbox import URGENT_LANE
from gateway.store.store import Store, open_store
from gateway.uplink.center import Center
from gateway.uplink.resend import resend
from gateway.uplink.sender import Sender
from tests.gateway.store_fixtures import GATEWAY, ORG, SIGNER, draft, first_events, opening, running_store
from tests.gateway.uplink_bench import TOPICS, until


class Wire:
    """A connection on which everything is taken and, where wanted, settled at once."""

    def __init__(self) -> None:
        self.room = 1000
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.on_room: Callable[[], None] = lambda: None
        self.sent: list[bytes] = []

    def publish_event(
        self, _topic: str, wire: bytes, _puback: Callable[[int], None], *, replay: bool
    ) -> None:
        del replay
        self.sent.append(wire)


def sender_of(store: Store, clock: ManualClock, cap: int = 0) -> tuple[Sender, list[int]]:
    order: list[int] = []
    sender = Sender(
        store, TOPICS, Metrics(), drain_cap_per_s=cap, settle_on_puback=False, clock=clock,
        on_sent=order.append, on_settled=lambda _r: None,
    )  # fmt: skip
    store.on_commit(
        lambda _s, events, rows: sender.committed(
            rows, [(e.n, e.mono_ms) for e in events if e.lane == URGENT_LANE]
        )
    )
    return sender, order


def center_of(store: Store, sender: Sender, clock: ManualClock) -> Center:
    ingest = Ingest(store, clock, Sealer(GATEWAY, bytes(32), None), Metrics(), GATEWAY)
    return Center(
        gateway=GATEWAY, kid="event#1", store=store, sender=sender, clock=clock, ack_key=lambda _kid: SIGNER.public,
        alarms=Alarms(ingest, store), metrics=Metrics(), on_settled=lambda _r: None, on_rejected=lambda _n: None,
        opening=lambda stamp, data: opening(stamp)(data),
    )  # fmt: skip


async def settling(store: Store, sender: Sender) -> None:
    """The center: everything that is out is settled, again and again."""
    while True:
        out = sorted(sender.out.sent)
        if out:
            ranges = [(n, n) for n in out]
            count = await store.settle(ranges)
            sender.settled(ranges, count)
        await asyncio.sleep(0.001)


@pytest.mark.parametrize(
    "gated",
    [
        False,
        True,
    ],
)
async def test_what_is_put_back_while_a_lane_is_read_is_sent(tmp_path: Path, *, gated: bool) -> None:
    clock = ManualClock()
    async with running_store(tmp_path / "s.db", clock) as store:
        await store.append([draft(clock.now(), "device.online") for _ in range(3000)], clock.now())
        await store.settle([(1, 3001)])
        sender, order = sender_of(store, clock)
        wire = Wire()
        running = asyncio.create_task(sender.run(wire))  # type: ignore[arg-type]
        center = asyncio.create_task(settling(store, sender))
        await asyncio.sleep(0.05)
        real, held = store.read, asyncio.Event()
        if gated:
            # the read that follows the first rows is answered just behind the second `put_back`
            async def read(fn: Any) -> Any:
                result = await real(fn)
                if order and not held.is_set():
                    await held.wait()
                return result

            store.read = read  # type: ignore[method-assign]
        if gated:
            await store.run(lambda box: commands.put_back(box, 1001, 2000))
            sender.put_back()
            await until(lambda: len(order) >= 500, "the first rows", 5)
            await asyncio.sleep(0.1)
            await store.run(lambda box: commands.put_back(box, 1, 1000))  # another resend, of earlier ones
            sender.put_back()
            held.set()
            want = set(range(1, 2001))
        else:
            epoch = store.tail.epoch
            await resend(
                store, {"epoch": epoch, "from": "0000000000000001", "to": "0000000000003000"}, sender.put_back
            )
            want = set(range(1, 3001))
        with suppress(AssertionError):  # what is missing is told below
            await until(lambda: want <= set(order), "all that waits", 5)
        missing = sorted(want - set(order))
        running.cancel()
        center.cancel()
        await asyncio.gather(running, center, return_exceptions=True)
        assert not missing, (
            f"{len(missing)} wait on disk and are not sent: {missing[:3]}...; waiting {store.waiting}"
        )


async def test_a_backlog_found_at_the_start_is_old_and_keeps_the_drain_cap(tmp_path: Path) -> None:
    """As the program builds it: the sender before the store has started."""
    clock, path = ManualClock(), tmp_path / "s.db"
    async with running_store(path, clock) as store:
        await store.append([draft(clock.now(), "checkin.completed") for _ in range(400)], clock.now())
    store = await open_store(
        StoreSettings(path=path, org=ORG, gateway=GATEWAY, reserve_mib=1), SIGNER, clock.now()
    )
    sender, order = sender_of(store, clock, cap=10)
    await store.start(clock.now(), first_events(clock.now()))
    sender.begin()
    wire = Wire()
    running = asyncio.create_task(sender.run(wire))  # type: ignore[arg-type]
    center = asyncio.create_task(settling(store, sender))
    await asyncio.sleep(1.0)
    for task in (running, center):
        task.cancel()
    await asyncio.gather(running, center, return_exceptions=True)
    await store.close(clean=True)
    assert len(order) <= 30, f"{len(order)} old events in one second with a cap of 10 a second"


async def test_an_event_that_was_issued_again_is_not_sent_at_its_old_place(tmp_path: Path) -> None:
    clock = ManualClock()
    async with running_store(tmp_path / "s.db", clock) as store:
        sender, order = sender_of(store, clock)
        wire = Wire()
        wire.room = 0
        running = asyncio.create_task(sender.run(wire))  # type: ignore[arg-type]
        await asyncio.sleep(0.1)
        old = await store.append([draft(clock.now()) for _ in range(5)], clock.now())
        await asyncio.sleep(0.05)
        await center_of(store, sender, clock)._leave(store.tail.epoch, "chain_mismatch", {})
        wire.room = 1000
        wire.on_room()
        await asyncio.sleep(0.3)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert not {e.n for e in old} & set(order), f"sent: {order}"


async def test_every_event_goes_out_in_its_lanes_order_while_commits_and_reads_race(tmp_path: Path) -> None:
    clock = ManualClock()
    async with running_store(tmp_path / "s.db", clock) as store:
        sender, order = sender_of(store, clock)
        wire = Wire()
        running = asyncio.create_task(sender.run(wire))  # type: ignore[arg-type]
        center = asyncio.create_task(settling(store, sender))
        placed: list[Any] = []

        def fails(_placed: object) -> None:
            raise KeyError("a bug of some job in the batch")

        async def one(i: int) -> None:
            kind = "checkin.completed" if i % 3 else "device.online"
            try:
                if i % 7 == 0:
                    await store.run(lambda box: fails(box.append([draft(clock.now())], clock.now())))
                else:
                    placed.extend(
                        await store.append([draft(clock.now(), kind) for _ in range(1 + i % 40)], clock.now())
                    )
            except KeyError:
                pass

        for block in range(15):
            await asyncio.gather(*(one(block * 20 + i) for i in range(20)))
            await asyncio.sleep(0.002 * (block % 3))
        await until(lambda: {e.n for e in placed} <= set(order), "all of it sent", 10)
        running.cancel()
        center.cancel()
        await asyncio.gather(running, center, return_exceptions=True)
        by_n = {e.n: e.lane for e in placed}
        assert set(order) <= set(by_n) | {1}, "something was sent that is not on disk"
        assert len(order) == len(set(order)), "sent twice"
        for lane in (0, 1):
            mine = [n for n in order if by_n.get(n) == lane]
            assert mine == sorted(mine), f"lane {lane} out of order"


async def test_a_damaged_waiting_row_is_damage_for_the_sender_and_the_next_start(tmp_path: Path) -> None:
    """Deep in the backlog: the start looks at the newest 64 only, the chain check at 400 a second."""
    clock, path = ManualClock(), tmp_path / "s.db"
    async with running_store(path, clock, clean=False) as store:
        await store.append([draft(clock.now()) for _ in range(100)], clock.now())
        await store.run(lambda box: box._execute("UPDATE event SET wire = zeroblob(600) WHERE n = 5") is None)
    async with running_store(path, clock, clean=False) as store:
        sender, _ = sender_of(store, clock)
        with pytest.raises(StoreDamaged):
            await asyncio.wait_for(sender.run(Wire()), 5)  # type: ignore[arg-type]


async def test_a_disk_that_is_never_idle_does_not_keep_the_sender_from_sending(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each question meets a commit then: it must not be asked again until none does."""
    clock = ManualClock()
    real = DbThread._sql

    def slow(self: DbThread, statement: str) -> None:
        real(self, statement)
        if statement == "COMMIT":
            time.sleep(0.01)

    async with running_store(tmp_path / "s.db", clock) as store:
        await store.append([draft(clock.now()) for _ in range(300)], clock.now())
        sender, _ = sender_of(store, clock)
        sender.begin()
        monkeypatch.setattr(DbThread, "_sql", slow)
        stored = 0

        async def produce() -> None:
            nonlocal stored
            while True:
                await store.append([draft(clock.now())], clock.now())
                stored += 1

        wire = Wire()
        tasks = [asyncio.create_task(produce()), asyncio.create_task(sender.run(wire))]  # type: ignore[arg-type]
        sender.window.size = 10_000
        await until(lambda: stored > 30 and len(wire.sent) > 330, "backlog and what is new")
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
