"""Tables of the book. Nothing is deleted: what is over carries the time at which it ended, and why."""

from peewee import BlobField, IntegerField, Model, TextField


class Gateway(Model):
    """A gateway that a code was issued for."""

    gw = TextField(primary_key=True)
    org = TextField()
    id_hmac_key = BlobField()  # secret: ID numbers are hashed with it
    enrolled_ms = IntegerField(null=True)
    revoked_ms = IntegerField(null=True)  # until the next code is issued

    class Meta:
        table_name = "gateway"


class Code(Model):
    """A one-time code; the token itself is not kept."""

    token_hash = BlobField(primary_key=True)  # SHA-256
    gw = TextField()
    issued_ms = IntegerField()
    expires_ms = IntegerField()
    request = BlobField(null=True)  # digest of the request it was used for
    used_ms = IntegerField(null=True)
    withdrawn_ms = IntegerField(null=True)

    class Meta:
        table_name = "code"


class Certificate(Model):
    """A certificate of a gateway, as issued."""

    serial = TextField(primary_key=True)  # hexadecimal: it has up to 160 bits
    gw = TextField(index=True)
    request = BlobField(unique=True)  # digest: a repeat gets the same certificate
    pem = TextField()
    issued_ms = IntegerField()
    ends_ms = IntegerField()
    revoked_ms = IntegerField(null=True)

    class Meta:
        table_name = "certificate"


class EventKey(Model):
    """A key that signs events of a gateway."""

    kid = TextField(primary_key=True)
    gw = TextField(index=True)
    public = BlobField()
    added_ms = IntegerField()
    revoked_ms = IntegerField(null=True)

    class Meta:
        table_name = "event_key"


class Done(Model):
    """The audit: what was done, when, about whom. No secret and no person stands in it."""

    n = IntegerField(primary_key=True)
    at_ms = IntegerField()
    what = TextField()
    gw = TextField()
    detail = TextField()  # JSON

    class Meta:
        table_name = "done"


class Setting(Model):
    """Numbers that go on: of the revocation list, of this layout."""

    name = TextField(primary_key=True)
    value = IntegerField()

    class Meta:
        table_name = "setting"


MODELS = (Gateway, Code, Certificate, EventKey, Done, Setting)
LAYOUT = 1
