"""The parts of a diagnostics bundle. Each says one thing about the box; none has room for a person.

What is taken is chosen, not what is left out: settings by a list of types that cannot name anybody, fields of the
log by the names that our own records use, counts instead of events. Log lines go through the same masks as they
are written with, once more.
"""

import json
import os
import platform
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, fields, is_dataclass
from enum import Enum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from drivers.links.serial_ports import no_ports, serial_ports
from gateway import __version__
from gateway.cli.doctor_devices import judge_devices
from gateway.cli.doctor_line import judge_line
from gateway.cli.doctor_machine import UNIT, ask, judge_machine
from gateway.config import Config
from gateway.logs import redact
from gateway.store.lock import is_held
from gateway.store.overview import overview
from gateway.store.reading import STORE_FILE, open_for_reading

LOG_LINES = 3_000
LIBRARIES = ("paho-mqtt", "pyserial", "bleak", "fastapi", "peewee", "prometheus-client", "cryptography")
# Of a log record: what is a code, a number or a name of ours. Messages are ours too; texts of others are not.
LOG_FIELDS = frozenset(
    {"ts", "level", "logger", "msg", "code", "cause", "reason", "device", "kind", "count", "length", "event_type",
     "epoch", "gateway", "devices", "model", "attempt", "seconds", "remedy", "topic", "status"}
)  # fmt: skip
HIDDEN_SETTINGS = frozenset({"username", "password", "serial", "address", "names"})

Part = Callable[[Config], str]


def parts() -> Mapping[str, Part]:
    """File name -> what makes it."""
    return {
        "versions.json": lambda _config: _json(_versions()),
        "machine.json": lambda config: _json(_machine(config)),
        "doctor.json": lambda config: _json(_doctor(config)),
        "config.json": lambda config: _json(plain(config)),
        "store.json": lambda config: _json(_store(config)),
        "devices.json": lambda _config: _json(_devices()),
        "log.jsonl": lambda _config: "".join(f"{line}\n" for line in log_lines(_journal())),
    }


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1, default=str) + "\n"


def _versions() -> dict[str, object]:
    return {
        "zhijiao": __version__,
        "python": platform.python_version(),
        "libraries": {name: _version(name) for name in LIBRARIES},
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None  # not every box needs all of them


def _machine(config: Config) -> dict[str, object]:
    model = Path("/proc/device-tree/model")
    memory = Path("/proc/meminfo").read_text().splitlines()[:3]
    place = config.gateway.state_dir if config.gateway.state_dir.exists() else Path("/")
    usage = shutil.disk_usage(place)
    return {
        "board": model.read_text().rstrip("\0") if model.exists() else platform.machine(),
        "kernel": platform.release(),
        "load": os.getloadavg(),
        "uptime_s": float(Path("/proc/uptime").read_text().split()[0]),
        "memory": memory,
        "disk": {"total": usage.total, "free": usage.free},
        "service": ask(
            ["systemctl", "show", UNIT, "-p", "ActiveState,SubState,NRestarts,ActiveEnterTimestamp"]
        ),
    }


def _doctor(config: Config) -> list[dict[str, str]]:
    running = is_held(config.gateway.state_dir / STORE_FILE)
    lines = [*judge_machine(config), *judge_devices(config, running=running), *judge_line(config)]
    return [one.as_dict() for one in lines]


def _store(config: Config) -> dict[str, object]:
    with open_for_reading(config.gateway.state_dir / STORE_FILE) as reading:
        seen = asdict(overview(reading))
        types = reading.all("SELECT count(*), min(n), max(n) FROM event")
    seen["alarms"] = [_unnamed(one) for one in seen["alarms"]]
    return {**seen, "events": types}


def _unnamed(alarm: str) -> str:
    kind, _, about = alarm.partition("/")
    return f"{kind}/a person's wearable" if about.startswith("person/") else alarm


def _devices() -> dict[str, object]:
    return {
        "ports": [asdict(one) for one in serial_ports()],
        "not_serial": [asdict(one) for one in no_ports()],
    }


def plain(value: Any) -> Any:
    """A setting as JSON: names of files and hosts stay, what may name somebody or lets somebody in does not."""
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: _setting(one.name, getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): _setting(str(name), one) for name, one in value.items()}
    if isinstance(value, list | tuple | frozenset | set):
        return [plain(one) for one in value]
    if isinstance(value, Enum):
        return value.value
    return value if isinstance(value, bool | int | float | None) else redact(str(value))


def _setting(name: str, value: object) -> object:
    return "[hidden]" if name in HIDDEN_SETTINGS and value else plain(value)


def _journal() -> str:
    told = ask(["journalctl", "-u", UNIT, "-n", str(LOG_LINES), "-o", "json", "--no-pager"])
    if told is None:
        raise OSError("the journal cannot be read; run this as root")
    return told


def log_lines(journal: str) -> Iterator[str]:
    """Of the journal's JSON: our own records with the fields of the list, of others only that there was one."""
    for line in journal.splitlines():
        entry = _object(line) or {}
        text = str(entry.get("MESSAGE", ""))
        record = _object(text)
        at_us = str(entry.get("__REALTIME_TIMESTAMP", ""))
        kept: dict[str, object] = {"at_s": int(at_us) // 1_000_000} if at_us.isdigit() else {}
        if record is None:
            kept["other"] = len(text)
        else:
            kept |= {name: value for name, value in record.items() if name in LOG_FIELDS}
        yield redact(json.dumps(kept, ensure_ascii=False, default=str))


def _object(text: str) -> dict[str, object] | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
