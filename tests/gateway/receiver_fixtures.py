"""A center and one gateway's keys for tests of the receiver: clocks that stand still, events on demand.

A test that asks for `on_both` runs on SQLite and on PostgreSQL; `record` and `looking` find its record there.
"""

import hashlib
import sqlite3
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.clock import ManualClock, iso_ms
from gateway.envelope import GENESIS, Draft, Place, Sealed, seal, sequence
from gateway.evidence import canonical, jws
from gateway.evidence.canonical import Json
from gateway.evidence.jws import Signer
from gateway.evidence.keys import Role, TrustedKey, TrustStore
from gateway.receiver.postgres import PostgresConnection
from gateway.receiver.receiver import Receiver, ReceiverSettings
from gateway.receiver.sql import Connection
from gateway.uuid7 import uuid7
from tests.postgres import PostgresServer

ORG, GW, EPOCH = "370102", "gw-370102-01", "5f0c2a91"
ROOT = f"cc/v1/{ORG}/{GW}/"
KEY = Signer(f"{GW}#1", Ed25519PrivateKey.from_private_bytes(bytes([7]) * 32))
ACK_KEY = Ed25519PrivateKey.from_private_bytes(bytes([3]) * 32)
ACK = Signer("center-ack#1", ACK_KEY)
TRUSTED = (
    TrustedKey(KEY.kid, Role.GATEWAY, GW, KEY.public.public_bytes_raw()),
    TrustedKey(ACK.kid, Role.ACK, None, ACK.public.public_bytes_raw()),
)
TRUST = TrustStore(TRUSTED)


SERVER: PostgresServer | None = None  # where the records of this test are; None: in SQLite files


def record(path: Path) -> str:
    """What `--db` is for this test."""
    if SERVER is None:
        return str(path)
    return SERVER.url("r_" + hashlib.sha256(str(path).encode()).hexdigest()[:24])


@contextmanager
def looking(path: Path) -> Iterator[Connection]:
    """The record from outside, to look and to change it."""
    if SERVER is None:
        with closing(sqlite3.connect(path)) as db, db:
            yield db
        return
    import psycopg

    with psycopg.connect(record(path)) as raw:
        yield PostgresConnection(raw)


@dataclass(slots=True)
class Time:
    """Both clocks of a center."""

    wall_ms: int = 1_795_309_322_000
    mono_s: float = 1000.0

    def pass_s(self, seconds: float) -> None:
        self.wall_ms += int(seconds * 1000)
        self.mono_s += seconds


@asynccontextmanager
async def receiving(
    path: Path, time: Time | None = None, trust: TrustStore = TRUST
) -> AsyncIterator[Receiver]:
    """A receiver whose time is `time`."""
    clock = time or Time()
    settings = ReceiverSettings(
        database=record(path),
        trust=trust,
        ack_signer=ACK,
        wall_ms=lambda: clock.wall_ms,
        mono_s=lambda: clock.mono_s,
    )
    receiver = await Receiver.open(settings)
    try:
        yield receiver
    finally:
        await receiver.close()


def chain(
    count: int, *, epoch: str = EPOCH, broken: Iterable[int] = (), previous: Json = None
) -> list[Sealed]:
    """An epoch of `count` events; those of `broken` sequences break a rule of the contract."""
    clock, made, last = ManualClock(), list[Sealed](), GENESIS
    bad = frozenset(broken)
    for seq in range(1, count + 1):
        clock.advance(1000)
        opening: dict[str, Json] = {
            "reason": "new_store",
            "profile": "intl",
            "software": "0",
            "previous": previous,
        }
        draft = Draft(
            id=uuid7(clock.wall_ms),
            type="system.epoch_opened" if seq == 1 else "identity.card_read",
            subject=f"gateway/{GW}" if seq == 1 else "device/idcard-1",
            device="gateway" if seq == 1 else ("NO NAME" if seq in bad else "idcard-1"),
            at=clock.now(),
            data=opening if seq == 1 else {"n": seq},
        )
        made.append(seal(draft, Place(ORG, GW, epoch, seq, last), clock.now(), KEY))
        last = made[-1].hash
    return made


def message(event: Sealed) -> tuple[str, bytes]:
    return f"{ROOT}evt/{'system' if event.seq == 1 else 'identity'}", event.wire


def request(name: str, **content: Json) -> tuple[str, bytes]:
    return f"{ROOT}req/{name}", canonical.encode({"v": 1, **content})


def status(time: Time, **changes: Json) -> tuple[str, bytes]:
    """What a gateway with nothing waiting says of itself."""
    content: dict[str, Json] = {
        "v": 1, "state": "online", "session": "session-1", "ts": iso_ms(time.wall_ms), "epoch": EPOCH,
        "last_seq": sequence(0), "acked": sequence(0), "backlog": 0, "ack_mode": "center",
    }  # fmt: skip
    return f"{ROOT}status", canonical.encode(content | changes)


def info(time: Time, *ends: tuple[str, int, bytes]) -> tuple[str, bytes]:
    """A birth document that names where epochs end."""
    epochs: list[Json] = [
        {"epoch": epoch, "last_seq": sequence(seq), "last_hash": digest.hex()} for epoch, seq, digest in ends
    ]
    content: dict[str, Json] = {
        "v": 1, "gw": GW, "org": ORG, "session": "session-1", "ts": iso_ms(time.wall_ms), "epochs": epochs,
    }  # fmt: skip
    return f"{ROOT}info", KEY.sign_object(content)


def opened(wire: bytes) -> dict[str, Any]:
    """A message of the center, its signature verified."""
    return jws.open_message(wire, lambda _kid: ACK.public)[0]
