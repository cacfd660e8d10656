"""What turns up in a place that was declared lost: does it belong there?

A rolled-back card or a second machine uses such places again for other events. An event counts there only
while the chain does not speak against it; else it is kept, and the place stays lost (`disputed`), so that
no ack lets a gateway settle the event that stood there first. The hash that the event above carries decides
where there is one; what a disputed event carries on its back is disputed with it; below, only what was never
lost can speak. An event without any neighbour is believed: its gateway would otherwise send it for ever.

Decided from above downwards, by what is stored alone: any order of arrival, and a restart, come to the same.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence

from gateway.receiver.cursor import Cursor
from gateway.receiver.event_rows import EventRows, Row
from gateway.receiver.sql import Connection

_NOBODY: Sequence[Row] = ()


def weigh(rows: EventRows, epoch: int, cursor: Cursor, seq: int) -> None:
    """An event was stored at `seq`: look at the places whose word it changes."""
    if not cursor.declared:
        return
    place = seq + 1
    while place >= 1:
        here = rows.at(epoch, cursor, place) if place in cursor.declared else _NOBODY
        changed = False
        if here:
            above, below = (rows.at(epoch, cursor, place + step) for step in (1, -1))
            changed = cursor.dispute(place, disputed=_is_disputed(cursor, place, above, here, below))
        if place < seq and not changed:
            return
        place -= 1


def weigh_range(rows: EventRows, epoch: int, cursor: Cursor, first: int, last: int) -> None:
    """first…last were declared lost just now: what is stored there beyond `upto` may not belong there."""
    # Where a link is not plainly whole, that is known already.
    for begin, end in reversed(cursor.doubtful.overlapping(first, last + 1)):
        for seq in range(min(end, last + 1), max(begin, first) - 1, -1):
            weigh(rows, epoch, cursor, seq)


def load(connection: Connection, epoch: int, cursor: Cursor) -> None:
    """Weigh all that is stored in declared places, as the disk holds it; `cursor.declared` is known."""
    for first, last in cursor.declared:
        query = (
            "SELECT seq, n, hash, prevhash FROM event WHERE cursor = ? AND seq BETWEEN ? AND ? "
            "ORDER BY seq DESC, n"
        )
        found = _places(connection.execute(query, (epoch, first - 1, last + 1)))
        above: tuple[int, list[Row]] = (0, [])
        for (seq, here), (lower, under) in itertools.pairwise(itertools.chain(found, [(0, [])])):
            if first <= seq <= last:
                cursor.lost.discard(seq, seq)
                up = above[1] if above[0] == seq + 1 else _NOBODY
                down = under if lower == seq - 1 else _NOBODY
                cursor.dispute(seq, disputed=_is_disputed(cursor, seq, up, here, down))
            above = (seq, here)


def _places(rows: Iterable[tuple[int, int, bytes, bytes | None]]) -> Iterator[tuple[int, list[Row]]]:
    for seq, some in itertools.groupby(rows, key=lambda row: int(row[0])):
        yield seq, [Row(*row[1:]) for row in some]


def _is_disputed(
    cursor: Cursor, seq: int, above: Sequence[Row], here: Sequence[Row], below: Sequence[Row]
) -> bool:
    return not any(_belongs(cursor, seq, above, row, below) for row in here)


def _belongs(cursor: Cursor, seq: int, above: Sequence[Row], row: Row, below: Sequence[Row]) -> bool:
    carried = any(upper.previous == row.hash for upper in above)
    if above and seq + 1 not in cursor.disputed:
        return carried
    if carried:
        return False
    if below and seq - 1 not in cursor.declared:
        return any(lower.hash == row.previous for lower in below)
    return True
