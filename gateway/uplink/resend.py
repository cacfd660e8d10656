"""`resend {epoch, from, to}`: what is kept of a range waits for the center again.

Not published from here: put back into the outbox, so that lanes, drain cap and rewind apply, a crash
loses nothing, and the center's ack settles it. Identical bytes, because an event's bytes never change.
"""

from collections.abc import Callable
from functools import partial

from gateway.envelope import sequence
from gateway.evidence.canonical import Json
from gateway.store import commands
from gateway.store.store import Store
from gateway.uplink.acks import read_sequence, read_text
from gateway.uplink.command_message import Refusal

CHUNK = 1000  # events in one transaction
MOST_RANGES = 256  # of each list in the answer


async def resend(store: Store, args: dict[str, Json], put_back: Callable[[], object]) -> dict[str, Json]:
    """Put the range back and say what is not here any more; raises `Refusal`.

    `put_back` is called when events wait that did not. Where a list is full the answer ends early and
    `next` names the sequence to go on with.
    """
    try:
        epoch = read_text(args.get("epoch"))
        first, last = read_sequence(args.get("from")), read_sequence(args.get("to"))
    except (TypeError, ValueError) as exc:
        raise Refusal("malformed", f"epoch, from or to cannot be read: {exc}") from exc
    view = next((known for known in await store.lineage() if known.epoch == epoch), None)
    if view is None:
        raise Refusal("unknown_epoch", "this store knows no such epoch")
    last = min(last, view.last_seq)
    if first > last:
        raise Refusal("out_of_range", "no such sequence was given out in this epoch")
    sent: list[list[int]] = []
    missing: list[list[int]] = []
    start = first
    while start <= last:
        end = min(start + CHUNK - 1, last)
        low, high = view.first_n + start - 1, view.first_n + end - 1
        step = await store.run(partial(commands.put_back, first_n=low, last_n=high))
        if step.count:
            put_back()
        held = {n - view.first_n + 1 for n in step.held}
        for seq in range(start, end + 1):
            ranges = sent if seq in held else missing
            if ranges and ranges[-1][1] == seq - 1:
                ranges[-1][1] = seq
            elif len(ranges) < MOST_RANGES:
                ranges.append([seq, seq])
            else:
                return {**_result(sent, missing), "next": sequence(seq)}
        start = end + 1
    return _result(sent, missing)


def _result(sent: list[list[int]], missing: list[list[int]]) -> dict[str, Json]:
    return {
        "sent": [[sequence(first), sequence(last)] for first, last in sent],
        "unavailable": [[sequence(first), sequence(last)] for first, last in missing],
    }
