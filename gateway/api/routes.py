"""Every route of the application, and who may use it. FastAPI keeps included routers as they are: they are walked."""

import re
from collections.abc import Callable, Iterator

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from fastapi.sse import EventSourceResponse
from starlette.routing import Route

from gateway.access.model import Role
from gateway.api.gate import Allow, AllowHereOr


def all_routes(app: FastAPI) -> Iterator[Route]:
    """Each of them, of every router."""
    yield from _walked(app.router)


def _walked(router: object) -> Iterator[Route]:
    for route in getattr(router, "routes", ()):
        inner = getattr(route, "original_router", None)
        if inner is not None:
            yield from _walked(inner)
        elif isinstance(route, Route):
            yield route


def allow_of(route: Route) -> Allow | None:
    """The gate's dependency of a route; None: it is for everybody."""
    return _found(route.dependant) if isinstance(route, APIRoute) else None


def _found(dependant: Dependant) -> Allow | None:
    for below in dependant.dependencies:
        if isinstance(below.call, Allow):
            return below.call
        inner = _found(below)
        if inner is not None:
            return inner
    return None


def roles_of(route: Route) -> frozenset[Role]:
    """Who may use it by signing in; empty: everybody may without."""
    allow = allow_of(route)
    return frozenset() if allow is None else allow.roles


def is_for_this_machine(route: Route) -> bool:
    """Whoever asks on this machine may use it."""
    return isinstance(allow_of(route), AllowHereOr)


def stream_check(app: FastAPI) -> Callable[[str], bool]:
    """Whether a path is that of an event stream. The routes are looked up at the first request: then all are there."""
    patterns: list[re.Pattern[str]] = []

    def is_stream(path: str) -> bool:
        if not patterns:
            patterns.extend(
                route.path_regex
                for route in all_routes(app)
                if isinstance(route, APIRoute) and _is_sse(route)
            )
        return any(pattern.match(path) for pattern in patterns)

    return is_stream


def _is_sse(route: APIRoute) -> bool:
    kind = route.response_class
    return isinstance(kind, type) and issubclass(kind, EventSourceResponse)
