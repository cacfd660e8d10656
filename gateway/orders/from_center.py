"""Settings that the center may change while the gateway runs, laid over the configuration file.

Kept as a note in the store, because a change and the event that says so are one transaction. `trial` holds what was
set before a change that the center has not been heard after: a start in the middle of it goes back to that.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from gateway.config.model import Config, LogConfig, StoreConfig, UplinkConfig, keys_of
from gateway.config.values import BadValue, Broker
from gateway.errors import ContractError
from gateway.evidence.canonical import Json

NOTE = "center_settings"
# Nothing that names a file or a key, or decides whom the gateway believes: that is enrolment's.
TABLES: Mapping[str, tuple[type, tuple[str, ...]]] = {
    "uplink": (UplinkConfig, ("broker", "drain_cap_per_s", "keepalive_s")),
    "store": (StoreConfig, ("retention_days", "retention_fix_days")),
    "log": (LogConfig, ("level",)),
}
NAMES = tuple(f"{table}.{key}" for table, (_, keys) in TABLES.items() for key in keys)
Values = Mapping[str, Json]  # by name, as they came


@dataclass(frozen=True, slots=True)
class FromCenter:
    """What the center has set."""

    values: Values = field(default_factory=dict)
    trial: Values | None = None  # what was set before; None where nothing is on trial

    @classmethod
    def read(cls, text: str | None) -> Self:
        """From the note."""
        if text is None:
            return cls()
        document = json.loads(text)
        return cls(document["values"], document["trial"])

    def as_text(self) -> str:
        """The note."""
        return json.dumps({"values": dict(self.values), "trial": self.trial}, sort_keys=True)

    @property
    def at_a_start(self) -> Values:
        """What is in force when the gateway starts."""
        return self.values if self.trial is None else self.trial


def laid_over(config: Config, values: Values) -> Config:
    """The configuration with these in force; raises `ContractError` (unknown_setting, bad_value) naming the first."""
    tables: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        if name not in NAMES:
            raise ContractError(
                "unknown_setting", f"{name[:64]} cannot be set from the center; these can: {', '.join(NAMES)}"
            )
        table, _, key = name.partition(".")
        try:
            parsed = keys_of(TABLES[table][0])[key].kind.parse(value)
        except BadValue as exc:
            raise ContractError("bad_value", f"{name} {exc.what}") from exc
        tables.setdefault(table, {})[key] = parsed
    changed = replace(
        config, **{name: replace(getattr(config, name), **keys) for name, keys in tables.items()}
    )
    _check(changed)
    return changed


def in_force(config: Config) -> dict[str, Json]:
    """Every such setting as it stands."""
    found: dict[str, Json] = {}
    for name in NAMES:
        table, _, key = name.partition(".")
        value = getattr(getattr(config, table), key)
        found[name] = value if isinstance(value, int) else str(value)
    return found


def _check(config: Config) -> None:
    broker: Broker = config.uplink.broker
    if not broker.tls and not broker.loopback and not config.uplink.allow_plaintext:
        raise ContractError(
            "bad_value", "uplink.broker must be mqtts://: mqtt:// to another machine is not encrypted"
        )
    if not broker.tls and config.uplink.cert_file is not None:
        raise ContractError(
            "bad_value", "uplink.broker must be mqtts://: this gateway has a certificate for it"
        )
