"""Devices that a technician added, moved or took away on the gateway's page: one file beside the event store.

The configuration is the administrator's and read-only for the service; this file is the service's own. An entry
stands for the whole device: one with the id of a device of the configuration takes its place, and where it stands
(`kiosk`) goes with it. The store remembers the same text, with the event that says who changed it: that is what
counts at a start, and the file is written anew from it (docs/decisions/0017).
"""

import json
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from gateway.config.lists import DeviceConfig, KioskConfig
from gateway.config.locator import Lines
from gateway.config.model import Config
from gateway.config.problems import ConfigFileError, Problem, nearest
from gateway.config.toml_file import parse, read_text

ADDED_FILE = "devices.toml"
CHANGED_DEVICES = "changed_devices"  # state: the text of the file, as the store remembers it
_HEADER = "# Written by the gateway: what was changed on its page. Where a device stands here, this counts.\n"
_OWN_KEYS = ("id", "kind", "kiosk", "removed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """One entry: the device as it is to be, or that it is gone."""

    id: str
    kind: str = ""
    settings: Mapping[str, object] = field(default_factory=dict, repr=False)
    kiosk: str | None = None
    removed: bool = False


def added_path(config: Config) -> Path:
    """Where the file of this gateway is."""
    return config.gateway.state_dir / ADDED_FILE


def read_added(path: Path) -> tuple[Added, ...]:
    """The entries; none where there is no file. Raises `ConfigFileError`."""
    try:
        path.stat()
    except OSError:
        return ()  # where the folder cannot be entered, the store says so, and what to do
    return entries_of(path, read_text(path))


def entries_of(path: Path, text: str) -> tuple[Added, ...]:
    """What stands in a text; `path`: the file that errors name. Raises `ConfigFileError`."""
    entries = parse(path, text).get("device", [])
    lines, problems, found = Lines(text), list[Problem](), list[Added]()
    for index, entry in enumerate(entries if isinstance(entries, list) else [entries]):
        made = _entry(entry)
        if made is None or made.id in {one.id for one in found}:
            line = lines.find(("device", index))
            what = "is not an entry that this gateway writes, or stands here twice"
            problems.append(
                Problem(code="bad_value", what=what, todo="remove it", where="[[device]]", line=line)
            )
        else:
            found.append(made)
    if problems:
        raise ConfigFileError(path, problems)
    return tuple(found)


def _entry(entry: object) -> Added | None:
    if not isinstance(entry, dict):
        return None
    device, kind, kiosk = entry.get("id"), entry.get("kind", ""), entry.get("kiosk")
    removed = entry.get("removed", False)
    if not isinstance(device, str) or not isinstance(kind, str) or not isinstance(removed, bool):
        return None
    if not isinstance(kiosk, str | None) or bool(kind) == removed:
        return None
    settings = {key: value for key, value in entry.items() if key not in _OWN_KEYS}
    return Added(id=device, kind=kind, settings=MappingProxyType(settings), kiosk=kiosk, removed=removed)


def told(entries: Iterable[Added]) -> str:
    """The text of the file."""
    return _HEADER + "".join(_told(one) for one in entries)


def write_added(path: Path, text: str) -> None:
    """On disk when it returns. Raises `OSError`."""
    beside = path.with_name(f"{path.name}.new")
    with beside.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _told(one: Added) -> str:
    values: dict[str, object] = {"id": one.id}
    if one.removed:
        values["removed"] = True
    else:
        values |= {"kind": one.kind, **({} if one.kiosk is None else {"kiosk": one.kiosk}), **one.settings}
    # Text, numbers, truth and lists of them are written alike in JSON and TOML.
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in values.items()]
    return "".join(["\n[[device]]\n", *lines])


def with_added(config: Config, entries: Sequence[Added], kinds: Collection[str] | None = None) -> Config:
    """The configuration as these entries make it. `kinds` that there are; None: known already.

    Raises `ConfigFileError`.
    """
    config, path = config.written or config, added_path(config)
    instead = {one.id: one for one in entries}
    devices = [one for one in config.devices if one.id not in instead]
    bound = {one.id: [two for two in one.devices if two not in instead] for one in config.kiosks}
    problems: list[Problem] = []
    for index, one in enumerate(entries):
        if one.removed:
            continue
        if kinds is not None and one.kind not in kinds:
            problems.append(_problem(index, "unknown_kind", "unknown device kind", nearest(one.kind, kinds)))
        if one.id in bound:
            problems.append(_problem(index, "duplicate", "is a kiosk already", "remove the entry"))
        if one.kiosk is not None and one.kiosk not in bound:
            problems.append(_problem(index, "unknown_kiosk", "no such kiosk", nearest(one.kiosk, bound)))
        elif one.kiosk is not None:
            bound[one.kiosk].append(one.id)
        devices.append(
            DeviceConfig(id=one.id, kind=one.kind, settings=one.settings, table_index=index, source=path)
        )
    if problems:
        raise ConfigFileError(path, problems)
    kiosks = tuple(replace(one, devices=tuple(bound[one.id])) for one in config.kiosks)
    return replace(config, devices=tuple(devices), kiosks=kiosks, written=config)


def _problem(index: int, code: str, what: str, todo: str) -> Problem:
    return Problem(code=code, what=what, todo=todo, where=f"[[device]] number {index + 1}")


def standing_at(kiosks: Iterable[KioskConfig], device: str) -> str | None:
    """The kiosk at which a device stands."""
    return next((one.id for one in kiosks if device in one.devices), None)
