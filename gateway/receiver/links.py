"""Whether the steps of an epoch hang together: which event `upto` may pass, and which hash is its `head`.

A head proves to its gateway every event below it, by the chain. So `upto` follows one unbroken chain of
stored events. Where a sequence is lost the link cannot be checked and is accepted. Where two events stand
in one place (a fork), the one that chains decides; it is followed back to where there was only one.
"""

from gateway.envelope import GENESIS
from gateway.receiver.cursor import Cursor
from gateway.receiver.event_rows import EventRows


def follow(rows: EventRows, epoch: int, cursor: Cursor) -> None:
    """Take the doubtful steps that hold; nearly always there is none."""
    while (step := cursor.doubt()) is not None and _chained(rows, epoch, cursor, step):
        cursor.trust(step)


def head(rows: EventRows, epoch: int, cursor: Cursor, upto: int) -> bytes:
    """Hash of the highest stored event up to `upto`; of a fork the first one that hangs on its chain."""
    here = rows.at(epoch, cursor, upto)
    if not here:
        return rows.highest(epoch, upto) or GENESIS
    if len(here) == 1:
        return here[0].hash
    sound = (row.hash for row in here if _is_sound(rows, epoch, cursor, upto - 1, row.previous))
    return next(sound, here[0].hash)


def _chained(rows: EventRows, epoch: int, cursor: Cursor, seq: int) -> bool:
    """Whether some event at `seq` hangs on the chain that ends before it."""
    here = rows.at(epoch, cursor, seq)
    return not here or any(_is_sound(rows, epoch, cursor, seq - 1, row.previous) for row in here)


def _is_sound(rows: EventRows, epoch: int, cursor: Cursor, seq: int, wanted: bytes | None) -> bool:
    """Whether `wanted` is the event at `seq`, up to `upto`, and hangs on what `upto` has passed."""
    while seq > 0:
        here = rows.at(epoch, cursor, seq)
        if not here:
            return True  # lost: there is nothing to compare
        found = next((row for row in here if row.hash == wanted), None)
        if found is None or len(here) == 1:
            return found is not None
        seq, wanted = seq - 1, found.previous
    return True
