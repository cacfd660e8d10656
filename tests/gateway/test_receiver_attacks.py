"""What a hostile, newer or unlucky gateway can do to the center: each claim was tried against the library."""

from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.clock import ManualClock
from gateway.envelope import GENESIS, Draft, Place, Sealed, seal, sequence
from gateway.evidence import canonical
from gateway.evidence.canonical import Json
from gateway.evidence.jws import Signer
from gateway.evidence.keys import Role, TrustedKey, TrustStore
from gateway.receiver.receiver import Receiver
from gateway.receiver.verdict import Outcome
from gateway.uplink.acks import EpochAck, read_ack
from gateway.uuid7 import uuid7, uuid8_record
from tests.gateway.receiver_fixtures import (
    ACK,
    EPOCH,
    GW,
    KEY,
    ORG,
    ROOT,
    TRUSTED,
    Time,
    chain,
    looking,
    message,
    receiving,
    status,
)
from tests.gateway.test_receiver_resends import asked, span, told

pytestmark = pytest.mark.usefixtures("on_both")

OTHER = "gw-370102-02"
OTHER_KEY = Signer(f"{OTHER}#1", Ed25519PrivateKey.from_private_bytes(bytes([8]) * 32))
BOTH = TrustStore(
    [*TRUSTED, TrustedKey(OTHER_KEY.kid, Role.GATEWAY, OTHER, OTHER_KEY.public.public_bytes_raw())]
)


def last_ack(receiver: Receiver) -> EpochAck:
    """What the gateway reads out of the ack that is pending."""
    ((_, wire),) = receiver.acks_pending()
    return read_ack(wire, GW, lambda _kid: ACK.public)[0]


def of_newer_major(kind: str, data: dict[str, Json], seq: int, prevhash: bytes) -> tuple[str, bytes]:
    """An event of a known type in a major version that this center does not know."""
    (event,) = chain(1)
    content = canonical.decode(event.wire)
    del content["jws"]
    content |= {
        "type": f"cn.zhijiao.{kind}", "dataschema": f"urn:zhijiao:schema:{kind}:2", "data": data,
        "sequence": sequence(seq), "prevhash": prevhash.hex(),
    }  # fmt: skip
    return f"{ROOT}evt/system", KEY.sign_object(content)


async def test_an_opening_of_a_newer_major_is_stored_and_not_understood(tmp_path: Path) -> None:
    async with receiving(tmp_path / "c.db") as receiver:
        newer = of_newer_major("system.epoch_opened", {"why": "other words"}, 1, GENESIS)
        assert (await receiver.accept(*newer)).outcome is Outcome.ACCEPTED


async def test_a_lost_range_of_a_newer_major_is_stored_and_not_understood(tmp_path: Path) -> None:
    async with receiving(tmp_path / "c.db") as receiver:
        (first,) = chain(1)
        newer = of_newer_major("system.range_lost", {"ranges": []}, 2, first.hash)
        verdicts = await receiver.accept_many([message(first), newer])
        assert [verdict.outcome for verdict in verdicts] == [Outcome.ACCEPTED] * 2


async def test_the_head_is_the_hash_at_upto_when_what_was_lost_turns_up(tmp_path: Path) -> None:
    """Else the gateway compares its own hash with that of an earlier event and leaves a sound epoch."""
    time = Time()
    async with receiving(tmp_path / "c.db", time) as receiver:
        events = chain(7)
        await receiver.accept_many([message(event) for event in events[:5]])
        await receiver.accept(*status(time, last_seq=sequence(7)))
        await receiver.look_after()
        time.pass_s(601)
        (command,) = await asked(receiver)
        await receiver.accept(*told(command, unavailable=[span(6, 7)]))
        assert (last_ack(receiver).upto, last_ack_head(receiver)) == (7, events[4].hash.hex())
        await receiver.accept(*message(events[6]))
        ack = last_ack(receiver)
        assert (ack.upto, ack.lost, ack.proven_at) == (7, ((6, 6),), 7)
        assert ack.head == events[6].hash.hex()


def last_ack_head(receiver: Receiver) -> str:
    receiver.ack_everybody()
    return last_ack(receiver).head


async def test_an_ack_with_more_lost_ranges_than_it_can_list_says_nothing_false(tmp_path: Path) -> None:
    """`upto` may not pass a lost range that is not listed: the gateway would settle it, or doubt the chain."""
    time = Time()
    async with receiving(tmp_path / "c.db", time) as receiver:
        events = chain(600)
        await receiver.accept_many([message(event) for event in events if event.seq % 2 or event.seq == 600])
        while True:
            await receiver.accept(*status(time, last_seq=sequence(600)))
            commands = await asked(receiver)
            if commands:
                gaps: list[Json] = [span(n, n) for n in range(2, 600, 2)]
                await receiver.accept(*told(commands[0], unavailable=gaps))
                break
            time.pass_s(601)
        receiver.acks_pending()
        receiver.ack_everybody()
        ack = last_ack(receiver)
        lost = {seq for first, last in ack.lost for seq in range(first, last + 1)}
        held = {event.seq for event in events if event.seq % 2 or event.seq == 600}
        said = set(range(1, ack.upto + 1)) - lost
        assert said <= held, f"settles {len(said - held)} events that the center does not hold"


def at(place: Place, key: Signer, event_id: str, **data: Json) -> Sealed:
    clock = ManualClock()
    draft = Draft(
        id=event_id, type="identity.card_read", subject="device/idcard-1", device="idcard-1", at=clock.now(),
        data=data,
    )  # fmt: skip
    return seal(draft, place, clock.now(), key)


async def test_a_refused_event_does_not_stand_for_the_fact(tmp_path: Path) -> None:
    """A record read again by a repaired gateway has the same identity (version 8) and was never acted upon."""
    record = uuid8_record("sn-1", 7, b"t", bytes(32))
    async with receiving(tmp_path / "c.db") as receiver:
        (first,) = chain(1)
        clock = ManualClock()
        bad = Draft(
            id=record,
            type="identity.card_read",
            subject="device/idcard-1",
            device="NO NAME",
            at=clock.now(),
            data={},
        )
        refused = seal(bad, Place(ORG, GW, EPOCH, 2, first.hash), clock.now(), KEY)
        good = seal(replace(bad, device="idcard-1"), Place(ORG, GW, EPOCH, 3, refused.hash), clock.now(), KEY)
        verdicts = await receiver.accept_many([message(event) for event in (first, refused, good)])
        assert [v.outcome for v in verdicts] == [Outcome.ACCEPTED, Outcome.REJECTED, Outcome.ACCEPTED]
        assert [e.seq for e in await receiver.events_after(0)] == [1, 3]
        assert not verdicts[2].repeated, "nobody at the center ever acts on this fact"


async def test_an_identity_that_another_gateway_used_hides_no_event(tmp_path: Path) -> None:
    event_id = uuid7(1_795_309_322_000)
    async with receiving(tmp_path / "c.db", trust=BOTH) as receiver:
        theirs = at(Place(ORG, OTHER, "aaaaaaaa", 2, bytes([1]) * 32), OTHER_KEY, event_id, n=1)
        ours = at(Place(ORG, GW, EPOCH, 2, bytes([1]) * 32), KEY, event_id, n=2)
        await receiver.accept(f"cc/v1/{ORG}/{OTHER}/evt/identity", theirs.wire)
        verdict = await receiver.accept(f"{ROOT}evt/identity", ours.wire)
        assert verdict.outcome is Outcome.ACCEPTED
        assert not verdict.repeated, "another gateway's event with this id hides ours"


async def test_an_answer_told_often_fills_no_table(tmp_path: Path) -> None:
    time = Time()
    async with receiving(tmp_path / "c.db", time) as receiver:
        events = chain(20)
        await receiver.accept_many([message(event) for event in events if not 5 <= event.seq <= 9])
        await receiver.accept(*status(time, last_seq=sequence(20)))
        await receiver.look_after()
        time.pass_s(601)
        (command,) = await asked(receiver)
        for _ in range(50):
            await receiver.accept(*told(command, unavailable=[span(5, 5)]))
    with looking(tmp_path / "c.db") as db:
        assert db.execute("SELECT count(*) FROM lost").fetchone()[0] == 1


async def test_an_event_that_is_set_aside_does_not_stop_the_asking_for_others(tmp_path: Path) -> None:
    """A damaged event waits at its gateway for ever: its backlog never becomes nought."""
    time = Time()
    async with receiving(tmp_path / "c.db", time) as receiver:
        events = chain(20)
        damaged = bytearray(events[11].wire)
        damaged[damaged.rindex(b'"jws":"') + 90] ^= 1
        await receiver.accept_many([message(event) for event in events if event.seq not in (5, 12)])
        assert (await receiver.accept(f"{ROOT}evt/identity", bytes(damaged))).outcome is Outcome.QUARANTINED
        for _ in range(12):
            await receiver.accept(*status(time, last_seq=sequence(20), acked=sequence(4), backlog=1))
            found = await asked(receiver)
            if found:
                return
            time.pass_s(600)
    raise AssertionError("sequence 5 was not asked for in two hours")


async def test_upto_does_not_pass_a_broken_link(tmp_path: Path) -> None:
    """A rolled-back card: its fresh check-ins come before its backlog. `head` would prove what is not here."""
    async with receiving(tmp_path / "c.db") as receiver:
        old = chain(10)
        await receiver.accept_many([message(event) for event in old])
        await_ack = last_ack(receiver)
        assert await_ack.upto == 10
        fresh: list[Sealed] = list(old[:5])
        for seq in range(6, 16):
            place = Place(ORG, GW, EPOCH, seq, fresh[-1].hash)
            fresh.append(at(place, KEY, uuid7(1_795_309_400_000 + seq), n=1000 + seq))
        await receiver.accept_many([message(event) for event in fresh[10:]])  # 11 to 15 of the new branch
        ack = last_ack(receiver)
        assert not (ack.upto == 15 and ack.head == fresh[14].hash.hex()), (
            "the ack proves 6 to 10 of the new branch to the gateway; the center has none of them"
        )


async def test_a_branch_is_passed_when_all_of_it_is_here_whatever_order_and_restart(tmp_path: Path) -> None:
    """Of a fork the one that chains decides; half a branch proves nothing, and a restart judges the same."""
    old = chain(10)
    fresh: list[Sealed] = list(old[:5])
    for seq in range(6, 16):
        place = Place(ORG, GW, EPOCH, seq, fresh[-1].hash)
        fresh.append(at(place, KEY, uuid7(1_795_309_400_000 + seq), n=1000 + seq))
    steps = [
        (old, 10, old[9]),
        (fresh[10:], 10, old[9]),
        (fresh[7:10], 10, old[9]),
        (fresh[5:7], 15, fresh[14]),
    ]
    for restart in (False, True):
        path = tmp_path / f"{restart}.db"
        async with receiving(path) as receiver:
            for number, (some, upto, last) in enumerate(steps):
                if restart and number:
                    break
                await receiver.accept_many([message(event) for event in some])
                assert (ack := last_ack(receiver)).upto == upto
                assert ack.head == last.hash.hex()
        for some, upto, last in steps[1:] if restart else ():
            async with receiving(path) as receiver:
                await receiver.accept_many([message(event) for event in some])
                receiver.ack_everybody()
                assert (ack := last_ack(receiver)).upto == upto
                assert ack.head == last.hash.hex()


async def test_what_was_stored_and_not_yet_acted_upon_is_told_again(tmp_path: Path) -> None:
    """Killed between COMMIT and the consumer: the broker brings it again, and it is a duplicate then."""
    events = chain(3)
    async with receiving(tmp_path / "c.db") as receiver:
        await receiver.accept(*message(events[0]))
        (first,) = await receiver.events_after(0)
        # Committed; the process ends before anybody sees this verdict.
        await receiver.accept(*message(events[1]))
    async with receiving(tmp_path / "c.db") as receiver:
        assert (await receiver.accept(*message(events[1]))).outcome is Outcome.DUPLICATE
        await receiver.accept(*message(events[2]))
        left = await receiver.events_after(first.n)
        assert [event.wire for event in left] == [event.wire for event in events[1:]]
        assert [event.n for event in await receiver.events_after(first.n, 1)] == [left[0].n]
        assert await receiver.events_after(left[-1].n) == []


async def test_a_consumer_gets_an_epoch_in_order_of_sequence_and_without_gaps(tmp_path: Path) -> None:
    async with receiving(tmp_path / "c.db") as receiver:
        events = chain(6, broken=[4])

        async def seqs(after: int = 0, limit: int = 100) -> list[int]:
            found = await receiver.events_in_sequence(GW, EPOCH, after, limit)
            return [event.seq for event in found]

        await receiver.accept_many([message(events[n]) for n in (0, 4, 1)])  # a fresh check-in overtakes
        assert await seqs() == [1, 2], "3 is still to come, so 5 waits"
        await receiver.accept_many([message(events[n]) for n in (3, 5, 2)])
        assert await seqs() == [1, 2, 3, 5, 6], "4 is refused"
        assert await seqs(after=2, limit=2) == [3, 5]
        assert [event.seq for event in await receiver.events_after(0)] == [1, 5, 2, 6, 3]


async def test_two_live_epochs_of_one_gateway_are_a_second_machine(tmp_path: Path) -> None:
    """Contract, 3: the same alarm as for a session taken over."""
    one, other = chain(6), chain(6, epoch="0badcafe")
    async with receiving(tmp_path / "c.db") as receiver:
        for pair in zip(one, other, strict=True):
            for event in pair:
                await receiver.accept(*message(event))
    with looking(tmp_path / "c.db") as db:
        kinds = {row[0] for row in db.execute("SELECT kind FROM alarm")}
    assert "duplicate_identity" in kinds


async def test_a_signed_event_on_another_classs_topic_takes_its_place(tmp_path: Path) -> None:
    """Contract, 3: only an invalid signature or a foreign gateway takes no sequence. Else it is sent for ever."""
    async with receiving(tmp_path / "c.db") as receiver:
        events = chain(3)
        await receiver.accept_many([message(event) for event in (events[0], events[2])])
        verdict = await receiver.accept(f"{ROOT}evt/tracker", events[1].wire)
        assert verdict.outcome is Outcome.ACCEPTED, "the topic is the broker's word; it can refuse nothing"
        assert last_ack(receiver).upto == 3
    with looking(tmp_path / "c.db") as db:
        assert db.execute("SELECT first_seq, code FROM alarm WHERE kind = 'misplaced'").fetchall() == [
            (2, "class")
        ]


async def test_a_large_batch_is_judged_in_the_order_it_came(tmp_path: Path) -> None:
    """Several threads check it; twice the same events, so that each has a first and a second."""
    events = chain(300)
    batch = [message(event) for event in events for _ in range(2)]
    async with receiving(tmp_path / "c.db") as receiver:
        verdicts = await receiver.accept_many(batch)
    assert [verdict.event.seq for verdict in verdicts if verdict.event] == [
        e.seq for e in events for _ in range(2)
    ]
    assert [verdict.outcome for verdict in verdicts] == [Outcome.ACCEPTED, Outcome.DUPLICATE] * 300
