"""Which epoch runs. Reads and writes inside a transaction of the db thread.

A new epoch opens whenever nobody can prove what the disk kept: a new, restored or salvaged store, a
store that is older than its witness, or a boot that was not preceded by a clean stop (a power cut may
have taken the card's last writes with it). A process killed within one boot continues its epoch: the
kernel kept its writes.
"""

import secrets
from dataclasses import dataclass

from gateway.store.models import Epoch, Event, State
from gateway.store.tail import Tail
from gateway.store.witness import FileMark, Seen, Statement

BOOT_ID = "boot_id"
RUN = "run"  # random, another one at each start: a copy of the file carries that of its time
RESTORED = "restored"  # "1" in a copy that was put back by `zhijiao restore`


@dataclass(frozen=True, slots=True)
class EpochView:
    """An epoch and its last event."""

    epoch: str
    first_n: int
    last_seq: int  # 0 where nothing of it was ever stored
    last_hash: bytes

    @property
    def last_n(self) -> int:
        """`n` of its last event."""
        return self.first_n + self.last_seq - 1


@dataclass(frozen=True, slots=True)
class Lost:
    """Sequences that were committed once and can never be sent."""

    epoch: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Opening:
    """Why a new epoch opens, and what is known to be lost."""

    reason: str
    lost: tuple[Lost, ...] = ()


def lineage() -> list[EpochView]:
    """All epochs, oldest first. A closed one says where it ended; the running one is looked at."""
    epochs = list(Epoch.select().order_by(Epoch.first_n))
    ends = [*(epoch.first_n for epoch in epochs[1:]), 1 << 62]
    return [_view(epoch, end) for epoch, end in zip(epochs, ends, strict=False)]  # no epoch: one end over


def _view(epoch: Epoch, end: int) -> EpochView:
    if epoch.last_seq is not None and epoch.last_hash is not None:
        return EpochView(epoch.epoch, epoch.first_n, epoch.last_seq, bytes(epoch.last_hash))
    last = (
        Event.select(Event.n, Event.hash)
        .where((Event.n >= epoch.first_n) & (Event.n < end))
        .order_by(Event.n.desc())
        .first()
    )
    if last is None:
        return EpochView(epoch.epoch, epoch.first_n, 0, bytes(32))
    return EpochView(epoch.epoch, epoch.first_n, last.n - epoch.first_n + 1, bytes(last.hash))


def reason_for_new(
    boot_id: str, views: list[EpochView], witness: Statement | None, file: FileMark, left: FileMark
) -> Opening | None:
    """Why a new epoch must open now; None where the last one goes on.

    `left` is the store's file as it was found before it was opened, `file` as it is now.
    """
    if not views:
        return Opening("new_store", behind(views, witness))
    if witness is None or get_state(RESTORED) == "1":
        return Opening("restored", behind(views, witness))
    if _is_older(views, witness):
        return Opening("store_rollback", behind(views, witness))
    run = get_state(RUN) or ""
    if run == witness.next_run:  # cut off before the witness could speak of the run, or it never could
        stopped, same_boot = False, get_state(BOOT_ID) == boot_id
    elif run == witness.run:
        stopped = witness.left is not None
        same_boot = get_state(BOOT_ID) == boot_id == witness.boot_id
    else:
        return Opening("restored")  # a copy of some other run
    if stopped:
        return None if witness.left == left else Opening("restored")
    if not same_boot:
        return Opening("unclean_boot")
    return None if witness.inode == file.inode else Opening("restored")


def _is_older(views: list[EpochView], witness: Statement) -> bool:
    """Whether the store lacks something that the witness saw."""
    known = {view.epoch: view for view in views}
    for seen in witness.epochs:
        view = known.get(seen.epoch)
        if view is None or view.last_seq < seen.last_seq:
            return True
        row = Event.select(Event.hash).where(Event.n == view.first_n + seen.last_seq - 1).first()
        if row is not None and seen.last_seq > 0 and bytes(row.hash) != seen.last_hash:
            return True
    return False


def behind(views: list[EpochView], witness: Statement | None) -> tuple[Lost, ...]:
    """What the witness saw, was not settled, and is not here."""
    known = {view.epoch: view.last_seq for view in views}
    lost = []
    for seen in witness.epochs[::-1] if witness is not None else ():
        first = max(known.get(seen.epoch, 0), seen.settled) + 1
        if first <= seen.last_seq:
            lost.append(Lost(seen.epoch, first, seen.last_seq))
    return tuple(lost)


def previous(views: list[EpochView], witness: Statement | None) -> EpochView | Seen | None:
    """The epoch before the one that opens now: the witness' word where the store knows less."""
    last = views[-1] if views else None
    if witness is not None and witness.epochs:
        seen = witness.epochs[0]
        if last is None or (seen.epoch == last.epoch and seen.last_seq > last.last_seq):
            return seen
        if seen.epoch not in {view.epoch for view in views}:
            return seen
    return last


def note_running(boot_id: str, run: str) -> None:
    """This run of this boot's gateway writes here from now on."""
    set_state(BOOT_ID, boot_id)
    set_state(RUN, run)
    set_state(RESTORED, None)


def close(view: EpochView) -> None:
    """Write down where an epoch ended: its events may be purged."""
    Epoch.update(last_seq=view.last_seq, last_hash=view.last_hash).where(
        Epoch.first_n == view.first_n
    ).execute()


def insert(first_n: int, reason: str, now_ms: int) -> Tail:
    """A new epoch whose sequence 1 gets `first_n`."""
    epoch = secrets.token_hex(4)
    Epoch.create(first_n=first_n, epoch=epoch, reason=reason, opened_ms=now_ms)
    return Tail(epoch=epoch, first_n=first_n)


def get_state(key: str) -> str | None:
    """A single fact about the store."""
    row = State.get_or_none(State.key == key)
    return None if row is None else row.value


def set_state(key: str, value: str | None) -> None:
    """Keep it; None forgets it."""
    if value is None:
        State.delete().where(State.key == key).execute()
    else:
        State.insert(key=key, value=value).on_conflict_replace().execute()
