"""What a box and the registrar say to each other: canonical JSON, strictly read, both halves side by side.

    POST /enrol/v1/enrol     EnrolMessage -> GrantMessage      TLS, the server authenticated
    POST /enrol/v1/renew     RenewMessage -> RenewedMessage    TLS, both authenticated

An enrolment is signed with the event key whose public half it carries: that is the proof of possession, and
it covers the token, the gateway and the request for the certificate, which proves its own key.
A renewal gives a certificate and the brokers' addresses, never the center's keys: who holds the registrar
must not be able to slip a box another root key.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Self, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from gateway.config.values import BROKER, BadValue, Broker
from gateway.errors import ContractError
from gateway.evidence import canonical, jws
from gateway.evidence.canonical import Json
from gateway.evidence.jws import Signer, b64url, from_b64url
from gateway.evidence.keys import Role, TrustedKey, key_name
from gateway.provisioning.code import TOKEN_BYTES

ENROL_PATH: Final = "/enrol/v1/enrol"
RENEW_PATH: Final = "/enrol/v1/renew"
MAX_BYTES: Final = 48 * 1024
MOST_BROKERS: Final = 8
MOST_KEYS: Final = 16
MOST_KIDS: Final = 64
MAX_PEM: Final = 16 * 1024
HMAC_KEY_BYTES: Final = 32
_ENROL_USE, _RENEW_USE = "zhijiao/enrol/1", "zhijiao/renew/1"
_GATEWAY = re.compile(r"gw-([0-9]{6})-[0-9]{2}", re.ASCII)
_KID = re.compile(r"[A-Za-z0-9#._-]{1,64}", re.ASCII)
_CENTER_ROLES = frozenset({Role.ACK, Role.OPERATIONS, Role.ROOT, Role.SEAL})
ValueT = TypeVar("ValueT")


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolMessage:
    """A box asks for its identity."""

    org: str
    gateway: str
    token: bytes = field(repr=False)
    csr: x509.CertificateSigningRequest = field(repr=False)
    event_key: bytes  # public, Ed25519
    software: str

    def to_wire(self, signer: Signer) -> bytes:
        """Signed by the event key."""
        return signer.sign_object(
            {
                "v": 1,
                "use": _ENROL_USE,
                "org": self.org,
                "gw": self.gateway,
                "token": b64url(self.token),
                "csr": _pem(self.csr),
                "event_key": self.event_key.hex(),
                "software": self.software,
            }
        )

    @classmethod
    def from_wire(cls, wire: bytes) -> Self:
        """Read and verify; raises `ContractError` (malformed, proof, csr)."""
        message, signature, payload = _open(wire)
        read = _Reader(message, _ENROL_USE)
        org, gateway = read.identity()
        public = read.hex("event_key", 32)
        try:
            key = Ed25519PublicKey.from_public_bytes(public)
            named = jws.verify(payload, signature, lambda _kid: key)
        except (ContractError, ValueError) as exc:
            raise ContractError("proof", "the event key does not verify the request") from exc
        if named != key_name(gateway, public):
            raise ContractError("proof", "the request is signed under another name than the event key's")
        return cls(
            org=org,
            gateway=gateway,
            token=read.made("token", lambda text: _token(from_b64url(text))),
            csr=read.csr(gateway),
            event_key=public,
            software=read.text("software", 64),
        )

    @property
    def kid(self) -> str:
        """The name of the event key."""
        return key_name(self.gateway, self.event_key)

    @property
    def digest(self) -> bytes:
        """What makes two requests the same: certificate request and event key."""
        return hashlib.sha256(self.csr.public_bytes(Encoding.DER) + self.event_key).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantMessage:
    """What a box is given."""

    org: str
    gateway: str
    kid: str
    kids: tuple[str, ...]  # event keys of this gateway that count: this one, and earlier ones that were kept
    certificate: str  # PEM, the box's own first
    authority: str  # PEM: whom the brokers' and the registrar's certificates come from
    brokers: tuple[Broker, ...]  # in order of preference
    keys: tuple[TrustedKey, ...]  # the center's: ack, operations, root, sealing
    id_hmac_key: bytes = field(repr=False)

    def to_wire(self) -> bytes:
        """As it is sent."""
        keys: list[Json] = [
            {"kid": key.kid, "public": key.public.hex(), "role": key.role.value} for key in self.keys
        ]
        return canonical.encode(
            {
                "v": 1,
                "use": _ENROL_USE,
                "org": self.org,
                "gw": self.gateway,
                "kid": self.kid,
                "kids": list(self.kids),
                "certificate": self.certificate,
                "authority": self.authority,
                "brokers": [str(broker) for broker in self.brokers],
                "keys": keys,
                "id_hmac_key": self.id_hmac_key.hex(),
            }
        )

    @classmethod
    def from_wire(cls, wire: bytes) -> Self:
        """Read; raises `ContractError` (malformed)."""
        read = _Reader(_decode(wire), _ENROL_USE)
        org, gateway = read.identity()
        keys = tuple(_center_key(entry) for entry in read.entries("keys", MOST_KEYS))
        missing = {Role.ACK, Role.OPERATIONS, Role.ROOT} - {key.role for key in keys}
        if missing:
            raise ContractError("malformed", f"no key of the center for {', '.join(sorted(missing))}")
        return cls(
            org=org,
            gateway=gateway,
            kid=read.made("kid", _kid),
            kids=tuple(_kid(str(entry)) for entry in read.entries("kids", MOST_KIDS)),
            certificate=read.text("certificate", MAX_PEM),
            authority=read.text("authority", MAX_PEM),
            brokers=read.brokers(),
            keys=keys,
            id_hmac_key=read.hex("id_hmac_key", HMAC_KEY_BYTES),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewMessage:
    """A box asks for its next certificate; who it is, its present certificate says."""

    org: str
    gateway: str
    csr: x509.CertificateSigningRequest = field(repr=False)

    def to_wire(self) -> bytes:
        """As it is sent."""
        return canonical.encode(
            {"v": 1, "use": _RENEW_USE, "org": self.org, "gw": self.gateway, "csr": _pem(self.csr)}
        )

    @classmethod
    def from_wire(cls, wire: bytes) -> Self:
        """Read; raises `ContractError` (malformed, csr)."""
        read = _Reader(_decode(wire), _RENEW_USE)
        org, gateway = read.identity()
        return cls(org=org, gateway=gateway, csr=read.csr(gateway))

    @property
    def digest(self) -> bytes:
        """What makes two requests the same."""
        return hashlib.sha256(self.csr.public_bytes(Encoding.DER)).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewedMessage:
    """The next certificate, and where the brokers are now."""

    gateway: str
    org: str
    certificate: str
    brokers: tuple[Broker, ...]

    def to_wire(self) -> bytes:
        """As it is sent."""
        return canonical.encode(
            {
                "v": 1,
                "use": _RENEW_USE,
                "org": self.org,
                "gw": self.gateway,
                "certificate": self.certificate,
                "brokers": [str(broker) for broker in self.brokers],
            }
        )

    @classmethod
    def from_wire(cls, wire: bytes) -> Self:
        """Read; raises `ContractError` (malformed)."""
        read = _Reader(_decode(wire), _RENEW_USE)
        org, gateway = read.identity()
        return cls(
            gateway=gateway,
            org=org,
            certificate=read.text("certificate", MAX_PEM),
            brokers=read.brokers(),
        )


def refusal_to_wire(code: str) -> bytes:
    """Why not: a code of `refusals.REGISTRAR_CODES`."""
    return canonical.encode({"v": 1, "error": code})


def refusal_from_wire(wire: bytes) -> str:
    """Inverse of `refusal_to_wire`; raises `ContractError` (malformed)."""
    code = _decode(wire).get("error")
    if not isinstance(code, str) or len(code) > 64:
        raise ContractError("malformed", "an answer without a reason")
    return code


class _Reader:
    """Members of one message, each of its form or `ContractError` (malformed) naming it."""

    def __init__(self, message: Mapping[str, Json], use: str) -> None:
        if message.get("v") != 1 or isinstance(message.get("v"), bool) or message.get("use") != use:
            raise ContractError("malformed", f"not a message of {use}")
        self._message = message

    def text(self, name: str, most: int) -> str:
        value = self._message.get(name)
        if not isinstance(value, str) or not 0 < len(value) <= most:
            raise ContractError("malformed", f"{name} is not a text of at most {most} characters")
        return value

    def made(self, name: str, make: Callable[[str], ValueT], most: int = 256) -> ValueT:
        try:
            return make(self.text(name, most))
        except (ValueError, ContractError) as exc:
            raise ContractError("malformed", f"{name} is not of its form") from exc

    def hex(self, name: str, size: int) -> bytes:
        text = self.text(name, 2 * size)
        if re.fullmatch(rf"[0-9a-f]{{{2 * size}}}", text, re.ASCII) is None:
            raise ContractError("malformed", f"{name} is not {size} bytes in hexadecimal digits")
        return bytes.fromhex(text)

    def identity(self) -> tuple[str, str]:
        org, gateway = self.text("org", 6), self.text("gw", 12)
        match = _GATEWAY.fullmatch(gateway)
        if match is None or match[1] != org:
            raise ContractError("malformed", "org and gw name no gateway")
        return org, gateway

    def entries(self, name: str, most: int) -> list[Json]:
        value = self._message.get(name)
        if not isinstance(value, list) or not 0 < len(value) <= most:
            raise ContractError("malformed", f"{name} is not a list of 1 to {most}")
        return value

    def brokers(self) -> tuple[Broker, ...]:
        try:
            found = tuple(BROKER.parse(entry) for entry in self.entries("brokers", MOST_BROKERS))
        except BadValue as exc:
            raise ContractError("malformed", f"brokers: {exc.what}") from exc
        if not all(broker.tls for broker in found):
            raise ContractError("malformed", "brokers: one is without TLS")
        return found

    def csr(self, gateway: str) -> x509.CertificateSigningRequest:
        text = self.text("csr", MAX_PEM)
        try:
            request = x509.load_pem_x509_csr(text.encode("ascii"))
            proven = request.is_signature_valid
        except (ValueError, UnsupportedAlgorithm, InvalidSignature) as exc:
            raise ContractError("csr", "not a request for a certificate (PKCS 10, PEM)") from exc
        names = [name.value for name in request.subject]
        common = request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        if not proven:
            raise ContractError("csr", "the request does not prove its key")
        if len(names) != 1 or not common or common[0].value != gateway:
            raise ContractError("csr", "the request is not for this gateway's name alone")
        key = request.public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
            raise ContractError("csr", "the key is not of P-256")
        return request


def _decode(wire: bytes) -> dict[str, Json]:
    try:
        return canonical.decode(wire, limit=MAX_BYTES)
    except ContractError as exc:
        raise ContractError("malformed", "not canonical JSON") from exc


def _open(wire: bytes) -> tuple[dict[str, Json], str, bytes]:
    try:
        return jws.parts(wire)
    except ContractError as exc:
        code = "proof" if exc.code == "unsigned" else "malformed"
        raise ContractError(code, "not a signed message") from exc


def _token(raw: bytes) -> bytes:
    if len(raw) != TOKEN_BYTES:
        raise ValueError("not a token")
    return raw


def _kid(text: str) -> str:
    if _KID.fullmatch(text) is None:
        raise ContractError("malformed", "not the name of a key")
    return text


def _center_key(entry: Json) -> TrustedKey:
    if not isinstance(entry, dict):
        raise ContractError("malformed", "keys: an entry is not an object")
    kid, public, role = (entry.get(name) for name in ("kid", "public", "role"))
    try:
        key = TrustedKey(
            kid=_kid(str(kid)), role=Role(str(role)), gateway=None, public=bytes.fromhex(str(public))
        )
    except (ValueError, ContractError) as exc:
        raise ContractError("malformed", "keys: an entry is not of its form") from exc
    if len(key.public) != 32 or key.role not in _CENTER_ROLES:
        raise ContractError("malformed", "keys: not a key of the center")
    return key


def _pem(csr: x509.CertificateSigningRequest) -> str:
    return csr.public_bytes(Encoding.PEM).decode("ascii")
