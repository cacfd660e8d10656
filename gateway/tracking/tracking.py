"""Wearables, put together."""

from collections.abc import Coroutine
from datetime import tzinfo
from typing import Any

from gateway.checkin.keeper import RosterKeeper
from gateway.checkin.roster import Roster
from gateway.clock import Clock
from gateway.ingest.alarms import Alarms
from gateway.ingest.ingest import Ingest
from gateway.metrics import Metrics
from gateway.tracking.desk import TrackingDesk
from gateway.tracking.presence_desk import PresenceDesk
from gateway.tracking.watch import TrackingWatch
from gateway.tracking.wearers import Wearers


class Tracking:
    """The wearables of a gateway."""

    def __init__(
        self,
        keeper: RosterKeeper,
        *,
        ingest: Ingest,
        alarms: Alarms,
        clock: Clock,
        zone: tzinfo,
        metrics: Metrics,
    ) -> None:
        def roster() -> Roster | None:
            return None if keeper.in_force is None else keeper.in_force.roster

        self.wearers = Wearers(roster)
        self.desk = TrackingDesk(
            self.wearers,
            ingest=ingest,
            alarms=alarms,
            clock=clock,
            zone=zone,
            counted=lambda what: metrics.tracker_positions.labels(reason=what).inc(),
        )
        self.presence = PresenceDesk(
            self.wearers,
            ingest=ingest,
            clock=clock,
            zone=zone,
            counted=lambda whose, count: metrics.beacon_adverts.labels(reason=whose).inc(count),
        )
        self.watch = TrackingWatch(
            self.wearers, self.desk, ingest=ingest, alarms=alarms, clock=clock, zone=zone
        )

    def services(self) -> dict[str, Coroutine[Any, Any, None]]:
        """By name, for as long as the gateway runs."""
        return {"tracking": self.watch.run()}
