"""Tables of the store.

An event row is written once and never updated: it is evidence. What changes (waiting, rejected)
stands in narrow tables beside it, so that settling does not rewrite the pages of the events.

`n` numbers events in the order of their commits, over all epochs. Only one epoch is open at a time
and sequences are contiguous, so sequence = n - first_n + 1: no second index is kept for it.
"""

from peewee import BlobField, CompositeKey, IntegerField, Model, TextField


class Epoch(Model):
    """An unbroken run of sequences."""

    first_n = IntegerField(primary_key=True)  # `n` of its sequence 1
    epoch = TextField(unique=True)  # 8 hex, random
    reason = TextField()
    opened_ms = IntegerField()
    last_seq = IntegerField(null=True)  # where it ended; null while it runs
    last_hash = BlobField(null=True)

    class Meta:
        table_name = "epoch"


class Event(Model):
    """A signed event as it goes out. Immutable."""

    n = IntegerField(primary_key=True)
    hash = BlobField()
    recorded_ms = IntegerField()
    wire = BlobField()

    class Meta:
        table_name = "event"


class Waiting(Model):
    """Events that the center has not acknowledged. Lane 0: check-ins and alarms; 1: the rest."""

    lane = IntegerField()
    n = IntegerField()

    class Meta:
        table_name = "waiting"
        primary_key = CompositeKey("lane", "n")
        without_rowid = True


class Rejected(Model):
    """Events that the center stored and refused for their content."""

    n = IntegerField(primary_key=True)
    code = TextField()
    message = TextField()

    class Meta:
        table_name = "rejected"


class Day(Model):
    """How far the store had come on a day when the clock could be trusted: events age by this, not by their stamps."""

    day = IntegerField(primary_key=True)  # days since 1970, UTC
    n = IntegerField()

    class Meta:
        table_name = "day"


class State(Model):
    """Single facts about the store: boot id, standing alarms, what a salvage found."""

    key = TextField(primary_key=True)
    value = TextField()

    class Meta:
        table_name = "state"


class RosterRow(Model):
    """The roster in force, encrypted (`rosters`)."""

    version = IntegerField(primary_key=True)
    digest = BlobField()
    persons = IntegerField()
    left_out = IntegerField()
    issued_ms = IntegerField()
    expires_ms = IntegerField()
    applied_ms = IntegerField()
    applied_boot = TextField()
    applied_mono_ms = IntegerField()
    sealed = BlobField()

    class Meta:
        table_name = "roster"


class AccountRow(Model):
    """Somebody of the office who may sign in (`accounts`)."""

    name = TextField(primary_key=True)
    role = TextField()
    hash = TextField()
    generation = IntegerField()
    created_ms = IntegerField()
    changed_ms = IntegerField()
    disabled = IntegerField()
    must_change = IntegerField()

    class Meta:
        table_name = "account"


class KioskTokenRow(Model):
    """What a kiosk is known by (`accounts`)."""

    kiosk = TextField(primary_key=True)
    digest = BlobField()
    created_ms = IntegerField()
    source = TextField(null=True)

    class Meta:
        table_name = "kiosk_token"


class LockoutRow(Model):
    """Who has to wait before the next try (`accounts`)."""

    account = TextField()
    source = TextField()
    failures = IntegerField()
    known = IntegerField()
    boot = TextField()
    mono_ms = IntegerField()
    remaining_ms = IntegerField()

    class Meta:
        table_name = "lockout"
        primary_key = CompositeKey("account", "source")
        without_rowid = True


TABLES = (Epoch, Event, Waiting, Rejected, Day, State, RosterRow, AccountRow, KioskTokenRow, LockoutRow)
