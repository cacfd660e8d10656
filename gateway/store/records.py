"""Which records out of devices' own memories are stored already. Runs inside a transaction of the db thread.

A terminal repeats what it holds after each restart, years of it. What was stored once is known by its derived
identity, which is kept for as many records of one device as the largest of them holds. A record is one event;
where a salvage loses the event, it loses the mark as well, so that the terminal's repeat brings it back.
"""

from collections.abc import Iterable, Sequence

from peewee import BlobField, IntegerField, Model, TextField, fn

MOST_KEPT = 250_000  # of one device; the largest memory known holds 200,000
PRUNE_EVERY = 4096
_ASKED = 500  # at once: SQLite binds 999 values on old builds


class RecordRow(Model):
    """One record that was stored."""

    n = IntegerField(primary_key=True)  # of its event
    id = BlobField(unique=True)
    device = TextField()

    class Meta:
        table_name = "device_record"


RECORD_TABLES = (RecordRow,)


def known(ids: Sequence[str]) -> set[str]:
    """Those of `ids` (UUIDs) that are stored."""
    found: set[str] = set()
    for first in range(0, len(ids), _ASKED):
        asked = {_key(one): one for one in ids[first : first + _ASKED]}
        rows = RecordRow.select(RecordRow.id).where(RecordRow.id.in_(list(asked)))
        found.update(asked[bytes(row.id)] for row in rows)
    return found


def add(stored: Iterable[tuple[int, str]], device: str) -> None:
    """`n` and id of events that are stored with this transaction."""
    newest = RecordRow.select(fn.MAX(RecordRow.n)).where(RecordRow.device == device).scalar() or 0
    last = newest
    for n, one in stored:
        RecordRow.insert(n=n, id=_key(one), device=device).execute()
        last = n
    if last // PRUNE_EVERY != newest // PRUNE_EVERY:
        _prune(device)


def _prune(device: str) -> None:
    mine = RecordRow.select(RecordRow.n).where(RecordRow.device == device).order_by(RecordRow.n.desc())
    oldest = mine.offset(MOST_KEPT).limit(1).scalar()
    if oldest is not None:
        RecordRow.delete().where((RecordRow.device == device) & (RecordRow.n <= oldest)).execute()


def _key(text: str) -> bytes:
    return bytes.fromhex(text.replace("-", ""))
