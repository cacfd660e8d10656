"""What a row of the store proves by itself: that its signed bytes are those its hash was made of.

That a row hangs together with the one before is another thing. A row that does not prove itself is
damage, and a salvage does something about it; two proven rows that do not chain stay as they are.
"""

import hashlib

from gateway.errors import ContractError
from gateway.evidence import canonical
from gateway.store.database import StoreDamaged
from gateway.store.models import Event

TAIL_CHECKED = 64  # events verified at each start; the rest is looked at behind it (`check`)


def check_tail() -> None:
    """Raise `StoreDamaged` unless the newest events prove themselves."""
    for row in Event.select(Event.n, Event.hash, Event.wire).order_by(Event.n.desc()).limit(TAIL_CHECKED):
        check_row(row.n, row.hash, row.wire)


def check_row(n: int, stored_hash: object, wire: object) -> tuple[dict[str, canonical.Json], str]:
    """The event and its signature; raises `StoreDamaged` unless the row proves itself."""
    found = proven(stored_hash, wire) if isinstance(stored_hash, bytes) and isinstance(wire, bytes) else None
    if found is None:
        raise StoreDamaged(f"event row {n} does not match its hash")
    return found


def follows(event: dict[str, canonical.Json], before: bytes) -> bool:
    """Whether an event is chained to the hash of the row before; an epoch's first one is chained to none."""
    return event["sequence"] == f"{1:016d}" or event["prevhash"] == before.hex()


def proven(stored_hash: bytes, wire: bytes) -> tuple[dict[str, canonical.Json], str] | None:
    """The event without its signature, and the signature, when the hash is that of the signed bytes."""
    try:
        event = canonical.decode(wire)
        jws = str(event.pop("jws"))
        payload = canonical.encode(event)
    except (ContractError, KeyError):
        return None
    return (event, jws) if hashlib.sha256(payload).digest() == stored_hash else None
