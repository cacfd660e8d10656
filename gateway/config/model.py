"""The keys of the configuration, each with its explanation. Frozen; nothing here reads a file.

`Key` is what documentation, example and reader share, so that none of them can drift from the others.
"""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final, get_type_hints

from gateway.config.doors import ApiConfig, TerminalsConfig
from gateway.config.key import FileRole, Key
from gateway.config.lists import DeviceConfig, KioskConfig
from gateway.config.values import (
    BROKER,
    FLAG,
    PATH,
    TIMEZONE,
    Broker,
    choice,
    text,
    whole_number,
)

DEFAULT_PATH: Final = Path("/etc/zhijiao/zhijiao.toml")
KEY_FOLDER: Final = Path("/etc/zhijiao/keys")
DEFAULT_BROKER: Final = Broker("127.0.0.1", 1883, tls=False)
DEFAULT_TIMEZONE: Final = "Asia/Shanghai"


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayConfig:
    """Who this gateway is."""

    org: Annotated[
        str,
        Key(
            kind=text(r"[0-9]{6}", "six digits in quotes"),
            what="Code of the organisation this gateway belongs to, first level of every topic.",
            when="Given at enrolment; never changes afterwards, also when division codes are renamed.",
            example='"370102"',
        ),
    ]
    id: Annotated[
        str,
        Key(
            kind=text(r"gw-[0-9]{6}-[0-9]{2}", "gw-, the six digits of org, a dash and two digits"),
            what="Name of this gateway: MQTT client id, certificate name and second level of every topic.",
            when="Given at enrolment; two boxes must never share it.",
            example='"gw-370102-01"',
        ),
    ]
    state_dir: Annotated[
        Path,
        Key(
            kind=PATH,
            what="Folder of the event store, its reserve and the mark of a clean stop.",
            when="Change it to put the store on a partition or disk of its own.",
        ),
    ] = Path("/var/lib/zhijiao")
    demo: Annotated[
        bool,
        Key(
            kind=FLAG,
            what="Accept keys that are marked as demonstration keys.",
            when="true on a desk with the simulator; never in a center.",
        ),
    ] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysConfig:
    """What the gateway signs with, and whom it believes."""

    event_key_file: Annotated[
        Path,
        Key(
            kind=PATH,
            what="Private key that signs every event: Ed25519 in PEM, PKCS 8.",
            when="Change it where keys are delivered elsewhere, for example as systemd credentials.",
            file=FileRole.SECRET,
        ),
    ] = KEY_FOLDER / "event-key.pem"
    event_kid: Annotated[
        str,
        Key(
            kind=text(r"[A-Za-z0-9#._-]{1,64}", "1 to 64 letters, digits or one of # . _ -"),
            what="Name under which the center knows the public half of that key.",
            when="With every new event key.",
            default='id and "#1"',
            example='"gw-370102-01#1"',
        ),
    ]
    trust_file: Annotated[
        Path,
        Key(
            kind=PATH,
            what="Public keys the gateway believes: key name, key, role, gateway.",
            when="Change it where trust is delivered elsewhere.",
            file=FileRole.TRUSTED,
        ),
    ] = KEY_FOLDER / "trust.json"
    id_hmac_key_file: Annotated[
        Path,
        Key(
            kind=PATH,
            what="Secret key under which numbers of identity cards and access badges are hashed; every gateway has its "
            "own.",
            when="Change it where keys are delivered elsewhere.",
            file=FileRole.SECRET,
        ),
    ] = KEY_FOLDER / "id-hmac.key"


@dataclass(frozen=True, slots=True, kw_only=True)
class UplinkConfig:
    """How events reach the center."""

    broker: Annotated[
        Broker,
        Key(
            kind=BROKER,
            what="The province's MQTT broker. mqtts:// is encrypted (port 8883 where none is given), mqtt:// is "
            "not (1883) and only allowed for a broker on this machine.",
            when="Always, in a center.",
        ),
    ] = DEFAULT_BROKER
    allow_plaintext: Annotated[
        bool,
        Key(
            kind=FLAG,
            what="Allow mqtt:// to another machine. Events are signed all the same, but anyone on the way can "
            "read them.",
            when="Only where another layer encrypts, such as a VPN.",
        ),
    ] = False
    mqtt_version: Annotated[
        str,
        Key(
            kind=choice("auto", "5", "3.1.1"),
            what="Protocol version in quotes. auto tries 5 and falls back to 3.1.1 until the next start.",
            when="Set it where a broker closes the connection instead of refusing a version.",
        ),
    ] = "auto"
    ack_mode: Annotated[
        str,
        Key(
            kind=choice("center", "broker"),
            what="What settles an event: the center's own signed ack, or only the broker's. With broker, no "
            "event is ever known to have reached the center.",
            when="broker only for a center that cannot ack.",
        ),
    ] = "center"
    ca_file: Annotated[
        Path | None,
        Key(
            kind=PATH,
            what="Certificates (PEM) of the authority that the broker's certificate must come from.",
            when="In a center, to pin the province's own authority.",
            default="the authorities of the operating system",
            example='"/etc/zhijiao/tls/ca.pem"',
            file=FileRole.TRUSTED,
        ),
    ] = None
    cert_file: Annotated[
        Path | None,
        Key(
            kind=PATH,
            what="Certificate (PEM) of this gateway for the broker; goes with key_file.",
            when="Where the broker asks for client certificates.",
            default="no client certificate",
            example='"/etc/zhijiao/tls/client.pem"',
            file=FileRole.PUBLIC,
        ),
    ] = None
    key_file: Annotated[
        Path | None,
        Key(
            kind=PATH,
            what="Private key (PEM) of that certificate.",
            when="Together with cert_file.",
            default="no client certificate",
            example='"/etc/zhijiao/tls/client-key.pem"',
            file=FileRole.SECRET,
        ),
    ] = None
    username: Annotated[
        str | None,
        Key(
            kind=text(r"[^\x00-\x1f\x7f]{1,256}", "1 to 256 characters in quotes"),
            what="User name for the broker.",
            when="Where the broker asks for one.",
            default="none",
            example='"gw-370102-01"',
        ),
    ] = None
    password_file: Annotated[
        Path | None,
        Key(
            kind=PATH,
            what="File that holds the password for the broker, nothing else; a final line end is ignored.",
            when="Together with username.",
            default="none",
            example='"/etc/zhijiao/keys/broker-password"',
            file=FileRole.SECRET,
        ),
    ] = None
    drain_cap_per_s: Annotated[
        int,
        Key(
            kind=whole_number(1, 10_000, zero="no cap"),
            what="Most events sent in one second while a backlog drains, so that a province of gateways coming "
            "back at once does not drown the center.",
            when="Lower it where the center or the line is weak.",
            unit="events per second",
        ),
    ] = 200
    keepalive_s: Annotated[
        int,
        Key(
            kind=whole_number(5, 600),
            what="Silence after which the connection is probed; it counts as lost after one and a half times that.",
            when="Lower it where a router drops silent connections.",
            unit="seconds",
        ),
    ] = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreConfig:
    """How long settled events are kept. Unsettled ones are never removed, whatever stands here."""

    retention_days: Annotated[
        int,
        Key(
            kind=whole_number(1, 3650),
            what="Settled check-ins, alarms, audit and system events stay this long for resends and evidence.",
            when="Raise it where the center asks for resends later.",
            unit="days",
        ),
    ] = 180
    retention_fix_days: Annotated[
        int,
        Key(
            kind=whole_number(1, 3650),
            what="Settled tracker positions stay this long.",
            when="As retention_days; positions are the bulk of the store.",
            unit="days",
        ),
    ] = 30
    max_mib: Annotated[
        int,
        Key(
            kind=whole_number(8, 1_048_576, zero="by the free space of the disk"),
            what="Most space the store may take.",
            when="Set it where other programs share the disk.",
            unit="MiB",
        ),
    ] = 0
    reserve_mib: Annotated[
        int,
        Key(
            kind=whole_number(
                1, 1_048_576, zero="256 MiB, or 5 % of the disk where that is more, at most 2 GiB"
            ),
            what="Space held back for check-ins and alarms on the day when the disk is full; at most a "
            "quarter of what is free.",
            when="Lower it on a small card.",
            unit="MiB",
        ),
    ] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckinConfig:
    """When people are due."""

    timezone: Annotated[
        str,
        Key(
            kind=TIMEZONE,
            what="Time zone in which windows of the roster, days and holidays are meant.",
            when="Never in China.",
        ),
    ] = DEFAULT_TIMEZONE
    erase_unknown_slots: Annotated[
        bool,
        Key(
            kind=FLAG,
            what="Delete templates that a fingerprint or face module holds and nobody here enrolled.",
            when="true once everybody's templates are on the roster; false while an older system's are in use.",
        ),
    ] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LogConfig:
    """What is written to standard error, which systemd keeps in the journal."""

    level: Annotated[
        str,
        Key(
            kind=choice("debug", "info", "warning", "error"),
            what="Least important line that is written.",
            when="debug for an hour while looking for a fault.",
        ),
    ] = "info"
    format: Annotated[
        str,
        Key(
            kind=choice("auto", "json", "text"),
            what="Form of a line: json for machines, text for people, auto = text on a terminal, else json.",
            when="text where people read the journal.",
        ),
    ] = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The whole configuration of one gateway."""

    path: Path  # where it was read from
    gateway: GatewayConfig
    keys: KeysConfig
    uplink: UplinkConfig = UplinkConfig()
    store: StoreConfig = StoreConfig()
    checkin: CheckinConfig = CheckinConfig()
    api: ApiConfig = field(default_factory=ApiConfig)
    terminals: TerminalsConfig = field(default_factory=TerminalsConfig)
    log: LogConfig = LogConfig()
    devices: tuple[DeviceConfig, ...] = ()
    kiosks: tuple[KioskConfig, ...] = ()
    written: "Config | None" = None  # as the file itself has it, where devices were changed on the page


# In the order of the documentation.
TABLES: Final[Mapping[str, type]] = {
    "gateway": GatewayConfig,
    "keys": KeysConfig,
    "uplink": UplinkConfig,
    "store": StoreConfig,
    "checkin": CheckinConfig,
    "api": ApiConfig,
    "terminals": TerminalsConfig,
    "log": LogConfig,
    "device": DeviceConfig,
    "kiosk": KioskConfig,
}
LISTS: Final = frozenset({"device", "kiosk"})  # may stand any number of times


def head_of(table: str) -> str:
    """How it is written above its keys."""
    return f"[[{table}]]" if table in LISTS else f"[{table}]"


@cache
def keys_of(table: type) -> Mapping[str, Key]:
    """The keys of one table, in the order of the documentation."""
    hints = get_type_hints(table, include_extras=True)
    found = {name: extra for name, hint in hints.items() for extra in getattr(hint, "__metadata__", ())}
    return MappingProxyType({name: extra for name, extra in found.items() if isinstance(extra, Key)})


@cache
def defaults_of(table: Any) -> Mapping[str, object]:
    """The keys of one table that have a plain default value."""
    return MappingProxyType(
        {
            item.name: item.default
            for item in fields(table)
            if item.default is not MISSING and item.name in keys_of(table)
        }
    )
