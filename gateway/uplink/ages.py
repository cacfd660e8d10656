"""How old an event is: by the monotonic clock where it belongs to this boot, else by the wall clock.

A step of the wall clock must not make a backlog of seconds look like one of years. Both clocks stand in
the event's own bytes; they are read from there without parsing.
"""

from gateway.clock import Stamp
from gateway.store.outbox import REST_LANE, URGENT_LANE, Outbox

_BOOT_MARK = b'{"bootid":"'  # the first member of our canonical bytes
_MONO_MARK = b'"monoms":"'  # comes after `data`: the last one of that name is the envelope's own


def mono_ms(wire: bytes, boot_id: str) -> int | None:
    """When it happened on the monotonic clock of this boot; None where it was another boot."""
    if not wire.startswith(_BOOT_MARK + boot_id.encode() + b'"'):
        return None
    start = wire.rindex(_MONO_MARK) + len(_MONO_MARK)
    return int(wire[start : wire.index(b'"', start)])


def age_ms(mono: int | None, recorded_ms: int, now: Stamp) -> int:
    """Milliseconds since then; never negative."""
    return max(0, now.wall_ms - recorded_ms if mono is None else now.mono_ms - mono)


def oldest_age_ms(box: Outbox, now: Stamp) -> int:
    """Age of the oldest waiting event; 0 where none waits. In a job of the db thread."""
    first = [row for lane in (URGENT_LANE, REST_LANE) for row in box.after(lane, 0, 1)]
    if not first:
        return 0
    row = min(first, key=lambda row: row.n)
    return age_ms(mono_ms(row.wire, now.boot_id), row.recorded_ms, now)
