"""An invented example of every message, signed with keys that everybody knows: what an integrator may test with.

The events stand in one chain of one epoch, one of each type, and verify.
"""

import hashlib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.clock import ClockQuality, Stamp, iso_ms
from gateway.contract.example_events import (
    BEFORE,
    BOOT,
    EPOCH,
    EVENTS,
    GATEWAY,
    ORG,
    SESSION,
    START_MONO_MS,
    START_MS,
    STEP_MS,
    TIME,
    event_id,
    hash_of,
)
from gateway.contract.messages import CHANNELS
from gateway.envelope import GENESIS, Draft, Place, Sealed, seal, sequence
from gateway.evidence import canonical
from gateway.evidence.canonical import Json
from gateway.evidence.jws import Signer, b64url
from gateway.evidence.keys import Role, TrustedKey


def example_key(what: str) -> Ed25519PrivateKey:
    """The key that is the SHA-256 of these words: known to everybody, trusted by nobody."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(what.encode()).digest())


EVENT_KEY = Signer(f"{GATEWAY}#1", example_key("zhijiao test gateway key 1"))
ACK_KEY = Signer("center-ack#1", example_key("zhijiao test center ack key 1"))
OPS_KEY = Signer("center-ops#1", example_key("zhijiao test center operations key 1"))
TRUSTED = (
    TrustedKey(EVENT_KEY.kid, Role.GATEWAY, GATEWAY, EVENT_KEY.public.public_bytes_raw()),
    TrustedKey(ACK_KEY.kid, Role.ACK, None, ACK_KEY.public.public_bytes_raw()),
    TrustedKey(OPS_KEY.kid, Role.OPERATIONS, None, OPS_KEY.public.public_bytes_raw()),
)


def chain() -> list[Sealed]:
    """One event of each type, in one epoch that begins with its opening."""
    made: list[Sealed] = []
    previous = GENESIS
    for number, (name, (subject, device, data)) in enumerate(EVENTS.items(), start=1):
        at = Stamp(
            wall_ms=START_MS + STEP_MS * (number - 1),
            mono_ms=START_MONO_MS + STEP_MS * (number - 1),
            boot_id=BOOT,
            quality=ClockQuality.SYNCED,
            error_ms=12,
        )
        draft = Draft(
            id=event_id(number),
            type=name,
            subject=subject,
            device=device,
            at=at,
            data=data,
            unit="370102-SFS-03" if subject.startswith("person/") else None,
            restricted=subject.startswith("person/") or name == "identity.card_read",
        )
        made.append(seal(draft, Place(ORG, GATEWAY, EPOCH, number, previous), at, EVENT_KEY))
        previous = made[-1].hash
    return made


def messages() -> dict[str, bytes]:
    """Channel of `messages.CHANNELS` -> wire bytes; about the chain above."""
    events = chain()
    signers = {"info": EVENT_KEY, "req_roster_part": EVENT_KEY, "cmd": OPS_KEY}
    made: dict[str, bytes] = {}
    for name, content in _contents(events[-1]).items():
        signer = signers.get(name, ACK_KEY)
        made[name] = signer.sign_object(content) if CHANNELS[name].signed else canonical.encode(content)
    return made


def _contents(last: Sealed) -> dict[str, dict[str, Json]]:
    ts = iso_ms(START_MS + STEP_MS * last.seq)
    session, end, head = SESSION, sequence(last.seq), last.hash.hex()
    ranges: list[Json] = [[sequence(5), sequence(6)]]
    refusal: Json = {
        "seq": sequence(3),
        "code": "data",
        "msg": "data.software is not text of at most 256 characters",
    }
    down: dict[str, Json] = {"v": 1, "gw": GATEWAY, "ts": ts}
    command: dict[str, Json] = {
        "v": 1, "gw": GATEWAY, "session": session, "issued": ts, "expires": iso_ms(START_MS + 600_000), "by": "desk-1",
    }  # fmt: skip
    span: Json = {"epoch": EPOCH, "from": sequence(5), "to": sequence(6)}
    device: Json = {"id": "idcard-1", "kind": "idcard.sam", "model": None, "firmware": None}
    return {
        "info": {
            **down, "org": ORG, "session": session, "versions": {"software": "0.1.0", "contract": 1}, "profile": "intl",
            "capabilities": ["ping", "resend", "sealed"], "devices": [device],
            "keys": [{"kid": EVENT_KEY.kid, "alg": "EdDSA", "public": EVENT_KEY.public.public_bytes_raw().hex()}],
            "epochs": [{"epoch": EPOCH, "last_seq": end, "last_hash": head}],
        },
        "status": {
            "v": 1, "state": "online", "session": session, "ts": ts, "epoch": EPOCH, "last_seq": end,
            "acked": sequence(4), "backlog": last.seq - 4, "oldest_unacked_s": 12, "clockq": "synced",
            "ack_mode": "center", "mqtt": "5",
        },
        "device_status": {"v": 1, "state": "online", "since": TIME, "model": None, "firmware": None},
        "ack": {
            **down,
            "epochs": [
                {
                    "epoch": EPOCH, "upto": end, "head": head, "sack": [], "lost": [], "rejected_n": 1,
                    "rejected": [refusal], "blocked": None,
                },
                {
                    "epoch": BEFORE, "upto": sequence(4), "head": hash_of("number four"), "sack": ranges,
                    "lost": [[sequence(2), sequence(2)]], "rejected_n": 0, "rejected": [],
                    "blocked": {"seq": sequence(7), "code": "unknown_kid"},
                },
            ],
        },
        "req_ack": {"v": 1},
        "req_rejected": {"v": 1, "reqid": event_id(0x101), "epoch": EPOCH, "from": sequence(1)},
        "res_rejected": {
            **down, "name": "rejected", "reqid": event_id(0x101), "epoch": EPOCH, "rejected": [refusal], "more": False,
        },
        "req_roster_part": {
            "v": 1, "reqid": event_id(0x103), "gw": GATEWAY, "name": "roster-part", "version": 7, "page": 0,
            "offset": 0, "key": hash_of("a key of this fetch"),
        },
        "res_roster_part": {
            **down, "name": "roster-part", "reqid": event_id(0x103), "version": 7, "page": 0, "offset": 0, "size": 812,
            "enc": b64url(bytes.fromhex(hash_of("an encapsulated key"))), "ct": b64url(b"sealed for the gateway"),
        },
        "req_time": {"v": 1, "reqid": event_id(0x102), "mono": "123456000"},
        "res_time": {**down, "name": "time", "reqid": event_id(0x102), "mono": "123456000"},
        "cmd_ping": {**command, "name": "ping", "cmdid": event_id(0x201), "args": {}},
        "rsp_ping": {
            "v": 1, "cmdid": event_id(0x201), "status": "done", "error": None,
            "result": {"ts": ts, "mono": "123457000", "clockq": "synced"},
        },
        "cmd_resend": {**command, "name": "resend", "cmdid": event_id(0x202), "args": span},
        "rsp_resend": {
            "v": 1, "cmdid": event_id(0x202), "status": "done", "error": None,
            "result": {"sent": ranges, "unavailable": []},
        },
        "cmd": {**command, "name": "log-pull", "cmdid": event_id(0x203), "args": {}},
        "rsp": {
            "v": 1, "cmdid": event_id(0x203), "status": "rejected", "result": None,
            "error": {"code": "unsupported", "msg": "log-pull is not built in version 0.1.0"},
        },
    }  # fmt: skip
