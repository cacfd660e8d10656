"""Which epoch runs. Reads and writes inside a transaction of the db thread.

A new epoch opens whenever nobody can prove what the disk kept: a new, restored or salvaged store, or
a boot that was not preceded by a clean stop (a power cut may have taken the card's last writes with
it). A process killed within one boot continues its epoch: the kernel kept its writes.
"""

import secrets
from dataclasses import dataclass

from gateway.store.models import Epoch, Event, State
from gateway.store.tail import Tail

BOOT_ID = "boot_id"
CLEAN_STOP = "clean_stop"


@dataclass(frozen=True, slots=True)
class EpochView:
    """An epoch and the last event of it in this store."""

    epoch: str
    first_n: int
    last_seq: int  # 0 where the store holds none of it
    last_hash: bytes

    @property
    def last_n(self) -> int:
        """`n` of its last event."""
        return self.first_n + self.last_seq - 1


def lineage() -> list[EpochView]:
    """All epochs, oldest first."""
    epochs = list(Epoch.select().order_by(Epoch.first_n))
    ends = [*(epoch.first_n for epoch in epochs[1:]), 1 << 62]
    return [_view(epoch, end) for epoch, end in zip(epochs, ends, strict=False)]  # no epoch: one end over


def _view(epoch: Epoch, end: int) -> EpochView:
    last = (
        Event.select(Event.n, Event.hash)
        .where((Event.n >= epoch.first_n) & (Event.n < end))
        .order_by(Event.n.desc())
        .first()
    )
    if last is None:
        return EpochView(epoch.epoch, epoch.first_n, 0, bytes(32))
    return EpochView(epoch.epoch, epoch.first_n, last.n - epoch.first_n + 1, bytes(last.hash))


def reason_for_new(boot_id: str, *, salvaged: bool) -> str | None:
    """Why a new epoch must open now; None where the last one goes on."""
    if salvaged:
        return "salvaged"
    if Epoch.select().first() is None:
        return "new_store"
    if _state(BOOT_ID) != boot_id and _state(CLEAN_STOP) != "1":
        return "unclean_boot"
    return None


def note_running(boot_id: str) -> None:
    """From now on an end without `note_clean_stop` is unclean."""
    _set_state(BOOT_ID, boot_id)
    _set_state(CLEAN_STOP, "0")


def note_clean_stop() -> None:
    """The last thing a gateway writes when it is asked to stop."""
    _set_state(CLEAN_STOP, "1")


def insert(tail_n: int, reason: str, now_ms: int) -> Tail:
    """A new epoch whose sequence 1 gets `tail_n`."""
    epoch = secrets.token_hex(4)
    Epoch.create(first_n=tail_n, epoch=epoch, reason=reason, opened_ms=now_ms)
    return Tail(epoch=epoch, first_n=tail_n)


def _state(key: str) -> str | None:
    row = State.get_or_none(State.key == key)
    return None if row is None else row.value


def _set_state(key: str, value: str) -> None:
    State.insert(key=key, value=value).on_conflict_replace().execute()
