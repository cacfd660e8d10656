"""The API description: FastAPI's, plus a sentence for every field of the view.

`python -m gateway.api.openapi docs/openapi.json` writes the committed copy; a test compares both.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from gateway.api import examples, kiosk_examples
from gateway.api.fields import FIELDS
from gateway.api.gate import KIOSK_COOKIE
from gateway.api.problems import MEDIA_TYPE

DESCRIPTION = """\
One gateway: its devices, its durable store, the uplink to the center, its clock; and its kiosks.

- What stands under `data` and `operations` is read-only and identifies nobody: events are masked before they reach it.
- What stands under `kiosk` needs the token of a kiosk and serves that kiosk only. A POST needs an `Idempotency-Key`.
- Times are UTC in milliseconds since 1970 (`*_ms`); `null` where not known.
- Errors are problem documents (RFC 9457) with a stable `code` and a `hint`.
- Fields may be added; none is renamed or removed within `/api/v1`. Unknown states and codes must be tolerated.
- Only loopback clients are served unless the configuration names other hosts; there is no CORS.
"""
VERSION = "1"
KIOSK = "/api/v1/kiosk"


def describe(app: FastAPI) -> None:
    """Complete the description that the application gives of itself."""
    app.description = DESCRIPTION
    app.version = VERSION
    app.openapi_tags = [
        {"name": "data", "description": "The state, for programs"},
        {"name": "kiosk", "description": "One kiosk, by its token"},
        {"name": "operations", "description": "Metrics and probes"},
        {"name": "page", "description": "For people"},
    ]
    plain = app.openapi

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = plain()
            _describe_fields(app.openapi_schema["components"]["schemas"])
            paths = app.openapi_schema["paths"]
            for route in (route for path in paths.values() for route in path.values()):
                for answer in route["responses"].values():
                    _correct_media_type(answer)
            _describe_stream(paths["/api/v1/stream"], "Snapshot", examples.STREAM)
            if KIOSK in paths:
                _describe_stream(paths[f"{KIOSK}/events"], "KioskState", kiosk_examples.STREAM)
                _describe_tokens(app.openapi_schema)
            _drop_unused(app.openapi_schema["components"]["schemas"])
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]  # FastAPI's documented way to extend it


def _describe_fields(schemas: Mapping[str, dict[str, Any]]) -> None:
    for name, fields in FIELDS.items():
        for field, text in fields.items():
            schemas[name]["properties"][field]["description"] = text


def _correct_media_type(answer: dict[str, Any]) -> None:
    """FastAPI files a problem's schema under the media type of the route's success."""
    content = answer.get("content", {})
    if MEDIA_TYPE in content:
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


def _describe_tokens(schema: dict[str, Any]) -> None:
    """A kiosk comes with its token; a browser that was paired, with its cookie."""
    schema["components"]["securitySchemes"] = {
        "kioskToken": {"type": "http", "scheme": "bearer", "description": "Issued once by a technician"},
        "kioskCookie": {"type": "apiKey", "in": "cookie", "name": KIOSK_COOKIE},
    }
    for address, path in schema["paths"].items():
        if address.startswith((KIOSK, "/kiosk/receipt")):
            for route in path.values():
                route["security"] = [{"kioskToken": []}, {"kioskCookie": []}]


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

    parts = nothing()
    target.write_text(
        rendered(create_app(parts.viewed, metrics=parts.metrics, parts=parts)), encoding="utf-8"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
