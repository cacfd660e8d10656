"""Rosters of invented persons for tests, signed with the operations key of the contract's vectors."""

import hashlib
import hmac
import json
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from drivers.simulators.people import people
from firmware_protocols.idcard_sam.text_block import CardLayout
from gateway.checkin.roster import Person, Roster
from gateway.checkin.signed_file import number_key_check, open_roster, sign_roster
from gateway.evidence.jws import Signer
from gateway.evidence.keys import Role, TrustedKey, TrustStore

ORG, GATEWAY = "370102", "gw-370102-01"
VECTORS = Path(__file__).parents[1] / "vectors/contract"
HMAC_KEY = hashlib.sha256(b"zhijiao test id hmac key 1").digest()
KIDS = {"gw-370102-01#1": Role.GATEWAY, "center-ack#1": Role.ACK, "center-ops#1": Role.OPERATIONS}
SEEDS = {key["kid"]: key["seed"] for key in json.loads((VECTORS / "contract.json").read_text())["keys"]}


def signer(kid: str = "center-ops#1") -> Signer:
    return Signer(kid, Ed25519PrivateKey.from_private_bytes(bytes.fromhex(SEEDS[kid])))


def trusted() -> list[TrustedKey]:
    return [
        TrustedKey(
            kid, role, GATEWAY if role is Role.GATEWAY else None, signer(kid).public.public_bytes_raw()
        )
        for kid, role in KIDS.items()
    ]


OPS = signer()
TRUST = TrustStore(trusted())


def number_hmac(id_number: str, key: bytes = HMAC_KEY) -> str:
    return hmac.new(key, id_number.upper().encode(), hashlib.sha256).hexdigest()


def cards(count: int, seed: int = 1) -> list[tuple[str, str]]:
    """(name, number) of invented persons, those of the simulated cards."""
    return [(one.name, one.id_number) for one in islice(people(seed, (CardLayout.RESIDENT,)), count)]  # type: ignore[union-attr]


def schedule(**changes: Any) -> dict[str, Any]:
    base = {
        "repeat": "weekly",
        "days": [1],
        "windows": [["08:30", "11:30"], ["14:00", "17:30"]],
        "grace_min": 30,
        "day_off": "next",
    }
    return {name: value for name, value in {**base, **changes}.items() if value is not None}


def person(serial: int = 0, **changes: Any) -> dict[str, Any]:
    """A person of the file; `changes` replace members, None of a member that may be left out too."""
    return {
        "ref": f"p-{serial:04d}",
        "number_hmac": hashlib.sha256(f"person {serial}".encode()).hexdigest(),
        "name": "测*甲",
        "unit": "370102001",
        "class": "ordinary",
        "since": "2026-01-05",
        "until": "2027-12-31",
        "responsible": GATEWAY,
        "protected": False,
        "methods": ["finger", "staff"],
        "schedule": schedule(),
        "leave": [],
        "references": [],
        "trackers": [],
        **changes,
    }


def head(**changes: Any) -> dict[str, Any]:
    return {
        "org": ORG,
        "gw": GATEWAY,
        "version": 1,
        "issued": "2026-11-20T08:00:00.000Z",
        "expires": "2027-01-31T16:00:00.000Z",
        "number_key": number_key_check(HMAC_KEY),
        "calendar": {
            "from": "2026-01-01",
            "to": "2026-12-31",
            "holidays": ["2026-10-01", "2026-10-02", "2026-10-05", "2026-10-06", "2026-10-07"],
            "workdays": ["2026-09-27", "2026-10-10"],
        },
        **changes,
    }


def signed(persons: Iterable[dict[str, Any]] | None = None, *, by: Signer = OPS, **changes: Any) -> bytes:
    return sign_roster(head(**changes), [person()] if persons is None else persons, by)


def opened(data: bytes) -> Roster:
    return open_roster(
        data,
        org=ORG,
        gateway=GATEWAY,
        find_key=TRUST.find(Role.OPERATIONS),
        number_key=number_key_check(HMAC_KEY),
    )


def read_person(**changes: Any) -> Person:
    """One person of the model."""
    return opened(signed([person(**changes)])).persons[0]
