"""A small certificate authority: one key on P-256, no intermediate, files of mode 0400.

Times are this machine's: a center has a clock that is set. A certificate begins an hour early, for those who
judge it by a clock that is a little slow.
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_LIFE: Final = timedelta(days=20 * 365)
SERVER_LIFE: Final = timedelta(days=397)  # what clients commonly accept at the most
LIST_LIFE: Final = timedelta(days=30)  # once a list is out of date, no gateway can connect
SLOW_CLOCKS: Final = timedelta(hours=1)
URN: Final = "urn:zhijiao:{org}:{gateway}"


@dataclass(frozen=True, slots=True)
class Revoked:
    """One line of the list."""

    serial: int
    at: datetime


class Authority:
    """Signs for one center."""

    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self.certificate = certificate
        self._key = key

    @classmethod
    def make(cls, name: str, now: datetime) -> tuple[Self, ec.EllipticCurvePrivateKey]:
        """A new one, and its key, which belongs into a file."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = (
            _builder(subject, subject, key.public_key(), key.public_key(), now, AUTHORITY_LIFE)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .sign(key, hashes.SHA256())
        )
        return cls(certificate, key), key

    @classmethod
    def load(cls, certificate: bytes, key: bytes) -> Self:
        """From PEM; raises `ValueError` where they are none or do not belong together."""
        loaded = x509.load_pem_x509_certificate(certificate)
        private = load_pem_private_key(key, None)
        if not isinstance(private, ec.EllipticCurvePrivateKey) or private.public_key() != loaded.public_key():
            raise ValueError("certificate and key do not belong together")
        return cls(loaded, private)

    @property
    def pem(self) -> str:
        """The certificate that others pin."""
        return pem_of(self.certificate)

    def certify_client(
        self, public: ec.EllipticCurvePublicKey, name: str, org: str | None, now: datetime, life: timedelta
    ) -> x509.Certificate:
        """For a gateway (`org` given) or another client of the broker (a receiver)."""
        names: list[x509.GeneralName] = (
            [x509.DNSName(name)]
            if org is None
            else [x509.UniformResourceIdentifier(URN.format(org=org, gateway=name))]
        )
        return self._certify(public, name, names, ExtendedKeyUsageOID.CLIENT_AUTH, now, life)

    def certify_server(
        self, public: ec.EllipticCurvePublicKey, hosts: Iterable[str], now: datetime
    ) -> x509.Certificate:
        """For a broker or the registrar itself, under these names and addresses."""
        names = [_general(host) for host in hosts]
        return self._certify(public, "server", names, ExtendedKeyUsageOID.SERVER_AUTH, now, SERVER_LIFE)

    def revocation_list(self, revoked: Iterable[Revoked], number: int, now: datetime) -> str:
        """PEM, for the brokers."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(now - SLOW_CLOCKS)
            .next_update(now + LIST_LIFE)
            .add_extension(x509.CRLNumber(number), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
            )
        )
        for entry in revoked:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder().serial_number(entry.serial).revocation_date(entry.at).build()
            )
        return builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()

    def _certify(
        self,
        public: ec.EllipticCurvePublicKey,
        common_name: str,
        names: list[x509.GeneralName],
        use: x509.ObjectIdentifier,
        now: datetime,
        life: timedelta,
    ) -> x509.Certificate:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        return (
            _builder(subject, self.certificate.subject, public, self._key.public_key(), now, life)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([use]), critical=False)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .sign(self._key, hashes.SHA256())
        )


def pem_of(certificate: x509.Certificate) -> str:
    """As text."""
    return certificate.public_bytes(Encoding.PEM).decode()


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey,
    issuer_public: ec.EllipticCurvePublicKey,
    now: datetime,
    life: timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SLOW_CLOCKS)
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_public), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _general(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        return x509.DNSName(host)
