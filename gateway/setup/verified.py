"""Whether the center has acknowledged a check-in: what the first run ends with. Read beside the running gateway."""

from pathlib import Path

from gateway.event_types import TYPE_PREFIX
from gateway.store.reading import open_for_reading

LOOKED_AT = 20_000  # events; a day of a busy center
_QUERY = """
SELECT count(*) FROM (
    SELECT 1 FROM event WHERE n > ? AND instr(wire, ?) AND n NOT IN (SELECT n FROM waiting)
    AND n NOT IN (SELECT n FROM rejected) LIMIT 1)
"""


def checkin_verified(store: Path) -> bool:
    """Among the newest events. Raises `StoreRefused`. Takes some tenths of a second on a small board."""
    completed = f'"type":"{TYPE_PREFIX}checkin.completed"'.encode()
    with open_for_reading(store) as reading:
        return bool(reading.one(_QUERY, reading.last_n() - LOOKED_AT, completed))
