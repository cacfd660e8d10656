"""Tables of the center's side.

An event row is written once and never updated or deleted: it is evidence. What changes (how far an
epoch is settled, what was refused, how often a fact came) stands in narrow tables beside it.

Bounded by construction: everything that an unproven message can make a row of (`parked`, `quarantine`)
or count in (`tally`, `alarm`: only names of gateways that the trust file knows, else one common row).
"""

from peewee import AutoField, BlobField, BooleanField, CompositeKey, IntegerField, Model, TextField


class Gateway(Model):
    """What a gateway last said of itself."""

    gw = TextField(primary_key=True)
    org = TextField()
    session = TextField(null=True)  # the last one that was online
    sessions = TextField(default="[]")  # JSON: earlier ones, newest last; one that comes back is a second box
    status = TextField(null=True)  # canonical JSON
    status_ms = IntegerField(null=True)  # its own `ts`
    status_received_ms = IntegerField(null=True)
    info = BlobField(null=True)  # signed, as received
    info_ms = IntegerField(null=True)  # its own `ts`

    class Meta:
        table_name = "gateway"


class Cursor(Model):
    """How far an epoch is settled. Stored and lost beyond `upto` follow from the rows of `event` and `lost`."""

    id = AutoField()
    gw = TextField()
    epoch = TextField()
    seen_ms = IntegerField()  # when the center first heard of it
    upto = IntegerField()
    head = BlobField()  # hash of the highest stored event up to `upto`; zeros for none
    rejected_n = IntegerField()
    end_seq = IntegerField()  # the highest end that the gateway stated, signed; 0 for none
    end_hash = BlobField(null=True)

    class Meta:
        table_name = "cursor"
        indexes = ((("gw", "epoch"), True),)


class Event(Model):
    """A signed event, as received. A fork is two rows of one sequence with different hashes."""

    n = IntegerField(primary_key=True)  # order of arrival
    cursor = IntegerField()
    seq = IntegerField()
    hash = BlobField()
    prevhash = BlobField(null=True)
    event_id = BlobField(null=True)  # 16 bytes
    type = TextField()  # without prefix
    time_ms = IntegerField(null=True)
    received_ms = IntegerField()
    understood = BooleanField()
    wire = BlobField()

    class Meta:
        table_name = "event"
        indexes = ((("cursor", "seq", "hash"), True),)


class Rejected(Model):
    """Stored events that a rule refuses."""

    n = IntegerField(primary_key=True)
    code = TextField()
    message = TextField()
    # Added by a migration: so that a gateway's question is answered from an index.
    # cursor INTEGER, seq INTEGER

    class Meta:
        table_name = "rejected"


class Fact(Model):
    """One thing that happened; several envelopes may tell of it."""

    id = BlobField(primary_key=True)  # 16 bytes
    n = IntegerField()  # the first envelope
    envelopes = IntegerField()
    # Since a migration the key is (gw, id), with gw TEXT: no gateway can use up another's identities.

    class Meta:
        table_name = "fact"
        without_rowid = True


class Lost(Model):
    """Ranges that a gateway declared lost, signed."""

    id = AutoField()
    cursor = IntegerField(index=True)
    first = IntegerField()
    last = IntegerField()
    reason = TextField()
    said_ms = IntegerField()

    class Meta:
        table_name = "lost"


class Parked(Model):
    """Messages whose key may still become known. Place and gateway are what they say, proven by nothing."""

    id = AutoField()
    digest = BlobField(unique=True)  # SHA-256 of the wire bytes: a repeat is one row
    topic = TextField()
    gw = TextField()
    epoch = TextField()
    seq = IntegerField()
    kid = TextField()
    size = IntegerField()
    received_ms = IntegerField()
    wire = BlobField()

    class Meta:
        table_name = "parked"
        indexes = ((("gw", "epoch", "seq", "size"), False),)


class Quarantine(Model):
    """Messages that take no sequence; the newest of each gateway."""

    id = AutoField()
    gw = TextField()
    topic = TextField()
    code = TextField()
    size = IntegerField()
    received_ms = IntegerField()
    wire = BlobField()  # the first 64 KiB

    class Meta:
        table_name = "quarantine"
        indexes = ((("gw", "id"), False),)


class Alarm(Model):
    """What someone at the center must look at: one row per gateway, epoch, kind and code."""

    gw = TextField()
    epoch = TextField()
    kind = TextField()
    code = TextField()
    first_seq = IntegerField()
    last_seq = IntegerField()
    first_ms = IntegerField()
    last_ms = IntegerField()
    n = IntegerField()

    class Meta:
        table_name = "alarm"
        primary_key = CompositeKey("gw", "epoch", "kind", "code")
        without_rowid = True


class Tally(Model):
    """Counts of what left no row: duplicates dropped, messages quarantined."""

    gw = TextField()
    epoch = TextField()
    name = TextField()
    n = IntegerField()

    class Meta:
        table_name = "tally"
        primary_key = CompositeKey("gw", "epoch", "name")
        without_rowid = True


TABLES = (Gateway, Cursor, Event, Rejected, Fact, Lost, Parked, Quarantine, Alarm, Tally)
