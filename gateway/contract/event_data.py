"""What `data` must hold, for every type of `event_types`: one table for whoever checks and for what is published.

A known member of a wrong form makes the event rejected, and so does a missing one without which nothing can be
made of the rest. A member that no rule knows makes it "not understood": boxes are updated before the center.
"""

from collections.abc import Mapping

from gateway.contract.shapes import Object
from gateway.contract.what_people_do import CHECKIN, IDENTITY, WEARABLES
from gateway.contract.what_the_box_says import ALARM, AUDIT, CLOCK, DEVICES, EPOCH_OPENED, RANGE_LOST, SYSTEM
from gateway.errors import ContractError
from gateway.event_types import TYPES
from gateway.evidence.canonical import Json

__all__ = ["DATA", "EPOCH_OPENED", "RANGE_LOST", "check", "is_known", "understood"]

DATA: Mapping[str, Object] = {
    **CHECKIN,
    **IDENTITY,
    **WEARABLES,
    **ALARM,
    **DEVICES,
    **CLOCK,
    **SYSTEM,
    **AUDIT,
}


def is_known(name: str, major: int) -> bool:
    """Whether this center knows the type in this version."""
    return TYPES.get(name) == major


def understood(name: str, data: dict[str, Json]) -> bool:
    """Whether everything in the data of a known type, without fault, is known."""
    return not DATA[name].is_new(data)


def check(name: str, data: dict[str, Json]) -> None:
    """Raise `ContractError` (code `data`) where `data` of a known type breaks a rule."""
    fault = DATA[name].fault(data, "data")
    if fault is not None:
        raise ContractError("data", fault)
    if name == RANGE_LOST and int(str(data["from"])) > int(str(data["to"])):
        raise ContractError("data", "data.from is behind data.to")
