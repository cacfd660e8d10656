"""What an ack settles, and what it must not. One transaction, on the db thread.

    upto    proves everything up to it, where `head` is the hash that we have there
    sack    is no proof: it settles only what was sent in this run, so that a store put back from a
            backup cannot lose a new event to an old one's place

Where the center has a place that we have not given out yet, our store has forgotten events, and what
stands at re-used places is not what the center holds: nothing of that epoch is settled then. What is
settled stays settled; a lower `upto` than before does no harm (contract, 3).
"""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from gateway.evidence import canonical
from gateway.spans import Spans, of_numbers
from gateway.store.epochs import EpochView
from gateway.store.outbox import Outbox, type_of
from gateway.store.store import Store
from gateway.uplink.acks import EpochAck, Rejection

log = logging.getLogger(__name__)

LEFT = "epoch_left:"  # prefix of notes: epochs that were left, and why


@dataclass(frozen=True, slots=True)
class Refused:
    """A new refusal, with what was refused."""

    epoch: str
    rejection: Rejection
    n: int
    type: str  # of the event, without prefix; empty where it is not held


@dataclass(slots=True)
class Applied:
    """What an ack came to."""

    ranges: tuple[tuple[int, int], ...] = ()  # of `n`, settled or settled before
    count: int = 0  # newly settled
    mismatched: list[str] = field(default_factory=list)  # epochs whose head differs from ours
    rolled_back: list[tuple[str, int, int]] = field(default_factory=list)  # (epoch, center's last, ours)
    rejected: list[Refused] = field(default_factory=list)  # new refusals
    unlisted: list[tuple[str, int]] = field(default_factory=list)  # (epoch, refusals the center counts)
    blocked: list[tuple[str, str]] = field(default_factory=list)  # (epoch, why the center cannot go on)
    unknown: list[str] = field(default_factory=list)  # epochs that this store does not know


async def apply(
    store: Store, acks: Sequence[EpochAck], sent: Collection[int], *, soon: bool = False
) -> Applied:
    """Settle what the acks cover. `sent`: what went out in this run and is not settled, by `n`.

    `soon`: nothing waits for it, so that it may share the commit of the next event.
    """
    return await store.run(lambda box: _apply(box, acks, sent), soon=soon)


def _apply(box: Outbox, acks: Sequence[EpochAck], sent: Collection[int]) -> Applied:
    applied = Applied()
    lineage = {view.epoch: view for view in box.lineage()}
    left = box.notes(LEFT)
    ranges: list[tuple[int, int]] = []
    for ack in acks:
        view = lineage.get(ack.epoch)
        if view is None:
            applied.unknown.append(ack.epoch)
            continue
        if ack.blocked is not None:
            applied.blocked.append((ack.epoch, ack.blocked))
        if ack.epoch in left:
            # What there was to say was said; only what was put back for a resend can wait there.
            ranges += _settled_by(view, ack, sent, proven=False)
            continue
        if ack.last > view.last_seq:
            applied.rolled_back.append((ack.epoch, ack.last, view.last_seq))
            continue
        same = _same_chain(box, view, ack)
        if same is False:
            applied.mismatched.append(ack.epoch)
            continue
        ranges += _settled_by(view, ack, sent, proven=same is True)
        _note_rejections(box, view, ack, applied)
    applied.ranges = tuple(ranges)
    applied.count = box.settle(ranges)
    return applied


def _same_chain(box: Outbox, view: EpochView, ack: EpochAck) -> bool | None:
    """Whether `head` is ours at its place; None where this store cannot tell."""
    seq = ack.proven_at
    if seq == 0:
        return ack.upto == 0 or None  # all of it lost: nothing is proven
    n = view.first_n + seq - 1
    ours = box.hash_at(n)
    if ours is None and seq < view.last_seq:
        ours = _hash_before(box.wire_at(n + 1))
    return None if ours is None else ours.hex() == ack.head


def _hash_before(wire: bytes | None) -> bytes | None:
    """The hash of the event before this one, which each event carries."""
    if wire is None:
        return None
    previous = canonical.decode(wire).get("prevhash")
    return bytes.fromhex(previous) if isinstance(previous, str) else None


def _settled_by(
    view: EpochView, ack: EpochAck, sent: Collection[int], *, proven: bool
) -> list[tuple[int, int]]:
    """Ranges of `n`: what the head proves, and of the rest what was sent.

    An event that the center gave up as lost and that waits here after all goes out, and waits until the
    center has it: what turns up is lost no longer.
    """
    first_n = view.first_n
    whole = _without(ack.upto, ack.lost) if proven else []
    lost = Spans((first_n + first - 1, first_n + last - 1) for first, last in ack.lost)
    if_sent = list(ack.sack)
    if not proven and ack.upto:
        if_sent.append((1, ack.upto))
    covered = Spans((first_n + first - 1, first_n + last - 1) for first, last in if_sent)
    return [
        *((first_n + first - 1, first_n + last - 1) for first, last in whole),
        *of_numbers(n for n in sent if n in covered and n not in lost and first_n <= n <= view.last_n),
    ]


def _without(upto: int, holes: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """1 to `upto` without some ranges."""
    found, start = [], 1
    for first, last in sorted(holes):
        if start <= min(first - 1, upto):
            found.append((start, min(first - 1, upto)))
        start = max(start, last + 1)
    if start <= upto:
        found.append((start, upto))
    return found


def _note_rejections(box: Outbox, view: EpochView, ack: EpochAck, applied: Applied) -> None:
    applied.rejected += note_rejections(box, view, ack.rejected)
    if ack.rejected_n and ack.rejected_n != box.rejected_count(view.first_n, view.last_n):
        applied.unlisted.append((ack.epoch, ack.rejected_n))


def note_rejections(box: Outbox, view: EpochView, rejections: Sequence[Rejection]) -> list[Refused]:
    """Keep refusals of an epoch's events; those that were not known. Places outside of it are no events."""
    known = {view.first_n + r.seq - 1: r for r in rejections if r.seq <= view.last_seq}
    if len(known) < len({r.seq for r in rejections}):
        log.warning("refusal of a place that was not given out", extra={"epoch": view.epoch})
    if not known:
        return []
    fresh = box.note_rejected((n, r.code, r.message) for n, r in known.items())
    return [Refused(view.epoch, known[n], n, _type_at(box, n)) for n in fresh]


def _type_at(box: Outbox, n: int) -> str:
    wire = box.wire_at(n)
    return "" if wire is None else type_of(wire)
