"""What enrolment gave this box: files and addresses that count wherever the configuration does not say otherwise.

They lie below the state folder, because the running gateway renews its certificate and may write nowhere else:

    {state_dir}/identity/current -> g-000002      a link, changed by one rename: an identity is whole or not there
    {state_dir}/identity/g-000002/                the files named below, all 0400

What stands in the configuration counts before it: a site with keys of its own is not changed by enrolment.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from gateway.config.values import BROKER, BadValue, Broker
from gateway.errors import ConfigError

IDENTITY_FOLDER: Final = "identity"
CURRENT: Final = "current"
FACTS_FILE: Final = "enrolled.json"
EVENT_KEY_FILE: Final = "event-key.pem"
TLS_KEY_FILE: Final = "client-key.pem"
CERTIFICATE_FILE: Final = "client.pem"
AUTHORITY_FILE: Final = "ca.pem"  # of the brokers
REGISTRAR_AUTHORITY_FILE: Final = "registrar-ca.pem"  # the one that the enrolment code named
TRUST_FILE: Final = "trust.json"
HMAC_KEY_FILE: Final = "id-hmac.key"
MAX_BYTES: Final = 16 * 1024
_GATEWAY = re.compile(r"gw-([0-9]{6})-[0-9]{2}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolledFacts:
    """Who the box is, as the center said, and where to."""

    org: str
    gateway: str
    kid: str
    brokers: tuple[Broker, ...]
    registrar: str  # host:port, for the renewal
    code: str  # hash of the token by which it was enrolled: a repeat is known by it
    kids: tuple[
        str, ...
    ]  # event keys of this gateway that the center believed then, this one and earlier ones

    def to_text(self) -> str:
        """As it stands in the file."""
        return json.dumps(
            {
                "v": 1,
                "org": self.org,
                "gw": self.gateway,
                "kid": self.kid,
                "brokers": [str(broker) for broker in self.brokers],
                "registrar": self.registrar,
                "code": self.code,
                "kids": list(self.kids),
            },
            indent=1,
        )

    @classmethod
    def from_text(cls, text: str) -> "EnrolledFacts":
        """The other way; ValueError, TypeError or KeyError where it is not one."""
        document = json.loads(text)
        texts = {name: document[name] for name in ("org", "gw", "kid", "registrar", "code")}
        if document["v"] != 1 or not all(isinstance(value, str) for value in texts.values()):
            raise ValueError("not the facts of an enrolment")
        match = _GATEWAY.fullmatch(texts["gw"])
        if match is None or match[1] != texts["org"] or not document["brokers"]:
            raise ValueError("not the facts of an enrolment")
        try:
            brokers = tuple(BROKER.parse(entry) for entry in document["brokers"])
        except BadValue as exc:
            raise ValueError(exc.what) from exc
        return cls(
            org=texts["org"],
            gateway=texts["gw"],
            kid=texts["kid"],
            brokers=brokers,
            registrar=texts["registrar"],
            code=texts["code"],
            kids=tuple(str(kid) for kid in document["kids"]),
        )


def current_identity(state_dir: Path) -> Path:
    """Where the files of the identity in force are, by a path that outlives a renewal."""
    return state_dir / IDENTITY_FOLDER / CURRENT


def read_enrolled(state_dir: Path) -> EnrolledFacts | None:
    """What enrolment said; None where the box was not enrolled. Raises `ConfigError`."""
    path = current_identity(state_dir) / FACTS_FILE
    try:
        with path.open("rb") as file:
            return EnrolledFacts.from_text(file.read(MAX_BYTES).decode())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as exc:
        raise ConfigError(
            "file_unreadable", f"{path}: cannot be read ({exc.strerror}); run this as root or as zhijiao"
        ) from exc
    except (ValueError, TypeError, KeyError) as exc:
        raise ConfigError("enrolled", f"{path}: damaged; enrol the box anew (zhijiao enroll)") from exc


def defaults_by(facts: EnrolledFacts, state_dir: Path) -> Mapping[str, Mapping[str, object]]:
    """Values by table and key, for what the configuration does not say."""
    folder = current_identity(state_dir)
    return MappingProxyType(
        {
            "gateway": {"org": facts.org, "id": facts.gateway},
            "keys": {
                "event_key_file": folder / EVENT_KEY_FILE,
                "event_kid": facts.kid,
                "trust_file": folder / TRUST_FILE,
                "id_hmac_key_file": folder / HMAC_KEY_FILE,
            },
            "uplink": {
                "broker": facts.brokers[0],
                "ca_file": folder / AUTHORITY_FILE,
                "cert_file": folder / CERTIFICATE_FILE,
                "key_file": folder / TLS_KEY_FILE,
            },
        }
    )
