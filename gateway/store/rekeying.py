"""Other keys than before: an epoch has one signer, and what nobody believes any more is said again.

After the box was enrolled anew the running epoch ends where the old key ended. Events that still wait under
a key that the center has revoked would be sent for ever and counted for nothing: their places are declared
lost, and the same facts, by the same ids, get places in the new epoch. Runs inside a transaction.
"""

from collections.abc import Callable, Collection, Iterator

from gateway.clock import Stamp
from gateway.envelope import Draft
from gateway.errors import ContractError
from gateway.event_types import TYPE_PREFIX
from gateway.evidence import canonical, jws
from gateway.evidence.canonical import Json
from gateway.evidence.succession import KEY_ROTATED
from gateway.store import starting
from gateway.store.database import StoreDamaged
from gateway.store.epochs import EpochView
from gateway.store.outbox import Outbox
from gateway.store.tail import Ledger

NEW_KEYS = "new_keys"  # reason of the epoch, and of the ranges
MakeDraft = Callable[[dict[str, Json]], Draft]


def take_up(
    outbox: Outbox,
    ledger: Ledger,
    kid: str,
    believed: Collection[str],
    stamp: Stamp,
    make: starting.MakeEvent,
) -> list[str]:
    """Open an epoch where another key signed the last event, and declare what must be said again.

    Returns the epochs whose waiting events are to be issued again. Repeated after a power cut it does the rest.
    """
    views = outbox.lineage()
    if views and not _goes_on(outbox, views[-1].last_n, kid):

        def opening(data: dict[str, Json]) -> Draft:
            return make("system.epoch_opened", data)

        starting.open_epoch(outbox, ledger, NEW_KEYS, stamp, opening, views[-1])
    disowned = [view for view in views if _is_disowned(outbox, view, {kid, *believed})]
    for view in disowned:
        for first, last in _ranges(outbox.waiting_within(view.first_n, view.last_n)):
            span: dict[str, Json] = {
                "epoch": view.epoch,
                "from": first - view.first_n + 1,
                "to": last - view.first_n + 1,
            }
            outbox.append([make("system.range_lost", {**span, "reason": NEW_KEYS})], stamp, admit=False)
    return [view.epoch for view in disowned]


def _goes_on(outbox: Outbox, n: int, kid: str) -> bool:
    """Whether this key signs what follows the last event: it signed that one, or was handed over to by it."""
    wire = outbox.wire_at(n)
    if wire is None or _kid_at(outbox, n) == kid:
        return True
    message = canonical.parse(wire)
    data = message.get("data")
    return (
        message.get("type") == TYPE_PREFIX + KEY_ROTATED and isinstance(data, dict) and data.get("kid") == kid
    )


def _is_disowned(outbox: Outbox, view: EpochView, believed: Collection[str]) -> bool:
    lowest = outbox.lowest_waiting(view.first_n, view.last_n)
    return lowest is not None and _kid_at(outbox, lowest) not in (None, *believed)


def _kid_at(outbox: Outbox, n: int) -> str | None:
    wire = outbox.wire_at(n)
    if wire is None:
        return None
    try:
        return jws.key_id(jws.parts(wire)[1])
    except ContractError as exc:
        raise StoreDamaged("the bytes of an event row are not an event") from exc


def _ranges(numbers: list[int]) -> Iterator[tuple[int, int]]:
    first = last = 0
    for n in numbers:
        if first and n == last + 1:
            last = n
            continue
        if first:
            yield first, last
        first = last = n
    if first:
        yield first, last
