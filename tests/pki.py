"""Throw-away certificates for tests: one CA, a broker, gateways, and everybody who must be refused.

The common name of a client certificate is its gateway id, as in production. Keys are made in the
test's own folder and are worth nothing outside it. Leaves out: TLS settings; those are the caller's.
"""

import datetime as dt
import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

GATEWAY = "gw-370102-01"
LONG_AGO = dt.datetime(2001, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate with its key, as files; `name` is the common name."""

    name: str
    cert: Path
    key: Path

    def der(self) -> bytes:
        """The certificate itself, DER."""
        return ssl.PEM_cert_to_DER_cert(self.cert.read_text("ascii"))


class Pki:
    """The CA of a test with a server certificate for 127.0.0.1 and localhost; clients on request.

    `wrong_*` come from a second CA that nobody of the first trusts.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._ca, self._wrong_ca = trustme.CA(), trustme.CA()
        self.ca, self.wrong_ca = folder / "ca.pem", folder / "wrong-ca.pem"
        self._ca.cert_pem.write_to_path(self.ca)
        self._wrong_ca.cert_pem.write_to_path(self.wrong_ca)
        self.server = self.new_server()
        self.wrong_server = self._issue(self._wrong_ca, "wrong-server", "localhost", "127.0.0.1")

    def new_server(self) -> Identity:
        """A second certificate for the broker, as after a renewal."""
        return self._issue(self._ca, "server", "localhost", "127.0.0.1")

    def dated_server(
        self, not_before: dt.datetime | None = None, not_after: dt.datetime | None = None
    ) -> Identity:
        """A broker whose certificate is valid between these dates only."""
        return self._issue(
            self._ca, "dated-server", "localhost", "127.0.0.1", not_before=not_before, not_after=not_after
        )

    def misnamed_server(self) -> Identity:
        """A broker with a certificate of another host."""
        return self._issue(self._ca, "misnamed-server", "broker.example")

    def server_under_expired_authority(self) -> Identity:
        """A valid certificate whose issuer, itself issued by the CA, has expired."""
        root = x509.load_pem_x509_certificate(self._ca.cert_pem.bytes())
        root_key = serialization.load_pem_private_key(self._ca.private_key_pem.bytes(), None)
        child = trustme.CA(parent_cert=self._ca)
        young = x509.load_pem_x509_certificate(child.cert_pem.bytes())
        expired = x509.CertificateBuilder(
            issuer_name=root.subject,
            subject_name=young.subject,
            public_key=young.public_key(),
            serial_number=young.serial_number + 1,
            not_valid_before=LONG_AGO - dt.timedelta(days=365),
            not_valid_after=LONG_AGO,
            extensions=list(young.extensions),
        )
        if not isinstance(root_key, ec.EllipticCurvePrivateKey):
            raise TypeError("trustme made a CA key that is not an EC key")
        identity = self._issue(child, "server-under-expired", "localhost", "127.0.0.1")
        leaf = x509.load_pem_x509_certificates(identity.cert.read_bytes())[0]
        chain = (leaf, expired.sign(root_key, hashes.SHA256()))
        identity.cert.write_bytes(b"".join(part.public_bytes(serialization.Encoding.PEM) for part in chain))
        return identity

    def client(self, name: str = GATEWAY) -> Identity:
        """A client the broker accepts; a second call issues a second certificate of the same name."""
        return self._issue(self._ca, f"client-{name}", f"{name}.example", common_name=name)

    def wrong_client(self, name: str = GATEWAY) -> Identity:
        """The right name under a CA the broker does not trust."""
        return self._issue(self._wrong_ca, f"wrong-client-{name}", f"{name}.example", common_name=name)

    def expired_client(self, name: str = GATEWAY) -> Identity:
        """The right name and CA, valid in the last century of nobody's clock."""
        return self._issue(
            self._ca, f"expired-client-{name}", f"{name}.example", common_name=name, not_after=LONG_AGO
        )

    def revoke(self, *identities: Identity, next_update: dt.datetime | None = None) -> Path:
        """Write and return a CRL of the CA that lists exactly these (none: a valid, empty list).

        It is valid for 30 days, or until `next_update`, which may be in the past.
        """
        now = dt.datetime.now(dt.UTC)
        ca_cert = x509.load_pem_x509_certificate(self._ca.cert_pem.bytes())
        ca_key = serialization.load_pem_private_key(self._ca.private_key_pem.bytes(), None)
        if not isinstance(ca_key, ec.EllipticCurvePrivateKey):
            raise TypeError("trustme made a CA key that is not an EC key")
        crl = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(ca_cert.subject)
            .last_update(now - dt.timedelta(days=60))
            .next_update(next_update or now + dt.timedelta(days=30))
        )
        for identity in identities:
            serial = x509.load_pem_x509_certificate(identity.cert.read_bytes()).serial_number
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now)
            crl = crl.add_revoked_certificate(entry.build())
        path = self.folder / "crl.pem"
        path.write_bytes(crl.sign(ca_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        return path

    def _issue(
        self,
        ca: trustme.CA,
        file_name: str,
        *hosts: str,
        common_name: str | None = None,
        not_before: dt.datetime | None = None,
        not_after: dt.datetime | None = None,
    ) -> Identity:
        leaf = ca.issue_cert(*hosts, common_name=common_name, not_before=not_before, not_after=not_after)
        number = len(list(self.folder.glob(f"{file_name}-*.crt")))
        cert, key = self.folder / f"{file_name}-{number}.crt", self.folder / f"{file_name}-{number}.key"
        cert.write_bytes(b"".join(pem.bytes() for pem in leaf.cert_chain_pems))
        key.touch(0o600)
        key.write_bytes(leaf.private_key_pem.bytes())
        return Identity(common_name or hosts[0], cert, key)
