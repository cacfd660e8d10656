"""One gateway of a simulated fleet: key, chain and documents, made from a seed before anything is sent.

Its key is marked as a demo's: a center that does not ask for a demo believes none of it.
"""

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.clock import ClockQuality, Stamp
from gateway.envelope import GENESIS, Draft, Place, Sealed, seal
from gateway.evidence.canonical import Json
from gateway.evidence.jws import Signer, b64url
from gateway.evidence.keys import DEMO_PREFIX, Role, TrustedKey
from gateway.uplink.documents import PROFILE, Level, info, status
from gateway.uplink.topics import Topics
from gateway.uuid7 import uuid7

FIRST_ORG = 370101  # the province's districts are numbered from here; each takes a hundred gateways
BOXES_OF_ORG = 100
MOST_BOXES = 80 * BOXES_OF_ORG
EVERY_MS = 30_000  # between two events of one gateway, by their own time


@dataclass(frozen=True, slots=True)
class Box:
    """One gateway, ready to speak."""

    topics: Topics
    signer: Signer
    epoch: str
    events: tuple[Sealed, ...]
    kinds: tuple[str, ...]  # class of each event: the last level of its topic
    at: Stamp = field(repr=False)

    @property
    def head(self) -> bytes:
        """Hash of the last event."""
        return self.events[-1].hash

    def info(self, session: str) -> bytes:
        """The birth document."""
        return info(self.topics.gateway, self.topics.org, session, self.signer, (), (), ("fleet",), self.at)

    def status(self, state: str, session: str, acked: int) -> bytes:
        """The status, as its session sees it."""
        last = len(self.events)
        level = Level(epoch=self.epoch, last_seq=last, acked=acked, backlog=last - acked, oldest_unacked_s=0)
        return status(state, session, self.at, level, ack_mode="center", mqtt="5")


def names(count: int) -> Iterator[tuple[str, str]]:
    """(org, gateway) of a fleet of `count`; raises `ValueError` beyond MOST_BOXES."""
    if not 1 <= count <= MOST_BOXES:
        raise ValueError(f"a fleet has 1 to {MOST_BOXES} gateways")
    for number in range(count):
        org = str(FIRST_ORG + number // BOXES_OF_ORG)
        yield org, f"gw-{org}-{number % BOXES_OF_ORG:02d}"


def signer_of(gateway: str, seed: int) -> Signer:
    """The event key of a simulated gateway: worth nothing, anybody can make it."""
    secret = hashlib.sha256(f"zhijiao simulated fleet {seed} {gateway}".encode()).digest()
    return Signer(f"{DEMO_PREFIX}{gateway}#1", Ed25519PrivateKey.from_private_bytes(secret))


def trusted(count: int, seed: int) -> Iterator[TrustedKey]:
    """What the center must believe to take the fleet's events."""
    for _, gateway in names(count):
        signer = signer_of(gateway, seed)
        yield TrustedKey(signer.kid, Role.GATEWAY, gateway, signer.public.public_bytes_raw())


def made(org: str, gateway: str, *, events: int, seed: int, now_ms: int) -> Box:
    """A gateway with an epoch of `events` events that end now: an opening, then cards that were read."""
    rng = random.Random(f"{seed} {gateway} {now_ms}")  # noqa: S311 - another run is another life, no fork
    signer, epoch = signer_of(gateway, seed), f"{rng.getrandbits(32):08x}"
    boot, began_ms = f"{rng.getrandbits(128):032x}", now_ms - events * EVERY_MS
    chain, kinds, last = list[Sealed](), list[str](), GENESIS
    for seq in range(1, events + 1):
        at = Stamp(
            wall_ms=began_ms + seq * EVERY_MS,
            mono_ms=60_000 + seq * EVERY_MS,
            boot_id=boot,
            quality=ClockQuality.SYNCED,
            error_ms=20,
        )
        kind, device, data = _said(seq, rng)
        subject = f"gateway/{gateway}" if seq == 1 else f"device/{device}"
        draft = Draft(
            id=uuid7(at.wall_ms),
            type=kind,
            subject=subject,
            device=device,
            at=at,
            data=data,
            restricted=seq > 1,
        )
        sealed = seal(draft, Place(org, gateway, epoch, seq, last), at, signer)
        chain.append(sealed)
        kinds.append(kind.partition(".")[0])
        last = sealed.hash
    return Box(Topics(org, gateway), signer, epoch, tuple(chain), tuple(kinds), at)


def _said(seq: int, rng: random.Random) -> tuple[str, str, dict[str, Json]]:
    if seq == 1:
        opening: dict[str, Json] = {
            "reason": "new_store", "profile": PROFILE, "software": "fleet", "previous": None,
        }  # fmt: skip
        return "system.epoch_opened", "gateway", opening
    card: dict[str, Json] = {
        "medium": "id_card",
        "card_type": "resident",
        "number_hmac": rng.randbytes(32).hex(),
        "check_digit_ok": True,
        "text_repaired": False,
        # As long as what a gateway seals; it opens for nobody.
        "sealed": {
            "kid": "demo-center-seal#1",
            "enc": b64url(rng.randbytes(32)),
            "ct": b64url(rng.randbytes(150)),
        },
    }
    return "identity.card_read", "idcard-1", card
