"""What lies in which slot of which module, and whose it is: one row for each enrolment, whoever made it.

Rows are never deleted: what became of an enrolment is part of the proof that it was erased. They name people by
their references and hold no template, which never leaves its module. Everything runs inside the db thread.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from typing import Any

from peewee import SQL, IntegerField, Model, TextField

from gateway.store.models import Epoch
from gateway.store.reading import whole

SUSPECT = "references_suspect"  # state: a salvage lost something, and rows may be older than what was done
FORGETFUL = ("restored", "store_rollback")  # reasons of epochs


class EnrolmentRow(Model):
    """One enrolment."""

    id = TextField(primary_key=True)
    person = TextField()
    method = TextField()
    module = TextField()
    slot = IntegerField(null=True)
    label = TextField(null=True)
    origin = TextField()
    made_by = TextField(null=True)
    made_ms = IntegerField(null=True)
    consent = TextField(null=True)
    state = TextField()
    reason = TextField(null=True)
    held = IntegerField()
    slots_before = TextField(null=True)
    absent_ms = IntegerField(null=True)
    requested_ms = IntegerField(null=True)
    requested_by = TextField(null=True)
    done_ms = IntegerField(null=True)

    class Meta:
        table_name = "enrolment"


ENROLMENT_TABLES = (EnrolmentRow,)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEnrolment:
    """A row as it stands; `gateway.checkin.references` gives it meaning."""

    id: str
    person: str
    method: str
    module: str
    slot: int | None
    label: str | None
    origin: str
    made_by: str | None
    made_ms: int | None
    consent: str | None
    state: str
    reason: str | None
    held: int
    slots_before: str | None
    absent_ms: int | None
    requested_ms: int | None
    requested_by: str | None
    done_ms: int | None


ENROLMENT_COLUMNS = tuple(one.name for one in fields(StoredEnrolment))
_NUMBERS = frozenset({"slot", "made_ms", "held", "absent_ms", "requested_ms", "done_ms"})


def all_enrolments() -> list[StoredEnrolment]:
    """Every row, oldest first as they were written."""
    query = EnrolmentRow.select(*map(SQL, ENROLMENT_COLUMNS)).order_by(SQL("rowid"))
    return [_of_row(row) for row in query.tuples().iterator()]


def put_enrolments(rows: Iterable[StoredEnrolment]) -> None:
    """Write these, in the place of what they were."""
    for row in rows:
        EnrolmentRow.insert(**asdict(row)).on_conflict(
            conflict_target=[EnrolmentRow.id],
            update={name: value for name, value in asdict(row).items() if name != "id"},
        ).execute()


def _of_row(row: Any) -> StoredEnrolment:
    """What damage left in a column is no reason to stop."""
    members: dict[str, Any] = {
        name: None if value is None else whole(value) if name in _NUMBERS else str(value)
        for name, value in zip(ENROLMENT_COLUMNS, row, strict=True)
    }
    return StoredEnrolment(**members)


def memory_doubted_since(epoch: str | None) -> int | None:
    """When an epoch after `epoch` was opened because the store may have forgotten something; None: none was."""
    known = None if epoch is None else Epoch.get_or_none(Epoch.epoch == epoch)
    after = 0 if known is None else known.first_n
    rows = Epoch.select().where((Epoch.first_n > after) & (Epoch.reason.in_(FORGETFUL)))
    return max((row.opened_ms for row in rows), default=None)
