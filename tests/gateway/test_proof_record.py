"""A center's database judged with public keys alone: whatever is done to it by hand is named, with its place."""

import hashlib
import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from gateway.clock import ManualClock
from gateway.envelope import Draft, Place, Sealed, seal
from gateway.errors import ContractError
from gateway.evidence import canonical
from gateway.evidence.canonical import Json
from gateway.evidence.chain import keyring
from gateway.evidence.corrected_time import TimeQuality
from gateway.evidence.jws import FindKey
from gateway.evidence.keys import trust_document
from gateway.proof.flaws import Code, Completeness, Integrity, Proof
from gateway.proof.judging import Claim, Extent, Judge, pairings_in
from gateway.proof.record import judge_record
from gateway.uuid7 import uuid7
from tests.gateway.receiver_fixtures import (
    EPOCH,
    GW,
    KEY,
    ORG,
    TRUSTED,
    Time,
    chain,
    info,
    message,
    receiving,
)
from tests.gateway.technicians_box import zhijiao

COUNT, AFTER = 8, "aaaaaaaa"
EVENTS = 4  # of a record that is mutated
MUTATIONS = 100_000 if os.environ.get("DRILLS") == "long" else 10_000
Db = sqlite3.Connection


def keys_of(_gateway: str) -> FindKey:
    return keyring({KEY.kid: KEY.public.public_bytes_raw()})


@pytest.fixture
async def record(tmp_path: Path) -> Path:
    """What a receiver made of one whole epoch and the gateway's word of its end."""
    path, time = tmp_path / "center.db", Time()
    async with receiving(path, time) as receiver:
        events = chain(COUNT)
        for event in events:
            await receiver.accept(*message(event))
        await receiver.accept(*info(time, (EPOCH, COUNT, events[-1].hash)))
    return path


def judged(path: Path, by_hand: Callable[[Db], object] | None = None) -> Proof:
    """The verdict on the record after somebody was at it."""
    if by_hand is not None:
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            by_hand(db)
    return judge_record(path, keys_of, lambda _done, _total: None)


def codes(proof: Proof) -> list[tuple[Code, int, int]]:
    return [(flaw.code, flaw.first, flaw.last) for flaw in proof.flaws]


def test_a_record_that_nobody_touched_is_intact_and_complete(record: Path) -> None:
    proof = judged(record)
    assert (proof.integrity, proof.completeness, proof.flaws) == (
        Integrity.INTACT,
        Completeness.COMPLETE,
        [],
    )
    assert [list(epoch.held) for epoch in proof.epochs] == [[(1, COUNT)]]


def change_byte(db: Db) -> None:
    (wire,) = db.execute("SELECT wire FROM event WHERE seq = 4").fetchone()
    db.execute("UPDATE event SET wire = ? WHERE seq = 4", (wire.replace(b'"n":4', b'"n":5'),))


def forge_with_hash(db: Db) -> None:
    """Changed, and the record's own hash made to match: only the signature tells."""
    (wire,) = db.execute("SELECT wire FROM event WHERE seq = 4").fetchone()
    forged = wire.replace(b'"n":4', b'"n":5')
    content = canonical.decode(forged)
    content.pop("jws")
    digest = hashlib.sha256(canonical.encode(content)).digest()
    db.execute("UPDATE event SET wire = ?, hash = ? WHERE seq = 4", (forged, digest))


def swap(db: Db) -> None:
    rows = dict(db.execute("SELECT seq, wire FROM event WHERE seq IN (4, 6)").fetchall())
    db.execute("UPDATE event SET wire = ? WHERE seq = 4", (rows[6],))
    db.execute("UPDATE event SET wire = ? WHERE seq = 6", (rows[4],))


def repeat(db: Db) -> None:
    """The same event filed under the place of the next."""
    (wire,) = db.execute("SELECT wire FROM event WHERE seq = 4").fetchone()
    db.execute("UPDATE event SET wire = ? WHERE seq = 5", (wire,))


def fork(db: Db) -> None:
    """A second genuine event, signed by the gateway's own key, in a place that is taken."""
    clock = ManualClock()
    (previous,) = db.execute("SELECT prevhash FROM event WHERE seq = 4").fetchone()
    draft = Draft(
        id=uuid7(clock.wall_ms), type="identity.card_read", subject="device/idcard-1", device="idcard-1",
        at=clock.now(), data={"n": 99},
    )  # fmt: skip
    other = seal(draft, Place(ORG, GW, EPOCH, 4, previous), clock.now(), KEY)
    db.execute(
        "INSERT INTO event (cursor, seq, hash, prevhash, type, received_ms, understood, wire) "
        "SELECT cursor, seq, ?, ?, type, received_ms, understood, ? FROM event WHERE seq = 4",
        (other.hash, previous, other.wire),
    )


@pytest.mark.parametrize(
    ("by_hand", "integrity", "completeness", "expected"),
    [
        (change_byte, Integrity.BROKEN, Completeness.INCOMPLETE, [(Code.CHANGED, 4, 4), (Code.MISSING, 4, 4)]),
        (forge_with_hash, Integrity.BROKEN, Completeness.INCOMPLETE, [(Code.CHANGED, 4, 4), (Code.MISSING, 4, 4)]),
        (swap, Integrity.BROKEN, Completeness.INCOMPLETE,
         [(Code.MOVED, 4, 4), (Code.MOVED, 6, 6), (Code.MISSING, 4, 4), (Code.MISSING, 6, 6)]),
        (repeat, Integrity.BROKEN, Completeness.INCOMPLETE, [(Code.MOVED, 5, 5), (Code.MISSING, 5, 5)]),
        (fork, Integrity.BROKEN, Completeness.COMPLETE, [(Code.FORKED, 4, 4)]),
        (lambda db: db.execute("DELETE FROM event WHERE seq = 4"), Integrity.INTACT, Completeness.INCOMPLETE,
         [(Code.MISSING, 4, 4)]),
        (lambda db: db.execute("DELETE FROM event WHERE seq > ?", (COUNT - 2,)), Integrity.INTACT,
         Completeness.INCOMPLETE, [(Code.MISSING, COUNT - 1, COUNT)]),
        (lambda db: db.execute("DELETE FROM event"), Integrity.INTACT, Completeness.INCOMPLETE,
         [(Code.EPOCH_MISSING, 0, 0)]),
        (lambda db: db.execute("UPDATE event SET hash = zeroblob(32) WHERE seq = 4"), Integrity.BROKEN,
         Completeness.COMPLETE, [(Code.CHANGED, 4, 4)]),
        (lambda db: db.execute("UPDATE cursor SET gw = 'gw-370102-02'"), Integrity.BROKEN, Completeness.INCOMPLETE,
         None),
    ],
)  # fmt: skip
async def test_what_somebody_did_to_it_is_named(
    record: Path,
    by_hand: Callable[[Db], object],
    integrity: Integrity,
    completeness: Completeness,
    expected: list[tuple[Code, int, int]] | None,
) -> None:
    proof = judged(record, by_hand)
    assert (proof.integrity, proof.completeness) == (integrity, completeness), codes(proof)
    if expected is not None:
        assert codes(proof) == expected


async def test_a_loss_that_the_center_only_wrote_down_itself_is_not_declared(record: Path) -> None:
    """Whoever takes rows out could write into that table as well."""

    def cover_up(db: Db) -> None:
        db.execute("DELETE FROM event WHERE seq = 4")
        db.execute("INSERT INTO lost (cursor, first, last, reason, said_ms) VALUES (1, 4, 4, 'salvage', 0)")

    proof = judged(record, cover_up)
    assert (proof.completeness, codes(proof)) == (Completeness.INCOMPLETE, [(Code.MISSING, 4, 4)])


async def test_a_birth_document_that_somebody_wrote_says_nothing(record: Path) -> None:
    """Without the gateway's word the end is not proven, and that is said."""
    proof = judged(record, lambda db: db.execute("UPDATE gateway SET info = ?", (b"{}",)))
    assert codes(proof) == [(Code.UNPROVEN_END, COUNT, COUNT)]
    assert proof.completeness is Completeness.COMPLETE


def opening(last_seq: int, last_hash: bytes) -> Sealed:
    """Of the epoch after, which tells where this one ended."""
    told: Json = {"epoch": EPOCH, "last_seq": last_seq, "last_hash": last_hash.hex()}
    return chain(1, epoch=AFTER, previous=told)[0]


def judge_of(events: list[bytes], extent: Extent = Extent.WHOLE) -> Proof:
    judge = Judge(keys_of, pairings_in(events, keys_of), extent=extent)
    for wire in events:
        judge.event(wire)
    return judge.finish()


def test_the_next_epoch_tells_where_this_one_ended() -> None:
    events = chain(COUNT)
    after = opening(COUNT, events[-1].hash)
    cut = judge_of([event.wire for event in events[:-3]] + [after.wire])
    assert (Code.MISSING, COUNT - 2, COUNT) in codes(cut)
    forgot = judge_of([event.wire for event in events] + [opening(3, events[2].hash).wire])
    assert (Code.ROLLED_BACK, 4, COUNT) in codes(forgot)
    assert forgot.completeness is Completeness.COMPLETE
    gone = judge_of([after.wire])
    assert (Code.EPOCH_MISSING, 0, 0) in codes(gone)


def lost(seq: int, first: int, last: int, previous: bytes) -> Sealed:
    clock = ManualClock()
    draft = Draft(
        id=uuid7(clock.wall_ms), type="system.range_lost", subject=f"gateway/{GW}", device="gateway",
        at=clock.now(), data={"epoch": EPOCH, "from": first, "to": last, "reason": "salvage"},
    )  # fmt: skip
    return seal(draft, Place(ORG, GW, AFTER, seq, previous), clock.now(), KEY)


def test_what_the_gateway_signed_as_lost_is_declared() -> None:
    events = chain(COUNT)
    after = opening(COUNT, events[-1].hash)
    said = lost(2, 4, 5, after.hash)
    proof = judge_of([event.wire for event in events if event.seq not in (4, 5)] + [after.wire, said.wire])
    assert (proof.integrity, proof.completeness) == (Integrity.INTACT, Completeness.DECLARED)
    assert (Code.DECLARED, 4, 5) in codes(proof)


def test_order_repeats_and_links_of_a_stream_without_claims() -> None:
    wires = [event.wire for event in chain(COUNT)]
    assert codes(judge_of([*wires[:3], wires[2], *wires[3:]], Extent.RANGE)) == [(Code.REPEATED, 3, 3)]
    assert (Code.REORDERED, 4, 4) in codes(
        judge_of([*wires[:3], wires[4], wires[3], *wires[5:]], Extent.RANGE)
    )
    assert codes(judge_of(wires[2:6], Extent.RANGE)) == [], "an extract is whole between its ends"
    assert codes(judge_of([*wires[2:4], *wires[5:]], Extent.RANGE)) == [(Code.MISSING, 5, 5)]
    other = chain(COUNT)[4]  # genuine, of another history of the same epoch
    assert codes(judge_of([*wires[:4], other.wire, *wires[5:]], Extent.RANGE)) == [(Code.UNCHAINED, 5, 6)]


def test_a_key_that_is_not_given_or_another_gateways_shows_nothing() -> None:
    wires = [event.wire for event in chain(2)]

    def nobodys(_gateway: str) -> FindKey:
        return keyring({"other#1": KEY.public.public_bytes_raw()})

    def anothers(_gateway: str) -> FindKey:
        def find(_kid: str) -> object:
            raise ContractError("wrong_role", "may not sign this")

        return find  # type: ignore[return-value]

    for keys, code in ((nobodys, Code.UNKNOWN_KEY), (anothers, Code.FOREIGN_KEY)):
        judge = Judge(keys, {})
        for wire in wires:
            assert judge.event(wire) is None
        assert judge.finish().counts[code] == 2


class Remembering:
    """The gateway's key. What verified once verifies again: most events are the same in ten thousand records."""

    def __init__(self) -> None:
        self._good = set[tuple[bytes, bytes]]()

    def verify(self, signature: bytes, data: bytes) -> None:
        if (signature, data) not in self._good:
            KEY.public.verify(signature, data)
            self._good.add((signature, data))


def test_any_mutation_of_any_event_is_named_at_its_place() -> None:
    """Bytes flipped, events dropped, swapped, repeated: at least one flaw, and at the place that was touched."""
    events, key = chain(EVENTS), Remembering()
    claims = [Claim(GW, EPOCH, event.seq, event.hash) for event in events]
    wires = [event.wire for event in events]
    rng = random.Random(6)
    for number in range(MUTATIONS):
        spoiled, touched = list(zip(wires, claims, strict=True)), set[int]()
        kind = rng.choice(("flip", "flip", "flip", "drop", "swap", "repeat"))
        at = rng.randrange(EVENTS)
        if kind == "flip":
            wire = bytearray(wires[at])
            wire[rng.randrange(len(wire))] ^= rng.randrange(1, 256)
            spoiled[at], touched = (bytes(wire), claims[at]), {at + 1}
        elif kind == "drop":
            at = rng.randrange(EVENTS - 1)  # of the last one only its successor could tell: the tests above
            del spoiled[at]
            touched = {at + 1}
        elif kind == "swap":
            other = (at + rng.randrange(1, EVENTS)) % EVENTS
            spoiled[at], spoiled[other] = (wires[other], claims[at]), (wires[at], claims[other])
            touched = {at + 1, other + 1}
        else:
            spoiled.insert(at, (wires[at], claims[at]))
            touched = {at + 1}
        judge = Judge(lambda _gateway: lambda _kid: key, {})  # type: ignore[arg-type, return-value]
        for wire_, claim in spoiled:
            judge.event(bytes(wire_), claim)
        proof = judge.finish()
        named = {
            seq
            for flaw in proof.flaws
            for seq in range(flaw.first, flaw.last + 1)
            if flaw.code is not Code.UNPROVEN_END
        }
        assert touched <= named, (number, kind, at)


async def test_the_command_says_three_verdicts(record: Path, tmp_path: Path) -> None:
    trust = tmp_path / "trust.json"
    trust.write_text(trust_document(TRUSTED, demo=False))
    told = zhijiao("verify", record, "--trust", trust)
    assert told.code == 0, told.out
    assert "integrity" in told.out
    assert "complete, 8 events" in told.out
    as_json = zhijiao("verify", record, "--key", KEY.public.public_bytes_raw().hex(), "--json").json
    assert (as_json["integrity"], as_json["completeness"], as_json["time"]) == (
        "intact",
        "complete",
        TimeQuality.STATED.value,
    )
    other = tmp_path / "spoiled.db"
    shutil.copy(record, other)
    judged(other, change_byte)
    spoiled = zhijiao("verify", other, "--trust", trust)
    assert spoiled.code == 2
    assert "#4" in spoiled.out
    assert "BROKEN" in spoiled.out
