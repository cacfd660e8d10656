"""Enrolment of the box, from the code to the files: the one entry point of command line and page.

    enrolled = await enroll(EnrolmentRequest(code=…, state_dir=…), step=show)

Nothing here prints or logs. A repeat with the same code, after a power cut or a lost answer, goes on with the
same keys and ends where the first would have. Until the last step the identity of before counts.
"""

import asyncio
import hashlib
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway import __version__
from gateway.clock import Timekeeper
from gateway.config.enrolled import (
    AUTHORITY_FILE,
    CERTIFICATE_FILE,
    EVENT_KEY_FILE,
    FACTS_FILE,
    HMAC_KEY_FILE,
    REGISTRAR_AUTHORITY_FILE,
    TLS_KEY_FILE,
    TRUST_FILE,
    EnrolledFacts,
    current_identity,
    read_enrolled,
)
from gateway.config.values import Broker
from gateway.errors import ConfigError, ContractError
from gateway.evidence.keys import Role, TrustedKey, trust_document
from gateway.provisioning import wire
from gateway.provisioning.code import EnrolmentCode
from gateway.provisioning.keys import NewKeys, pem_of
from gateway.provisioning.messages import ENROL_PATH, EnrolMessage, GrantMessage
from gateway.provisioning.refusals import EnrolmentRefused
from gateway.provisioning.vault import PENDING, Vault, open_vault
from gateway.tls import TellTime

CLOCK_FILE = "clock.json"  # of the gateway, in its state folder: what is known of time


class Step(StrEnum):
    """Where an enrolment is; told before each step begins."""

    CODE = "code"  # reading the code
    CENTER = "center"  # is it the center that issued the code?
    KEYS = "keys"  # making keys, on this box
    ASKING = "asking"  # sending the request, waiting for the answer
    STORING = "storing"  # checking the answer, putting it on disk
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentRequest:
    """What an enrolment needs."""

    code: str = field(repr=False)  # as it was typed
    state_dir: Path  # [gateway] state_dir; the identity comes into it
    gateway: str | None = None  # the id of the configuration, where there is one: the code must name it
    certificate_time: TellTime | None = None  # None: by what the gateway remembers of time in `state_dir`


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled:
    """Who the box is now; nothing in it is secret. Counts from the next start of the gateway."""

    org: str
    gateway: str
    kid: str  # of the event key
    registrar: str  # host:port
    brokers: tuple[Broker, ...]
    certificate_until: datetime
    folder: Path  # where the files are


async def enroll(
    request: EnrolmentRequest, *, step: Callable[[Step], object] = lambda _step: None
) -> Enrolled:
    """Enrol the box. `step` is called on the loop before each step.

    Raises `GatewayError`, each with a code and what to do: `ConfigError` (code_form, code_typing,
    other_gateway), `EnrolmentRefused` (see `refusals` and `wire`), `StartError` (state_dir, enrolling),
    `StoreRefused` (identity_io). Whatever is raised, the identity of before counts, and a repeat is safe.
    """
    loop = asyncio.get_running_loop()

    def tell(at: Step) -> None:
        loop.call_soon_threadsafe(step, at)

    step(Step.CODE)
    code = EnrolmentCode.parse(request.code)
    if request.gateway is not None and request.gateway != code.gateway:
        raise ConfigError(
            "other_gateway",
            f"the code is for {code.gateway}, this box is configured as {request.gateway}: "
            "correct [gateway] id and org, or ask the center for a code for this box",
        )
    # On a thread and shielded: an enrolment that was begun is finished, whoever stopped waiting for it.
    work = loop.run_in_executor(None, _enroll, request, code, tell)
    enrolled = await asyncio.shield(work)
    step(Step.DONE)
    return enrolled


def _enroll(request: EnrolmentRequest, code: EnrolmentCode, tell: Callable[[Step], object]) -> Enrolled:
    time = request.certificate_time or Timekeeper.load(request.state_dir / CLOCK_FILE).certificate_time
    with open_vault(request.state_dir) as vault:
        done = _done_before(vault, request.state_dir, code)
        if done is not None:
            return done
        tell(Step.CENTER)
        authority = wire.find_authority(code.host, code.port, code.pin)
        context = wire.trusting(authority, time())
        tell(Step.KEYS)
        keys = _keys(vault, code)
        tell(Step.ASKING)
        grant = _ask(code, keys, context)
        tell(Step.STORING)
        return _store(vault, code, keys, grant, authority)


def _done_before(vault: Vault, state_dir: Path, code: EnrolmentCode) -> Enrolled | None:
    """What this code led to already: whoever did not see the end of it, for want of power, repeats it."""
    try:
        facts = read_enrolled(state_dir)
    except ConfigError:  # damaged: this enrolment replaces it
        return None
    if facts is None or facts.code != _asked(code):
        return None
    certificate = (vault.current() or {}).get(CERTIFICATE_FILE, b"")
    vault.tidy()
    vault.forget(PENDING)
    return _enrolled(facts, x509.load_pem_x509_certificates(certificate)[0], current_identity(state_dir))


def _asked(code: EnrolmentCode) -> str:
    return hashlib.sha256(b"zhijiao/asked/" + code.token).hexdigest()


def _keys(vault: Vault, code: EnrolmentCode) -> NewKeys:
    """Those that this code was used with before, or new ones, durable before the center hears of them."""
    asked = _asked(code)
    kept = vault.read(PENDING)
    if kept is not None:
        found = NewKeys.from_files(kept, events=True)
        if found is not None and (found.asked, found.gateway) == (asked, code.gateway):
            return found
    keys = NewKeys.make(code.gateway, asked, event_key=Ed25519PrivateKey.generate())
    vault.keep(PENDING, keys.to_files())
    return keys


def _ask(code: EnrolmentCode, keys: NewKeys, context: ssl.SSLContext) -> GrantMessage:
    signer = keys.signer()
    message = EnrolMessage(
        org=code.org,
        gateway=code.gateway,
        token=code.token,
        csr=keys.csr,
        event_key=signer.public.public_bytes_raw(),
        software=__version__,
    )
    answer = wire.post(code.host, code.port, ENROL_PATH, message.to_wire(signer), context)
    try:
        grant = GrantMessage.from_wire(answer)
    except ContractError as exc:
        raise EnrolmentRefused(
            "answer_unusable",
            f"the center's answer cannot be used ({exc}); nothing was changed, tell the center",
        ) from exc
    if (grant.org, grant.gateway, grant.kid) != (code.org, code.gateway, signer.kid):
        raise EnrolmentRefused(
            "answer_unusable", "the center's answer is for another gateway or key; nothing was changed"
        )
    return grant


def _store(
    vault: Vault, code: EnrolmentCode, keys: NewKeys, grant: GrantMessage, registrar_authority: str
) -> Enrolled:
    certificate = keys.check(grant.certificate, grant.authority)
    signer = keys.signer()
    facts = EnrolledFacts(
        org=grant.org,
        gateway=grant.gateway,
        kid=grant.kid,
        brokers=grant.brokers,
        registrar=code.place,
        code=keys.asked,
        kids=grant.kids,
    )
    own = TrustedKey(
        kid=grant.kid, role=Role.GATEWAY, gateway=grant.gateway, public=signer.public.public_bytes_raw()
    )
    if keys.event_key is None:
        raise TypeError("an enrolment has an event key")
    folder = vault.commit(
        {
            EVENT_KEY_FILE: pem_of(keys.event_key),
            TLS_KEY_FILE: pem_of(keys.tls_key),
            CERTIFICATE_FILE: grant.certificate.encode(),
            AUTHORITY_FILE: grant.authority.encode(),
            REGISTRAR_AUTHORITY_FILE: registrar_authority.encode(),
            TRUST_FILE: trust_document([*grant.keys, own], demo=False).encode(),
            HMAC_KEY_FILE: grant.id_hmac_key.hex().encode() + b"\n",
            FACTS_FILE: facts.to_text().encode(),
        }
    )
    vault.forget(PENDING)
    return _enrolled(facts, certificate, folder)


def _enrolled(facts: EnrolledFacts, certificate: x509.Certificate, folder: Path) -> Enrolled:
    return Enrolled(
        org=facts.org,
        gateway=facts.gateway,
        kid=facts.kid,
        registrar=facts.registrar,
        brokers=facts.brokers,
        certificate_until=certificate.not_valid_after_utc,
        folder=folder,
    )
