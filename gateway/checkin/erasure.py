"""What is said of templates that were deleted: `identity.erased`, the proof. Pure."""

from collections.abc import Sequence

from gateway.checkin.references import MISSING, Reference
from gateway.clock import iso_ms
from gateway.evidence.canonical import Json
from gateway.ingest.facts import Fact


def erasure(module: str, slots: frozenset[int], rows: Sequence[Reference], reason: str) -> dict[str, Json]:
    """Data of `identity.erased`, whatever it was done for."""
    return {
        "module": module,
        "slots": [int(slot) for slot in sorted(slots)],
        "enrolments": [one.id for one in rows],
        "reason": reason,
    }


def lost(module: str, person: str, rows: Sequence[Reference]) -> Fact:
    """A module came without what should lie in it."""
    slots = frozenset(one.slot for one in rows if one.slot is not None)
    data: dict[str, Json] = {**erasure(module, slots, rows, MISSING), "gone_before": True}
    return Fact("identity.erased", f"person/{person}", data, restricted=True)


def proof(
    module: str,
    person: str,
    rows: Sequence[Reference],
    now_ms: int,
    *,
    gone: bool = False,
    by_its_word: bool = False,
) -> Fact:
    """One person out of one module.

    `gone`: the module had lost them before they were to be deleted. `by_its_word`: a terminal says so, and has no
    list to look into.
    """
    slots = frozenset(one.slot for one in rows if one.slot is not None)
    requested = min((one.requested_ms for one in rows if one.requested_ms is not None), default=now_ms)
    data: dict[str, Json] = {
        **erasure(module, slots, rows, rows[0].reason or ""),
        "requested": iso_ms(requested),
        "requested_by": rows[0].requested_by,
        "done": iso_ms(now_ms),
        "gone_before": gone,
    }
    if by_its_word:
        data["confirmed_by"] = "terminal"
    return Fact("identity.erased", f"person/{person}", data, restricted=True)
