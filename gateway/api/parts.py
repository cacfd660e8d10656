"""What the routes are given of the running gateway: one bundle, so that a new page adds a field, not a parameter."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import tzinfo
from zoneinfo import ZoneInfo

from gateway.access.model import Access
from gateway.api.limits import LIMITS, Limits
from gateway.api.staff_desk import StaffDesk
from gateway.checkin.kiosks import Kiosks
from gateway.checkin.persons import Persons
from gateway.devices.console import Console
from gateway.setup.first_run import FirstRun
from gateway.view import Viewed

CENTER_ZONE = ZoneInfo("Asia/Shanghai")  # where a test or a description names none


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts of the gateway that people and programs reach."""

    viewed: Viewed
    metrics: Callable[[], bytes]
    access: Access
    persons: Persons | None = None
    kiosks: Kiosks | None = None  # None: no routes for kiosks
    hosts: Collection[str] = ()  # names and addresses that it answers to, beside those of this machine itself
    refused: Callable[[str], None] = lambda _reason: None  # counts requests that were turned away
    limits: Limits = LIMITS
    zone: tzinfo = CENTER_ZONE
    staff: StaffDesk | None = None  # behind /staff and /evidence
    console: Console | None = None  # behind /devices
    first_run: FirstRun | None = None  # behind /setup
