"""What is remembered of time across processes and boots: one small file, replaced as a whole.

A file of its own, not a note in the store: it is needed before the store opens, when the store was set
aside, and on a disk that takes no more events. Losing it costs no truth: the floor falls back to the
release, and the center is asked again.
"""

import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path

from gateway.clock.anchor import Anchor
from gateway.clock.stamp import ClockSource

log = logging.getLogger(__name__)

MAX_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """The last state of a gateway's clocks."""

    good_wall_ms: int = 0  # the newest time that a time server vouched for
    boot_id: str = ""  # the rest is about this boot
    machine_offset_ms: int | None = None  # wall minus monotonic of the machine, as last told
    anchor: Anchor | None = None

    def of_boot(self, boot_id: str) -> "Memory":
        """What holds in this boot: the monotonic clock of another says nothing here."""
        return self if self.boot_id == boot_id else Memory(good_wall_ms=self.good_wall_ms)

    def to_text(self) -> str:
        """As it stands in the file."""
        anchor = self.anchor
        document = {
            "v": 1,
            "good_wall_ms": self.good_wall_ms,
            "boot_id": self.boot_id,
            "machine_offset_ms": self.machine_offset_ms,
            "anchor": None
            if anchor is None
            else [anchor.source.value, anchor.wall_ms, anchor.mono_ms, anchor.error_ms],
        }
        return json.dumps(document)

    @classmethod
    def from_text(cls, text: str) -> "Memory":
        """The other way; ValueError, KeyError or TypeError where it is not one."""
        document = json.loads(text)
        anchor: Anchor | None = None
        if document["anchor"] is not None:
            source, wall_ms, mono_ms, error_ms = document["anchor"]
            anchor = Anchor(
                ClockSource(source), int(wall_ms), int(mono_ms), None if error_ms is None else int(error_ms)
            )
        offset_ms = document["machine_offset_ms"]
        return cls(
            good_wall_ms=int(document["good_wall_ms"]),
            boot_id=str(document["boot_id"]),
            machine_offset_ms=None if offset_ms is None else int(offset_ms),
            anchor=anchor,
        )


def load(path: Path) -> Memory:
    """What was remembered; nothing where the file is missing or damaged."""
    try:
        with path.open("rb") as file:
            return Memory.from_text(file.read(MAX_BYTES).decode("ascii"))
    except FileNotFoundError:
        return Memory()
    except (OSError, ValueError, KeyError, TypeError) as exc:
        log.warning("what was remembered of time cannot be read", extra={"cause": type(exc).__name__})
        return Memory()


def save(path: Path, memory: Memory) -> None:
    """Replace the file; after a power cut the old one or the new one is there. Raises OSError."""
    fresh = path.with_name(path.name + ".new")
    with fresh.open("w", encoding="ascii") as file:
        file.write(memory.to_text())
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
