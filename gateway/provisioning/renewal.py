"""The next certificate, over the present one. Blocking; nothing prints or logs.

A new key each time. The request is durable before it is sent, so a repeat after a lost answer gets the same
certificate; the old one counts until the new one is on disk, and a little longer at the broker. Everything
else of the identity stays: keys of the center never come this way.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509

from gateway.config.enrolled import (
    AUTHORITY_FILE,
    CERTIFICATE_FILE,
    FACTS_FILE,
    REGISTRAR_AUTHORITY_FILE,
    TLS_KEY_FILE,
    EnrolledFacts,
    current_identity,
    read_enrolled,
)
from gateway.errors import ContractError
from gateway.provisioning import wire
from gateway.provisioning.keys import NewKeys, pem_of, renewal_due
from gateway.provisioning.messages import RENEW_PATH, RenewedMessage, RenewMessage
from gateway.provisioning.refusals import EnrolmentRefused
from gateway.provisioning.vault import RENEWING, Vault, open_vault
from gateway.tls import TellTime

MOST_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Lifetime:
    """The life of the certificate in force."""

    serial: str
    due: datetime  # two thirds of it are over
    ends: datetime


def lifetime(certificate: Path) -> Lifetime | None:
    """Of the first certificate (PEM) in a file; None where it cannot be read."""
    try:
        with certificate.open("rb") as file:
            found = x509.load_pem_x509_certificates(file.read(MOST_BYTES))[0]
    except (OSError, ValueError, IndexError):
        return None
    return Lifetime(f"{found.serial_number:x}", renewal_due(found), found.not_valid_after_utc)


def is_enrolled(state_dir: Path, certificate: Path | None) -> bool:
    """Whether the certificate in use came by enrolment, and can be renewed that way."""
    return certificate == current_identity(state_dir) / CERTIFICATE_FILE and certificate.exists()


def renew(state_dir: Path, time: TellTime) -> EnrolledFacts:
    """Get and store the next certificate; the facts that hold now.

    Raises `EnrolmentRefused`, `StartError`, `StoreRefused`, `ConfigError`: then the present one still counts.
    """
    with open_vault(state_dir) as vault:
        facts, files = read_enrolled(state_dir), vault.current()
        if facts is None or files is None:
            raise EnrolmentRefused("no_certificate", "this box is not enrolled: zhijiao enroll")
        keys = _keys(vault, facts, files)
        answer = _ask(state_dir, facts, keys, files, time)
        keys.check(answer.certificate, files[AUTHORITY_FILE].decode())
        now = replace(facts, brokers=answer.brokers)
        vault.commit(
            {
                **files,
                TLS_KEY_FILE: pem_of(keys.tls_key),
                CERTIFICATE_FILE: answer.certificate.encode(),
                FACTS_FILE: now.to_text().encode(),
            }
        )
        vault.forget(RENEWING)
        return now


def _keys(vault: Vault, facts: EnrolledFacts, files: dict[str, bytes]) -> NewKeys:
    """Those that were asked for with this certificate before, or new ones."""
    present = x509.load_pem_x509_certificates(files[CERTIFICATE_FILE])[0]
    asked = f"{present.serial_number:x}"
    kept = vault.read(RENEWING)
    found = None if kept is None else NewKeys.from_files(kept, events=False)
    if found is not None and (found.asked, found.gateway) == (asked, facts.gateway):
        return found
    keys = NewKeys.make(facts.gateway, asked)
    vault.keep(RENEWING, keys.to_files())
    return keys


def _ask(
    state_dir: Path, facts: EnrolledFacts, keys: NewKeys, files: dict[str, bytes], time: TellTime
) -> RenewedMessage:
    host, _, port = facts.registrar.rpartition(":")
    message = RenewMessage(org=facts.org, gateway=facts.gateway, csr=keys.csr)
    folder = current_identity(state_dir)  # nobody changes it: the vault is ours
    pair = (folder / CERTIFICATE_FILE, folder / TLS_KEY_FILE)
    context = wire.trusting(files[REGISTRAR_AUTHORITY_FILE].decode(), time(), pair)
    answer = wire.post(host, int(port), RENEW_PATH, message.to_wire(), context)
    try:
        renewed = RenewedMessage.from_wire(answer)
    except ContractError as exc:
        raise EnrolmentRefused(
            "answer_unusable", f"the center's answer cannot be used ({exc}); the certificate stays"
        ) from exc
    if (renewed.gateway, renewed.org) != (facts.gateway, facts.org):
        raise EnrolmentRefused("answer_unusable", "the center's answer is for another gateway")
    return renewed
