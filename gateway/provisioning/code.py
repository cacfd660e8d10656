"""The enrolment code: all that a technician types.

    enrol.example.cn:8444/370102-01/8D3QK-2M7PA-…        (host, port, gateway, eleven groups of five)

The groups are base32 without I, L, O and U (Crockford) over

    token 16 bytes | first 16 bytes of the SHA-256 of the authority's certificate (DER)        52 characters
    first 15 bits of the SHA-256 of "host:port/gateway/" and those 32 bytes                     3 characters

The last three find a mistyped character before anything is sent. The token is a secret for 24 hours; the
fingerprint is what lets the box believe the center, so the code must come from the center by a way one trusts.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass, field
from typing import Final, Self

from gateway.errors import ConfigError

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
TOKEN_BYTES: Final = 16
PIN_BYTES: Final = 16
DEFAULT_PORT: Final = 8444
_GROUP = 5
_BODY = 52  # characters for 32 bytes
_CHECK = 3
_MISREAD = str.maketrans({"I": "1", "L": "1", "O": "0", "-": "", " ": "", "\t": "", "\n": "", "\r": ""})
_FORM = re.compile(
    r"(?:https://)?(?P<host>[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?|\[[0-9a-f:]{2,39}\])(?::(?P<port>[0-9]{1,5}))?"
    r"/(?:gw-)?(?P<org>[0-9]{6})-(?P<number>[0-9]{2})/(?P<groups>[0-9a-z \t\r\n-]{1,200})",
    re.ASCII | re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentCode:
    """What the code says."""

    host: str
    port: int
    gateway: str
    token: bytes = field(repr=False)  # TOKEN_BYTES, secret
    pin: bytes  # PIN_BYTES of the SHA-256 of the authority's certificate

    @property
    def org(self) -> str:
        """The six digits of the gateway's id."""
        return self.gateway[3:9]

    @property
    def place(self) -> str:
        """`host:port`, for people."""
        return f"{self.host}:{self.port}"

    def __str__(self) -> str:
        body = _to_base32(self.token + self.pin, _BODY)
        text = body + _check(self.place, self.gateway, self.token + self.pin)
        groups = "-".join(text[at : at + _GROUP] for at in range(0, len(text), _GROUP))
        return f"{self.place}/{self.gateway.removeprefix('gw-')}/{groups}"

    @classmethod
    def issue(cls, *, host: str, port: int, gateway: str, pin: bytes) -> Self:
        """A new one with a token that nobody can guess."""
        return cls(host=host, port=port, gateway=gateway, token=secrets.token_bytes(TOKEN_BYTES), pin=pin)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what was typed; raises `ConfigError` (code_form, code_typing), which never quotes it."""
        match = _FORM.fullmatch(text.strip())
        if match is None:
            raise ConfigError(
                "code_form",
                "this is not an enrolment code; it reads host:port/370102-01/ and eleven groups of five characters",
            )
        port = int(match["port"] or DEFAULT_PORT)
        host, gateway = match["host"].lower(), f"gw-{match['org']}-{match['number']}"
        groups = match["groups"].upper().translate(_MISREAD)
        wrong = sorted(set(groups) - set(ALPHABET))
        if len(groups) != _BODY + _CHECK or wrong or not 0 < port < 65536:
            raise ConfigError(
                "code_typing",
                f"the enrolment code has {len(groups)} characters after the gateway, not {_BODY + _CHECK}"
                if not wrong and 0 < port < 65536
                else "the enrolment code holds a character or port that no code has; compare it with the paper",
            )
        raw = _from_base32(groups[:_BODY])
        if raw is None or _check(f"{host}:{port}", gateway, raw) != groups[_BODY:]:
            raise ConfigError(
                "code_typing",
                "the enrolment code was mistyped somewhere (its check characters differ); compare it with the paper",
            )
        return cls(host=host, port=port, gateway=gateway, token=raw[:TOKEN_BYTES], pin=raw[TOKEN_BYTES:])


def pin_of(certificate_der: bytes) -> bytes:
    """The fingerprint by which a code names an authority."""
    return hashlib.sha256(certificate_der).digest()[:PIN_BYTES]


def _check(place: str, gateway: str, raw: bytes) -> str:
    digest = hashlib.sha256(f"{place}/{gateway}/".encode() + raw).digest()
    bits = int.from_bytes(digest[:2]) >> 1
    return "".join(ALPHABET[bits >> shift & 31] for shift in (10, 5, 0))


def _to_base32(raw: bytes, length: int) -> str:
    number = int.from_bytes(raw)
    return "".join(ALPHABET[number >> 5 * at & 31] for at in reversed(range(length)))


def _from_base32(text: str) -> bytes | None:
    number = 0
    for character in text:
        number = number << 5 | ALPHABET.index(character)
    size = TOKEN_BYTES + PIN_BYTES
    return number.to_bytes(size) if number >> 8 * size == 0 else None
