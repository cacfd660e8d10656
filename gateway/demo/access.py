"""The demo's accounts and kiosk tokens: made once, kept in its folder, handed over as by a technician."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gateway.access import handover
from gateway.access.accounts import new_token, token_digest
from gateway.access.changes import Action, Actor, Change
from gateway.access.handover import AccessSeal
from gateway.access.hashing import make_hash
from gateway.access.model import PEOPLE
from gateway.access.passwords import generated
from gateway.clock import SystemClock
from gateway.config import load_without_files
from gateway.demo.keys import DemoKeys, write_secret
from gateway.store.reading import STORE_FILE
from gateway.uuid7 import uuid7

FILE = "access.json"
DEMO = Actor("command", "demo")


@dataclass(frozen=True, slots=True)
class DemoAccess:
    """What to tell whoever plays. A real box shows a password once and keeps none."""

    passwords: Mapping[str, str]  # by account, each named after its role
    tokens: Mapping[str, str]  # by kiosk

    @property
    def sign_in(self) -> str:
        """The accounts in one line."""
        return "  ".join(f"{name} {password}" for name, password in self.passwords.items())


def ensure_access(state: Path, keys: DemoKeys, config: Path) -> DemoAccess:
    """Hand over what is missing."""
    file = state / FILE
    known = _read(file)
    passwords: dict[str, str] = dict(known.get("passwords", {}))
    tokens: dict[str, str] = dict(known.get("tokens", {}))
    kiosks = [kiosk.id for kiosk in load_without_files(config).kiosks]
    passwords |= {role.value: generated() for role in sorted(PEOPLE) if role.value not in passwords}
    tokens |= {kiosk: new_token()[0] for kiosk in kiosks if kiosk not in tokens}
    if known != {"passwords": passwords, "tokens": tokens}:
        write_secret(file, json.dumps({"passwords": passwords, "tokens": tokens}, indent=1).encode())
    for kiosk, token in tokens.items():
        write_secret(state / f"{kiosk}.token", token.encode() + b"\n")
    held = {kiosk: tokens[kiosk] for kiosk in kiosks}
    _hand_over(state / "gateway", keys, passwords, held, anew=not known)
    return DemoAccess(passwords, held)


def _read(file: Path) -> dict[str, Any]:
    """What an earlier demo kept; one that was cut off while it wrote has kept nothing."""
    try:
        found = json.loads(file.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _hand_over(
    folder: Path, keys: DemoKeys, passwords: dict[str, str], tokens: dict[str, str], *, anew: bool
) -> None:
    seal = AccessSeal(bytes.fromhex(keys.hmac_key.read_text().strip()), keys.gateway)
    book = handover.foreseen(folder / STORE_FILE, seal)
    now_ms = SystemClock().now().wall_ms
    missing = [
        replace(
            _change(Action.PASSWORD if name in book.accounts else Action.ADD, name, now_ms),
            role=name,
            hash=make_hash(password),
        )
        for name, password in passwords.items()
        if anew or name not in book.accounts
    ]
    missing += [
        replace(_change(Action.TOKEN, kiosk, now_ms), digest=token_digest(token).hex())
        for kiosk, token in tokens.items()
        if book.kiosk_of(token_digest(token), "") != kiosk
    ]
    for change in missing:
        handover.inbox(folder).leave(seal.close(change), now_ms)


def _change(action: Action, name: str, now_ms: int) -> Change:
    return Change(id=uuid7(now_ms), action=action, name=name, by=DEMO)
