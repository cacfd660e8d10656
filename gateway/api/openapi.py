"""The API description: FastAPI's, plus a sentence for every field of the view.

`python -m gateway.api.openapi docs/openapi.json` writes the committed copy; a test compares both.
"""

import json
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from gateway.api import examples
from gateway.api.fields import FIELDS
from gateway.api.problems import MEDIA_TYPE
from gateway.view import Snapshot

DESCRIPTION = """\
Read-only view of one gateway: its devices, its durable store, the uplink to the center, its clock.

- Nothing here identifies a person: events are masked before they reach this interface.
- Times are UTC in milliseconds since 1970 (`*_ms`); `null` where not known.
- Errors are problem documents (RFC 9457) with a stable `code` and a `hint`.
- Fields may be added; none is renamed or removed within `/api/v1`. Unknown states and codes must be tolerated.
- Only loopback clients are served unless the configuration names other hosts; there is no CORS.
"""
VERSION = "1"


def describe(app: FastAPI) -> None:
    """Complete the description that the application gives of itself."""
    app.description = DESCRIPTION
    app.version = VERSION
    app.openapi_tags = [
        {"name": "data", "description": "The state, for programs"},
        {"name": "operations", "description": "Metrics and probes"},
        {"name": "page", "description": "For people"},
    ]
    plain = app.openapi

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = plain()
            _describe_fields(app.openapi_schema["components"]["schemas"])
            for path in app.openapi_schema["paths"].values():
                for answer in path["get"]["responses"].values():
                    _correct_media_type(answer)
            _describe_stream(app.openapi_schema["paths"]["/api/v1/stream"]["get"]["responses"]["200"])
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


def _describe_stream(answer: dict[str, Any]) -> None:
    """Say what stands in the data of an event; FastAPI knows only that it is text."""
    content = answer["content"]["text/event-stream"]
    content["itemSchema"]["properties"]["data"] = {
        "type": "string",
        "contentMediaType": "application/json",
        "contentSchema": {"$ref": "#/components/schemas/Snapshot"},
    }
    content["example"] = examples.STREAM


def rendered(app: FastAPI) -> str:
    """The description as it is committed."""
    return json.dumps(app.openapi(), indent=2, ensure_ascii=False) + "\n"


class _Nothing:
    """A gateway whose routes are described and never called."""

    def snapshot(self) -> Snapshot:
        raise NotImplementedError

    def changes(self) -> AsyncIterator[Snapshot]:
        raise NotImplementedError


def main(target: Path) -> None:
    """Write the description."""
    from gateway.api.server import create_app  # it imports this module

    target.write_text(rendered(create_app(_Nothing(), metrics=bytes)), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
