"""The center's ack: believed only when signed, for this gateway; what it covers is settled.

What is settled stays settled: a lower `upto` than before is ignored, so a replayed ack does no harm.
`head` is compared at `upto`: where it differs, the center holds another chain than we do, and nothing
of that epoch is settled by this ack (contract, 3).
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.errors import ContractError
from gateway.evidence import jws
from gateway.evidence.canonical import Json
from gateway.evidence.jws import FindKey
from gateway.store.epochs import EpochView
from gateway.store.outbox import Outbox
from gateway.store.store import Store

log = logging.getLogger(__name__)

MAX_EPOCHS = 8
MAX_RANGES = 256


@dataclass(frozen=True, slots=True)
class Rejection:
    """An event that the center stored and refused for its content."""

    seq: int
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class EpochAck:
    """What the center says of one epoch."""

    epoch: str
    upto: int
    head: str
    sack: tuple[tuple[int, int], ...]
    lost: tuple[tuple[int, int], ...]
    rejected_n: int
    rejected: tuple[Rejection, ...]
    blocked: str | None


@dataclass(frozen=True, slots=True)
class Applied:
    """What an ack came to."""

    ranges: tuple[tuple[int, int], ...]  # of `n`, settled or settled before
    count: int  # newly settled
    mismatched: tuple[str, ...] = ()  # epochs whose head differs from ours
    rolled_back: tuple[tuple[str, int, int], ...] = ()  # (epoch, center's upto, our last): our disk forgot
    rejected: tuple[tuple[str, Rejection], ...] = ()  # new refusals
    missing_rejections: bool = False  # the center refused more than it listed
    blocked: tuple[tuple[str, str], ...] = ()  # (epoch, why the center cannot go on)


def read_ack(wire: bytes, gateway: str, find_key: FindKey) -> tuple[EpochAck, ...]:
    """Verify and parse; raises `ContractError` (not_jcs, unsigned, signature, foreign, malformed, ...)."""
    message, _, _ = jws.open_message(wire, find_key)
    if message.get("gw") != gateway:
        raise ContractError("foreign", "ack is for another gateway")
    epochs = message.get("epochs")
    if message.get("v") != 1 or not isinstance(epochs, list) or len(epochs) > MAX_EPOCHS:
        raise ContractError("malformed", "ack is not of version 1 or names too many epochs")
    return tuple(_epoch(entry) for entry in epochs)


def _epoch(entry: Json) -> EpochAck:
    if not isinstance(entry, dict):
        raise ContractError("malformed", "ack holds an epoch that is not an object")
    try:
        blocked, rejected = entry["blocked"], entry["rejected"]
        return EpochAck(
            epoch=_text(entry["epoch"]),
            upto=int(_text(entry["upto"])),
            head=_text(entry["head"]),
            sack=_ranges(entry["sack"]),
            lost=_ranges(entry["lost"]),
            rejected_n=_number(entry["rejected_n"]),
            rejected=tuple(_rejection(one) for one in rejected) if isinstance(rejected, list) else (),
            blocked=_text(blocked["code"]) if isinstance(blocked, dict) else None,
        )
    except (KeyError, TypeError, ValueError) as exc:
        raise ContractError("malformed", f"ack holds an epoch that cannot be read: {exc}") from exc


def _rejection(entry: Json) -> Rejection:
    if not isinstance(entry, dict):
        raise TypeError("rejection is not an object")
    return Rejection(int(_text(entry["seq"])), _text(entry["code"])[:64], _text(entry.get("msg", ""))[:256])


def _ranges(value: Json) -> tuple[tuple[int, int], ...]:
    if not isinstance(value, list) or len(value) > MAX_RANGES:
        raise TypeError("ranges are not a list of at most 256")
    found = []
    for pair in value:
        if not isinstance(pair, list) or len(pair) != 2:
            raise TypeError("a range is not a pair")
        first, last = int(_text(pair[0])), int(_text(pair[1]))
        if not 1 <= first <= last:
            raise ValueError("a range runs backwards")
        found.append((first, last))
    return tuple(found)


def _text(value: Json) -> str:
    """Sequences travel as 16 digits of text; `sack` may carry plain integers (contract, 3)."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise TypeError("text expected")


def _number(value: Json) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise TypeError("number expected")


async def apply(store: Store, acks: Sequence[EpochAck]) -> Applied:
    """Settle what the acks cover, in one transaction."""
    lineage = {view.epoch: view for view in await store.lineage()}
    return await store.run(lambda box: _apply(box, acks, lineage))


def _apply(box: Outbox, acks: Sequence[EpochAck], lineage: Mapping[str, EpochView]) -> Applied:
    ranges: list[tuple[int, int]] = []
    mismatched: list[str] = []
    rolled_back: list[tuple[str, int, int]] = []
    rejected: list[tuple[str, Rejection]] = []
    blocked: list[tuple[str, str]] = []
    missing = False
    for ack in acks:
        view = lineage.get(ack.epoch)
        if view is None:
            log.warning("ack names an epoch that this store does not know", extra={"epoch": ack.epoch})
            continue
        if ack.upto > view.last_seq:
            rolled_back.append((ack.epoch, ack.upto, view.last_seq))
        elif ack.upto > 0:
            ours = box.hash_at(view.first_n + ack.upto - 1)
            if ours is not None and ours.hex() != ack.head:
                mismatched.append(ack.epoch)
                continue
        ranges += _as_n(view, ack)
        fresh = box.note_rejected((view.first_n + r.seq - 1, r.code, r.message) for r in ack.rejected)
        rejected += [(ack.epoch, r) for r in ack.rejected if view.first_n + r.seq - 1 in fresh]
        missing = missing or ack.rejected_n > box.rejected_count(view.first_n, view.last_n)
        if ack.blocked is not None:
            blocked.append((ack.epoch, ack.blocked))
    return Applied(
        ranges=tuple(ranges),
        count=box.settle(ranges),
        mismatched=tuple(mismatched),
        rolled_back=tuple(rolled_back),
        rejected=tuple(rejected),
        missing_rejections=missing,
        blocked=tuple(blocked),
    )


def _as_n(view: EpochView, ack: EpochAck) -> list[tuple[int, int]]:
    """Sequences of an epoch as `n`, within what this store holds of it."""
    spans = [(1, ack.upto), *ack.sack] if ack.upto else list(ack.sack)
    held = [(first, min(last, view.last_seq)) for first, last in spans]
    return [(view.first_n + first - 1, view.first_n + last - 1) for first, last in held if first <= last]
