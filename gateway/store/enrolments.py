"""What lies in which slot of which module, and whose it is: one encrypted row for each enrolment.

Rows are never deleted: what became of an enrolment is part of the proof that it was erased. The store knows how
many there are; whom they name, only who has the key. Everything runs inside the db thread.
"""

from collections.abc import Iterable
from sqlite3 import Connection

from peewee import BlobField, Model

from gateway.store.models import Epoch

SUSPECT = "references_suspect"  # state: a salvage lost something, and rows may be older than what was done
FORGETFUL = ("restored", "store_rollback")  # reasons of epochs
ENROLMENT_COLUMNS = ("digest", "sealed")


class EnrolmentRow(Model):
    """One enrolment, by the digest of its id."""

    digest = BlobField(primary_key=True)
    sealed = BlobField()

    class Meta:
        table_name = "enrolment"


ENROLMENT_TABLES = (EnrolmentRow,)


def all_enrolments() -> list[bytes]:
    """Every row, as it was sealed."""
    return [bytes(sealed) for (sealed,) in EnrolmentRow.select(EnrolmentRow.sealed).tuples().iterator()]


def put_enrolments(connection: Connection, rows: Iterable[tuple[bytes, bytes]]) -> None:
    """Write these (digest, sealed), in the place of what they were."""
    # Past peewee, which takes several times as long: a roster brings thousands, and a check-in waits behind them.
    connection.executemany("INSERT OR REPLACE INTO enrolment (digest, sealed) VALUES (?, ?)", rows)


def memory_doubted_since(epoch: str | None) -> int | None:
    """When an epoch after `epoch` was opened because the store may have forgotten something; None: none was.

    Without `epoch`, before references were kept here, nothing can have been forgotten of them.
    """
    if epoch is None:
        return None
    known = Epoch.get_or_none(Epoch.epoch == epoch)
    after = 0 if known is None else known.first_n
    rows = Epoch.select().where((Epoch.first_n > after) & (Epoch.reason.in_(FORGETFUL)))
    return max((row.opened_ms for row in rows), default=None)
