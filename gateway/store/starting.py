"""The first transaction of a run: which epoch goes on, what a new one begins with, what was lost.

Opening, declared losses and what must still be told as alarms are committed together: a gateway killed
here either has not begun, or remembers everything.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass

from gateway.clock import Stamp
from gateway.envelope import Draft
from gateway.evidence.canonical import Json
from gateway.store import epochs
from gateway.store.epochs import EpochView, Lost, Opening
from gateway.store.outbox import Outbox
from gateway.store.salvage import FOUND, Salvage
from gateway.store.tail import Ledger, Tail
from gateway.store.witness import FileMark, Seen, Statement

MakeEvent = Callable[[str, dict[str, Json]], Draft]
TROUBLE = "trouble:"  # state: kind/about -> data of an alarm that is still to be raised
_ALARMS = {"salvaged": "store_damaged", "store_rollback": "store_rollback"}
LOST_SHOWN = 64  # ranges named in an alarm; each has its own event


@dataclass(frozen=True, slots=True)
class Trouble:
    """What a start found, to be raised as an alarm."""

    kind: str
    about: str
    data: dict[str, Json]


@dataclass(frozen=True, slots=True)
class Started:
    """What a start came to."""

    reason: str | None  # of a new epoch; None where the last one goes on
    lost: tuple[Lost, ...]  # told by this start
    troubles: tuple[Trouble, ...]  # alarms to raise, of this start or of one that was cut off
    salvaged: Salvage | None


def choose(
    outbox: Outbox,
    ledger: Ledger,
    stamp: Stamp,
    make: MakeEvent,
    *,
    statement: Statement | None,
    file: FileMark,
    left: FileMark,
    run: str,
) -> Started:
    """Go on with the last epoch or open another one."""
    ledger.waiting = outbox.count_waiting()
    views = epochs.lineage()
    text = epochs.get_state(FOUND)
    salvaged = None if text is None else Salvage.from_text(text)
    opening = (
        epochs.reason_for_new(stamp.boot_id, views, statement, file, left)
        if salvaged is None
        else Opening("salvaged", salvaged.lost)
    )
    epochs.note_running(stamp.boot_id, run)
    epochs.set_state(FOUND, None)
    if opening is None:
        last = views[-1]
        ledger.pending = Tail(last.epoch, last.first_n, last.last_seq, last.last_hash)
        return Started(None, (), _troubles(outbox), None)

    def first(data: dict[str, Json]) -> Draft:
        return make("system.epoch_opened", data)

    before = epochs.previous(views, statement)
    open_epoch(outbox, ledger, opening.reason, stamp, first, views[-1] if views else None, told=before)
    for lost in opening.lost:
        span: dict[str, Json] = {"epoch": lost.epoch, "from": lost.first, "to": lost.last}
        outbox.append([make("system.range_lost", {**span, "reason": opening.reason})], stamp, admit=False)
    _keep_trouble(outbox, opening, salvaged, ledger.pending.epoch)
    return Started(opening.reason, opening.lost, _troubles(outbox), salvaged)


def open_epoch(
    outbox: Outbox,
    ledger: Ledger,
    reason: str,
    stamp: Stamp,
    opening: Callable[[dict[str, Json]], Draft],
    last: EpochView | None,
    *,
    told: EpochView | Seen | None = None,
) -> None:
    """Close `last`, insert another epoch and its first event, which names the end of the one before (`told`)."""
    first_n = outbox.highest_n() + 1
    if last is not None:
        if told is not None and told.epoch == last.epoch:
            last = EpochView(last.epoch, last.first_n, told.last_seq, told.last_hash)
        # Behind the end that was told too: an ack of the old epoch must never reach into the new one.
        first_n = max(first_n, last.first_n + 1, last.last_n + 1)
        epochs.close(last)
    ledger.pending = epochs.insert(first_n, reason, stamp.wall_ms)
    told = told or last
    before: Json = None
    if told is not None:
        before = {"epoch": told.epoch, "last_seq": told.last_seq, "last_hash": told.last_hash.hex()}
    outbox.append([opening({"reason": reason, "previous": before})], stamp, admit=False)


def _keep_trouble(outbox: Outbox, opening: Opening, salvaged: Salvage | None, epoch: str) -> None:
    kind = _ALARMS.get(opening.reason)
    if kind is None and opening.lost:
        kind = "store_damaged"  # the store is new or was put back, and something is missing
    if kind is None:
        return
    lost: list[Json] = [
        {"epoch": one.epoch, "from": one.first, "to": one.last} for one in opening.lost[:LOST_SHOWN]
    ]
    data: dict[str, Json] = {"lost": lost, "lost_ranges": len(opening.lost)}
    about = epoch
    if salvaged is not None:
        about = salvaged.set_aside
        data |= {"kept": salvaged.kept, "tail_unknown": True}
    outbox.note(f"{TROUBLE}{kind}/{about}", json.dumps(data))


def _troubles(outbox: Outbox) -> tuple[Trouble, ...]:
    found = []
    for key, data in outbox.notes(TROUBLE).items():
        kind, _, about = key.partition("/")
        found.append(Trouble(kind, about, json.loads(data)))
    return tuple(found)
