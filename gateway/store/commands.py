"""Commands of the center and what came of them; events put back to be sent again.

A command's id is on disk before anything is done, and its outcome before it is told: a repeat gets the
stored answer, and what a crash cut off is `interrupted`, never run again. Everything here runs inside a
transaction of the db thread.
"""

from dataclasses import dataclass

from peewee import BlobField, IntegerField, Model, TextField

from gateway.event_types import is_urgent
from gateway.store.models import Event
from gateway.store.outbox import REST_LANE, URGENT_LANE, Outbox, type_of

RUNNING, INTERRUPTED = "running", "interrupted"
KEPT_DAYS = 30
MOST_KEPT = 10_000  # a hundred bytes and an answer each; the center's session binding stops older replays
_DAY_MS = 24 * 3600 * 1000


class Command(Model):
    """One command that was verified."""

    cmdid = TextField(primary_key=True)
    name = TextField()
    received_ms = IntegerField()
    status = TextField()
    answer = BlobField(null=True)  # as published on `rsp/{name}`; null while it runs

    class Meta:
        table_name = "command"


COMMAND_TABLES = (Command,)


@dataclass(frozen=True, slots=True)
class Known:
    """A command that came before."""

    name: str
    status: str
    answer: bytes | None


def known(cmdid: str) -> Known | None:
    """What came of a command; None where it is new."""
    row = Command.get_or_none(Command.cmdid == cmdid)
    if row is None:
        return None
    return Known(row.name, row.status, None if row.answer is None else bytes(row.answer))


def begin(cmdid: str, name: str, now_ms: int) -> None:
    """It is about to be run."""
    Command.create(cmdid=cmdid, name=name, received_ms=now_ms, status=RUNNING, answer=None)


def finish(cmdid: str, status: str, answer: bytes) -> None:
    """It has come to this."""
    Command.update(status=status, answer=answer).where(Command.cmdid == cmdid).execute()


def unfinished() -> list[tuple[str, str]]:
    """(cmdid, name) of those that a crash cut off, oldest first. At the start only."""
    query = Command.select().where(Command.status == RUNNING).order_by(Command.received_ms)
    return [(row.cmdid, row.name) for row in query]


def purge(now_ms: int, *, by_age: bool) -> int:
    """Forget old outcomes (`by_age` where somebody vouches for the clock) and those beyond the bound."""
    gone = 0
    if by_age:
        old = (Command.received_ms < now_ms - KEPT_DAYS * _DAY_MS) & (Command.status != RUNNING)
        gone += Command.delete().where(old).execute()
    newest = Command.select(Command.cmdid).order_by(Command.cmdid.desc()).limit(MOST_KEPT)
    gone += Command.delete().where(Command.cmdid.not_in(newest) & (Command.status != RUNNING)).execute()
    return int(gone)


@dataclass(frozen=True, slots=True)
class PutBack:
    """One step of a resend."""

    held: tuple[int, ...]  # `n` of those that are here; they wait now
    count: int  # of them newly waiting


def put_back(box: Outbox, first_n: int, last_n: int) -> PutBack:
    """Let the retained events of a range wait for the center again, each in its lane."""
    rows = [
        (row.n, URGENT_LANE if is_urgent(type_of(bytes(row.wire))) else REST_LANE)
        for row in Event.select(Event.n, Event.wire).where(Event.n.between(first_n, last_n)).order_by(Event.n)
    ]
    return PutBack(tuple(n for n, _ in rows), box.wait_again(rows))
