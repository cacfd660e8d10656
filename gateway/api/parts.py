"""What the routes are given of the running gateway: one bundle, so that a new page adds a field, not a parameter."""

from collections.abc import Callable
from dataclasses import dataclass

from gateway.access.model import Access
from gateway.api.staff_desk import StaffDesk
from gateway.view import Viewed


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts of the gateway that people and programs reach."""

    viewed: Viewed
    metrics: Callable[[], bytes]
    access: Access
    staff: StaffDesk | None = None  # behind /staff and /evidence
