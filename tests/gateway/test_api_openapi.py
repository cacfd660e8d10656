"""The API describes itself completely, and the committed description is the one that is served."""

import json
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from gateway import view
from gateway.api import answers
from gateway.api.fields import FIELDS
from gateway.api.nothing import nothing
from gateway.api.openapi import main
from gateway.api.refusals import KINDS
from gateway.api.server import create_app

PAGES = ("/sign-in", "/account")  # a form that did not work is shown again, and says why
DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    return served().openapi()


def served() -> FastAPI:
    return create_app(nothing())


def test_the_committed_description_is_the_served_one(tmp_path: Path) -> None:
    fresh = tmp_path / "openapi.json"
    main(fresh)
    assert fresh.read_text(encoding="utf-8") == (DOCS / "openapi.json").read_text(encoding="utf-8"), (
        "the API changed: run `python -m gateway.api.openapi docs/openapi.json` and look at the difference"
    )


async def test_the_description_is_served(described: dict[str, Any]) -> None:
    app = served()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
        answer = await client.get("/openapi.json")
        assert answer.json() == described
        # Swagger UI and ReDoc would load their scripts from elsewhere.
        assert [(await client.get(path)).status_code for path in ("/docs", "/redoc")] == [404, 404]


def test_every_route_says_what_it_is_and_shows_an_answer(described: dict[str, Any]) -> None:
    for path, route in operations(described):
        assert route["summary"], path
        assert route["description"], path
        assert route["tags"], path
        for parameter in route.get("parameters", []):
            assert parameter["description"], f"{path} {parameter['name']}"
        for status, answer in route["responses"].items():
            assert answer["description"], f"{path} {status}"
            for media_type, entry in answer.get("content", {}).items():
                assert "example" in entry, f"{path} {status} {media_type}"


def test_every_error_is_a_problem_document(described: dict[str, Any]) -> None:
    seen = set()
    for path, route in operations(described):
        for status, answer in route["responses"].items():
            if status.startswith(("4", "5")) and "application/problem+json" in answer.get("content", {}):
                media_types = set(answer["content"]) - ({"text/html"} if path in PAGES else set())
                assert media_types == {"application/problem+json"}, f"{path} {status}"
                entry = answer["content"]["application/problem+json"]
                assert entry["schema"] == {"$ref": "#/components/schemas/Problem"}
                seen.add(entry["example"]["code"])
            elif status.startswith(("4", "5")):
                assert (path, status) == ("/readyz", "503"), f"{path} {status}"
    of_all = {
        *("host_not_allowed", "not_signed_in", "not_allowed", "too_large"),
        *("bad_parameter", "internal_error"),
    }
    of_kiosks = {"key_missing", "no_such_kiosk", "in_flight", "key_reused", "foreign_page", "unavailable"}
    assert seen == of_all | of_kiosks | {"too_many"}
    assert set(KINDS) <= set(re.findall(r"`([a-z_]+)`", json.dumps(described["paths"], ensure_ascii=False)))
    assert "HTTPValidationError" not in described["components"]["schemas"]


def test_every_route_says_who_may_use_it_and_what_the_doors_answer(described: dict[str, Any]) -> None:
    for path, route in operations(described):
        assert "429" in route["responses"], path
        public = {} in route["security"]
        # /metrics is public on the box itself only.
        assert {"401", "403"} <= route["responses"].keys() or (public and path != "/metrics"), path
        for way in route["security"]:
            assert way.keys() <= described["components"]["securitySchemes"].keys(), path
    assert described["paths"]["/api/v1/snapshot"]["get"]["security"] == [{"session": []}]
    assert described["paths"]["/healthz"]["get"]["security"] == [{}]


def operations(described: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in described["paths"].items():
        for operation in methods.values():
            yield path, operation


def test_every_field_is_described_and_every_description_has_a_field(described: dict[str, Any]) -> None:
    classes = {
        name: one
        for module in (view, answers)
        for name, one in vars(module).items()
        if isinstance(one, type) and is_dataclass(one)
    }
    assert {name: set(texts) for name, texts in FIELDS.items()} == {
        name: {field.name for field in fields(one)} for name, one in classes.items()
    }
    for name, schema in described["components"]["schemas"].items():
        for field, entry in schema.get("properties", {}).items():
            assert entry.get("description"), f"{name}.{field}"


def test_the_page_for_integrators_names_every_route_and_no_other(described: dict[str, Any]) -> None:
    text = (DOCS / "api.md").read_text(encoding="utf-8")
    named = {line.split("`")[1] for line in text.splitlines() if line.startswith("| `/")}
    assert named == {*described["paths"], "/openapi.json"}


def test_examples_fit_their_schemas(described: dict[str, Any]) -> None:
    """A shallow check that is enough here: the examples are made from the view's own classes."""
    schemas = described["components"]["schemas"]
    for path in ("/api/v1/snapshot", "/api/v1/devices", "/api/v1/events", "/readyz", "/healthz"):
        entry = described["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]
        schema = schemas[entry["schema"]["$ref"].rpartition("/")[2]]
        assert set(schema["required"]) <= set(entry["example"]) <= set(schema["properties"])
    stream = described["paths"]["/api/v1/stream"]["get"]["responses"]["200"]["content"]["text/event-stream"]
    assert json.loads(stream["example"].split("data: ")[1].splitlines()[0])["gateway"] == "gw-440305-01"
