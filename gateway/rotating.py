"""A new event key for this box, signed over by the old one: asked for at any time, done at the next start.

    identity/rotating/        the new key, durable before anything is signed about it

The start opens the store with the old key, says `system.key_rotated`, closes it in order, and only then makes
the new key the one of the identity. Cut off in between, the next start finds the event in the store and goes
on from there; without it, it begins anew.
"""

import logging
from dataclasses import replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gateway import __version__
from gateway.clock import Stamp
from gateway.config import Config
from gateway.config.enrolled import (
    EVENT_KEY_FILE,
    FACTS_FILE,
    IDENTITY_FOLDER,
    TRUST_FILE,
    EnrolledFacts,
    current_identity,
)
from gateway.envelope import GATEWAY_DEVICE, Draft
from gateway.errors import StoreRefused
from gateway.evidence.canonical import Json
from gateway.evidence.keys import Role, TrustedKey, key_name, load_signer, load_trust, trust_document
from gateway.evidence.succession import KEY_ROTATED, rotation_data
from gateway.provisioning.keys import pem_of
from gateway.provisioning.vault import ROTATING, Vault, open_vault
from gateway.store.database import StoreDamaged
from gateway.store.opening import StoreSettings
from gateway.store.reading import open_for_reading
from gateway.store.store import open_store
from gateway.uplink.documents import PROFILE
from gateway.uuid7 import uuid7

log = logging.getLogger(__name__)

LOOKED_AT = 200  # events: between the rotation and the look nothing but the end of that run is stored


def ask(state_dir: Path, facts: EnrolledFacts) -> str:
    """Make the new key, to be taken up at the next start; its kid. Repeated, the one that waits stays.

    Raises `StartError` (enrolling), `StoreRefused` (identity_io).
    """
    with open_vault(state_dir) as vault:
        waiting = _waiting(vault, facts)
        if waiting is None:
            waiting = Ed25519PrivateKey.generate()
            vault.keep(ROTATING, {EVENT_KEY_FILE: pem_of(waiting)})
        return _kid(facts, waiting)


async def take_up(config: Config, settings: StoreSettings, stamp: Stamp) -> Config:
    """At a start, before the store is opened for good: the configuration with the key that signs from now on."""
    state_dir = config.gateway.state_dir
    if not (state_dir / IDENTITY_FOLDER / ROTATING).exists():
        return config
    with open_vault(state_dir) as vault:
        files = vault.current() or {}
        facts = EnrolledFacts.from_text(files[FACTS_FILE].decode())
        key = _waiting(vault, facts)
        if key is None or facts.kid != config.keys.event_kid:
            vault.forget(
                ROTATING
            )  # of an identity that was replaced, or of a key that is the administrator's
            return config
        new = _kid(facts, key)
        own = TrustedKey(new, Role.GATEWAY, facts.gateway, key.public_key().public_bytes_raw())
        trust = load_trust(current_identity(state_dir) / TRUST_FILE, allow_demo=config.gateway.demo)
        now = replace(facts, kid=new, kids=(*facts.kids, new))
        # On disk before it is said: after that only a rename is left, which a full disk takes as well.
        prepared = vault.prepare(
            {
                **files,
                EVENT_KEY_FILE: pem_of(key),
                TRUST_FILE: trust_document([*trust.everybody(), own], demo=False).encode(),
                FACTS_FILE: now.to_text().encode(),
            }
        )
        try:
            if not _is_said(settings.path, new):
                await _say(config, settings, facts, key, stamp)
        except (StoreRefused, StoreDamaged) as exc:
            # A store that takes nothing now, or must be salvaged, never stops a start: another one will do it.
            log.warning("event key not rotated", extra={"cause": str(exc)})
            return config
        vault.point_to(prepared)
        vault.forget(ROTATING)
    log.info("event key rotated", extra={"old": facts.kid, "kid": new})
    return replace(config, keys=replace(config.keys, event_kid=new))


async def _say(
    config: Config, settings: StoreSettings, facts: EnrolledFacts, key: Ed25519PrivateKey, stamp: Stamp
) -> None:
    signer = load_signer(config.keys.event_key_file, facts.kid)
    store = await open_store(settings, signer, stamp)
    try:

        def first(kind: str, data: dict[str, Json]) -> Draft:
            more = {"profile": PROFILE, "software": __version__} if kind == "system.epoch_opened" else {}
            return _draft(facts.gateway, kind, {**data, **more}, stamp)

        await store.start(stamp, first)
        epochs = [view.epoch for view in await store.lineage()][:-1]
        data = rotation_data(facts.gateway, facts.kid, _kid(facts, key), key, epochs)
        await store.append([_draft(facts.gateway, KEY_ROTATED, data, stamp)], stamp)
    except BaseException:
        await store.close(clean=False)
        raise
    await store.close(clean=True)


def _draft(gateway: str, kind: str, data: dict[str, Json], stamp: Stamp) -> Draft:
    subject = f"gateway/{gateway}"
    return Draft(
        id=uuid7(stamp.wall_ms), type=kind, subject=subject, device=GATEWAY_DEVICE, at=stamp, data=data
    )


def _is_said(store: Path, kid: str) -> bool:
    """Whether the newest events of the store hold the one that hands over to this key."""
    if not store.exists():
        return False
    marks = (KEY_ROTATED.encode(), f'"kid":"{kid}"'.encode())
    with open_for_reading(store) as reading:
        last = reading.last_n()
        wires = [getattr(row, "wire", None) for row in reading.rows(max(1, last - LOOKED_AT), last)]
    return any(isinstance(wire, bytes) and all(mark in wire for mark in marks) for wire in wires)


def _waiting(vault: Vault, facts: EnrolledFacts) -> Ed25519PrivateKey | None:
    files = vault.read(ROTATING)
    if files is None:
        return None
    try:
        key = load_pem_private_key(files[EVENT_KEY_FILE], None)
    except (KeyError, ValueError):
        return None
    is_new = isinstance(key, Ed25519PrivateKey) and _kid(facts, key) != facts.kid
    return key if isinstance(key, Ed25519PrivateKey) and is_new else None


def _kid(facts: EnrolledFacts, key: Ed25519PrivateKey) -> str:
    return key_name(facts.gateway, key.public_key().public_bytes_raw())
