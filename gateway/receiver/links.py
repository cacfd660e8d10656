"""Whether the steps of an epoch hang together: which event `upto` may pass, and which hash is its `head`.

A head proves to its gateway every event below it, by the chain. So `upto` follows one unbroken chain of
stored events. Where a sequence is lost the link cannot be checked and is accepted. Where two events stand
in one place (a fork), the one that chains decides; it is followed back to where there was only one.
"""

from typing import TypeAlias

from gateway.envelope import GENESIS
from gateway.receiver.cursor import Cursor
from gateway.receiver.event_rows import EventRows, Row

MOST_STEPS_BACK = 2_000  # along a branch; one that is longer stays beyond `upto` and is told by sack

# The place that `upto` passed last with a look, and the events there that hang on its chain: two machines
# with one card make a fork of every sequence, and each step must not go back over all of them.
Tip: TypeAlias = tuple[int, frozenset[bytes]]
NO_TIP: Tip = (0, frozenset())


def follow(rows: EventRows, epoch: int, cursor: Cursor, tip: Tip) -> Tip:
    """Take the doubtful steps that hold; nearly always there is none."""
    while (step := cursor.doubt()) is not None:
        here = _held(rows, epoch, cursor, step)
        sound = [row.hash for row in here if tip[0] == step - 1 and row.previous in tip[1]]
        if not sound:
            sound = [row.hash for row in here if _is_sound(rows, epoch, cursor, step - 1, row.previous)]
        if here and not sound:
            break
        tip = (step, frozenset(sound))
        cursor.trust(step)
    return tip


def head(rows: EventRows, epoch: int, cursor: Cursor, upto: int, tip: Tip = NO_TIP) -> bytes:
    """Hash of the highest stored event up to `upto`; of a fork the first one that hangs on its chain."""
    here = _held(rows, epoch, cursor, upto)
    if not here:
        return rows.highest(epoch, upto, cursor.disputed) or GENESIS
    if len(here) == 1:
        return here[0].hash
    if tip[0] == upto:
        return next((row.hash for row in here if row.hash in tip[1]), here[0].hash)
    sound = (row.hash for row in here if _is_sound(rows, epoch, cursor, upto - 1, row.previous))
    return next(sound, here[0].hash)


def _held(rows: EventRows, epoch: int, cursor: Cursor, seq: int) -> list[Row]:
    """What stands in a place; nothing where it is lost, whatever else has turned up there."""
    return [] if seq in cursor.disputed else rows.at(epoch, cursor, seq)


def _is_sound(rows: EventRows, epoch: int, cursor: Cursor, seq: int, wanted: bytes | None) -> bool:
    """Whether `wanted` is the event at `seq`, up to `upto`, and hangs on what `upto` has passed."""
    for place in range(seq, max(0, seq - MOST_STEPS_BACK), -1):
        here = _held(rows, epoch, cursor, place)
        if not here:
            return True  # lost: there is nothing to compare
        found = next((row for row in here if row.hash == wanted), None)
        if found is None or len(here) == 1:
            return found is not None
        wanted = found.previous
    return seq <= MOST_STEPS_BACK
