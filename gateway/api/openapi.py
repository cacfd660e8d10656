"""The API description: FastAPI's, plus a sentence for every field of the view.

`python -m gateway.api.openapi docs/openapi.json` writes the committed copy; a test compares both.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.routing import Route

from gateway.access.model import PEOPLE, Role
from gateway.api import examples, kiosk_examples
from gateway.api.fields import FIELDS
from gateway.api.gate import SESSION_COOKIE
from gateway.api.problems import MEDIA_TYPE, documented
from gateway.api.routes import all_routes, is_for_this_machine, roles_of

DESCRIPTION = """\
One gateway: its devices, its durable store, the uplink to the center, its clock; its kiosks; and the door to it.

- What stands under `data` and `operations` is read-only and identifies nobody: events are masked before they reach it.
- What stands under `kiosk` needs the token of a kiosk and serves that kiosk only. A POST needs an `Idempotency-Key`.
- Times are UTC in milliseconds since 1970 (`*_ms`); `null` where not known.
- Errors are problem documents (RFC 9457) with a stable `code` and a `hint`; pages for people answer with pages.
- Fields may be added; none is renamed or removed within `/api/v1`. Unknown states and codes must be tolerated.
- People sign in and come with a cookie; a kiosk comes with its token. Each route names who may use it.
- Plain HTTP on the machine itself, HTTPS on the network; there is no CORS.
"""
VERSION = "1"
KIOSK_STREAM = "/api/v1/kiosk/events"
SESSION, KIOSK = "session", "kioskToken"
SCHEMES = {
    SESSION: {
        "type": "apiKey",
        "in": "cookie",
        "name": SESSION_COOKIE,
        "description": "Given by POST /sign-in. Changes also carry X-CSRF-Token, which /api/v1/me tells.",
    },
    KIOSK: {
        "type": "http",
        "scheme": "bearer",
        "description": "The token of a kiosk; a browser that was paired sends it as a cookie.",
    },
}


def describe(app: FastAPI) -> None:
    """Complete the description that the application gives of itself."""
    app.description = DESCRIPTION
    app.version = VERSION
    app.openapi_tags = [
        {"name": "data", "description": "The state, for programs"},
        {"name": "kiosk", "description": "One kiosk, by its token"},
        {"name": "operations", "description": "Metrics and probes"},
        {"name": "page", "description": "For people"},
        {"name": "sign-in", "description": "The door"},
    ]
    plain = app.openapi

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = plain()
            _describe_fields(app.openapi_schema["components"]["schemas"])
            _describe_doors(app, app.openapi_schema)
            for path in app.openapi_schema["paths"].values():
                for operation in path.values():
                    for answer in operation["responses"].values():
                        _correct_media_type(answer)
            paths = app.openapi_schema["paths"]
            _describe_stream(paths["/api/v1/stream"], "Snapshot", examples.STREAM)
            if KIOSK_STREAM in paths:
                _describe_stream(paths[KIOSK_STREAM], "KioskState", kiosk_examples.STREAM)
            _drop_unused(app.openapi_schema["components"]["schemas"])
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]  # FastAPI's documented way to extend it


def _describe_doors(app: FastAPI, schema: dict[str, Any]) -> None:
    """Who may use each route, and what everybody may be answered at the doors in front of it."""
    schema["components"]["securitySchemes"] = SCHEMES
    for route in all_routes(app):
        for method in route.methods or ():
            operation = schema["paths"].get(route.path, {}).get(method.lower())
            if operation is None:
                continue
            found = documented(429, 401, 403) if roles_of(route) else documented(429)
            for status, answer in found.items():
                answer["content"][MEDIA_TYPE]["schema"] = {"$ref": "#/components/schemas/Problem"}
                del answer["model"]
                operation["responses"].setdefault(str(status), answer)
            operation["responses"] = dict(sorted(operation["responses"].items()))
            operation["security"] = _security(route)


def _security(route: Route) -> list[dict[str, list[str]]]:
    roles = roles_of(route)
    ways: list[dict[str, list[str]]] = [{}] if not roles or is_for_this_machine(route) else []
    if roles & PEOPLE:
        ways.append({SESSION: []})
    if Role.KIOSK in roles:
        ways.append({KIOSK: []})
    return ways


def _describe_fields(schemas: Mapping[str, dict[str, Any]]) -> None:
    for name, fields in FIELDS.items():
        for field, text in fields.items():
            schemas[name]["properties"][field]["description"] = text


def _correct_media_type(answer: dict[str, Any]) -> None:
    """FastAPI files a problem's schema under the media type of the route's success."""
    content = answer.get("content", {})
    if MEDIA_TYPE in content and "schema" not in content[MEDIA_TYPE]:
        schema = next(entry["schema"] for entry in content.values() if "schema" in entry)
        answer["content"] = {MEDIA_TYPE: {"schema": schema, **content[MEDIA_TYPE]}}


def _describe_stream(path: dict[str, Any], schema: str, example: str) -> None:
    """Say what stands in the data of an event; FastAPI knows only that it is text."""
    content = path["get"]["responses"]["200"]["content"]["text/event-stream"]
    content["itemSchema"]["properties"]["data"] = {
        "type": "string",
        "contentMediaType": "application/json",
        "contentSchema": {"$ref": f"#/components/schemas/{schema}"},
    }
    content["example"] = example


def _drop_unused(schemas: dict[str, Any]) -> None:
    """FastAPI's own form of a refused parameter, which no route answers with."""
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)


def rendered(app: FastAPI) -> str:
    """The description as it is committed."""
    return json.dumps(app.openapi(), indent=2, ensure_ascii=False) + "\n"


def main(target: Path) -> None:
    """Write the description."""
    from gateway.api.nothing import nothing
    from gateway.api.server import create_app  # it imports this module

    target.write_text(rendered(create_app(nothing())), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
