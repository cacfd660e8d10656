"""A reference as it lies on disk: encrypted, like the roster, because a card is easily taken out of a box."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import fields
from typing import Any

from gateway.checkin.at_rest import Purpose, RosterSeal
from gateway.checkin.references import Origin, Reference, State
from gateway.checkin.roster import Method
from gateway.checkin.strict import RosterError

_NAMES = tuple(one.name for one in fields(Reference))


def sealed(rows: Iterable[Reference], seal: RosterSeal) -> Iterator[tuple[bytes, bytes]]:
    """(digest of the id, sealed row)."""
    for one in rows:
        members: dict[str, Any] = {name: getattr(one, name) for name in _NAMES}
        if one.slots_before is not None:
            members["slots_before"] = sorted(one.slots_before)
        yield (
            hashlib.sha256(one.id.encode()).digest(),
            seal.close(json.dumps(members).encode(), Purpose.ENROLMENT),
        )


def opened(row: bytes, seal: RosterSeal) -> Reference | None:
    """Inverse; None where damage or another key leaves nothing to read."""
    try:
        members: dict[str, Any] = json.loads(seal.open(row, Purpose.ENROLMENT))
        before = members["slots_before"]
        members |= {
            "method": Method(members["method"]),
            "origin": Origin(members["origin"]),
            "state": State(members["state"]),
            "slots_before": None if before is None else frozenset(before),
        }
        return Reference(**members)
    except (RosterError, ValueError, TypeError, KeyError):
        return None
