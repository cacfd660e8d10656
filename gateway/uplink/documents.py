"""What the gateway says of itself: the retained `info` and `status`, and a device's status."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from gateway import __version__
from gateway.clock import Stamp, iso_ms
from gateway.envelope import sequence
from gateway.evidence.canonical import Json
from gateway.evidence.jws import Signer
from gateway.store.epochs import EpochView
from gateway.view import DeviceView

PROFILE = "intl"  # EdDSA and SHA-256 for a whole epoch
SEALS = "sealed"  # capability: what identifies a person is sealed to the center's key
MAX_EPOCHS = 32  # newest ones listed in `info`


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """The high-water mark that `status` shows."""

    epoch: str
    last_seq: int
    acked: int  # every sequence of the epoch up to it is settled
    backlog: int
    oldest_unacked_s: int


def info(
    gateway: str,
    org: str,
    session: str,
    signer: Signer,
    lineage: Sequence[EpochView],
    devices: Sequence[DeviceView],
    capabilities: Sequence[str],
    at: Stamp,
) -> bytes:
    """The birth document, signed."""
    epochs: list[Json] = [
        {"epoch": view.epoch, "last_seq": sequence(view.last_seq), "last_hash": view.last_hash.hex()}
        for view in lineage[-MAX_EPOCHS:]
    ]
    inventory: list[Json] = [
        {"id": device.id, "kind": device.kind, "model": device.model, "firmware": device.firmware}
        for device in devices
    ]
    keys: list[Json] = [{"kid": signer.kid, "alg": "EdDSA", "public": signer.public.public_bytes_raw().hex()}]
    document: dict[str, Json] = {
        "v": 1,
        "gw": gateway,
        "org": org,
        "session": session,
        "ts": iso_ms(at.wall_ms),
        "versions": {"software": __version__, "contract": 1},
        "profile": PROFILE,
        "capabilities": list(capabilities),
        "devices": inventory,
        "keys": keys,
        "epochs": epochs,
    }
    return signer.sign_object(document)


def status(state: str, session: str, at: Stamp, level: Level, *, ack_mode: str, mqtt: str) -> bytes:
    """State and high-water mark. `state`: online | offline | lost (the will)."""
    document = {
        "v": 1,
        "state": state,
        "session": session,
        "ts": iso_ms(at.wall_ms),
        "epoch": level.epoch,
        "last_seq": sequence(level.last_seq),
        "acked": sequence(level.acked),
        "backlog": level.backlog,
        "oldest_unacked_s": level.oldest_unacked_s,
        "clockq": at.quality.value,
        "ack_mode": ack_mode,
        "mqtt": mqtt,
    }
    return _json(document)


def device_status(device: DeviceView) -> bytes:
    """State of one device."""
    return _json(
        {
            "v": 1,
            "state": device.state,
            "since": iso_ms(device.since_ms),
            "model": device.model,
            "firmware": device.firmware,
        }
    )


def _json(document: dict[str, object]) -> bytes:
    return json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
