"""An event key hands over to the next: each counts in its places, and nobody else's word makes a key."""

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.clock import ManualClock
from gateway.envelope import GATEWAY_DEVICE, GENESIS, Draft, Place, Sealed, seal
from gateway.errors import ContractError
from gateway.evidence.canonical import Json
from gateway.evidence.chain import keyring, prove
from gateway.evidence.export_file import Writer, verify_file
from gateway.evidence.jws import Signer
from gateway.evidence.keys import (
    Role,
    TrustedKey,
    TrustStore,
    key_name,
    load_trust,
    rotations_path,
    trust_document,
)
from gateway.evidence.succession import KEY_ROTATED, rotation_data
from gateway.proof.flaws import Code, Integrity
from gateway.proof.judging import Judge, rotations_in
from gateway.receiver.receiver import Receiver
from gateway.receiver.verdict import Outcome
from gateway.uuid7 import uuid7
from tests.gateway.receiver_fixtures import ACK, ACK_KEY, GW, ORG, ROOT, receiving

EPOCH, OLDER = "5f0c2a91", "11111111"


def private(seed: int) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)


def signer(seed: int) -> Signer:
    return Signer(key_name(GW, private(seed).public_key().public_bytes_raw()), private(seed))


K1, K2, K3, THIEF = signer(31), signer(32), signer(33), signer(66)


class Chain:
    """Events of one epoch, by whatever key."""

    def __init__(self, epoch: str = EPOCH) -> None:
        self.epoch, self.seq, self.last = epoch, 0, GENESIS
        self.clock = ManualClock()

    def add(
        self, by: Signer, kind: str = "identity.card_read", data: dict[str, Json] | None = None
    ) -> Sealed:
        self.clock.advance(1000)
        self.seq += 1
        if self.seq == 1:
            kind = "system.epoch_opened"
            data = {"reason": "new_store", "profile": "intl", "software": "0", "previous": None}
        draft = Draft(
            id=uuid7(self.clock.wall_ms),
            type=kind,
            subject=f"gateway/{GW}",
            device=GATEWAY_DEVICE,
            at=self.clock.now(),
            data=data or {"medium": "resident_id_card", "sealed": None, "why": "no_key"},
        )
        made = seal(draft, Place(ORG, GW, self.epoch, self.seq, self.last), self.clock.now(), by)
        self.last = made.hash
        return made

    def rotate(self, by: Signer, to: int, *, epochs: tuple[str, ...] = (OLDER,), **bent: Json) -> Sealed:
        data = rotation_data(GW, by.kid, signer(to).kid, private(to), epochs)
        return self.add(by, KEY_ROTATED, {**data, **bent})


@pytest.fixture
def trust_file(tmp_path: Path) -> Path:
    path = tmp_path / "trust.json"
    write(path)
    return path


def write(path: Path, *, revoked: bool = False) -> None:
    own = TrustedKey(K1.kid, Role.GATEWAY, GW, K1.public.public_bytes_raw(), revoked=revoked)
    ack = TrustedKey(ACK.kid, Role.ACK, None, ACK_KEY.public_key().public_bytes_raw())
    path.write_text(trust_document([own, ack], demo=False))


def load(path: Path) -> TrustStore:
    return load_trust(path, allow_demo=False)


async def verdict(receiver: Receiver, event: Sealed, cls: str = "identity") -> tuple[Outcome, str | None]:
    told = await receiver.accept(f"{ROOT}evt/{cls}", event.wire)
    return told.outcome, told.code or None


async def test_what_the_new_key_signs_counts_after_the_hand_over(trust_file: Path) -> None:
    chain = Chain()
    events = [chain.add(K1), chain.add(K1), chain.rotate(K1, 32), chain.add(K2), chain.add(K2)]
    async with receiving(trust_file.parent / "c.db", trust=load(trust_file)) as receiver:
        told = await receiver.accept_many([(f"{ROOT}evt/system", event.wire) for event in events])
    assert {one.outcome for one in told} == {Outcome.ACCEPTED}
    assert len(rotations_path(trust_file).read_bytes().splitlines()) == 1


async def test_it_is_known_after_a_restart_and_needs_no_new_trust_file(trust_file: Path) -> None:
    chain = Chain()
    before = [chain.add(K1), chain.rotate(K1, 32)]
    async with receiving(trust_file.parent / "c.db", trust=load(trust_file)) as receiver:
        await receiver.accept_many([(f"{ROOT}evt/system", event.wire) for event in before])
    async with receiving(trust_file.parent / "c.db", trust=load(trust_file)) as receiver:
        assert await verdict(receiver, chain.add(K2)) == (Outcome.ACCEPTED, None)
        assert await verdict(receiver, chain.rotate(K2, 33), "system") == (Outcome.ACCEPTED, None)
        assert await verdict(receiver, chain.add(K3)) == (Outcome.ACCEPTED, None)
    assert {key.kid for key in load(trust_file).of_gateway(GW)} == {K1.kid, K2.kid, K3.kid}


async def test_what_overtakes_the_hand_over_waits_for_it(trust_file: Path) -> None:
    chain = Chain()
    first, rotated, later = chain.add(K1), chain.rotate(K1, 32), chain.add(K2)
    async with receiving(trust_file.parent / "c.db", trust=load(trust_file)) as receiver:
        assert await verdict(receiver, later) == (Outcome.PARKED, "unknown_kid")
        assert await verdict(receiver, first, "system") == (Outcome.ACCEPTED, None)
        assert await verdict(receiver, rotated, "system") == (Outcome.ACCEPTED, None)
        released = await receiver.retrust(load(trust_file))  # as TrustFile does when the rotations change
    assert [one.outcome for one in released] == [Outcome.ACCEPTED]


async def test_the_old_key_counts_up_to_its_last_event_and_nowhere_behind(trust_file: Path) -> None:
    chain, other, new_epoch = Chain(), Chain(OLDER), Chain("99999999")
    first, rotated = chain.add(K1), chain.rotate(K1, 32)
    async with receiving(trust_file.parent / "c.db", trust=load(trust_file)) as receiver:
        assert await verdict(receiver, rotated, "system") == (Outcome.ACCEPTED, None)
        assert await verdict(receiver, first, "system") == (Outcome.ACCEPTED, None)  # late, and its own place
        assert await verdict(receiver, other.add(K1), "system") == (Outcome.ACCEPTED, None)  # an epoch before
        assert await verdict(receiver, chain.add(K1)) == (Outcome.QUARANTINED, "retired_kid")
        assert await verdict(receiver, new_epoch.add(K1), "system") == (Outcome.QUARANTINED, "retired_kid")
        assert await verdict(receiver, chain.rotate(K1, 66), "system") == (Outcome.QUARANTINED, "retired_kid")


async def test_the_new_key_cannot_write_what_was_before_it(trust_file: Path) -> None:
    chain, other = Chain(), Chain(OLDER)
    place = chain.add(K1)
    rotated = chain.rotate(K1, 32)
    again = Chain()
    async with receiving(trust_file.parent / "c.db", trust=load(trust_file)) as receiver:
        assert await verdict(receiver, rotated, "system") == (Outcome.ACCEPTED, None)
        assert await verdict(receiver, again.add(K2), "system") == (Outcome.QUARANTINED, "early_kid")
        assert await verdict(receiver, other.add(K2), "system") == (Outcome.QUARANTINED, "early_kid")
        assert await verdict(receiver, Chain("99999999").add(K2), "system") == (Outcome.ACCEPTED, None)
        assert await verdict(receiver, place, "system") == (Outcome.ACCEPTED, None)


BENT: dict[str, Callable[[Chain], Sealed]] = {
    "no proof": lambda chain: chain.rotate(K1, 32, proof=""),
    "another key's proof": lambda chain: chain.rotate(
        K1, 32, proof=rotation_data(GW, K1.kid, K2.kid, private(66), ())["proof"]
    ),
    "another gateway's proof": lambda chain: chain.rotate(
        K1, 32, proof=rotation_data("gw-370102-02", K1.kid, K2.kid, private(32), ())["proof"]
    ),
    "another old key": lambda chain: chain.add(
        K1, KEY_ROTATED, rotation_data(GW, K3.kid, K2.kid, private(32), ())
    ),
    "itself": lambda chain: chain.add(K1, KEY_ROTATED, rotation_data(GW, K1.kid, K1.kid, private(31), ())),
    "nothing": lambda chain: chain.add(K1, KEY_ROTATED, {"x": 1}),
}


@pytest.mark.parametrize("how", BENT)
async def test_a_hand_over_that_is_not_proven_makes_no_key(trust_file: Path, how: str) -> None:
    chain = Chain()
    first, bent = chain.add(K1), BENT[how](chain)
    async with receiving(trust_file.parent / "c.db", trust=load(trust_file)) as receiver:
        assert await verdict(receiver, first, "system") == (Outcome.ACCEPTED, None)
        assert await verdict(receiver, bent, "system") == (Outcome.REJECTED, "data")
        assert await verdict(receiver, chain.add(K2)) == (Outcome.PARKED, "unknown_kid")
        assert await verdict(receiver, chain.add(K1)) == (Outcome.ACCEPTED, None)  # the old one goes on
    assert not rotations_path(trust_file).exists()


async def test_a_stranger_hands_over_nothing(trust_file: Path) -> None:
    chain = Chain()
    async with receiving(trust_file.parent / "c.db", trust=load(trust_file)) as receiver:
        chain.add(K1)
        assert await verdict(receiver, chain.rotate(THIEF, 32), "system") == (Outcome.PARKED, "unknown_kid")
        assert await verdict(receiver, chain.add(K2)) == (Outcome.PARKED, "unknown_kid")


async def test_a_revoked_key_takes_its_successors_with_it(trust_file: Path) -> None:
    chain = Chain()
    async with receiving(trust_file.parent / "c.db", trust=load(trust_file)) as receiver:
        await receiver.accept_many(
            [(f"{ROOT}evt/system", event.wire) for event in (chain.add(K1), chain.rotate(K1, 32))]
        )
        write(trust_file, revoked=True)
        await receiver.retrust(load(trust_file))
        assert (await verdict(receiver, chain.add(K2)))[0] is not Outcome.ACCEPTED


def test_lines_that_prove_nothing_are_passed_over(trust_file: Path) -> None:
    chain = Chain()
    chain.add(K1)
    genuine = chain.rotate(K1, 32).wire
    rotations_path(trust_file).write_bytes(
        b"garbage\n" + chain.rotate(THIEF, 33).wire + b"\n" + genuine + b"\n" + genuine[:-9]
    )
    assert {key.kid for key in load(trust_file).of_gateway(GW)} == {K1.kid, K2.kid}
    rotations_path(trust_file).write_bytes(chain.rotate(THIEF, 33).wire + b"\n")
    with pytest.raises(ContractError):
        load(trust_file).find(Role.GATEWAY, gateway=GW)(K3.kid)


def judged(events: list[Sealed]) -> tuple[Integrity, list[tuple[int, Code]]]:
    def keys_of(_gateway: str) -> Callable[[str], object]:
        return keyring({K1.kid: K1.public.public_bytes_raw()})

    wires = [event.wire for event in events]
    judge = Judge(keys_of, {}, succession=rotations_in(reversed(wires), keys_of))  # type: ignore[arg-type]
    for wire in wires:
        judge.event(wire)
    proof = judge.finish()
    return proof.integrity, [(flaw.first, flaw.code) for flaw in proof.flaws if flaw.code is Code.FOREIGN_KEY]


def test_years_later_the_first_key_alone_proves_the_line_of_keys() -> None:
    chain = Chain()
    events = [chain.add(K1), chain.rotate(K1, 32), chain.add(K2), chain.rotate(K2, 33), chain.add(K3)]
    assert judged(events) == (Integrity.INTACT, [])
    events.append(chain.add(K2))
    assert judged(events) == (Integrity.BROKEN, [(6, Code.FOREIGN_KEY)])


def test_an_exported_file_with_a_hand_over_verifies_and_a_late_old_key_is_named(tmp_path: Path) -> None:
    def finding(late: Signer) -> list[str]:
        chain = Chain()
        events = [chain.add(K1), chain.rotate(K1, 32), chain.add(K2), chain.add(late)]
        path = tmp_path / "range.jsonl"
        with path.open("wb") as file:
            writer = Writer(file)
            for event in events:
                writer.add(prove(event.wire, None), event.wire)
            writer.finish(created="2026-11-22T00:00:00.000Z", software="test", keys={}, signer=K2)
        find = keyring({K1.kid: K1.public.public_bytes_raw()})
        succession = rotations_in([event.wire for event in events], lambda _gateway: find)
        with path.open("rb") as file:
            check = verify_file(file, succession.among(GW, find), lambda _done: None, succession)
        return [one.code for one in check.findings]

    assert finding(K2) == []
    assert "retired_kid" in finding(K1)
