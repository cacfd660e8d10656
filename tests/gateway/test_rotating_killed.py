"""Killed at any step of a hand-over, the next start goes on from there, and the chain stays one that proves itself."""

import asyncio
import json
import sqlite3
import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway import rotating
from gateway.clock import SystemClock
from gateway.config.enrolled import (
    EVENT_KEY_FILE,
    FACTS_FILE,
    TRUST_FILE,
    EnrolledFacts,
    current_identity,
    read_enrolled,
)
from gateway.config.values import Broker
from gateway.envelope import GATEWAY_DEVICE, Draft
from gateway.evidence.canonical import Json
from gateway.evidence.chain import keyring
from gateway.evidence.jws import FindKey
from gateway.evidence.keys import Role, TrustedKey, key_name, load_signer, load_trust, trust_document
from gateway.evidence.succession import KEY_ROTATED
from gateway.proof.flaws import Integrity
from gateway.proof.judging import Extent, Judge, rotations_in
from gateway.provisioning.keys import pem_of
from gateway.provisioning.vault import open_vault
from gateway.store.store import open_store
from gateway.uuid7 import uuid7
from tests.gateway.dying_rotation import settings_of, take_up

GATEWAY, STEPS = "gw-370102-01", 20
CONFIG = (
    '[gateway]\nstate_dir = "{state}"\n[[device]]\nid = "idcard-1"\nkind = "idcard.sam"\nport = "/dev/none"\n'
)


def make_box(folder: Path) -> bytes:
    """An enrolled one with a rotation waiting; the public half of its first key."""
    folder.mkdir()
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes_raw()
    kid = key_name(GATEWAY, public)
    facts = EnrolledFacts(
        org="370102",
        gateway=GATEWAY,
        kid=kid,
        brokers=(Broker("mq.example", 8883, tls=True),),
        registrar="enrol.example:8444",
        code="",
        kids=(kid,),
    )
    with open_vault(folder) as vault:
        vault.commit(
            {
                EVENT_KEY_FILE: pem_of(key),
                FACTS_FILE: facts.to_text().encode(),
                TRUST_FILE: trust_document(
                    [TrustedKey(kid, Role.GATEWAY, GATEWAY, public)], demo=False
                ).encode(),
            }
        )
    (folder / "zhijiao.toml").write_text(CONFIG.format(state=folder))
    rotating.ask(folder, facts)
    return public


async def run_once(folder: Path) -> None:
    """A start and an end of the gateway's store, by the key that counts now."""
    facts = read_enrolled(folder)
    assert facts is not None
    clock = SystemClock()
    stamp = clock.now()

    def make(kind: str, data: dict[str, Json]) -> Draft:
        more: dict[str, Json] = {"profile": "intl", "software": "0"} if "opened" in kind else {}
        return Draft(
            id=uuid7(stamp.wall_ms),
            type=kind,
            subject=f"gateway/{GATEWAY}",
            device=GATEWAY_DEVICE,
            at=stamp,
            data={**data, **more},
        )

    signer = load_signer(current_identity(folder) / EVENT_KEY_FILE, facts.kid)
    store = await open_store(settings_of(folder, GATEWAY), signer, stamp)
    await store.start(stamp, make)
    await store.take_up_keys(facts.kids, stamp, make)
    await store.append([make("system.started", {"software": "0"})], stamp)
    await store.close(clean=True)


def wires(folder: Path) -> list[bytes]:
    with sqlite3.connect(folder / "events.db") as db:
        return [bytes(row[0]) for row in db.execute("SELECT wire FROM event ORDER BY n")]


def judge_by(find: FindKey, stored: list[bytes]) -> Judge:
    return Judge(
        lambda _gateway: find, {}, extent=Extent.WHOLE, succession=rotations_in(stored, lambda _gateway: find)
    )


async def test_killed_at_every_step_the_line_of_keys_stays_provable(tmp_path: Path) -> None:
    firsts = [make_box(tmp_path / str(number)) for number in range(STEPS)]
    root = str(Path(__file__).parents[2])
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, str(Path(__file__).with_name("dying_rotation.py")), str(tmp_path), str(STEPS)),
        cwd=root,
        env={"PYTHONPATH": root},
    )
    assert await child.wait() == 0
    lived = 0
    for number, public in enumerate(firsts):
        box = tmp_path / str(number)
        lived += (box / "lived").exists()
        new = await take_up(box / "zhijiao.toml")
        await run_once(box)
        found = read_enrolled(box)
        assert found is not None
        assert found.kid == new != key_name(GATEWAY, public)
        assert not (box / "identity" / "rotating").exists()
        assert {
            key.kid for key in load_trust(current_identity(box) / TRUST_FILE, allow_demo=False).everybody()
        } == {
            key_name(GATEWAY, public),
            new,
        }
        stored = wires(box)
        said = [wire for wire in stored if json.loads(wire)["type"].endswith(KEY_ROTATED)]
        assert len(said) == 1, f"killed at step {number}"
        # What anybody can prove with the first key alone.
        judge = judge_by(keyring({key_name(GATEWAY, public): public}), stored)
        for wire in stored:
            judge.event(wire)
        assert judge.finish().integrity is Integrity.INTACT, f"killed at step {number}"
    assert 0 < lived < STEPS
