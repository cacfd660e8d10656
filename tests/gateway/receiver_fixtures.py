"""A gateway in a few lines, for tests of the center's side: it chains, signs, forks and forges."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from gateway import envelope
from gateway.clock import ManualClock, iso_ms
from gateway.envelope import Draft, Place
from gateway.event_types import event_class
from gateway.evidence import canonical
from gateway.evidence.canonical import Json
from gateway.evidence.jws import Signer
from gateway.evidence.keys import Role, TrustedKey, TrustStore
from gateway.receiver.receiver import Receiver, ReceiverSettings
from gateway.uuid7 import uuid7

ORG, GW, OTHER_GW = "370102", "gw-370102-01", "gw-370102-02"


def key_of(number: int) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)


GATEWAY_SIGNER = Signer(f"{GW}#1", key_of(1))
OTHER_SIGNER = Signer(f"{OTHER_GW}#1", key_of(2))
NEW_SIGNER = Signer(f"{GW}#2", key_of(3))  # not in `trust()`
DEMO_SIGNER = Signer("demo-gateway#1", key_of(4))
ACK_SIGNER = Signer("center-ack#1", key_of(5))
SEAL_KEY = X25519PrivateKey.from_private_bytes(bytes([6]) * 32)


def trusted(signer: Signer, gateway: str | None, role: Role = Role.GATEWAY) -> TrustedKey:
    return TrustedKey(signer.kid, role, gateway, signer.public.public_bytes_raw())


def trusted_keys() -> list[TrustedKey]:
    return [
        trusted(GATEWAY_SIGNER, GW),
        trusted(OTHER_SIGNER, OTHER_GW),
        trusted(DEMO_SIGNER, GW),
        trusted(ACK_SIGNER, None, Role.ACK),
    ]


def trust(*more: TrustedKey, demo: bool = False) -> TrustStore:
    return TrustStore([*trusted_keys(), *more], allow_demo=demo)


class Sent(NamedTuple):
    topic: str
    wire: bytes
    seq: int
    hash: bytes


@dataclass
class Box:
    """One epoch of a gateway. Each call makes the next event, unless it is told a place of its own."""

    gw: str = GW
    epoch: str = "5f0c2a91"
    signer: Signer = GATEWAY_SIGNER
    clock: ManualClock = field(default_factory=ManualClock)
    seq: int = 0
    head: bytes = envelope.GENESIS
    session: str = "session-1"

    def open(self, previous: Json = None) -> Sent:
        """Sequence 1."""
        return self.make(
            "system.epoch_opened",
            {"reason": "new_store", "profile": "intl", "software": "0.1.0", "previous": previous},
        )

    def many(self, count: int) -> list[Sent]:
        return [self.make(number=n) for n in range(count)]

    def make(
        self, kind: str = "checkin.completed", data: dict[str, Json] | None = None, **members: Json
    ) -> Sent:
        sent = self.make_at(self.seq + 1, self.head, kind, {**(data or {}), **members})
        self.seq, self.head = sent.seq, sent.hash
        return sent

    def make_at(
        self,
        seq: int,
        previous: bytes,
        kind: str = "checkin.completed",
        data: dict[str, Json] | None = None,
        *,
        event_id: str | None = None,
    ) -> Sent:
        at = self.clock.now()
        person = event_class(kind) == "checkin"
        draft = Draft(
            id=event_id or uuid7(at.wall_ms),
            type=kind,
            subject="person/P-1" if person else f"gateway/{self.gw}",
            device="kiosk-1" if person else "gateway",
            at=at,
            data=data or {},
            restricted=person,
        )
        self.clock.advance(1000)
        place = Place(self.gw[3:9], self.gw, self.epoch, seq, previous)
        sealed = envelope.seal(draft, place, at, self.signer)
        return Sent(self.topic(f"evt/{event_class(kind)}"), sealed.wire, seq, sealed.hash)

    def altered(self, changes: Mapping[str, Json], base: Sent | None = None) -> Sent:
        """The next event with attributes changed (None: taken out) and signed like that."""
        message = canonical.parse((base or self.make()).wire)
        del message["jws"]
        for name, value in changes.items():
            message.pop(name, None)
            if value is not None:
                message[name] = value
        payload = canonical.encode(message)
        self.head = canonical_hash(payload)
        kind = str(message.get("type", "")).removeprefix("cn.zhijiao.")
        wire = self.signer.sign_object(message)
        return Sent(self.topic(f"evt/{event_class(kind) or 'checkin'}"), wire, self.seq, self.head)

    def topic(self, rest: str) -> str:
        return f"cc/v1/{self.gw[3:9]}/{self.gw}/{rest}"

    def claim(self) -> dict[str, Json]:
        return {"epoch": self.epoch, "last_seq": self.seq, "last_hash": self.head.hex()}

    def info(self, *epochs: dict[str, Json], **changes: Json) -> tuple[str, bytes]:
        document: dict[str, Json] = {
            "v": 1,
            "gw": self.gw,
            "org": self.gw[3:9],
            "session": self.session,
            "ts": iso_ms(self.clock.now().wall_ms),
            "epochs": list(epochs or [self.claim()]),
        }
        return self.topic("info"), self.signer.sign_object({**document, **changes})

    def status(self, state: str = "online", *, acked: int = 0, **changes: Json) -> tuple[str, bytes]:
        document: dict[str, Json] = {
            "v": 1,
            "state": state,
            "session": self.session,
            "ts": iso_ms(self.clock.now().wall_ms),
            "epoch": self.epoch,
            "last_seq": envelope.sequence(self.seq),
            "acked": envelope.sequence(acked),
            "backlog": self.seq - acked,
            "oldest_unacked_s": 0,
            "clockq": "synced",
            "ack_mode": "center",
            "mqtt": "5",
        }
        return self.topic("status"), canonical.encode({**document, **changes})


def canonical_hash(payload: bytes) -> bytes:
    import hashlib

    return hashlib.sha256(payload).digest()


class Times:
    """The receiver's two clocks, moved by hand."""

    def __init__(self) -> None:
        self.wall_ms = 1_795_309_400_000
        self.mono_s = 100.0

    def advance(self, seconds: float) -> None:
        self.wall_ms += round(seconds * 1000)
        self.mono_s += seconds


@asynccontextmanager
async def running_receiver(
    path: Path, *, keys: TrustStore | None = None, times: Times | None = None, **settings: object
) -> AsyncIterator[Receiver]:
    times = times or Times()
    receiver = await Receiver.open(
        ReceiverSettings(
            database=str(path),
            trust=keys or trust(),
            ack_signer=ACK_SIGNER,
            wall_ms=lambda: times.wall_ms,
            mono_s=lambda: times.mono_s,
            **settings,  # type: ignore[arg-type]  # whatever else a test wants to set
        )
    )
    try:
        yield receiver
    finally:
        await receiver.close()
