"""Several workers on one record: each gateway has one of them, and who has lost it can neither commit nor ack."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import StartError
from gateway.evidence.keys import Role, TrustedKey, TrustStore
from gateway.receiver import leases
from gateway.receiver.leases import Worker
from gateway.receiver.notices import NOBODY
from gateway.receiver.receiver import Receiver, ReceiverSettings
from gateway.receiver.report import report
from gateway.receiver.verdict import Outcome
from tests.gateway.receiver_fixtures import (
    ACK,
    GW,
    KEY,
    ROOT,
    TRUSTED,
    Time,
    chain,
    looking,
    message,
    opened,
    record,
    request,
)

OTHERS = tuple(f"gw-370102-{n:02}" for n in range(2, 30))
TRUST = TrustStore(
    [*TRUSTED, *(TrustedKey(f"{gw}#1", Role.GATEWAY, gw, KEY.public.public_bytes_raw()) for gw in OTHERS)]
)
EVERYBODY: frozenset[str] | None = frozenset({GW, *OTHERS, NOBODY})
WITHOUT_OURS = TrustStore([key for key in TRUST.everybody() if key.gateway != GW])

pytestmark = pytest.mark.usefixtures("on_both")


@pytest.fixture(autouse=True)
def _one_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both kinds of database by the clock of the test."""
    monkeypatch.setattr("gateway.receiver.postgres.Postgres.now_ms", lambda _self, _c, wall_ms: wall_ms())


@asynccontextmanager
async def working(
    path: Path, time: Time, *names: str, trust: TrustStore = TRUST
) -> AsyncIterator[list[Receiver]]:
    """Workers that have joined, one after the other, and beaten until nothing moves."""
    async with AsyncExitStack() as stack:
        workers = []
        for name in names:
            settings = ReceiverSettings(
                database=record(path), trust=trust, ack_signer=ACK, worker=Worker(name),
                wall_ms=lambda: time.wall_ms, mono_s=lambda: time.mono_s,
            )  # fmt: skip
            workers.append(await Receiver.open(settings))
            stack.push_async_callback(workers[-1].close)
            await beat(time, *workers)
        await beat(time, *workers, *workers)
        yield workers


async def beat(time: Time, *workers: Receiver) -> None:
    for worker in workers:
        time.pass_s(0.1)
        await worker.beat()


def owner(workers: list[Receiver], gateway: str = GW) -> tuple[Receiver, Receiver]:
    """Who has it, and who has not."""
    (has,) = [worker for worker in workers if gateway in (worker.gateways or ())]
    (other,) = [worker for worker in workers if worker is not has]
    return has, other


def acked(worker: Receiver) -> int | None:
    """How far our gateway's ack that is to go out now goes."""
    for topic, payload in worker.acks_pending():
        if topic == f"{ROOT}ack":
            epochs: Any = opened(payload)["epochs"]
            return int(epochs[0]["upto"])
    return None


async def test_every_gateway_has_one_worker_and_each_has_its_share(tmp_path: Path) -> None:
    async with working(tmp_path / "c.db", Time(), "a", "b", "c") as workers:
        shares = [worker.gateways or frozenset() for worker in workers]
        assert sum(len(share) for share in shares) == len(EVERYBODY or ())
        assert frozenset().union(*shares) == EVERYBODY
        assert min(len(share) for share in shares) >= 3


async def test_only_its_worker_takes_an_event_and_speaks(tmp_path: Path) -> None:
    events = chain(3)
    async with working(tmp_path / "c.db", Time(), "a", "b") as workers:
        has, other = owner(workers)
        for worker, outcome in ((other, Outcome.IGNORED), (has, Outcome.ACCEPTED)):
            verdicts = await worker.accept_many([message(event) for event in events])
            assert [verdict.outcome for verdict in verdicts] == [outcome] * 3
        assert (acked(has), acked(other)) == (3, None)
        asked = request("time", reqid="t-1", mono="5")
        assert has.answer_at_once(*asked) is not None
        assert other.answer_at_once(*asked) is None


async def test_a_silent_worker_loses_its_gateways_and_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    time, events = Time(), chain(9)
    async with working(tmp_path / "c.db", time, "a", "b") as workers:
        dead, other = owner(workers)
        for event in events[:5]:
            await dead.accept(*message(event))
            await other.accept(*message(event))  # every worker hears everything
        await other.accept(*message(events[5]))  # what nobody took
        time.pass_s(11)
        assert acked(dead) is None, "it does not know who has them by now"
        await other.beat()
        assert GW in (other.gateways or ())
        assert acked(other) == 6, "with what was overheard, at once"
        for event in events[4:8]:
            verdict = await dead.accept(*message(event))
            assert (verdict.outcome, verdict.code) == (Outcome.IGNORED, "not_mine")
        assert GW not in (dead.gateways or ()), "it has noticed"
        await other.accept_many([message(event) for event in events[6:]])
        await dead.beat()
        await beat(time, *workers)
        has, _ = owner(workers)
        assert (await has.accept(*message(events[-1]))).outcome is Outcome.DUPLICATE
        assert acked(has) == 9
    (epoch,) = report(record(tmp_path / "c.db"))
    assert (epoch.stored, epoch.complete, epoch.intact) == (9, True, True)


async def test_without_the_fence_the_record_would_go_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: a worker that does not look whether the lease is still its own."""
    monkeypatch.setattr(leases, "check", lambda *_: None)
    time, events = Time(), chain(9)
    async with working(tmp_path / "c.db", time, "a", "b") as workers:
        dead, other = owner(workers)
        await dead.accept(*message(events[0]))
        time.pass_s(11)
        await other.beat()
        await other.accept_many([message(event) for event in events[1:8]])
        verdict = await dead.accept(*message(events[8]))
        assert verdict.outcome is Outcome.ACCEPTED
    with looking(tmp_path / "c.db") as db:
        assert db.execute("SELECT upto FROM cursor").fetchone()[0] == 1, "eight are stored"


async def test_who_gives_back_is_followed_at_the_next_beat(tmp_path: Path) -> None:
    time, events = Time(), chain(4)
    async with working(tmp_path / "c.db", time, "a", "b") as workers:
        has, other = owner(workers)
        await has.accept_many([message(event) for event in events[:2]])
        await has.give_back()
        assert (await has.accept(*message(events[2]))).code == "not_mine"
        await other.beat()
        assert other.gateways == EVERYBODY
        assert acked(other) == 2
        assert (await other.accept(*message(events[2]))).outcome is Outcome.ACCEPTED
        await has.beat()
        assert not has.gateways, "the other has them until it gives them back"


async def test_a_new_run_of_a_worker_follows_at_once_and_the_old_one_ends(tmp_path: Path) -> None:
    time, events = Time(), chain(3)
    async with working(tmp_path / "c.db", time, "a") as (old,):
        await old.accept(*message(events[0]))
        async with working(tmp_path / "c.db", time, "a") as (new,):
            assert new.gateways == EVERYBODY
            assert acked(new) == 1
            assert (await old.accept(*message(events[1]))).code == "not_mine"
            assert (await new.accept(*message(events[1]))).outcome is Outcome.ACCEPTED
            with pytest.raises(StartError) as raised:
                await old.beat()
            assert raised.value.code == "worker_replaced"


async def test_one_who_works_alone_and_workers_exclude_each_other(tmp_path: Path) -> None:
    alone = ReceiverSettings(database=record(tmp_path / "c.db"), trust=TRUST, ack_signer=ACK)
    async with working(tmp_path / "c.db", Time(), "a", "b"):
        with pytest.raises(StartError) as raised:
            await Receiver.open(alone)
        assert raised.value.code == "store_in_use"
    receiver = await Receiver.open(alone)
    with pytest.raises(StartError):
        async with working(tmp_path / "c.db", Time(), "a"):
            pass
    await receiver.close()


async def test_a_parked_event_is_judged_by_whoever_has_its_gateway_when_the_key_is_known(
    tmp_path: Path,
) -> None:
    (event,) = chain(1)
    async with working(tmp_path / "c.db", Time(), "a", "b", trust=WITHOUT_OURS) as workers:
        parks, _ = owner(workers, NOBODY)
        assert (await parks.accept(*message(event))).outcome is Outcome.PARKED
        released = []
        for worker in workers:
            released += await worker.retrust(TRUST)
        await beat(Time(), *workers, *workers)
        for worker in workers:
            released += await worker.look_after()
        assert [verdict.outcome for verdict in released] == [Outcome.ACCEPTED]
        assert acked(owner(workers)[0]) == 1


async def test_workers_that_write_at_once_number_events_in_order_of_commit(tmp_path: Path) -> None:
    async with working(tmp_path / "c.db", Time(), "a", "b") as workers:
        has, other = owner(workers)
        theirs = next(gateway for gateway in OTHERS if gateway in (other.gateways or ()))

        async def ours() -> None:
            for event in chain(30):
                await has.accept(*message(event))

        async def foreign() -> None:
            for event in chain(30, epoch="0badcafe"):
                topic, wire = message(event)
                await other.accept(topic.replace(GW, theirs), wire)  # quarantined: another's source

        await asyncio.gather(ours(), foreign())
        assert [event.n for event in await has.events_after(0)] == list(range(1, 31))
        with looking(tmp_path / "c.db") as db:
            assert db.execute("SELECT count(*) FROM quarantine").fetchone()[0] == 30
