"""The routes for programs: the snapshot, its parts, the stream of it, metrics, and the two probes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import PlainTextResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent

from gateway.access.model import PEOPLE, Role
from gateway.api import examples
from gateway.api.answers import Alive, DeviceList, EventList, Readiness, readiness
from gateway.api.gate import Gate
from gateway.api.problems import documented
from gateway.api.streams import until
from gateway.view import Snapshot, Stage, Viewed
from gateway.web.messages import Catalogue

RECONNECT_MS = 2000
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_REFUSED = documented(400, 500)


def data_routes(
    viewed: Viewed,
    *,
    gate: Gate,
    metrics: Callable[[], bytes],
    catalogue: Catalogue,
    stopping: asyncio.Event,
) -> APIRouter:
    """Everything under /api/v1 and the operations routes."""
    router = APIRouter()
    for_people = [Depends(gate.allow(*PEOPLE))]
    for_metrics = [Depends(gate.allow_here_or(Role.TECHNICIAN, Role.AUDITOR, Role.ADMIN))]

    @router.get(
        "/api/v1/snapshot",
        dependencies=for_people,
        tags=["data"],
        summary="Everything the page shows",
        response_description="The state now",
        responses=_REFUSED | examples.json_example(examples.SNAPSHOT),
    )
    async def snapshot() -> Snapshot:
        """State of the gateway, its devices, store, uplink and clock, and its last events. Holds no person's data."""
        return viewed.snapshot()

    @router.get(
        "/api/v1/devices",
        dependencies=for_people,
        tags=["data"],
        summary="The configured devices",
        response_description="All devices, in the order of the configuration",
        responses=_REFUSED | examples.json_example(examples.DEVICES),
    )
    async def devices() -> DeviceList:
        """Each device with its state, since when, and, if it is not online, why and what to do."""
        now = viewed.snapshot()
        return DeviceList(now_ms=now.clock.now_ms, devices=now.devices)

    @router.get(
        "/api/v1/events",
        dependencies=for_people,
        tags=["data"],
        summary="The last events, masked",
        response_description="Newest first",
        responses=_REFUSED | documented(422) | examples.json_example(examples.EVENTS),
    )
    async def events(
        limit: Annotated[int, Query(ge=1, le=50, description="At most so many")] = 50,
        device: Annotated[str | None, Query(max_length=32, description="Only of this device")] = None,
        stage: Annotated[Stage | None, Query(description="Only those that have come exactly so far")] = None,
    ) -> EventList:
        """The last events of this run with the stage each has reached. For the record itself use the store's export."""
        now = viewed.snapshot()
        chosen = [
            event
            for event in now.events
            if (device is None or event.device == device) and (stage is None or event.stage is stage)
        ]
        return EventList(now_ms=now.clock.now_ms, events=tuple(chosen[:limit]))

    @router.get(
        "/api/v1/stream",
        dependencies=for_people,
        tags=["data"],
        summary="Snapshots as they change",
        response_class=EventSourceResponse,
        response_description="Server-sent events named `snapshot`; the data of each is a snapshot",
        responses=documented(400),
    )
    async def stream(request: Request) -> AsyncIterator[ServerSentEvent]:
        """A snapshot at once, then one after each change: at most five a second, at least one in 15 s.

        Nothing is resumed after a break: the first snapshot of a new connection says all there is to know.
        It ends with the session, and with the gateway.
        """
        stays = gate.stays(request)
        async with aclosing(until(stopping, viewed.changes())) as snapshots:
            async for one in snapshots:
                if not stays():
                    return
                yield ServerSentEvent(event="snapshot", data=one, retry=RECONNECT_MS)

    @router.get(
        "/metrics",
        dependencies=for_metrics,
        tags=["operations"],
        summary="Metrics for Prometheus",
        response_class=PlainTextResponse,
        response_description="Prometheus text format",
        responses=_REFUSED | {200: {"content": {"text/plain": {"example": examples.METRICS}}}},
    )
    async def prometheus() -> Response:
        """All metrics of the gateway; names begin with `zhijiao_`."""
        return Response(metrics(), media_type=METRICS_TYPE)

    @router.get(
        "/healthz",
        tags=["operations"],
        summary="Is the process alive?",
        responses=_REFUSED | examples.json_example({"status": "alive"}),
    )
    async def healthz() -> Alive:
        """200 as long as the gateway's loop turns. Says nothing of devices, store or uplink: see /readyz."""
        return Alive(status="alive")

    @router.get(
        "/readyz",
        tags=["operations"],
        summary="Are events taken?",
        response_description="Ready: events are taken and brought to disk",
        responses=_REFUSED
        | examples.json_example(examples.READY)
        | {
            503: {
                "model": Readiness,
                "description": "Not ready; the reasons say why and what to do",
                "content": {"application/json": {"example": examples.NOT_READY}},
            }
        },
    )
    async def readyz(response: Response) -> Readiness:
        """200 when events are taken and brought to disk, else 503; both with the reasons for whatever is not fine."""
        answer = readiness(viewed.snapshot(), catalogue)
        response.status_code = 200 if answer.ready else 503
        return answer

    return router
