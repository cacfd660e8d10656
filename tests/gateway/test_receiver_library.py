"""The center's side, message by message: what it stores, what it refuses, what it says of it."""

import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.clock import ManualClock
from gateway.envelope import GENESIS, Draft, Place, Sealed, reissued, seal
from gateway.errors import StartError
from gateway.evidence import jws
from gateway.evidence.canonical import Json
from gateway.evidence.jws import Signer
from gateway.evidence.keys import Role, TrustedKey, TrustStore
from gateway.receiver.receiver import Receiver, ReceiverSettings
from gateway.receiver.report import report
from gateway.receiver.verdict import Chain, Outcome, Verdict
from gateway.uplink.acks import EpochAck, read_ack
from gateway.uuid7 import uuid7
from tests.gateway.receiver_fixtures import looking, record

pytestmark = pytest.mark.usefixtures("on_both")

ORG, GW, EPOCH = "370102", "gw-370102-01", "5f0c2a91"
KEY = Signer("gw-370102-01#1", Ed25519PrivateKey.from_private_bytes(bytes([7]) * 32))
OTHER = Signer("gw-370102-02#1", Ed25519PrivateKey.from_private_bytes(bytes([8]) * 32))
DEMO = Signer("demo-gw-370102-01#1", Ed25519PrivateKey.from_private_bytes(bytes([9]) * 32))
ACK = Signer("center-ack#1", Ed25519PrivateKey.from_private_bytes(bytes([3]) * 32))
TRUST = TrustStore(
    [
        TrustedKey(KEY.kid, Role.GATEWAY, GW, KEY.public.public_bytes_raw()),
        TrustedKey(OTHER.kid, Role.GATEWAY, "gw-370102-02", OTHER.public.public_bytes_raw()),
        TrustedKey(DEMO.kid, Role.GATEWAY, GW, DEMO.public.public_bytes_raw()),
    ]
)


def chain(count: int, *, signer: Signer = KEY, epoch: str = EPOCH, **last: Json) -> list[Sealed]:
    """An epoch of `count` events; `last` goes into the last one's data."""
    clock, made, previous = ManualClock(), list[Sealed](), GENESIS
    for seq in range(1, count + 1):
        clock.advance(1000)
        opening: dict[str, Json] = {
            "reason": "new_store",
            "profile": "intl",
            "software": "0",
            "previous": None,
        }
        draft = Draft(
            id=uuid7(clock.wall_ms),
            type="system.epoch_opened" if seq == 1 else "identity.card_read",
            subject=f"gateway/{GW}" if seq == 1 else "device/idcard-1",
            device="gateway" if seq == 1 else "idcard-1",
            at=clock.now(),
            data=opening if seq == 1 else {"n": seq, **(last if seq == count else {})},
        )
        made.append(seal(draft, Place(ORG, GW, epoch, seq, previous), clock.now(), signer))
        previous = made[-1].hash
    return made


def topic(name: str, gateway: str = GW) -> str:
    return f"cc/v1/{ORG}/{gateway}/evt/{name}"


def message(event: Sealed) -> tuple[str, bytes]:
    return topic("system" if event.seq == 1 else "identity"), event.wire


def seeds(count: int) -> list[tuple[str, int]]:
    """Many on a file, one on a server, where each takes longer."""
    return [*(("sqlite", seed) for seed in range(count)), ("postgresql", 0)]


@asynccontextmanager
async def receiving(path: Path, trust: TrustStore = TRUST) -> AsyncIterator[Receiver]:
    receiver = await Receiver.open(ReceiverSettings(database=record(path), trust=trust, ack_signer=ACK))
    try:
        yield receiver
    finally:
        await receiver.close()


def ack_of(receiver: Receiver) -> EpochAck:
    """The running epoch in the ack that is pending, as the gateway reads it."""
    receiver.ack_everybody()
    acks = dict(receiver.acks_pending())
    found = read_ack(acks[f"cc/v1/{ORG}/{GW}/ack"], GW, lambda _kid: ACK.public)
    return found[0]


@pytest.mark.parametrize(("on_both", "seed"), seeds(5), indirect=["on_both"])
async def test_any_order_with_repeats_comes_out_whole(tmp_path: Path, seed: int) -> None:
    events = chain(40)
    arriving = [message(event) for event in events + events[::3]]
    random.Random(seed).shuffle(arriving)
    async with receiving(tmp_path / "c.db") as receiver:
        verdicts = []
        for start in range(0, len(arriving), 7):
            verdicts += await receiver.accept_many(arriving[start : start + 7])
        outcomes = [verdict.outcome for verdict in verdicts]
        assert outcomes.count(Outcome.ACCEPTED) == 40
        assert outcomes.count(Outcome.DUPLICATE) == len(events[::3])
        ack = ack_of(receiver)
        assert (ack.upto, ack.head, ack.sack) == (40, events[-1].hash.hex(), ())
    (epoch,) = report(record(tmp_path / "c.db"))
    assert epoch.complete
    assert epoch.intact


@pytest.mark.parametrize(("on_both", "seed"), seeds(4), indirect=["on_both"])
async def test_how_messages_are_batched_changes_nothing(tmp_path: Path, seed: int) -> None:
    """Forks, repeats, facts told twice, broken links and gaps, one by one and in batches with restarts."""
    rng = random.Random(seed)
    one, twin, again = chain(90), chain(90, twin=True), chain(30, epoch="5f0c2a92")
    copies = [_reissue(event) for event in one[40:60]]
    pool = [*one, *one[::4], twin[-1], *_broken_chain(one), *again, *copies, *copies[::3]]
    arriving = [message(event) for event in rng.sample(pool, len(pool) - 15)]
    found = []
    for name, sizes in (("single", [1]), ("batched", [3, 64, 7, 29])):
        path, at = tmp_path / f"{name}.db", 0
        told: list[Verdict] = []
        while at < len(arriving):
            async with receiving(path) as receiver:
                for size in sizes if name == "batched" else [1] * len(arriving):
                    told += await receiver.accept_many(arriving[at : at + size])
                    at += size
        async with receiving(path) as receiver:
            ack = ack_of(receiver)
        verdicts = [(v.outcome, v.code, v.chain, v.fork, v.repeated) for v in told]
        found.append((verdicts, ack, report(record(path)), _rows(path)))
    assert found[0] == found[1]
    outcomes = {verdict[0] for verdict in found[0][0]}
    assert outcomes == {Outcome.DUPLICATE, Outcome.ACCEPTED, Outcome.REJECTED}
    assert any(verdict[4] for verdict in found[0][0]), "no fact was told twice: this proves nothing"


def _rows(path: Path) -> list[list[tuple[object, ...]]]:
    with looking(path) as db:
        return [
            db.execute(query).fetchall()
            for query in (
                "SELECT n, cursor, seq, hash, prevhash, event_id, type, understood FROM event ORDER BY n",
                "SELECT * FROM fact ORDER BY id",
                "SELECT gw, epoch, kind, code, first_seq, last_seq, n FROM alarm ORDER BY 1, 2, 3, 4",
                "SELECT * FROM tally ORDER BY 1, 2, 3",
                "SELECT gw, epoch, upto, head, end_seq FROM cursor ORDER BY id",
            )
        ]


def _reissue(event: Sealed) -> Sealed:
    """The same fact in the second epoch."""
    return seal(
        reissued(event.wire), Place(ORG, GW, "5f0c2a92", event.seq, bytes(32)), ManualClock().now(), KEY
    )


def _broken_chain(events: list[Sealed]) -> list[Sealed]:
    """Two events beyond the end, of which the second hangs on something else."""
    last = events[-1]
    return [
        seal(reissued(last.wire), Place(ORG, GW, EPOCH, last.seq + step, last.hash), ManualClock().now(), KEY)
        for step in (1, 2)
    ]


async def test_what_came_early_is_in_the_sack_and_survives_a_restart(tmp_path: Path) -> None:
    events = chain(9)
    async with receiving(tmp_path / "c.db") as receiver:
        await receiver.accept_many([message(events[i]) for i in (0, 1, 4, 5, 8)])
        assert (ack_of(receiver).upto, ack_of(receiver).sack) == (2, ((5, 6), (9, 9)))
    async with receiving(tmp_path / "c.db") as receiver:
        assert (ack_of(receiver).upto, ack_of(receiver).sack) == (2, ((5, 6), (9, 9)))
        verdict = await receiver.accept(*message(events[4]))
        assert verdict.outcome is Outcome.DUPLICATE
    (epoch,) = report(record(tmp_path / "c.db"))
    assert (epoch.missing, epoch.complete, epoch.intact) == (4, False, True)


async def test_altered_foreign_and_misplaced_messages_take_no_sequence(tmp_path: Path) -> None:
    first, second = chain(2)
    forged = jws.Signer(KEY.kid, Ed25519PrivateKey.generate())
    event: dict[str, Any] = json.loads(second.wire)
    event.pop("jws")
    cases = {
        "signature": (topic("identity"), forged.sign_object(event)),
        "not_jcs": (topic("identity"), second.wire.replace(b",", b", ", 1)),
        "wrong_role": (topic("identity"), OTHER.sign_object(event)),
        "demo_key": (topic("identity"), DEMO.sign_object(event)),
        "foreign": (topic("identity", "gw-370102-02"), second.wire),
        "unsigned": (topic("identity"), json.dumps(event, sort_keys=True, separators=(",", ":")).encode()),
        "not_json": (topic("identity"), b"\xff"),
    }
    async with receiving(tmp_path / "c.db") as receiver:
        await receiver.accept(*message(first))
        for code, (where, wire) in cases.items():
            verdict = await receiver.accept(where, wire)
            assert (verdict.outcome, verdict.code) == (Outcome.QUARANTINED, code)
        assert ack_of(receiver).upto == 1
        assert (await receiver.accept(*message(second))).chain is Chain.OK
        assert ack_of(receiver).upto == 2


async def test_two_events_in_one_place_are_a_fork_and_both_are_kept(tmp_path: Path) -> None:
    one, other = chain(3), chain(3, twin=True)
    async with receiving(tmp_path / "c.db") as receiver:
        await receiver.accept_many([message(event) for event in one])
        verdict = await receiver.accept(*message(other[2]))
        assert verdict.fork
    (epoch,) = report(record(tmp_path / "c.db"))
    assert (epoch.stored, epoch.forks, epoch.intact) == (4, 1, False)


async def test_an_unknown_key_blocks_until_it_is_trusted(tmp_path: Path) -> None:
    events = chain(3)
    async with receiving(tmp_path / "c.db", TrustStore([])) as receiver:
        for event in events:
            assert (await receiver.accept(*message(event))).outcome is Outcome.PARKED
    async with receiving(tmp_path / "c.db") as receiver:
        ack = ack_of(receiver)
        assert (ack.upto, ack.blocked) == (3, None)


async def test_a_type_of_tomorrow_is_stored_and_never_refused(tmp_path: Path) -> None:
    first, second = chain(2)
    event: dict[str, Any] = json.loads(second.wire)
    event.pop("jws")
    event |= {
        "type": "cn.zhijiao.identity.iris_matched",
        "dataschema": "urn:zhijiao:schema:identity.iris_matched:1",
    }
    async with receiving(tmp_path / "c.db") as receiver:
        await receiver.accept(*message(first))
        verdict = await receiver.accept(topic("identity"), KEY.sign_object(event))
        assert verdict.outcome is Outcome.ACCEPTED
        assert verdict.event is not None
        assert not verdict.event.understood
        assert ack_of(receiver).rejected_n == 0


async def test_an_event_that_breaks_a_rule_is_stored_refused_and_named(tmp_path: Path) -> None:
    first, second = chain(2)
    event: dict[str, Any] = json.loads(second.wire)
    event.pop("jws")
    event["time"] = "yesterday"
    async with receiving(tmp_path / "c.db") as receiver:
        await receiver.accept(*message(first))
        verdict = await receiver.accept(topic("identity"), KEY.sign_object(event))
        assert verdict.outcome is Outcome.REJECTED
        ack = ack_of(receiver)
        assert (ack.upto, ack.rejected_n, [r.seq for r in ack.rejected]) == (2, 1, [2])


async def test_a_range_declared_lost_is_passed_and_told(tmp_path: Path) -> None:
    events = chain(9)
    lost: dict[str, Json] = {"epoch": EPOCH, "from": 3, "to": 5, "reason": "store_damaged"}
    clock = ManualClock()
    opening = chain(1, epoch="00000002")[0]
    draft = Draft(
        id=uuid7(clock.wall_ms),
        type="system.range_lost",
        subject=f"gateway/{GW}",
        device="gateway",
        at=clock.now(),
        data=lost,
    )
    told = seal(draft, Place(ORG, GW, "00000002", 2, opening.hash), clock.now(), KEY)
    async with receiving(tmp_path / "c.db") as receiver:
        await receiver.accept_many([message(event) for event in events[:2] + events[5:]])
        await receiver.accept(*message(opening))
        await receiver.accept(topic("system"), told.wire)
    old = next(epoch for epoch in report(record(tmp_path / "c.db")) if epoch.epoch == EPOCH)
    assert (old.upto, old.lost, old.missing, old.complete) == (9, 3, 0, False)


async def test_an_altered_row_is_found_by_the_report(tmp_path: Path) -> None:
    async with receiving(tmp_path / "c.db") as receiver:
        await receiver.accept_many([message(event) for event in chain(4)])
    with looking(tmp_path / "c.db") as db:
        wire = db.execute("SELECT wire FROM event WHERE seq = 3").fetchone()[0]
        db.execute("UPDATE event SET wire = ? WHERE seq = 3", (wire.replace(b'"n":3', b'"n":4'),))
    (epoch,) = report(record(tmp_path / "c.db"))
    assert (epoch.altered, epoch.intact) == (1, False)


async def test_one_database_has_one_receiver(tmp_path: Path) -> None:
    async with receiving(tmp_path / "c.db"):
        with pytest.raises(StartError):
            async with receiving(tmp_path / "c.db"):
                pass
