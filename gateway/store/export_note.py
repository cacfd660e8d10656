"""A note beside the store that events were handed out: written by the export, read and removed by the gateway.

The store has one writer, and an export is another process. What the note holds becomes the data of an
`audit.exported` (`gateway/handed_out.py`); its name is the identity of that event.
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.evidence.canonical import Json
from gateway.store.folder import sync_folder
from gateway.store.new_file import give_to_owner_of, new_file
from gateway.uuid7 import uuid7

MAX_BYTES = 4096
_NAME = re.compile(
    r"exported-([0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12})\.json", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Note:
    """One that was found; `id` and `data` are None where it cannot be understood."""

    path: Path
    id: str | None
    data: dict[str, Json] | None


def leave(folder: Path, data: Mapping[str, Json], wall_ms: int) -> None:
    """Durable when this returns; raises `StoreRefused` where the folder takes nothing."""
    with new_file(folder / f"exported-{uuid7(wall_ms)}.json") as fresh:
        os.write(fresh.handle, json.dumps(data).encode())
        give_to_owner_of(folder, fresh.path)


def oldest(folder: Path) -> Note | None:
    """The note to be recorded next. Raises `OSError`."""
    path = min(folder.glob("exported-*.json"), default=None)  # an identity begins with its time
    if path is None:
        return None
    named = _NAME.fullmatch(path.name)
    return Note(path, None, None) if named is None else Note(path, named[1], _read(path))


def remove(note: Note) -> None:
    """It is recorded; one that is not understood is kept under another name. Raises `OSError`."""
    if note.data is None:
        note.path.replace(note.path.with_suffix(".unreadable"))
    else:
        note.path.unlink(missing_ok=True)
    sync_folder(note.path.parent)


def _read(path: Path) -> dict[str, Json] | None:
    try:
        with path.open("rb") as file:
            data = json.loads(file.read(MAX_BYTES))
    except (OSError, ValueError):
        return None
    return data if isinstance(data, dict) else None
