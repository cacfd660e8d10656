"""Which ranges a gateway is asked to send again, when, and what it answers (contract, 3: `cmd/resend`).

One row per gateway and epoch with a gap, so at most one command is open for each. A row begins when a
gap is seen that nothing on the gateway's side will fill; it ends when the gap is gone, be it filled or
declared lost. It is on disk before its command goes out, so a restart neither forgets nor repeats.

    ask     after 10 minutes at backlog 0; after an hour at the same gap whatever the backlog, for one event
            that is set aside stays in it for ever; at once where the gateway was told more than we hold
    repeat  the same command while nothing is answered, a new one after an answer that did not help
    wait    30 s, doubled up to 15 min, from the start again as soon as something arrives
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from gateway.clock import iso_ms
from gateway.contract import messages
from gateway.envelope import sequence
from gateway.errors import ContractError
from gateway.evidence import canonical
from gateway.evidence.canonical import Json
from gateway.receiver import data_rules
from gateway.receiver.documents import checked
from gateway.receiver.intervals import Range, Ranges
from gateway.receiver.sql import Connection, marks
from gateway.uuid7 import uuid7

GAP_AGE_MS = 10 * 60 * 1000
STUCK_AGE_MS = 60 * 60 * 1000  # a backlog that drains moves its lowest gap sooner
FIRST_WAIT_MS = 30_000
MOST_WAIT_MS = 15 * 60 * 1000
VALID_MS = 5 * 60 * 1000  # a command that was not taken by then is void
MAX_ASKED = 10_000  # sequences in one command
NEAR = 1_000  # a gap that begins so close behind the first is asked for with it
ENDED = frozenset({"done", "failed", "rejected", "expired", "interrupted"})
BY = "receiver"

Key: TypeAlias = tuple[str, str]  # gateway, epoch
_COLUMNS = (
    *("gw", "epoch", "since_ms", "rollback", "cmdid", "first", "last", "session", "attempts", "next_ms"),
    *("missing", "answer", "seen_ms"),
)
_PUT = (
    f"INSERT INTO resend ({', '.join(_COLUMNS)}) VALUES ({marks(len(_COLUMNS))}) "  # noqa: S608
    f"ON CONFLICT (gw, epoch) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _COLUMNS[2:])}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resend:
    """One row."""

    since_ms: int  # when the gap was first seen at backlog 0; 0 for not yet
    seen_ms: int = 0  # when `first` was first seen to be the lowest one missing
    rollback: bool  # the gateway was told more than we hold: do not wait
    cmdid: str | None = None  # None: not asked yet
    first: int = 0  # of what was asked for; before that, the lowest one missing
    last: int = 0
    session: str = ""  # the gateway's, when it was last asked
    attempts: int = 0
    next_ms: int = 0  # not again before
    missing: int = 0  # sequences of the range that were missing at the last look
    answer: str = ""  # status of the last answer to this command


@dataclass(frozen=True, slots=True)
class Answer:
    """What came on `rsp/resend`."""

    cmdid: str
    status: str
    unavailable: tuple[Range, ...]


class Resends:
    """The table `resend` in one transaction."""

    def __init__(self, connection: Connection, known: Mapping[Key, Resend], now_ms: int) -> None:
        self.changed: dict[Key, Resend | None] = {}  # None: gone
        self.commands: list[tuple[str, dict[str, Json]]] = []  # (gateway, content without signature)
        self._connection = connection
        self._known = known
        self._now_ms = now_ms

    def get(self, key: Key) -> Resend | None:
        """The row, as this transaction has it."""
        return self.changed[key] if key in self.changed else self._known.get(key)

    def note_rollback(self, key: Key) -> bool:
        """The gateway was told more than we hold; whether that is news."""
        row = self.get(key)
        if row is not None and row.rollback:
            return False
        self._put(key, replace(row or Resend(since_ms=self._now_ms, rollback=True), rollback=True))
        return True

    def is_rolled_back(self, gateway: str) -> bool:
        """Whether some epoch of the gateway is being filled up after a restore of ours."""
        rows = {**self._known, **self.changed}
        return any(name == gateway and row is not None and row.rollback for (name, _), row in rows.items())

    def look(self, key: Key, session: str, missing: Ranges, *, idle: bool) -> None:
        """Compare one epoch with its row. `idle`: the gateway is online and has nothing waiting."""
        row = self.get(key)
        if not len(missing):
            if row is not None:
                self._put(key, None)
            return
        row = self._noted(key, row, next(iter(missing))[0], idle=idle)
        stuck = not 0 <= self._now_ms - row.seen_ms < STUCK_AGE_MS  # or the clock was set back
        if row.cmdid is None:
            aged = idle and not 0 <= self._now_ms - row.since_ms < GAP_AGE_MS
            if row.rollback or aged or stuck:
                self._ask(key, row, session, missing)
            return
        if not (idle or row.rollback or stuck):
            return
        left = _within(missing, row.first, row.last)
        if not left and not (idle or row.rollback):
            self._put(key, None)  # that one is filled; another gap has an hour of its own
        elif not left:
            self._ask(key, replace(row, attempts=0), session, missing)
        elif left < row.missing:
            self._put(key, replace(row, missing=left, attempts=0, next_ms=self._now_ms + FIRST_WAIT_MS))
        elif self._now_ms >= row.next_ms or session != row.session:
            if row.answer in ENDED:
                self._ask(key, row, session, missing)
            else:
                self._send(key, replace(row, session=session, missing=left))

    def _noted(self, key: Key, row: Resend | None, lowest: int, *, idle: bool) -> Resend:
        """The row, made where it is new, with what this look adds to it."""
        noted = row
        if noted is None:
            noted = Resend(since_ms=0, rollback=self.is_rolled_back(key[0]))
        if idle and noted.since_ms == 0:
            noted = replace(noted, since_ms=self._now_ms)
        if noted.cmdid is None and (noted.first != lowest or noted.seen_ms == 0):
            noted = replace(noted, first=lowest, seen_ms=self._now_ms)
        if noted != row:
            self._put(key, noted)
        return noted

    def answer(self, gateway: str, answer: Answer) -> tuple[str, tuple[Range, ...]]:
        """(epoch, ranges that can never come); raises `ContractError` for what we did not ask."""
        rows = {**self._known, **self.changed}
        for key, row in rows.items():
            if row is not None and row.cmdid == answer.cmdid and key[0] == gateway:
                break
        else:
            raise ContractError("data", "no open command of ours has this cmdid")
        if any(not row.first <= first <= last <= row.last for first, last in answer.unavailable):
            raise ContractError("data", "unavailable leaves the range that was asked for")
        # What it sends now is on its way: give it the time.
        next_ms = max(row.next_ms, self._now_ms + FIRST_WAIT_MS)
        self._put(key, replace(row, answer=answer.status, next_ms=next_ms))
        return key[1], answer.unavailable

    def _ask(self, key: Key, row: Resend, session: str, missing: Ranges) -> None:
        first, last = _span(missing)
        fresh = replace(
            row,
            cmdid=uuid7(self._now_ms),
            first=first,
            last=last,
            session=session,
            missing=_within(missing, first, last),
            answer="",
        )
        self._send(key, fresh)

    def _send(self, key: Key, row: Resend) -> None:
        wait_ms = min(MOST_WAIT_MS, FIRST_WAIT_MS * 2 ** min(row.attempts, 10))
        self._put(key, replace(row, attempts=row.attempts + 1, next_ms=self._now_ms + wait_ms))
        self.commands.append((key[0], command(key, row, self._now_ms)))

    def _put(self, key: Key, row: Resend | None) -> None:
        self.changed[key] = row
        if row is None:
            self._connection.execute("DELETE FROM resend WHERE gw = ? AND epoch = ?", key)
            return
        self._connection.execute(
            _PUT,
            (
                *key, row.since_ms, int(row.rollback), row.cmdid, row.first, row.last, row.session, row.attempts,
                row.next_ms, row.missing, row.answer, row.seen_ms,
            ),
        )  # fmt: skip


def load_resends(connection: Connection, gateways: Sequence[str]) -> dict[Key, Resend]:
    """Their rows."""
    return {
        (row[0], row[1]): Resend(
            since_ms=row[2], rollback=bool(row[3]), cmdid=row[4], first=row[5], last=row[6], session=row[7],
            attempts=row[8], next_ms=row[9], missing=row[10], answer=row[11], seen_ms=row[12],
        )
        for row in connection.execute(
            f"SELECT {', '.join(_COLUMNS)} FROM resend WHERE gw IN ({marks(len(gateways))})", gateways  # noqa: S608
        )
    }  # fmt: skip


def command(key: Key, row: Resend, now_ms: int) -> dict[str, Json]:
    """The content of `cmd/resend` (contract, 4), without its signature."""
    return {
        "v": 1,
        "gw": key[0],
        "name": "resend",
        "cmdid": row.cmdid,
        "session": row.session,
        "issued": iso_ms(now_ms),
        "expires": iso_ms(now_ms + VALID_MS),
        "by": BY,
        "args": {"epoch": key[1], "from": sequence(row.first), "to": sequence(row.last)},
    }


def read_answer(payload: bytes) -> Answer:
    """Parse what came on `rsp/resend`; raises `ContractError`."""
    message = checked(messages.RESENT, canonical.parse(payload))
    status, result = str(message["status"]), message.get("result")
    unavailable = result.get("unavailable") if isinstance(result, dict) and status == "done" else None
    return Answer(str(message["cmdid"]), status, _ranges(unavailable))


def _ranges(value: Json) -> tuple[Range, ...]:
    pairs = value if isinstance(value, list) else []
    found = [[data_rules.seq(end, "unavailable") for end in pair] for pair in pairs if isinstance(pair, list)]
    return tuple((first, last) for first, last in found)


def _span(missing: Ranges) -> Range:
    """What to ask for: the first gap, and those close behind it; never more than a gateway sends at a time."""
    spans = list(missing.overlapping(next(iter(missing))[0], next(iter(missing))[0] + NEAR - 1))
    first = spans[0][0]
    return first, min(spans[-1][1], first + MAX_ASKED - 1)


def _within(missing: Ranges, first: int, last: int) -> int:
    return sum(min(end, last) - max(begin, first) + 1 for begin, end in missing.overlapping(first, last))
