"""What each route answers, and what nobody gets past the door."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from gateway.access.model import Role
from gateway.errors import GatewayError
from gateway.view import Level, Snapshot
from tests.gateway.memory_access import MemoryAccess, app_of, cookies
from tests.ui.scripted import NOW_MS, ScriptedGateway, empty, healthy, troubled

METRICS = b"# TYPE zhijiao_up gauge\nzhijiao_up 1.0\n"
DATA = (
    "/api/v1/snapshot",
    "/api/v1/devices",
    "/api/v1/events",
    "/metrics",
    "/healthz",
    "/readyz",
    "/openapi.json",
    "/",
)


def client_of(gateway: object, *, host: str = "127.0.0.1:8080", raising: bool = True) -> httpx.AsyncClient:
    """A technician's program."""
    access = MemoryAccess()
    app = app_of(gateway, access, metrics=lambda: METRICS)  # type: ignore[arg-type]  # some tests pass a broken one
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app, raise_app_exceptions=raising),
        base_url=f"http://{host}",
        headers=cookies(access, Role.TECHNICIAN),
    )


@pytest.fixture
def gateway() -> ScriptedGateway:
    return ScriptedGateway(healthy())


@pytest.fixture
async def client(gateway: ScriptedGateway) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(gateway) as client:
        yield client


async def test_the_snapshot_is_the_view_as_json(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/v1/snapshot")
    body = answer.json()
    assert answer.headers["content-type"] == "application/json"
    assert body["gateway"] == "gw-440305-01"
    assert body["level"] == "ok"
    assert body["clock"] == {"now_ms": NOW_MS, "quality": "synced", "error_ms": 12, "uptime_ms": 190_800_000}
    assert [event["stage"] for event in body["events"][:3]] == ["committed", "sent", "settled"]
    assert body["devices"][0]["code"] is None


async def test_devices_and_events_are_parts_of_the_snapshot(client: httpx.AsyncClient) -> None:
    whole = (await client.get("/api/v1/snapshot")).json()
    devices = (await client.get("/api/v1/devices")).json()
    events = (await client.get("/api/v1/events")).json()
    assert devices == {"now_ms": NOW_MS, "devices": whole["devices"]}
    assert events == {"now_ms": NOW_MS, "events": whole["events"]}


@pytest.mark.parametrize(
    ("query", "sequences"),
    [
        ({"limit": 2}, [1284, 1283]),
        ({"device": "idcard-2"}, [1281, 1279, 1278, 1277]),
        ({"device": "idcard-2", "limit": 1}, [1281]),
        ({"stage": "sent"}, [1283]),
        ({"stage": "rejected"}, []),
        ({"device": "nobody"}, []),
    ],
)
async def test_events_can_be_chosen(
    client: httpx.AsyncClient, query: dict[str, Any], sequences: list[int]
) -> None:
    events = (await client.get("/api/v1/events", params=query)).json()["events"]
    assert [event["seq"] for event in events] == sequences


@pytest.mark.parametrize(
    "query", [{"limit": 0}, {"limit": 51}, {"limit": "<b>"}, {"stage": "SENT"}, {"device": "x" * 33}]
)
async def test_a_bad_parameter_is_named_and_not_repeated(
    client: httpx.AsyncClient, query: dict[str, Any]
) -> None:
    answer = await client.get("/api/v1/events", params=query)
    problem = answer.json()
    assert answer.status_code == problem["status"] == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["code"] == "bad_parameter"
    assert problem["type"] == "urn:zhijiao:problem:bad_parameter"
    (name,) = query
    assert f"query.{name}:" in problem["detail"]
    assert problem["hint"]
    assert "<b>" not in answer.text
    assert "SENT" not in answer.text


async def test_metrics_are_passed_through(client: httpx.AsyncClient) -> None:
    answer = await client.get("/metrics")
    assert answer.content == METRICS
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"


async def test_healthz_is_alive_whatever_the_state(
    gateway: ScriptedGateway, client: httpx.AsyncClient
) -> None:
    gateway.show(replace(troubled(), ready=False))
    answer = await client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "alive"})


async def test_readyz_says_why_and_what_to_do_in_both_languages(
    gateway: ScriptedGateway, client: httpx.AsyncClient
) -> None:
    assert (await client.get("/readyz")).json() == {"ready": True, "level": "ok", "reasons": []}
    gateway.show(replace(troubled(), ready=False))
    answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/json"
    first = answer.json()["reasons"][0]
    assert first["code"] == "device_offline"
    assert (first["text_zh"], first["text_en"]) == ("设备离线", "Device offline")
    assert first["todo_zh"]
    assert first["todo_en"]


async def test_readyz_is_never_without_a_reason(gateway: ScriptedGateway, client: httpx.AsyncClient) -> None:
    gateway.show(empty())
    answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert [reason["code"] for reason in answer.json()["reasons"]] == ["not_ready"]


# --- The page's language --------------------------------------------------------------------------------------


async def test_the_page_is_chinese_until_somebody_chooses_and_then_remembers(
    client: httpx.AsyncClient,
) -> None:
    client.headers["Accept-Language"] = "en"  # a browser's default is no choice
    assert '<html lang="zh-CN">' in (await client.get("/")).text
    chosen = await client.get("/", params={"lang": "en"})
    assert '<html lang="en">' in chosen.text
    cookie = chosen.headers["set-cookie"]
    assert "zhijiao_lang=en" in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    signed_in = client.headers["Cookie"]
    client.headers["Cookie"] = f"{signed_in}; zhijiao_lang=en"
    assert '<html lang="en">' in (await client.get("/")).text
    assert '<html lang="zh-CN">' in (await client.get("/", params={"lang": "zh"})).text
    client.headers["Cookie"] = f"{signed_in}; zhijiao_lang=zh"
    assert '<html lang="zh-CN">' in (await client.get("/")).text


async def test_a_strange_language_is_refused_in_the_address_and_ignored_in_the_cookie(
    client: httpx.AsyncClient,
) -> None:
    assert (await client.get("/", params={"lang": "tlh"})).status_code == 422
    strange = client.headers["Cookie"] + '; zhijiao_lang="><script>'
    answer = await client.get("/", headers={"Cookie": strange})
    assert '<html lang="zh-CN">' in answer.text
    assert "set-cookie" not in answer.headers


async def test_static_files_keep_for_ever_under_their_version_only(client: httpx.AsyncClient) -> None:
    page = (await client.get("/")).text
    address = page.partition('rel="stylesheet" href="')[2].partition('"')[0]
    answer = await client.get(address)
    assert answer.headers["content-type"] == "text/css; charset=utf-8"
    assert "immutable" in answer.headers["cache-control"]
    version = address.split("/")[2]
    for wrong in (
        "/static/000000000000/page.css",
        f"/static/{version}/zh.po",
        f"/static/{version}/../templates/page.html",
        f"/static/{version}/..%2Flocale%2Fzh.po",
        f"/static/{version}/%2e%2e/%2e%2e/errors.py",
    ):
        answer = await client.get(wrong)
        assert answer.status_code == 404, wrong
        assert answer.headers["cache-control"] == "no-store"


# --- The door -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [*DATA, "/nowhere"])
async def test_every_answer_carries_the_headers_that_protect_it(client: httpx.AsyncClient, path: str) -> None:
    headers = (await client.get(path)).headers
    policy = dict(rule.split(" ", 1) for rule in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert {policy[name] for name in ("script-src", "style-src", "img-src", "connect-src")} == {"'self'"}
    assert policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert policy["form-action"] == "'self'"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in headers
    assert "server" not in headers


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.0.0.1:8080", "localhost", "LOCALHOST:80", "[::1]", "[::1]:8080", "127.8.0.1:80"],
)
async def test_loopback_names_are_served(gateway: ScriptedGateway, host: str) -> None:
    async with client_of(gateway) as client:
        assert (await client.get("/healthz", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "",
        "127.0.0.1:8080:80",
        "user@127.0.0.1",
        "127.0.0.1/",
        "[::1",
        "192.168.1.5",
        "127.0.0.1\n",
    ],
)
async def test_a_name_that_rebinds_to_us_is_refused(gateway: ScriptedGateway, host: str) -> None:
    async with client_of(gateway) as client:
        answer = await client.get("/api/v1/snapshot", headers={"Host": host})
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "host_not_allowed"
    assert "gw-440305-01" not in answer.text


async def test_two_host_headers_are_refused(gateway: ScriptedGateway) -> None:
    async with client_of(gateway) as client:
        answer = await client.get("/healthz", headers=[("Host", "localhost"), ("Host", "evil.example")])
    assert answer.status_code == 400


async def test_other_names_are_served_when_they_are_configured(gateway: ScriptedGateway) -> None:
    app = app_of(gateway, hosts={"Gateway.local", "fd00::7"})
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://gateway.local:8080"
    ) as client:
        assert (await client.get("/healthz")).status_code == 200
        for host, status in {
            "localhost": 200,
            "[fd00::7]:8443": 200,
            "gateway.lan": 400,
            "[fd00::8]": 400,
        }.items():
            assert (await client.get("/healthz", headers={"Host": host})).status_code == status, host


@pytest.mark.parametrize(
    ("reached", "host", "status"),
    [
        ("192.168.1.20", "192.168.1.20:8443", 200),
        ("::ffff:192.168.1.20", "192.168.1.20", 200),
        ("fd00::9", "[fd00::9]:8443", 200),
        ("192.168.1.20", "192.168.1.21", 400),
        ("gateway.lan", "gateway.lan", 400),
    ],
)
async def test_the_number_that_a_connection_came_to_needs_no_configuration(
    gateway: ScriptedGateway, reached: str, host: str, status: int
) -> None:
    app = app_of(gateway)

    async def at_number(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "server": (reached, 8443)}, receive, send)

    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(at_number), base_url="http://127.0.0.1"
    ) as client:
        assert (await client.get("/healthz", headers={"Host": host})).status_code == status


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"])
@pytest.mark.parametrize("path", ["/", "/api/v1/snapshot", "/api/v1/stream", "/live", "/metrics"])
async def test_nothing_but_get_is_served(client: httpx.AsyncClient, method: str, path: str) -> None:
    answer = await client.request(method, path, headers={"Origin": "http://evil.example"})
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET"
    assert "access-control-allow-origin" not in answer.headers


async def test_an_unknown_address_is_a_problem_with_a_hint(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/v1/<script>")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "urn:zhijiao:problem:not_found",
        "title": "There is nothing at this address",
        "status": 404,
        "code": "not_found",
        "hint": "See /openapi.json for what there is.",
    }


class Broken(ScriptedGateway):
    """Fails when it is looked at."""

    def __init__(self, error: Exception) -> None:
        super().__init__(healthy())
        self._error = error

    def snapshot(self) -> Snapshot:
        raise self._error


async def test_a_bug_is_a_problem_that_tells_nothing_of_the_inside() -> None:
    async with client_of(Broken(RuntimeError("SECRET 110101189901011234")), raising=False) as client:
        answer = await client.get("/api/v1/snapshot")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.json()["code"] == "internal_error"
    assert "SECRET" not in answer.text


async def test_our_own_error_keeps_its_code_and_text() -> None:
    async with client_of(
        Broken(GatewayError("store_io", "the store fails to read; replace the card"))
    ) as client:
        answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["code"] == "store_io"
    assert "replace the card" in answer.json()["detail"]


async def test_no_level_of_the_view_breaks_the_json(
    gateway: ScriptedGateway, client: httpx.AsyncClient
) -> None:
    for level in Level:
        gateway.show(replace(healthy(), level=level))
        assert json.loads((await client.get("/api/v1/snapshot")).content)["level"] == level
