"""Every operation of the description with made-up requests of everybody: no bug, no answer that it does not name."""

from collections.abc import AsyncIterator
from typing import Any

import schemathesis
from hypothesis import settings
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from gateway.access.model import Role
from gateway.api.buckets import Rate
from gateway.api.gate import CSRF_HEADER
from gateway.api.limits import Limits
from gateway.api.nothing import nothing
from gateway.view import Snapshot
from tests.gateway.memory_access import MemoryAccess, app_of, cookies
from tests.ui.scripted import ScriptedGateway, healthy

HOST = "testserver"  # the name that the tool's client gives
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
MANY = Rate(burst=10**9, per_s=1)


class Brief(ScriptedGateway):
    """Its streams end: a test waits for the whole answer."""

    async def changes(self) -> AsyncIterator[Snapshot]:
        yield self.snapshot()


ACCESS = MemoryAccess()
APP = app_of(
    Brief(healthy()),
    ACCESS,
    hosts={HOST},
    kiosks=nothing().kiosks,
    limits=Limits(requests=MANY, sign_in=MANY),
)
schema = schemathesis.openapi.from_asgi("/openapi.json", APP)


@schema.parametrize()
@settings(max_examples=15, deadline=None)
def test_nothing_is_answered_that_is_not_described(case: Case[Any]) -> None:
    for role in (None, *Role):
        headers = {"host": HOST}
        if role is not None:
            headers |= cookies(ACCESS, role)
            held = ACCESS.session(headers["Cookie"].partition("=")[2])
            headers |= {CSRF_HEADER: held.csrf} if held is not None else {}
        case.call_and_validate(headers=headers, checks=CHECKS)
