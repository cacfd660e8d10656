"""One batch of messages inside one transaction: events, cursors, lost ranges, facts.

Memory follows the disk: a batch works on copies of the cursors, which become the truth only when
COMMIT has returned. A batch that fails leaves nothing behind, in memory or on disk.
"""

import itertools
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeAlias

from gateway.contract import event_data
from gateway.envelope import GENESIS
from gateway.receiver import data_rules, links, lost_places
from gateway.receiver.cursor import LOST_LIMIT, Cursor
from gateway.receiver.data_rules import Claim, LostRange
from gateway.receiver.event_rows import EventRows, Row
from gateway.receiver.notices import Notices
from gateway.receiver.sql import Connection, marks
from gateway.receiver.verdict import Chain, Outcome, Verdict
from gateway.receiver.verify import Event

REJECTED_LISTED = 16  # newest refusals of an epoch in an ack (contract, 3)
Key: TypeAlias = tuple[str, str]  # gateway, epoch


class Refusal(NamedTuple):
    """A stored event that a rule refuses."""

    seq: int
    code: str
    message: str


class Listed(NamedTuple):
    """How far an ack can go that lists only so many lost ranges, and the head there."""

    upto: int
    head: bytes


@dataclass(slots=True)
class EpochState:
    """What the center knows of one epoch."""

    id: int
    gw: str
    epoch: str
    cursor: Cursor = field(default_factory=Cursor)
    head: bytes = GENESIS
    rejected_n: int = 0
    rejected: tuple[Refusal, ...] = ()  # newest first
    end_seq: int = 0
    end_hash: bytes | None = None
    tip: links.Tip = links.NO_TIP
    listed: Listed | None = None  # where more ranges are lost than an ack lists

    def told(self, lost_limit: int) -> "EpochState":
        """As an ack may tell it that has room for so many lost ranges: no `upto` beyond one it does not list."""
        if self.listed is None:
            if len(self.cursor.lost) <= lost_limit:
                return self
            return replace(self, cursor=self.cursor.cut(0, 0), head=GENESIS)
        if lost_limit < LOST_LIMIT:
            return replace(self, cursor=self.cursor.cut(0, 0), head=GENESIS)
        return replace(self, cursor=self.cursor.cut(self.listed.upto, LOST_LIMIT), head=self.listed.head)

    def copy(self) -> "EpochState":
        """For a transaction to work on."""
        return replace(self, cursor=self.cursor.copy())


Book: TypeAlias = Mapping[str, Mapping[str, EpochState]]  # gateway -> epoch -> state, oldest epoch first


class Ledger:
    """Writes events and keeps the cursors of one transaction."""

    def __init__(self, connection: Connection, book: Book, notices: Notices, now_ms: int) -> None:
        self.changed: dict[Key, EpochState] = {}
        self.touched: list[tuple[str, str, int]] = []  # what the next acks are about
        self._connection = connection
        self._book = book
        self._notices = notices
        self._now_ms = now_ms
        self._rows = EventRows(connection, now_ms)
        self._stale: set[Key] = set()  # rows up to `upto` were added: its head may be another one

    def expect(self, events: Iterable[Event]) -> None:
        """These events come next: what must be known of them is read at once."""
        self._rows.expect(events)

    def record(self, event: Event) -> Verdict:
        """Store one verified event, unless it is stored. Raises `ContractError` before it writes anything."""
        opens = _opens(event)
        loses = _loses(event)
        state = self.state(event.gateway, event.epoch)
        before, here, after = (self._rows.at(state.id, state.cursor, event.seq + step) for step in (-1, 0, 1))
        self.touched.append((event.gateway, event.epoch, event.seq))
        if any(row.hash == event.hash for row in here):
            self._notices.count(event.gateway, event.epoch, "duplicates")
            return Verdict(Outcome.DUPLICATE, event=event)
        fork = bool(here)
        if fork:
            self._notices.alarm(event.gateway, "fork", epoch=event.epoch, seq=event.seq)
        n = self._rows.add(state.id, state.cursor, event)
        chain = self._chain(event, before, here, after)
        if event.seq <= state.cursor.upto:
            self._stale.add((event.gateway, event.epoch))
        self._mistrust(state.cursor, event.seq, before, here, after)
        state.cursor.store(event.seq)
        lost_places.weigh(self._rows, state.id, state.cursor, event.seq)
        if event.seq == state.end_seq:
            self._check_end(state)
        # What is refused tells of nothing: whoever tells of the same in good form is the first to do so.
        repeated = event.rejection is None and self._tell(event, n)
        outcome = Outcome.ACCEPTED
        if event.rejection is not None:
            outcome = Outcome.REJECTED
            self._reject(state, event, n)
        if opens is not None:
            self._opened(event, opens)
        if loses is not None:
            self.lose(event.gateway, loses)
        code = "" if event.rejection is None else event.rejection.code
        return Verdict(outcome, code, event, chain, fork=fork, repeated=repeated)

    def state(self, gateway: str, epoch: str) -> EpochState:
        """The epoch's state in this transaction; made where it is new."""
        key = (gateway, epoch)
        state = self.changed.get(key)
        if state is None:
            known = self._book.get(gateway, {}).get(epoch)
            state = self._create(gateway, epoch) if known is None else known.copy()
            self.changed[key] = state
        return state

    def claim(self, gateway: str, claim: Claim) -> None:
        """The gateway states, signed, where an epoch ends or has come to."""
        state = self.state(gateway, claim.epoch)
        if claim.last_seq == state.end_seq and state.end_hash not in (None, claim.last_hash):
            self._mismatch(state)
        if claim.last_seq > state.end_seq:
            state.end_seq, state.end_hash = claim.last_seq, claim.last_hash
            self._check_end(state)

    def finish(self) -> None:
        """Write the events and the cursors, at the end of the transaction."""
        self._rows.flush()
        rows = []
        for key, state in self.changed.items():
            state.tip = links.follow(self._rows, state.id, state.cursor, state.tip)
            before = self._book.get(key[0], {}).get(key[1])
            if before is None or before.cursor.upto != state.cursor.upto or key in self._stale:
                state.head = links.head(self._rows, state.id, state.cursor, state.cursor.upto, state.tip)
            _note_listed(self._rows, state)
            rows.append(
                (state.cursor.upto, state.head, state.rejected_n, state.end_seq, state.end_hash, state.id)
            )
        self._connection.executemany(
            "UPDATE cursor SET upto = ?, head = ?, rejected_n = ?, end_seq = ?, end_hash = ? WHERE id = ?",
            rows,
        )

    def _create(self, gateway: str, epoch: str) -> EpochState:
        row = self._connection.execute(
            "INSERT INTO cursor (gw, epoch, seen_ms, upto, head, rejected_n, end_seq) "
            "VALUES (?, ?, ?, 0, ?, 0, 0) RETURNING id",
            (gateway, epoch, self._now_ms, GENESIS),
        ).fetchone()
        return EpochState(int(row[0]), gateway, epoch)

    def _chain(self, event: Event, before: Sequence[Row], here: Sequence[Row], after: Sequence[Row]) -> Chain:
        """How the event, one of `here`, hangs on what is stored; a broken link on either side is an alarm."""
        hashes = {row.hash for row in here}
        for row in after:
            if row.previous not in hashes:
                self._notices.alarm(event.gateway, "chain_broken", epoch=event.epoch, seq=event.seq + 1)
        if event.seq == 1:
            return Chain.OK if event.previous == GENESIS else self._broken(event)
        if not before:
            return Chain.OPEN
        return Chain.OK if any(row.hash == event.previous for row in before) else self._broken(event)

    @staticmethod
    def _mistrust(
        cursor: Cursor, seq: int, before: Sequence[Row], here: Sequence[Row], after: Sequence[Row]
    ) -> None:
        """Where the links around `seq` are not plainly whole, `upto` goes on only after a look."""
        if not _hangs(before, here):
            cursor.mistrust(seq)
        if len(here) > 1 or not _hangs(here, after):
            cursor.mistrust(seq + 1)

    def _broken(self, event: Event) -> Chain:
        self._notices.alarm(event.gateway, "chain_broken", epoch=event.epoch, seq=event.seq)
        return Chain.BROKEN

    def _tell(self, event: Event, n: int) -> bool:
        """Whether another envelope told of this fact before."""
        if event.id is None or not self._rows.tell(event, n):
            return False
        # A record read twice from a device (version 8) may be told in other words; an identity that was
        # made once (version 7) must not stand for two things. Where it does, both of them happened.
        if uuid.UUID(event.id).version == 7 and not self._rows.tells_the_same(event):
            self._notices.alarm(event.gateway, "id_conflict", epoch=event.epoch, seq=event.seq)
            return False
        self._rows.tell_again(event, n)
        return True

    def _reject(self, state: EpochState, event: Event, n: int) -> None:
        if event.rejection is None:
            return
        code, message = event.rejection.code, event.rejection.message
        self._connection.execute(
            "INSERT INTO rejected (n, code, message, cursor, seq) VALUES (?, ?, ?, ?, ?)",
            (n, code, message, state.id, event.seq),
        )
        state.rejected_n += 1
        fresh = Refusal(event.seq, code, message)
        state.rejected = tuple(itertools.islice((fresh, *state.rejected), REJECTED_LISTED))
        self._notices.alarm(event.gateway, "rejected", epoch=event.epoch, seq=event.seq, code=code)

    def _opened(self, event: Event, claim: Claim) -> None:
        """A new epoch names the end of the one before: a lower one than ours means the card forgot."""
        before = self.state(event.gateway, claim.epoch)
        highest = max(before.cursor.upto, before.cursor.beyond.highest() or 0)
        if claim.last_seq < highest:
            self._notices.alarm(event.gateway, "store_rollback", epoch=claim.epoch, seq=claim.last_seq)
        self.claim(event.gateway, claim)

    def lose(self, gateway: str, lost: LostRange) -> None:
        """The gateway says that it can never send these."""
        state = self.state(gateway, lost.epoch)
        self.touched.append((gateway, lost.epoch, lost.last))
        said = self._connection.execute(
            "SELECT 1 FROM lost WHERE cursor = ? AND first <= ? AND last >= ? LIMIT 1",
            (state.id, lost.first, lost.last),
        ).fetchone()
        if said is not None:
            return  # an answer is told again as often as its command
        self._connection.execute(
            "INSERT INTO lost (cursor, first, last, reason, said_ms) VALUES (?, ?, ?, ?, ?)",
            (state.id, lost.first, lost.last, lost.reason, self._now_ms),
        )
        state.cursor.declare_lost(lost.first, lost.last)
        lost_places.weigh_range(self._rows, state.id, state.cursor, lost.first, lost.last)
        self._notices.alarm(gateway, "range_lost", epoch=lost.epoch, seq=lost.first)

    def refusals(self, gateway: str, epoch: str, first: int, limit: int) -> list[tuple[int, str, str]]:
        """(sequence, code, message) of refused events from `first` on, ascending; of a fork the first one."""
        rows = self._connection.execute(
            "SELECT r.seq, r.code, r.message FROM cursor c JOIN rejected r ON r.cursor = c.id "
            "WHERE c.gw = ? AND c.epoch = ? AND r.seq >= ? AND r.n = "
            "(SELECT min(o.n) FROM rejected o WHERE o.cursor = r.cursor AND o.seq = r.seq) "
            "ORDER BY r.seq LIMIT ?",
            (gateway, epoch, first, limit),
        )
        return [(int(seq), str(code), str(message)) for seq, code, message in rows]

    def known(self, gateway: str) -> dict[str, EpochState]:
        """The gateway's epochs in this transaction."""
        changed = {epoch: state for (name, epoch), state in self.changed.items() if name == gateway}
        return {**self._book.get(gateway, {}), **changed}

    def _check_end(self, state: EpochState) -> None:
        """Where the event at the stated end is stored, it must be the stated one."""
        rows = self._rows.at(state.id, state.cursor, state.end_seq)
        if rows and all(row.hash != state.end_hash for row in rows):
            self._mismatch(state)

    def _mismatch(self, state: EpochState) -> None:
        self._notices.alarm(state.gw, "chain_mismatch", epoch=state.epoch, seq=state.end_seq)


def _opens(event: Event) -> Claim | None:
    """The end of the epoch before. A major that this center does not know says nothing that it could act upon."""
    acts = event.known and event.type == event_data.EPOCH_OPENED
    return data_rules.previous(event.data) if acts else None


def _loses(event: Event) -> LostRange | None:
    acts = event.known and event.type == event_data.RANGE_LOST
    return data_rules.lost_range(event.data) if acts else None


def load_book(connection: Connection, gateways: Sequence[str]) -> dict[str, dict[str, EpochState]]:
    """Their cursors as the disk holds them; what lies beyond `upto` is counted anew from the events."""
    theirs = f"c.gw IN ({marks(len(gateways))})"
    states = {
        row[0]: EpochState(row[0], row[1], row[2], Cursor(row[3]), bytes(row[4]), row[5], (), row[6], row[7])
        for row in connection.execute(
            "SELECT id, gw, epoch, upto, head, rejected_n, end_seq, end_hash FROM cursor c "  # noqa: S608
            f"WHERE {theirs} ORDER BY id",
            gateways,
        )
    }
    _load_beyond(connection, gateways, states)
    for row, first, last in connection.execute(
        f"SELECT l.cursor, l.first, l.last FROM lost l JOIN cursor c ON c.id = l.cursor "  # noqa: S608
        f"WHERE {theirs} ORDER BY l.id",
        gateways,
    ):
        states[row].cursor.declared.add(first, last)
        states[row].cursor.lost.add(first, last)
    book: dict[str, dict[str, EpochState]] = {}
    rows = EventRows(connection, 0)
    for state in states.values():
        lost_places.load(connection, state.id, state.cursor)
        _note_listed(rows, state)
        state.rejected = _newest_refusals(connection, state) if state.rejected_n else ()
        book.setdefault(state.gw, {})[state.epoch] = state
    return book


def _note_listed(rows: EventRows, state: EpochState) -> None:
    """Where lost ranges are more than an ack lists, it tells `upto` before the first that is left out."""
    upto = state.cursor.listed_upto()
    if upto is None:
        state.listed = None
    elif state.listed is None or state.listed.upto != upto or upto == state.cursor.upto:
        state.listed = Listed(upto, links.head(rows, state.id, state.cursor, upto))


def _load_beyond(connection: Connection, gateways: Sequence[str], states: Mapping[int, EpochState]) -> None:
    for state in states.values():
        # The step that kept `upto` from going on; one that holds is taken when something next arrives.
        state.cursor.mistrust(state.cursor.upto + 1)
    rows = connection.execute(
        "SELECT c.id, e.seq, e.n, e.hash, e.prevhash FROM cursor c JOIN event e ON e.cursor = c.id "  # noqa: S608
        f"AND e.seq > c.upto WHERE c.gw IN ({marks(len(gateways))}) ORDER BY c.id, e.seq, e.n",
        gateways,
    )
    before: tuple[int, int, list[Row]] = (0, 0, [])
    for (key, seq), some in itertools.groupby(rows, key=lambda row: (int(row[0]), int(row[1]))):
        here = [Row(n, digest, previous) for _, _, n, digest, previous in some]
        cursor = states[key].cursor
        if not _hangs(before[2] if before[:2] == (key, seq - 1) else [], here):
            cursor.mistrust(seq)
        if len(here) > 1:
            cursor.mistrust(seq + 1)
        cursor.store(seq)
        before = (key, seq, here)


def _hangs(before: Sequence[Row], here: Sequence[Row]) -> bool:
    """Whether one event hangs on one before it; nothing else stands in either place."""
    if not before or not here:
        return True
    return len(before) == len(here) == 1 and here[0].previous == before[0].hash


def _newest_refusals(connection: Connection, state: EpochState) -> tuple[Refusal, ...]:
    rows = connection.execute(
        "SELECT e.seq, r.code, r.message FROM rejected r JOIN event e ON e.n = r.n WHERE e.cursor = ? "
        "ORDER BY r.n DESC LIMIT ?",
        (state.id, REJECTED_LISTED),
    )
    return tuple(Refusal(*row) for row in rows)
