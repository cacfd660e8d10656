"""The server in the gateway's loop: streams, stopping, the socket, and what it costs the others."""

import asyncio
import contextlib
import json
import logging
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from gateway.access.model import Role
from gateway.api import connection, streams
from gateway.api.listening import listen, url_of
from gateway.api.server import MAX_CONNECTIONS, serve, serve_on
from gateway.errors import StartError
from gateway.view import Level
from tests.gateway.memory_access import MemoryAccess, app_of, cookies
from tests.ui.scripted import ScriptedGateway, event, healthy, troubled

DEADLINE_S = 15
ACCESS = MemoryAccess()
TECHNICIAN = cookies(ACCESS, Role.TECHNICIAN)


@asynccontextmanager
async def serving(app: FastAPI) -> AsyncIterator[tuple[str, "asyncio.Task[None]"]]:
    """A server on a free port; stopped in the end, if the test did not."""
    listener = listen("127.0.0.1", 0)
    task = asyncio.create_task(serve_on(app, listener))
    try:
        yield url_of(listener), task
    finally:
        await stopped(task)


async def stopped(task: "asyncio.Task[None]") -> float:
    """Cancel the server; how long it took."""
    began = time.monotonic()
    task.cancel()
    async with asyncio.timeout(DEADLINE_S):
        await asyncio.wait((task,))
    return time.monotonic() - began


@pytest.fixture
def gateway() -> ScriptedGateway:
    return ScriptedGateway(healthy())


@pytest.fixture
def refused() -> list[str]:
    """Reasons that were counted."""
    return []


@pytest.fixture
async def url(gateway: ScriptedGateway, refused: list[str]) -> AsyncIterator[str]:
    async with serving(app_of(gateway, ACCESS, refused=refused.append)) as (url, _):
        yield url


@asynccontextmanager
async def following(url: str, path: str) -> AsyncIterator[Callable[[], Any]]:
    """An open event stream; each call gives the next event as (name, data)."""
    async with (
        httpx.AsyncClient(base_url=url, timeout=DEADLINE_S, headers=TECHNICIAN) as client,
        client.stream("GET", path) as answer,
    ):
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        lines = answer.aiter_lines()

        async def next_event() -> tuple[str, dict[str, Any]]:
            name = ""
            async for line in lines:
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                if line.startswith("data: "):
                    return name, json.loads(line.removeprefix("data: "))
            raise EOFError

        yield next_event


async def until_true(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)


# --- Streams --------------------------------------------------------------------------------------------------


async def test_the_stream_begins_with_the_state_and_follows_each_change(
    gateway: ScriptedGateway, url: str
) -> None:
    async with following(url, "/api/v1/stream") as next_event:
        name, first = await next_event()
        assert (name, first["level"], first["gateway"]) == ("snapshot", "ok", "gw-440305-01")
        gateway.show(troubled())
        name, second = await next_event()
        assert (name, second["level"], second["uplink"]["code"]) == ("snapshot", "fault", "unreachable")


async def test_the_page_gets_all_regions_first_and_then_only_what_changed(
    gateway: ScriptedGateway, url: str
) -> None:
    async with following(url, "/live?lang=zh") as next_event:
        _, first = await next_event()
        assert set(first["regions"]) == {"demo", "overall", "devices", "events", "uplink", "buffer", "clock"}
        assert first["title"].startswith("正常运行 · gw-440305-01")
        now = gateway.snapshot()
        gateway.show(replace(now, events=(event(1285), *now.events)))
        name, second = await next_event()
        assert name == "page"
        assert set(second["regions"]) == {"events"}
        assert second["version"] == first["version"]


async def test_a_page_in_english_is_kept_in_english(url: str) -> None:
    async with following(url, "/live?lang=en") as next_event:
        _, first = await next_event()
        assert "Working normally" in first["regions"]["overall"]


async def test_a_client_that_leaves_is_not_watched_for_any_longer(gateway: ScriptedGateway, url: str) -> None:
    async with following(url, "/api/v1/stream") as next_event:
        await next_event()
        assert gateway.watchers == 1
    await until_true(lambda: gateway.watchers == 0)


async def test_a_source_that_ends_or_fails_ends_the_stream_and_not_the_server(
    url: str, gateway: ScriptedGateway, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def failing(self: ScriptedGateway) -> AsyncIterator[object]:
        yield self.snapshot()
        raise RuntimeError("the view broke")

    monkeypatch.setattr(ScriptedGateway, "changes", failing)
    with caplog.at_level(logging.ERROR, logger="uvicorn.error"):
        async with following(url, "/api/v1/stream") as next_event:
            await next_event()
            with pytest.raises((httpx.RemoteProtocolError, EOFError)):
                await next_event()
    async with httpx.AsyncClient(base_url=url) as client:
        assert (await client.get("/healthz")).status_code == 200
    assert "the view broke" in caplog.text  # a bug is in the log


async def test_a_stream_that_is_stopped_closes_its_source() -> None:
    closed = []

    async def source() -> AsyncIterator[int]:
        try:
            for number in range(1000):
                yield number
                await asyncio.sleep(0)
        finally:
            closed.append(True)

    stop = asyncio.Event()
    seen = []
    async for number in streams.until(stop, source()):
        seen.append(number)
        if number == 3:
            stop.set()
    assert seen == [0, 1, 2, 3]
    assert closed == [True]


async def test_a_stream_ends_with_its_source() -> None:
    async def source() -> AsyncIterator[int]:
        yield 1

    assert [number async for number in streams.until(asyncio.Event(), source())] == [1]


# --- Stopping -------------------------------------------------------------------------------------------------


async def test_stopping_ends_open_streams_in_order_and_at_once(
    gateway: ScriptedGateway, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        async with (
            serving(app_of(gateway, ACCESS)) as (url, task),
            following(url, "/api/v1/stream") as first,
            following(url, "/live") as second,
            following(url, "/live") as third,
        ):
            for next_event in (first, second, third):
                await next_event()
            took = await stopped(task)
            for next_event in (first, second, third):
                with pytest.raises(EOFError):  # the end of a whole answer, not a broken line
                    await next_event()
    assert took < 2
    assert task.cancelled()
    assert gateway.watchers == 0
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_stopping_does_not_wait_for_a_client_that_sends_half_a_request(
    gateway: ScriptedGateway,
) -> None:
    async with serving(app_of(gateway, ACCESS)) as (url, task):
        port = int(url.rstrip("/").rpartition(":")[2])
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /api/v1/snap")
        await writer.drain()
        assert await stopped(task) < 3
        writer.close()


async def test_the_port_is_free_again_after_stopping(gateway: ScriptedGateway) -> None:
    async with serving(app_of(gateway, ACCESS)) as (url, task), httpx.AsyncClient() as client:
        await client.get(f"{url}healthz")
        await stopped(task)
        port = int(url.rstrip("/").rpartition(":")[2])
        listen("127.0.0.1", port).close()


async def test_an_application_can_be_served_again_after_a_stop(gateway: ScriptedGateway) -> None:
    app = app_of(gateway, ACCESS)
    for run in ("first", "second"):
        async with serving(app) as (url, _), following(url, "/api/v1/stream") as next_event:
            await next_event()
            gateway.show(troubled())
            assert (await next_event())[1]["level"] == "fault", run


async def test_the_server_takes_no_signal(gateway: ScriptedGateway) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    async with serving(app_of(gateway, ACCESS)) as (url, _), httpx.AsyncClient() as client:
        assert (await client.get(f"{url}healthz")).status_code == 200
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


async def test_a_client_gone_wild_is_turned_away(
    url: str, monkeypatch: pytest.MonkeyPatch, refused: list[str]
) -> None:
    monkeypatch.setattr(connection, "MOST_OF_ADDRESS", MAX_CONNECTIONS * 2)
    async with crowd(url, MAX_CONNECTIONS + 2) as everybody:
        reader, writer = everybody[-1]
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        async with asyncio.timeout(DEADLINE_S):
            assert b" 503 " in await reader.readline()
    assert refused == []


async def test_an_address_has_its_share_of_connections_and_no_more(url: str, refused: list[str]) -> None:
    async with crowd(url, connection.MOST_OF_ADDRESS + 1) as everybody:
        async with asyncio.timeout(DEADLINE_S):
            with contextlib.suppress(ConnectionResetError):
                assert await everybody[-1][0].read() == b""
        reader, writer = everybody[0]
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        async with asyncio.timeout(DEADLINE_S):
            assert b" 200 " in await reader.readline()
    assert refused == ["connections"]


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"GET /healthz HTTP/1.1\r\nHost: loc",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /he",
        b"POST /sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nname",
    ],
    ids=["nothing", "half a head", "half a second head", "half a body"],
)
async def test_who_does_not_finish_what_he_began_is_cut_off(
    url: str, begun: bytes, monkeypatch: pytest.MonkeyPatch, refused: list[str]
) -> None:
    monkeypatch.setattr(connection, "_WAITS", dict.fromkeys(connection._WAITS, 0.3))
    async with crowd(url, 1) as ((reader, writer),):
        writer.write(begun)
        async with asyncio.timeout(DEADLINE_S):
            with contextlib.suppress(ConnectionResetError):
                await reader.read()
    assert refused == ["slow"]


async def test_an_open_stream_is_not_slow(
    gateway: ScriptedGateway, url: str, monkeypatch: pytest.MonkeyPatch, refused: list[str]
) -> None:
    monkeypatch.setattr(connection, "_WAITS", dict.fromkeys(connection._WAITS, 0.1))
    async with following(url, "/api/v1/stream") as next_event:
        await next_event()
        await asyncio.sleep(0.4)
        gateway.show(troubled())
        assert (await next_event())[1]["level"] == "fault"
    assert refused == []


@asynccontextmanager
async def crowd(
    url: str, number: int
) -> AsyncIterator[list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]:
    """So many open connections, none of which says anything yet."""
    port = int(url.rstrip("/").rpartition(":")[2])
    everybody = [await asyncio.open_connection("127.0.0.1", port) for _ in range(number)]
    yield everybody
    for _, writer in everybody:
        writer.close()


# --- Starting -------------------------------------------------------------------------------------------------


async def test_serve_tells_the_address_once_it_listens(gateway: ScriptedGateway) -> None:
    told: list[str] = []
    task = asyncio.create_task(serve(app_of(gateway, ACCESS), "127.0.0.1", 0, on_listening=told.append))
    await until_true(lambda: bool(told))
    async with httpx.AsyncClient() as client:
        assert (await client.get(f"{told[0]}readyz")).json()["level"] == Level.OK
    await stopped(task)


async def test_a_taken_port_says_what_to_do(gateway: ScriptedGateway) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(
            StartError, match=rf"127\.0\.0\.1:{port}: the port is taken .* stop it or set"
        ) as caught:
            await serve(app_of(gateway, ACCESS), "127.0.0.1", port)
    assert caught.value.code == "port_in_use"
    assert caught.value.exit_code == 69


def test_a_forbidden_port_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: socket.socket, address: object) -> None:
        raise PermissionError(13, "Permission denied")

    # Tests may run as root, whom no port is forbidden.
    monkeypatch.setattr(socket.socket, "bind", refuse)
    with pytest.raises(StartError, match="below 1024") as caught:
        listen("127.0.0.1", 80)
    assert caught.value.code == "port_permission"


@pytest.mark.parametrize(
    ("host", "code"),
    [("192.0.2.7", "address_not_here"), ("gateway.local", "address_invalid"), ("", "address_invalid")],
)
def test_an_address_that_is_not_here_says_what_to_do(host: str, code: str) -> None:
    with pytest.raises(StartError) as caught:
        listen(host, 0)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:"),
        ("localhost", "http://127.0.0.1:"),
        ("0.0.0.0", "http://127.0.0.1:"),
    ],
)
def test_the_address_for_a_browser(host: str, url: str) -> None:
    with listen(host, 0) as listener:
        assert url_of(listener) == f"{url}{listener.getsockname()[1]}/"


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_the_address_for_a_browser_in_ipv6() -> None:
    try:
        listener = listen("::1", 0)
    except StartError:
        pytest.skip("IPv6 is switched off on this machine")
    with listener:
        assert url_of(listener) == f"http://[::1]:{listener.getsockname()[1]}/"


# --- Weight ---------------------------------------------------------------------------------------------------


def test_only_whoever_serves_pays_for_the_web_framework() -> None:
    code = (
        "import sys, gateway.api, gateway.view, gateway.web.messages\n"
        "heavy = {'fastapi', 'starlette', 'uvicorn', 'pydantic', 'jinja2'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_serving_imports_nothing_that_is_not_needed() -> None:
    code = (
        "import sys, gateway.api.server\n"
        "idle = {'httptools', 'websockets', 'uvloop', 'httpx', 'watchfiles', 'yaml',\n"
        "        'starlette.testclient', 'starlette.templating', 'fastapi.testclient', 'email_validator', 'rich'}\n"
        "assert not idle & set(sys.modules), idle & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
