"""The decisions of the center: whom to give a code, whom to enrol, whose certificate to renew, whom to revoke.

Blocking, and for one thread at a time. Each decision is committed to the book first; the trust file and the
revocation list are written from the book after that, and anew by whoever comes next where a disk refused.
"""

import hashlib
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.clock import iso_ms
from gateway.errors import ConfigError, ContractError
from gateway.evidence.keys import Role, TrustedKey
from gateway.provisioning.code import EnrolmentCode, pin_of
from gateway.provisioning.messages import (
    HMAC_KEY_BYTES,
    MOST_KIDS,
    EnrolMessage,
    GrantMessage,
    RenewedMessage,
    RenewMessage,
)
from gateway.registrar.authority import Authority, Revoked, pem_of
from gateway.registrar.book import Book, next_list_number, note, note_seldom
from gateway.registrar.home import PUBLIC, Home, replace_file
from gateway.registrar.models import Certificate, Code, Done, EventKey, Gateway

CODE_LIFE_MS: Final = 24 * 3_600_000
RENEWALS_A_DAY: Final = 10  # of one gateway: beyond is a loop, not a renewal
_DAY_MS: Final = 24 * 3_600_000
_GATEWAY = re.compile(r"gw-[0-9]{6}-[0-9]{2}", re.ASCII)
WallMs: TypeAlias = Callable[[], int]


def _wall_ms() -> int:
    return int(datetime.now(UTC).timestamp() * 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A gateway as the center knows it. Nothing in it is secret."""

    gateway: str
    org: str
    state: str  # invited, enrolled, expired, revoked
    certificate_until_ms: int | None
    code_until_ms: int | None  # of an unused code
    kids: tuple[str, ...]  # event keys in force


class Registrar:
    """One center's. The clock is for tests."""

    def __init__(self, home: Home, *, wall_ms: WallMs = _wall_ms) -> None:
        self._home = home
        self._wall_ms = wall_ms
        self._book = Book(home.book)
        self._authority: Authority | None = None
        self._book.prepare()

    # -- by the center's people ------------------------------------------------------------------------

    def issue_code(self, gateway: str) -> EnrolmentCode:
        """A one-time code for this gateway; raises `ConfigError` (usage, still_enrolled), `StoreRefused`.

        Codes of this gateway that are still open end.
        """
        if _GATEWAY.fullmatch(gateway) is None:
            raise ConfigError("usage", f"{gateway[:40]!r} is no gateway id; it reads gw-370102-01")
        now_ms = self._wall_ms()
        pin = pin_of(_der(self._home.authority))
        code = EnrolmentCode.issue(host=self._home.host, port=self._home.port, gateway=gateway, pin=pin)
        with self._book.transaction():
            live = self._live_certificate(gateway, now_ms)
            if live is not None:
                raise ConfigError(
                    "still_enrolled",
                    f"{gateway} is enrolled, its certificate holds until {iso_ms(live.ends_ms)}: the old box must be "
                    f"out first (zhijiao center revoke {gateway}), or there are two in one identity",
                )
            if Gateway.get_or_none(Gateway.gw == gateway) is None:
                Gateway.create(gw=gateway, org=code.org, id_hmac_key=secrets.token_bytes(HMAC_KEY_BYTES))
            self._withdraw_codes(gateway, now_ms)
            Code.create(
                token_hash=_token_hash(code.token),
                gw=gateway,
                issued_ms=now_ms,
                expires_ms=now_ms + CODE_LIFE_MS,
            )
            note(now_ms, "code_issued", gateway, until=iso_ms(now_ms + CODE_LIFE_MS))
        return code

    def revoke(self, gateway: str, *, keep_event_keys: bool) -> int:
        """End certificates and codes, and (unless kept) event keys; how many certificates were ended.

        Raises `ConfigError` (unknown_gateway), `StoreRefused`. With `keep_event_keys` what the old box had
        signed and not sent still counts when its successor sends it: only where that box is in our hands.
        """
        now_ms = self._wall_ms()
        with self._book.transaction():
            row = Gateway.get_or_none(Gateway.gw == gateway)
            if row is None:
                raise ConfigError("unknown_gateway", f"{gateway[:40]}: the center has no such gateway")
            ended = int(
                Certificate.update(revoked_ms=now_ms)
                .where(Certificate.gw == gateway, Certificate.revoked_ms.is_null())
                .execute()
            )
            self._withdraw_codes(gateway, now_ms)
            row.revoked_ms = now_ms
            if not keep_event_keys:
                EventKey.update(revoked_ms=now_ms).where(
                    EventKey.gw == gateway, EventKey.revoked_ms.is_null()
                ).execute()
                row.id_hmac_key = secrets.token_bytes(HMAC_KEY_BYTES)  # whoever has the box has the old one
            row.save()
            note(
                now_ms,
                "revoked",
                gateway,
                certificates=ended,
                event_keys="kept" if keep_event_keys else "ended",
            )
        self.write_out()
        return ended

    def standings(self) -> list[Standing]:
        """Every gateway, by name."""
        now_ms = self._wall_ms()
        with self._book.transaction():
            return [self._standing(row, now_ms) for row in Gateway.select().order_by(Gateway.gw)]

    def audit(self) -> list[tuple[int, str, str, str]]:
        """(when, what, gateway, detail as JSON) of everything that was done, oldest first."""
        with self._book.transaction():
            return [(row.at_ms, row.what, row.gw, row.detail) for row in Done.select().order_by(Done.n)]

    def write_out(self) -> None:
        """Write the trust file and the revocation list from the book; raises `StoreRefused`, `ConfigError`."""
        now_ms = self._wall_ms()
        with self._book.transaction():
            self._write_trust()
            ended = Certificate.revoked_ms.is_null(False) & (Certificate.ends_ms > now_ms)  # noqa: FBT003
            revoked = [
                Revoked(int(row.serial, 16), _at(row.revoked_ms or 0))
                for row in Certificate.select().where(ended)  # one that has expired is refused without a list
            ]
            crl = self._signing().revocation_list(revoked, next_list_number(), _at(now_ms))
            replace_file(self._home.revocation_list, crl.encode(), PUBLIC)

    # -- by the boxes --------------------------------------------------------------------------------------

    def enrol(self, wire: bytes) -> bytes:
        """Answer a request; raises `ContractError` with a code of `refusals.REGISTRAR_CODES`, `StoreRefused`."""
        message = EnrolMessage.from_wire(wire)
        now_ms = self._wall_ms()
        refused: str | None = None
        grant: GrantMessage | None = None
        with self._book.transaction():
            code: Code | None = Code.get_or_none(Code.token_hash == _token_hash(message.token))
            refused = _why_not(code, message, now_ms)
            if refused is None and code is not None:
                try:
                    grant = self._grant(code, message, now_ms)
                except ContractError as exc:
                    refused = exc.code
            if refused is not None and code is not None:  # strangers without a code write nothing here
                note_seldom(now_ms, "enrolment_refused", code.gw, code=refused)
        if grant is None:
            raise ContractError(refused or "busy", "the request was refused")
        with self._book.transaction():  # after the commit; a repeat comes here again
            self._write_trust()
        return grant.to_wire()

    def renew(self, wire: bytes, shown: bytes | None) -> bytes:
        """Answer a request; `shown`: the certificate (DER) by which TLS knows the box. Raises as `enrol`."""
        message = RenewMessage.from_wire(wire)
        if shown is None:
            raise ContractError("no_certificate", "the box showed no certificate")
        now_ms = self._wall_ms()
        with self._book.transaction():
            self._check_shown(message, shown, now_ms)
            row = Certificate.get_or_none(Certificate.request == message.digest)
            if row is None:
                recent = Certificate.select().where(
                    Certificate.gw == message.gateway, Certificate.issued_ms > now_ms - _DAY_MS
                )
                if recent.count() >= RENEWALS_A_DAY:
                    raise ContractError("busy", "too many certificates of this gateway today")
                row = self._certify(message.gateway, message.org, message.csr, message.digest, now_ms)
                note(now_ms, "renewed", message.gateway, serial=row.serial)
        return RenewedMessage(
            gateway=message.gateway, org=message.org, certificate=row.pem, brokers=self._home.brokers
        ).to_wire()

    # -- inside of a transaction ---------------------------------------------------------------------------

    def _grant(self, code: Code, message: EnrolMessage, now_ms: int) -> GrantMessage:
        gateway = Gateway.get(Gateway.gw == message.gateway)
        row = Certificate.get_or_none(Certificate.request == message.digest)
        if code.used_ms is None:
            if row is not None or EventKey.get_or_none(EventKey.kid == message.kid) is not None:
                raise ContractError("keys_known", "these keys were enrolled before")
            row = self._certify(message.gateway, message.org, message.csr, message.digest, now_ms)
            EventKey.create(kid=message.kid, gw=message.gateway, public=message.event_key, added_ms=now_ms)
            code.used_ms, code.request = now_ms, message.digest
            code.save()
            gateway.enrolled_ms, gateway.revoked_ms = now_ms, None
            gateway.save()
            note(
                now_ms,
                "enrolled",
                message.gateway,
                kid=message.kid,
                serial=row.serial,
                software=message.software,
            )
        if row is None or row.revoked_ms is not None:
            raise ContractError("certificate_revoked", "what this code was used for is revoked")
        return GrantMessage(
            org=message.org,
            gateway=message.gateway,
            kid=message.kid,
            kids=self._kids(message.gateway)[-MOST_KIDS:],
            certificate=row.pem,
            authority=self._home.authority,
            brokers=self._home.brokers,
            keys=self._home.keys,
            id_hmac_key=bytes(gateway.id_hmac_key),
        )

    def _certify(
        self, gateway: str, org: str, csr: x509.CertificateSigningRequest, digest: bytes, now_ms: int
    ) -> Certificate:
        public = csr.public_key()
        if not isinstance(public, ec.EllipticCurvePublicKey):
            raise ContractError("csr", "the key is not of P-256")
        made = self._signing().certify_client(public, gateway, org, _at(now_ms), self._home.life)
        return Certificate.create(
            serial=f"{made.serial_number:x}",
            gw=gateway,
            request=digest,
            pem=pem_of(made),
            issued_ms=now_ms,
            ends_ms=int(made.not_valid_after_utc.timestamp() * 1000),
        )

    def _check_shown(self, message: RenewMessage, shown: bytes, now_ms: int) -> None:
        certificate = x509.load_der_x509_certificate(shown)
        row = Certificate.get_or_none(Certificate.serial == f"{certificate.serial_number:x}")
        known = row is not None and x509.load_pem_x509_certificate(row.pem.encode()) == certificate
        if row is None or not known or row.gw != message.gateway:
            raise ContractError("certificate_unknown", "not a certificate of this gateway")
        if row.revoked_ms is not None:
            raise ContractError("certificate_revoked", "the certificate was revoked")
        if row.ends_ms <= now_ms:
            raise ContractError("certificate_expired", "the certificate has ended")

    def _live_certificate(self, gateway: str, now_ms: int) -> Certificate | None:
        found: Certificate | None = (
            Certificate.select()
            .where(Certificate.gw == gateway, Certificate.revoked_ms.is_null(), Certificate.ends_ms > now_ms)
            .order_by(Certificate.ends_ms.desc())
            .first()
        )
        return found

    def _withdraw_codes(self, gateway: str, now_ms: int) -> None:
        Code.update(withdrawn_ms=now_ms).where(
            Code.gw == gateway, Code.withdrawn_ms.is_null(), Code.used_ms.is_null()
        ).execute()

    def _write_trust(self) -> None:
        keys = [
            TrustedKey(
                kid=row.kid,
                role=Role.GATEWAY,
                gateway=row.gw,
                public=bytes(row.public),
                revoked=row.revoked_ms is not None,
            )
            for row in EventKey.select().order_by(EventKey.added_ms, EventKey.kid)
        ]
        self._home.write_trust(keys)

    def _standing(self, row: Gateway, now_ms: int) -> Standing:
        live = self._live_certificate(row.gw, now_ms)
        open_code = (
            Code.select()
            .where(
                Code.gw == row.gw,
                Code.used_ms.is_null(),
                Code.withdrawn_ms.is_null(),
                Code.expires_ms > now_ms,
            )
            .first()
        )
        state = "expired"
        if live is not None:
            state = "enrolled"
        elif row.revoked_ms is not None:
            state = "revoked"
        elif row.enrolled_ms is None:
            state = "invited"
        return Standing(
            gateway=row.gw,
            org=row.org,
            state=state,
            certificate_until_ms=None if live is None else live.ends_ms,
            code_until_ms=None if open_code is None else open_code.expires_ms,
            kids=self._kids(row.gw),
        )

    def _kids(self, gateway: str) -> tuple[str, ...]:
        """Event keys in force, oldest first."""
        found = EventKey.select().where(EventKey.gw == gateway, EventKey.revoked_ms.is_null())
        return tuple(row.kid for row in found.order_by(EventKey.added_ms, EventKey.kid))

    def _signing(self) -> Authority:
        if self._authority is None:
            self._authority = self._home.open_authority()
        return self._authority


def _why_not(code: Code | None, message: EnrolMessage, now_ms: int) -> str | None:
    """The refusal, in the order that tells a technician most; a stranger who guesses learns nothing."""
    if code is None:
        return "token_unknown"
    if code.gw != message.gateway:
        return "token_other_gateway"
    if code.withdrawn_ms is not None:
        return "token_withdrawn"
    if code.expires_ms <= now_ms:
        return "token_expired"
    if code.used_ms is not None and bytes(code.request or b"") != message.digest:
        return "token_used"
    return None


def _token_hash(token: bytes) -> bytes:
    return hashlib.sha256(b"zhijiao/code/" + token).digest()


def _at(wall_ms: int) -> datetime:
    return datetime.fromtimestamp(wall_ms / 1000, UTC)


def _der(pem: str) -> bytes:
    """The DER of a certificate in PEM."""
    return x509.load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER)
