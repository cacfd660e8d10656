"""What the sender reads of the store at a time. Jobs of the db thread; memory stays small whatever waits."""

from collections.abc import Sequence

from gateway.store.outbox import Outbox, Row

READ_STEP = 32  # rows of one query: 2 MiB at the very most
READ_BYTES = 512 * 1024  # read ahead per lane until this is exceeded: about 500 events
READ_ROWS = 512


def read_ahead(box: Outbox, lane: int, after: int, below: int | None) -> tuple[list[Row], bool, int]:
    """Rows of a lane until the bounds are reached, whether these were the last ones, and the newest `n` on disk."""
    rows: list[Row] = []
    size, newest_n = 0, box.committed_n
    while len(rows) < READ_ROWS and size < READ_BYTES:
        step = box.after(lane, after, READ_STEP, below=below)
        rows += step
        size += sum(len(row.wire) for row in step)
        if len(step) < READ_STEP:
            return rows, True, newest_n
        after = step[-1].n
    return rows, False, newest_n


def rows_at(box: Outbox, places: Sequence[tuple[int, int]]) -> list[Row]:
    """Those of some (store lane, `n`) that still wait."""
    return [row for lane, n in places for row in box.after(lane, n - 1, 1) if row.n == n]
