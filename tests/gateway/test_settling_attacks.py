"""A real receiver's acks against a real store: nothing is settled that the center does not hold."""

from collections.abc import Iterable
from pathlib import Path

from gateway.clock import ManualClock
from gateway.evidence import canonical
from gateway.evidence.canonical import Json
from gateway.evidence.keys import Role, TrustedKey, TrustStore
from gateway.receiver.receiver import Receiver
from gateway.store.models import Event
from gateway.store.store import Store
from gateway.uplink.acks import read_ack
from gateway.uplink.settling import Applied, apply
from tests.gateway.receiver_fixtures import ACK, GW, ROOT, Time, receiving, status
from tests.gateway.store_fixtures import SIGNER, draft, running_store
from tests.gateway.test_receiver_resends import asked, span, told

TRUST = TrustStore(
    [
        TrustedKey(SIGNER.kid, Role.GATEWAY, GW, SIGNER.public.public_bytes_raw()),
        TrustedKey(ACK.kid, Role.ACK, None, ACK.public.public_bytes_raw()),
    ]
)


async def wires(store: Store) -> dict[int, bytes]:
    """Every stored event by sequence."""
    rows = await store.run(lambda _box: [(row.n, bytes(row.wire)) for row in Event.select()])
    return {n - store.tail.first_n + 1: wire for n, wire in rows}


async def give(receiver: Receiver, events: Iterable[bytes]) -> None:
    batch = []
    for wire in events:
        kind = str(canonical.decode(wire)["type"]).split(".")[2]
        batch.append((f"{ROOT}evt/{kind}", wire))
    verdicts = await receiver.accept_many(batch)
    assert {verdict.outcome.value for verdict in verdicts} == {"accepted"}


async def answered(store: Store, receiver: Receiver, sent: Iterable[int] = ()) -> Applied:
    """The pending ack reaches the gateway."""
    receiver.ack_everybody()
    ((_, wire),) = receiver.acks_pending()
    return await apply(store, read_ack(wire, GW, lambda _kid: ACK.public), list(sent))


async def declare(receiver: Receiver, time: Time, epoch: str, last: int, gaps: list[Json]) -> None:
    """The gateway says, asked for it, that some sequences are not there."""
    said = {"epoch": epoch, "last_seq": f"{last:016d}"}
    await receiver.accept(*status(time, **said))
    await receiver.look_after()
    time.pass_s(601)
    (command,) = await asked(receiver)
    await receiver.accept(*told(command, unavailable=gaps))


async def filled(store: Store, clock: ManualClock, count: int) -> dict[int, bytes]:
    await store.append([draft(clock.now()) for _ in range(count - 1)], clock.now())
    return await wires(store)


async def test_what_was_lost_and_turns_up_leaves_the_chain_sound(tmp_path: Path) -> None:
    clock, time = ManualClock(), Time()
    async with (
        running_store(tmp_path / "s.db", clock) as store,
        receiving(tmp_path / "c.db", time, TRUST) as center,
    ):
        held = await filled(store, clock, 7)
        await give(center, [held[seq] for seq in range(2, 6)])
        await give_opening(center, held[1])
        await declare(center, time, store.tail.epoch, 7, [span(6, 7)])
        await give(center, [held[7]])
        assert (await answered(store, center)).mismatched == []


async def give_opening(center: Receiver, wire: bytes) -> None:
    """Of the store's fixture: without the members that the center wants, so it is stored and refused."""
    await center.accept(f"{ROOT}evt/system", wire)


async def test_many_lost_ranges_make_no_other_chain(tmp_path: Path) -> None:
    """A center that was restored asks a gateway whose fixes are purged and whose check-ins are not."""
    clock, time = ManualClock(), Time()
    async with (
        running_store(tmp_path / "s.db", clock) as store,
        receiving(tmp_path / "c.db", time, TRUST) as center,
    ):
        held = await filled(store, clock, 601)
        await give_opening(center, held[1])
        await give(center, [held[seq] for seq in range(3, 602, 2)])
        gone = range(2, 602, 2)
        await declare(center, time, store.tail.epoch, 601, [span(seq, seq) for seq in gone])
        first = store.tail.first_n
        await store.run(
            lambda _box: Event.delete().where(Event.n.in_([first + s - 1 for s in (600,)])).execute()
        )
        before = store.waiting
        applied = await answered(store, center)
        assert applied.mismatched == []
        assert before - store.waiting <= 301, "events were settled that the center does not hold"


async def test_a_rolled_back_card_settles_nothing_that_only_its_successor_proves(tmp_path: Path) -> None:
    """The center holds another branch; fresh check-ins come before the backlog; the broker forgot the ack."""
    clock = ManualClock()
    async with (
        running_store(tmp_path / "s.db", clock) as store,
        receiving(tmp_path / "c.db", Time(), TRUST) as center,
    ):
        held = await filled(store, clock, 5)
        await give_opening(center, held[1])
        await give(center, [held[seq] for seq in range(2, 6)])
        branch = await other_branch(tmp_path, store, held, 5)
        await give(center, branch)  # 6 to 10 as the card had them before it was put back
        held = await filled(store, clock, 11)  # 6 to 15 of this life
        await give(center, [held[seq] for seq in range(11, 16)])
        applied = await answered(store, center, sent=[store.tail.first_n + seq - 1 for seq in range(11, 16)])
        waiting = await store.run(lambda box: box.lowest_waiting_from(store.tail.first_n))
        assert applied.mismatched or waiting == store.tail.first_n + 5, (
            "sequences 6 to 10 are settled; the center never had them"
        )


async def other_branch(folder: Path, store: Store, held: dict[int, bytes], count: int) -> list[bytes]:
    """What another life of the same card put behind `held`."""
    from gateway.envelope import Place, seal
    from tests.gateway.store_fixtures import GATEWAY, ORG

    clock, last, made = ManualClock(1_700_000_000_000), store.tail.hash, []
    for seq in range(len(held) + 1, len(held) + 1 + count):
        event = seal(
            draft(clock.now(), n=seq), Place(ORG, GATEWAY, store.tail.epoch, seq, last), clock.now(), SIGNER
        )
        made.append(event.wire)
        last = event.hash
    return made


async def test_a_lost_end_that_is_not_listed_makes_no_other_chain(tmp_path: Path) -> None:
    """257 ranges are lost, the last one up to `upto`; the gateway still has what came after."""
    clock, time = ManualClock(), Time()
    async with (
        running_store(tmp_path / "s.db", clock) as store,
        receiving(tmp_path / "c.db", time, TRUST) as center,
    ):
        held = await filled(store, clock, 602)
        await give_opening(center, held[1])
        await give(center, [held[seq] for seq in range(3, 601, 2)])
        gone = [*range(2, 601, 2), 601]
        await declare(center, time, store.tail.epoch, 601, [span(seq, seq) for seq in gone])
        assert (await answered(store, center)).mismatched == []


async def test_an_event_given_up_as_lost_is_settled_by_its_arrival_not_by_its_sending(tmp_path: Path) -> None:
    """It was sent just now and is on its way; the ack that crosses it still calls it lost."""
    clock, time = ManualClock(), Time()
    async with (
        running_store(tmp_path / "s.db", clock) as store,
        receiving(tmp_path / "c.db", time, TRUST) as center,
    ):
        held = await filled(store, clock, 8)
        await give_opening(center, held[1])
        await give(center, [held[seq] for seq in (2, 3, 4, 5, 8)])
        await declare(center, time, store.tail.epoch, 8, [span(6, 7)])
        await answered(store, center, sent=[store.tail.first_n + 6])  # the broker drops it
        assert store.waiting == 2, "sequence 7 is settled; the center never had it"
