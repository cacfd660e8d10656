"""When info and status are said. The connection only takes down what is published; time is handed in."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

from gateway.clock import ClockQuality, ManualClock
from gateway.mqtt_bridge import Closed, Connection
from gateway.uplink.announcer import Announcer
from tests.gateway.store_fixtures import SIGNER, opening, running_store
from tests.gateway.uplink_bench import TOPICS


class Wall:
    """Takes down topics."""

    def __init__(self) -> None:
        self.topics: list[str] = []
        self.closed: asyncio.Future[Closed] = asyncio.get_running_loop().create_future()

    def publish(self, topic: str, _payload: bytes, *, retain: bool = False) -> "asyncio.Future[int]":
        assert retain
        self.topics.append(topic.removeprefix(f"{TOPICS.root}/"))
        return asyncio.get_running_loop().create_future()

    def said(self) -> list[str]:
        """Since the last look."""
        topics, self.topics = self.topics, []
        return topics


@asynccontextmanager
async def announcing(path: Path, clock: ManualClock) -> AsyncIterator[tuple[Announcer, Wall]]:
    async with running_store(path, clock) as store:
        announcer = Announcer(
            topics=TOPICS,
            store=store,
            clock=clock,
            signer=SIGNER,
            devices=lambda: (),
            capabilities=(),
            ack_mode="center",
            on_puback=lambda _what, _code: None,
        )
        wall = Wall()
        await announcer.will("session", "5")
        await announcer.greet(cast(Connection, wall), 0.0)
        assert wall.said() == ["info", "status"]
        yield announcer, wall


async def test_status_is_said_every_minute_and_when_the_clocks_quality_changes(tmp_path: Path) -> None:
    clock = ManualClock()
    async with announcing(tmp_path / "s.db", clock) as (announcer, wall):
        said = []
        for second in range(1, 200):
            if second == 90:
                clock.set_quality(ClockQuality.HOLDOVER)
            await announcer.look(float(second), blocked=False)
            said += [(second, topic) for topic in wall.said()]
        assert said == [(60, "status"), (90, "status"), (150, "status")]


async def test_info_and_status_are_said_when_an_epoch_opens(tmp_path: Path) -> None:
    clock = ManualClock()
    async with announcing(tmp_path / "s.db", clock) as (announcer, wall):
        store = announcer._store
        await store.leave_epoch(store.tail.epoch, "chain_mismatch", clock.now(), opening(clock.now()))
        await announcer.look(1.0, blocked=False)
        assert wall.said() == ["info", "status"]
        await announcer.look(2.0, blocked=False)
        assert wall.said() == []


async def test_info_is_said_again_ever_more_rarely_while_the_key_is_unknown(tmp_path: Path) -> None:
    async with announcing(tmp_path / "s.db", ManualClock()) as (announcer, wall):
        at = []
        for second in range(5000):
            await announcer.look(float(second), blocked=True)
            at += [second for topic in wall.said() if topic == "info"]
        assert [b - a for a, b in itertools.pairwise(at)] == [60, 120, 240, 480, 900, 900, 900, 900]
        await announcer.look(5000.0, blocked=False)
        await announcer.look(5001.0, blocked=True)
        assert "info" in wall.said(), "blocked anew: at once"
