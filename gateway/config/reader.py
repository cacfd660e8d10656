"""TOML -> Config. All problems of a file are told at once, each with its line."""

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from drivers.registry import REGISTRY
from gateway.config.added import added_path, read_added, with_added
from gateway.config.enrolled import defaults_by, read_enrolled
from gateway.config.files import NamedFile, file_problems
from gateway.config.key import Key
from gateway.config.lists import OWN_DEVICE_ID, DeviceConfig, KioskConfig
from gateway.config.locator import KeyPath, Lines
from gateway.config.model import LISTS, TABLES, Config, GatewayConfig, defaults_of, head_of, keys_of
from gateway.config.problems import ConfigFileError, Problem, nearest
from gateway.config.toml_file import parse, read_text
from gateway.config.values import BadValue, Broker

TERMINAL_KINDS: Final = "terminal."
# Unknown keys after which people write a secret itself; the answer is always a file.
_SECRET_WORDS: Final = re.compile(r"pass|secret|token|(?<![a-z])pin(?![a-z])", re.IGNORECASE)


def load(path: Path, *, kinds: Collection[str] = REGISTRY) -> Config:
    """The configuration in `path`, and every file it names checked; raises `ConfigFileError`.

    `kinds` are the device kinds there are. What else a device's table holds is read by its driver,
    whose complaint becomes an error with file and line through `setting_error`.
    """
    reader = _Reader(path, kinds)
    config = reader.read()
    reader.problems += file_problems(reader.files)
    return _with_added(reader.finish(config), kinds)


def load_without_files(path: Path, *, kinds: Collection[str] = REGISTRY) -> Config:
    """As `load`, for where the files need not exist yet: enrolment, documentation, backups."""
    reader = _Reader(path, kinds)
    return _with_added(reader.finish(reader.read()), kinds)


def peek_gateway(path: Path) -> tuple[Path, str | None]:
    """(state folder, gateway id or None) before the box is enrolled, when all else may be missing.

    Raises `ConfigFileError` where the file is not TOML or these two are not of their form.
    """
    reader = _Reader(path, ())
    reader.allow_missing = True
    table = reader.gateway()
    if reader.problems:
        raise ConfigFileError(path, reader.problems)
    return table["state_dir"], table.get("id")


def _with_added(config: Config, kinds: Collection[str]) -> Config:
    return with_added(config, read_added(added_path(config)), kinds)


class _Reader:
    """One pass over one file. Collects problems instead of stopping at the first."""

    def __init__(self, path: Path, kinds: Collection[str]) -> None:
        self.problems: list[Problem] = []
        self.files: list[NamedFile] = []
        self.allow_missing = False
        self._enrolled: Mapping[str, Mapping[str, object]] = {}
        self._path = path
        self._kinds = kinds
        text = read_text(path)
        self._data = parse(path, text)
        self._lines = Lines(text)

    def read(self) -> Config | None:
        """The configuration, or None when a problem was found."""
        self._refuse_unknown_tables()
        self._enrolled = self._look_for_identity()
        tables = {name: self._table(name) for name in TABLES if name not in LISTS}
        devices = self._devices()
        kiosks = self._kiosks({device.id for device in devices})
        self._check_identity(tables["gateway"])
        self._check_uplink(tables["uplink"])
        self._check_api(tables["api"])
        self._check_terminals(tables["terminals"], devices)
        if self.problems:
            return None
        if "event_kid" not in tables["keys"]:
            tables["keys"]["event_kid"] = f"{tables['gateway']['id']}#1"
        built = {name: TABLES[name](**values) for name, values in tables.items()}
        return Config(path=self._path, devices=tuple(devices), kiosks=tuple(kiosks), **built)

    def gateway(self) -> dict[str, Any]:
        """The first table alone."""
        return self._table("gateway")

    def _look_for_identity(self) -> Mapping[str, Mapping[str, object]]:
        """What enrolment gave the box, for what the file does not say."""
        table = self._data.get("gateway", {})
        written = table.get("state_dir") if isinstance(table, dict) else None
        state_dir = (
            self._resolve(Path(written))
            if isinstance(written, str)
            else defaults_of(GatewayConfig)["state_dir"]
        )
        if not isinstance(state_dir, Path):
            return {}
        facts = read_enrolled(state_dir)
        if facts is None:
            return {}
        given = table.get("id") if isinstance(table, dict) else None
        if isinstance(given, str) and given != facts.gateway:
            self._tell(
                "other_gateway",
                ("gateway", "id"),
                f"is not {facts.gateway}, as which this box is enrolled",
                f'write "{facts.gateway}", or enrol the box anew: zhijiao enroll',
            )
        uplink = self._data.get("uplink", {})
        broker = uplink.get("broker") if isinstance(uplink, dict) else None
        plain = isinstance(broker, str) and not broker.startswith("mqtts://")
        return {
            name: values
            for name, values in defaults_by(facts, state_dir).items()
            if not (plain and name == "uplink")
        }

    def finish(self, config: Config | None) -> Config:
        """The configuration, or every problem as one error."""
        if self.problems or config is None:
            raise ConfigFileError(self._path, self.problems)
        return config

    def _tell(self, code: str, at: KeyPath, what: str, todo: str = "") -> None:
        where = head_of(str(at[0]))
        key = "".join(f" {part}" for part in at[1:] if isinstance(part, str))
        line = self._lines.find(at)
        self.problems.append(Problem(code=code, what=what, todo=todo, where=where + key, line=line))

    def _refuse_unknown_tables(self) -> None:
        for name, value in self._data.items():
            if name in TABLES:
                continue
            if isinstance(value, dict | list):
                self._tell("unknown_key", (name,), "unknown table", nearest(name, TABLES))
                continue
            line = self._lines.find((name,))
            homes = _tables_with(name)
            todo = f"it belongs below {homes}" if homes else "remove it, or move it below its table"
            self.problems.append(
                Problem(code="unknown_key", what="key outside of any table", todo=todo, where=name, line=line)
            )

    def _table(self, name: str) -> dict[str, Any]:
        given = self._data.get(name, {})
        if not isinstance(given, dict):
            self._tell("bad_value", (name,), "must be a table", f"write [{name}] on a line of its own")
            return {}
        self._refuse_unknown_keys(name, given)
        return self._values(name, (name,), given)

    def _list(self, name: str) -> list[dict[str, object]]:
        given = self._data.get(name, [])
        if not isinstance(given, list) or not all(isinstance(item, dict) for item in given):
            self._tell(
                "bad_value", (name,), "must be a list of tables", f"write [[{name}]] above each {name}"
            )
            return []
        return given

    def _devices(self) -> list[DeviceConfig]:
        devices: list[DeviceConfig] = []
        seen: dict[str, int | None] = {}
        for index, item in enumerate(self._list("device")):
            at: KeyPath = ("device", index)
            values = self._values("device", at, item)
            if {"id", "kind"} <= values.keys():
                settings = {key: value for key, value in item.items() if key not in values}
                frozen = MappingProxyType(settings)
                devices.append(DeviceConfig(**values, settings=frozen, table_index=index))
            self._check_device(at, values, seen)
        return devices

    def _check_device(self, at: KeyPath, values: Mapping[str, Any], seen: dict[str, int | None]) -> None:
        device_id, kind = values.get("id"), values.get("kind")
        if device_id == OWN_DEVICE_ID:
            self._tell(
                "bad_value", (*at, "id"), f'"{OWN_DEVICE_ID}" is the gateway itself', "choose another name"
            )
        elif device_id in seen:
            self._tell(
                "duplicate",
                (*at, "id"),
                f'"{device_id}" is already the device at line {seen[device_id]}',
                "give each device a name of its own",
            )
        if device_id is not None:
            seen.setdefault(device_id, self._lines.find((*at, "id")))
        if kind is not None and kind not in self._kinds:
            self._tell("unknown_kind", (*at, "kind"), "unknown device kind", nearest(kind, self._kinds))

    def _kiosks(self, devices: Collection[str]) -> list[KioskConfig]:
        kiosks: list[KioskConfig] = []
        names = {*devices, OWN_DEVICE_ID}  # events are told apart by them
        bound: set[str] = set()
        for index, item in enumerate(self._list("kiosk")):
            at: KeyPath = ("kiosk", index)
            self._refuse_unknown_keys("kiosk", item, at)
            values = self._values("kiosk", at, item)
            if values.get("id") in names:
                self._tell("duplicate", (*at, "id"), "is a device or kiosk already", "choose another name")
            if values.get("devices") == () and not values.get("terminal"):
                self._tell(
                    "bad_value",
                    (*at, "devices"),
                    "must be a list of the ids of devices, at least one",
                    'write it like ["idcard-1"]; only with terminal = true there may be none',
                )
            for device in values.get("devices", ()):
                self._check_bound((*at, "devices"), device, devices, bound)
            if keys_of(KioskConfig).keys() <= values.keys():
                names.add(values["id"])
                kiosks.append(KioskConfig(**values))
        return kiosks

    def _check_bound(self, at: KeyPath, device: str, devices: Collection[str], bound: set[str]) -> None:
        if device not in devices:
            self._tell("unknown_device", at, f'no device is called "{device}"', nearest(device, devices))
        elif device in bound:
            self._tell(
                "duplicate", at, f'"{device}" stands at a kiosk already', "a device stands at one kiosk"
            )
        bound.add(device)

    def _refuse_unknown_keys(
        self, table: str, given: Mapping[str, object], at: KeyPath | None = None
    ) -> None:
        known = keys_of(TABLES[table])
        for key in given.keys() - known.keys():
            homes = _tables_with(key)
            todo = f"it belongs below {homes}" if homes else nearest(key, known)
            if not homes and _SECRET_WORDS.search(key):
                todo = "a secret is given as the path of its file, see [keys] and password_file of [uplink]"
            self._tell("unknown_key", (*(at or (table,)), key), "unknown key", todo)

    def _values(self, table: str, at: KeyPath, given: Mapping[str, object]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        defaults = {**defaults_of(TABLES[table]), **self._enrolled_pairs(table, given)}
        for name, key in keys_of(TABLES[table]).items():
            if name in given:
                try:
                    values[name] = self._resolve(key.kind.parse(given[name]))
                except BadValue as bad:
                    self._tell("bad_value", (*at, name), bad.what, bad.todo)
                    continue
            elif name in defaults:
                values[name] = defaults[name]
            elif not key.default and not self.allow_missing:
                self._tell(
                    "missing_key", (*at, name), "missing", f"add it, for example {name} = {key.example}"
                )
            self._note_file(key, (*at, name), values.get(name), given.get(name))
        return values

    def _enrolled_pairs(self, table: str, given: Mapping[str, object]) -> Mapping[str, object]:
        """Certificate and key go together: where one is written, neither comes from the enrolment."""
        found = dict(self._enrolled.get(table, {}))
        for pair in (("cert_file", "key_file"), ("event_key_file", "event_kid")):
            if any(name in given for name in pair):
                for name in pair:
                    found.pop(name, None)
        return found

    def _resolve(self, value: object) -> object:
        return self._path.absolute().parent / value if isinstance(value, Path) else value

    def _note_file(self, key: Key, at: KeyPath, value: object, written: object) -> None:
        if key.file is None or not isinstance(value, Path):
            return
        self.files.append(
            NamedFile(
                path=value,
                role=key.file,
                where=f"[{at[0]}] {at[-1]}",
                line=None if written is None else self._lines.find(at),
                written=None if written is None else str(written),
            )
        )

    def _check_identity(self, gateway: Mapping[str, Any]) -> None:
        org, gateway_id = gateway.get("org"), gateway.get("id")
        if org is not None and gateway_id is not None and gateway_id[3:9] != org:
            self._tell(
                "bad_value",
                ("gateway", "id"),
                f"does not match org {org}",
                f'write "gw-{org}-{gateway_id[-2:]}"',
            )

    def _check_terminals(self, table: Mapping[str, Any], devices: Sequence[DeviceConfig]) -> None:
        terminals = [device for device in devices if device.kind.startswith(TERMINAL_KINDS)]
        if terminals and "listen" in table and table["listen"] is None:
            self._tell(
                "missing_key",
                ("device", terminals[0].table_index, "kind"),
                "needs [terminals] listen: a terminal comes to the gateway",
                'add [terminals] and below it listen = "10.1.2.3:8081", the address on the terminals\' network',
            )
        serials: set[object] = set()
        for device in terminals:
            serial = device.settings.get("serial")
            if serial in serials:
                self._tell(
                    "duplicate",
                    ("device", device.table_index, "serial"),
                    "another device has this serial number",
                )
            serials.add(serial if isinstance(serial, str) else None)

    def _check_uplink(self, uplink: Mapping[str, Any]) -> None:
        broker = uplink.get("broker")
        if isinstance(broker, Broker) and not broker.tls:
            if not broker.loopback and uplink.get("allow_plaintext") is False:
                self._tell(
                    "plaintext",
                    ("uplink", "broker"),
                    "mqtt:// to another machine is not encrypted",
                    "write mqtts://, or allow_plaintext = true where a VPN encrypts",
                )
            for name in ("ca_file", "cert_file", "key_file"):
                if uplink.get(name) is not None:
                    self._tell(
                        "bad_value",
                        ("uplink", name),
                        "has no effect with mqtt://",
                        "write mqtts:// or remove it",
                    )
        for name, other in (
            ("cert_file", "key_file"),
            ("key_file", "cert_file"),
            ("password_file", "username"),
        ):
            if uplink.get(name) is not None and other in uplink and uplink[other] is None:
                self._tell(
                    "missing_key", ("uplink", name), f"needs {other} as well", f"add {other} or remove {name}"
                )

    def _check_api(self, api: Mapping[str, Any]) -> None:
        for name, other in (
            ("certificate_file", "certificate_key_file"),
            ("certificate_key_file", "certificate_file"),
            ("certificate_file", "https"),
        ):
            if api.get(name) is not None and other in api and api[other] is None:
                self._tell(
                    "missing_key", ("api", name), f"needs {other} as well", f"add {other} or remove {name}"
                )


def _tables_with(key: str) -> str:
    return " or ".join(
        f"[{name}]" for name, table in TABLES.items() if name not in LISTS and key in keys_of(table)
    )
