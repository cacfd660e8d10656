"""All routes of staff and of the auditor, over one desk."""

import asyncio

from fastapi import APIRouter

from gateway.api.entry_routes import entry_routes
from gateway.api.evidence_routes import evidence_routes
from gateway.api.export_routes import export_routes
from gateway.api.gate import Gate
from gateway.api.parts import Parts
from gateway.api.rollcall_routes import rollcall_routes
from gateway.api.staff_context import Office
from gateway.api.staff_desk import StaffDesk
from gateway.api.staff_pages import staff_pages
from gateway.web.assets import load_assets
from gateway.web.bar import Bars
from gateway.web.messages import Catalogue
from gateway.web.staff import StaffRenderer
from gateway.web.times import Times


def staff_routes(
    parts: Parts, desk: StaffDesk, *, gate: Gate, bars: Bars, catalogue: Catalogue, stopping: asyncio.Event
) -> APIRouter:
    """`/staff/…` and `/evidence`."""
    renderer = StaffRenderer(catalogue, load_assets(), Times(desk.zone))
    office = Office(desk, parts.viewed, renderer, bars)
    router = APIRouter()
    router.include_router(staff_pages(office, gate, stopping=stopping))
    router.include_router(entry_routes(office, gate))
    router.include_router(export_routes(office, gate))
    router.include_router(rollcall_routes(office, gate, stopping=stopping))
    router.include_router(evidence_routes(office, gate))
    return router
