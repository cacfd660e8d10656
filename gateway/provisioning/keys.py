"""Keys and requests as a box makes them, and the certificate it gets back, looked at before it is believed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from gateway.config.enrolled import EVENT_KEY_FILE, TLS_KEY_FILE
from gateway.evidence.jws import Signer
from gateway.evidence.keys import key_name
from gateway.provisioning.refusals import EnrolmentRefused

REQUEST_FILE = "request.json"


@dataclass(frozen=True, slots=True)
class NewKeys:
    """A TLS key with its request; for an enrolment also an event key."""

    gateway: str
    tls_key: ec.EllipticCurvePrivateKey
    csr: x509.CertificateSigningRequest
    event_key: Ed25519PrivateKey | None
    asked: str  # what these keys are for: a hash of the token, or the serial of the certificate before

    @classmethod
    def make(cls, gateway: str, asked: str, *, event_key: Ed25519PrivateKey | None = None) -> Self:
        """New ones. The request is kept: its signature is another each time, and the center compares it."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, gateway)])
        csr = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
        return cls(gateway, key, csr, event_key, asked)

    @classmethod
    def from_files(cls, files: Mapping[str, bytes], *, events: bool) -> Self | None:
        """What `to_files` wrote; None where it is not that."""
        try:
            told = json.loads(files[REQUEST_FILE])
            key = load_pem_private_key(files[TLS_KEY_FILE], None)
            event_key = load_pem_private_key(files[EVENT_KEY_FILE], None) if events else None
            csr = x509.load_pem_x509_csr(str(told["csr"]).encode())
            gateway, asked = str(told["gw"]), str(told["asked"])
        except (KeyError, TypeError, ValueError):
            return None
        if not isinstance(key, ec.EllipticCurvePrivateKey) or csr.public_key() != key.public_key():
            return None
        if events and not isinstance(event_key, Ed25519PrivateKey):
            return None
        return cls(gateway, key, csr, event_key if isinstance(event_key, Ed25519PrivateKey) else None, asked)

    def to_files(self) -> dict[str, bytes]:
        """As they lie in `pending` or `renewing`."""
        csr = self.csr.public_bytes(Encoding.PEM).decode()
        told = json.dumps({"v": 1, "gw": self.gateway, "asked": self.asked, "csr": csr})
        files = {REQUEST_FILE: told.encode(), TLS_KEY_FILE: pem_of(self.tls_key)}
        if self.event_key is not None:
            files[EVENT_KEY_FILE] = pem_of(self.event_key)
        return files

    def signer(self) -> Signer:
        """Of the event key, under its name."""
        if self.event_key is None:
            raise TypeError("a renewal makes no event key")
        public = self.event_key.public_key().public_bytes_raw()
        return Signer(key_name(self.gateway, public), self.event_key)

    def check(self, certificate: str, authority: str) -> x509.Certificate:
        """The certificate, which must be for our key and name, by that authority; raises `EnrolmentRefused`."""
        try:
            chain = x509.load_pem_x509_certificates(certificate.encode())
            issuers = [*chain[1:], *x509.load_pem_x509_certificates(authority.encode())]
            own = chain[0]
            common = [str(name.value) for name in own.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
            signed = any(_issued_by(own, issuer) for issuer in issuers)
        except (ValueError, IndexError) as exc:
            raise _unusable("it is not a certificate") from exc
        if own.public_key() != self.tls_key.public_key():
            raise _unusable("the certificate is for another key")
        if common != [self.gateway]:
            raise _unusable("the certificate is for another name")
        if not signed:
            raise _unusable("the certificate is not signed by the authority that came with it")
        return own


def pem_of(key: Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    """PKCS 8, not encrypted: the file's mode protects it."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def renewal_due(certificate: x509.Certificate) -> datetime:
    """Two thirds of its life are over."""
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return begin + (end - begin) * 2 / 3


def at(wall_ms: int) -> datetime:
    """A time of our clocks as certificates tell it."""
    return datetime.fromtimestamp(wall_ms / 1000, UTC)


def _issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _unusable(why: str) -> EnrolmentRefused:
    return EnrolmentRefused(
        "answer_unusable", f"the center's answer cannot be used: {why}; nothing was changed, tell the center"
    )
