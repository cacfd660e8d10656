"""The key files of the configuration: what the gateway signs, seals and believes with."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from gateway.access.handover import AccessSeal
from gateway.checkin.at_rest import RosterKeys, RosterSeal
from gateway.checkin.signed_file import number_key_check
from gateway.config import Config
from gateway.errors import ConfigError
from gateway.evidence.jws import Signer
from gateway.evidence.keys import Role, TrustStore, load_signer, load_trust
from gateway.ingest.sealing import Sealer


@dataclass(frozen=True, slots=True)
class Keys:
    """What the gateway signs, seals and believes with."""

    signer: Signer
    trust: TrustStore
    sealer: Sealer
    roster: RosterKeys
    access: AccessSeal

    @classmethod
    def load(cls, config: Config) -> Self:
        """Read the key files; raises `ConfigError`."""
        trust = load_trust(config.keys.trust_file, allow_demo=config.gateway.demo)
        signer = load_signer(config.keys.event_key_file, config.keys.event_kid)
        hmac_key = _read_hmac_key(config.keys.id_hmac_key_file)
        sealer = Sealer(config.gateway.id, hmac_key, trust.seal_key())
        access = AccessSeal(hmac_key, config.gateway.id)
        return cls(signer, trust, sealer, _roster_keys(config, trust, hmac_key), access)

    def trusts_center(self, *, demo: bool) -> bool:
        """Whether the center's acks would be believed: without its key nothing ever settles."""
        acks = [one for one in self.trust.everybody() if one.role is Role.ACK]
        return any(demo or not one.demo for one in acks)


def load_roster_keys(config: Config) -> RosterKeys:
    """What a command needs to open a roster and to hand it over; raises `ConfigError`."""
    trust = load_trust(config.keys.trust_file, allow_demo=config.gateway.demo)
    return _roster_keys(config, trust, _read_hmac_key(config.keys.id_hmac_key_file))


def load_access_seal(config: Config) -> AccessSeal:
    """What a command needs to hand over a change of accounts; raises `ConfigError`."""
    return AccessSeal(_read_hmac_key(config.keys.id_hmac_key_file), config.gateway.id)


def _roster_keys(config: Config, trust: TrustStore, hmac_key: bytes) -> RosterKeys:
    return RosterKeys(
        org=config.gateway.org,
        gateway=config.gateway.id,
        find_key=trust.find(Role.OPERATIONS),
        number_key=number_key_check(hmac_key),
        seal=RosterSeal(hmac_key, config.gateway.id),
    )


def _read_hmac_key(path: Path) -> bytes:
    try:
        key = bytes.fromhex(path.read_text().strip())
    except OSError as exc:
        raise ConfigError(
            "key_file", f"{path}: cannot be read ({exc.strerror}); enrol the gateway first"
        ) from exc
    except ValueError as exc:
        raise ConfigError("key_file", f"{path}: not a key in hexadecimal digits; enrol anew") from exc
    if len(key) < 32:
        raise ConfigError("key_file", f"{path}: {len(key)} bytes; a key of at least 32 is needed; enrol anew")
    return key
