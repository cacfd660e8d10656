"""A place that was declared lost stays lost until its own event is here."""

import itertools
import random
from pathlib import Path

import pytest

from gateway.clock import ManualClock
from gateway.envelope import Draft, Place, Sealed, seal
from gateway.evidence.canonical import Json
from gateway.receiver.receiver import Receiver
from gateway.receiver.report import Completeness, report
from gateway.receiver.verdict import Chain, Outcome
from gateway.uplink.acks import read_ack
from gateway.uuid7 import uuid7
from tests.gateway.receiver_fixtures import (
    ACK,
    EPOCH,
    GW,
    KEY,
    ORG,
    chain,
    looking,
    message,
    receiving,
    record,
)

LATER = "00000002"


def placed(
    seq: int, previous: bytes, n: int, *, epoch: str = EPOCH, kind: str = "", data: Json = None
) -> Sealed:
    clock = ManualClock()
    draft = Draft(
        id=uuid7(1_795_309_400_000 + n),
        type=kind or "identity.card_read",
        subject=f"gateway/{GW}" if kind else "device/idcard-1",
        device="gateway" if kind else "idcard-1",
        at=clock.now(),
        data=data if isinstance(data, dict) else {"n": n},
    )
    return seal(draft, Place(ORG, GW, epoch, seq, previous), clock.now(), KEY)


def branch(root: Sealed, count: int) -> list[Sealed]:
    """Other events in the places after `root`, as a card makes them that forgot the first ones."""
    made = [root]
    for _ in range(count):
        made.append(placed(made[-1].seq + 1, made[-1].hash, 1000 + made[-1].seq))
    return made[1:]


def declaration(first: int, last: int) -> list[tuple[str, bytes]]:
    """What a salvaged gateway says in its next epoch."""
    (opening,) = chain(1, epoch=LATER)
    lost: Json = {"epoch": EPOCH, "from": first, "to": last, "reason": "salvaged"}
    told = placed(2, opening.hash, first, epoch=LATER, kind="system.range_lost", data=lost)
    return [message(opening), (message(opening)[0], told.wire)]


def lost_now(receiver: Receiver) -> tuple[int, tuple[tuple[int, int], ...], str]:
    """`upto`, `lost` and `head` of the epoch, as the gateway reads them."""
    state = receiver._turns.memory.book[GW][EPOCH]
    return state.cursor.upto, tuple(state.cursor.lost), state.head.hex()


@pytest.mark.usefixtures("on_both")
async def test_an_event_that_does_not_hang_on_its_neighbours_leaves_the_place_lost(tmp_path: Path) -> None:
    events, path = chain(10), tmp_path / "c.db"
    foreign = placed(7, bytes([9]) * 32, 7)
    async with receiving(path) as receiver:
        await receiver.accept_many([message(event) for event in events if event.seq != 7])
        await receiver.accept_many(declaration(7, 7))
        verdict = await receiver.accept(*message(foreign))
        assert (verdict.outcome, verdict.chain, verdict.fork) == (Outcome.ACCEPTED, Chain.BROKEN, False)
        assert lost_now(receiver) == (10, ((7, 7),), events[9].hash.hex())
        assert (await receiver.accept(*message(foreign))).outcome is Outcome.DUPLICATE
        assert [event.wire for event in await receiver.events_after(0)][-1] == foreign.wire, "kept"
    (old, _) = report(record(path))
    assert (old.lost, old.lost_ranges, old.missing) == (1, ((7, 7),), 0)
    assert old.completeness is Completeness.DECLARED
    async with receiving(path) as receiver:
        assert lost_now(receiver)[1] == ((7, 7),), "a restart knows it too"
        assert (await receiver.accept(*message(foreign))).outcome is Outcome.DUPLICATE
        verdict = await receiver.accept(*message(events[6]))
        assert (verdict.chain, verdict.fork) == (Chain.OK, True)
        assert lost_now(receiver) == (10, (), events[9].hash.hex()), "its own event proves itself"
    with looking(path) as db:
        kinds = {row[0] for row in db.execute("SELECT kind FROM alarm WHERE epoch = ?", (EPOCH,))}
    assert {"chain_broken", "fork", "range_lost"} <= kinds
    (old, _) = report(record(path))
    assert (old.lost, old.stored, old.forks) == (0, 11, 1)


@pytest.mark.usefixtures("on_both")
async def test_the_ack_lets_nobody_settle_what_is_not_here(tmp_path: Path) -> None:
    """A gateway that found the true 7 again must not lose it to another one in its place."""
    events = chain(10)
    async with receiving(tmp_path / "c.db") as receiver:
        await receiver.accept_many([message(event) for event in events if event.seq not in (6, 7, 8)])
        await receiver.accept_many(declaration(6, 8))
        await receiver.accept_many([message(event) for event in branch(events[4], 3)])
        ((_, wire),) = receiver.acks_pending()
        acks = read_ack(wire, GW, lambda _kid: ACK.public)
        ack = next(ack for ack in acks if ack.epoch == EPOCH)
        assert (ack.upto, ack.lost, ack.proven_at) == (10, ((6, 8),), 10)
        assert ack.head == events[9].hash.hex()


async def test_what_was_lost_at_the_end_and_re_used_keeps_the_head(tmp_path: Path) -> None:
    """Lost 6 to 8 are the last ones; another 6 hangs on nothing that is here."""
    events = chain(5)
    foreign = placed(6, bytes([9]) * 32, 6)
    async with receiving(tmp_path / "c.db") as receiver:
        await receiver.accept_many([*map(message, events), *declaration(6, 8)])
        assert lost_now(receiver) == (8, ((6, 8),), events[4].hash.hex())
        await receiver.accept(*message(foreign))
        assert lost_now(receiver) == (8, ((6, 8),), events[4].hash.hex())
    async with receiving(tmp_path / "c.db") as receiver:
        later = placed(9, bytes([8]) * 32, 9)
        await receiver.accept(*message(later))
        assert lost_now(receiver) == (9, ((6, 8),), later.hash.hex()), "what follows goes on"


async def test_an_event_without_neighbours_is_believed(tmp_path: Path) -> None:
    """Else its gateway would send it for ever: what stood beside it is gone."""
    events = chain(10)
    async with receiving(tmp_path / "c.db") as receiver:
        await receiver.accept_many([message(e) for e in events if e.seq not in (6, 7, 8)])
        await receiver.accept_many([*declaration(6, 8), message(events[6])])
        assert lost_now(receiver)[:2] == (10, ((6, 6), (8, 8)))


async def test_what_stood_there_before_the_declaration_is_weighed_too(tmp_path: Path) -> None:
    """It held `upto` up for good: now the place is lost, and the epoch goes on."""
    events = chain(10)
    foreign = placed(6, bytes([9]) * 32, 6)
    async with receiving(tmp_path / "c.db") as receiver:
        some = [e for e in events if e.seq not in (6, 7, 8)]
        await receiver.accept_many([message(event) for event in (*some, foreign)])
        assert lost_now(receiver)[:2] == (5, ())
        await receiver.accept_many(declaration(6, 8))
        assert lost_now(receiver) == (10, ((6, 8),), events[9].hash.hex())


@pytest.mark.parametrize("seed", range(12))
async def test_any_order_and_a_restart_come_to_the_same(tmp_path: Path, seed: int) -> None:
    """Of true events and those of a branch, some each; what is lost is what is not proven to be here."""
    chance = random.Random(seed)
    events = chain(12)
    others = branch(events[4], 4)  # 6 to 9 of another branch
    foreign = [placed(seq, bytes([seq]) * 32, seq) for seq in range(6, 10)]
    hole = [event for event in events if 6 <= event.seq <= 9]
    turned_up = [event for event in (*hole, *others, *foreign) if chance.random() < 0.5]
    steps = [*([message(event)] for event in turned_up), declaration(6, 9)]
    found = set()
    for number in range(4):
        chance.shuffle(steps)
        path = tmp_path / f"{number}.db"
        async with receiving(path) as receiver:
            await receiver.accept_many([message(event) for event in events if event not in hole])
            for step in steps:
                await receiver.accept_many(step)
            here = lost_now(receiver)
        async with receiving(path) as receiver:
            assert lost_now(receiver) == here
            # All that was lost is found: nothing that others left there stands in its way.
            await receiver.accept_many([message(event) for event in hole])
            assert lost_now(receiver) == (12, (), events[11].hash.hex())
        found.add(here[1])  # how far `upto` got by then may differ: what is told is never taken back
    (lost,) = found
    true = set(itertools.takewhile(lambda s: events[s - 1] in turned_up, range(9, 5, -1)))
    still = {seq for first, last in lost for seq in range(first, last + 1)}
    assert not still & true, "what the chain proves is not lost"
