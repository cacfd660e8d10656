"""How much one client may ask: the buckets by themselves, and at the door."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.access.model import Role
from gateway.api import buckets
from gateway.api.buckets import Buckets, Places, Rate, client_of
from gateway.api.limits import Limits
from tests.gateway.memory_access import KIOSK_TOKEN, MemoryAccess, app_of, cookies
from tests.gateway.memory_access import client_of as http_client
from tests.ui.scripted import ScriptedGateway, healthy

STEPS = st.lists(st.floats(min_value=0, max_value=30, allow_nan=False), max_size=60)


@given(st.integers(1, 8), st.floats(0.01, 5), STEPS)
def test_nobody_gets_more_than_the_rate(burst: int, per_s: float, steps: list[float]) -> None:
    now, taken = 0.0, 0
    bucket = Buckets(Rate(burst, per_s), lambda: now)
    for step in steps:
        now += step
        taken += bucket.take("x") is None
        assert taken <= burst + now * per_s + 1e-6


@given(st.integers(1, 8), st.floats(0.01, 5), STEPS)
def test_who_waits_as_long_as_told_is_let_in(burst: int, per_s: float, steps: list[float]) -> None:
    now = 0.0
    bucket = Buckets(Rate(burst, per_s), lambda: now)
    for step in steps:
        now += step
        wait_s = bucket.take("x")
        if wait_s is not None:
            assert 0 < wait_s <= 1 / per_s
            now += wait_s + 1e-6
            assert bucket.take("x") is None


def test_a_clock_that_stands_still_or_jumps_back_gives_nothing_away() -> None:
    now = [100.0]
    bucket = Buckets(Rate(1, 1), lambda: now[0])
    assert bucket.take("x") is None
    now[0] = 1.0
    assert bucket.take("x") is not None


def test_clients_do_not_share_and_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buckets, "MOST_CLIENTS", 3)
    bucket = Buckets(Rate(1, 0.1), lambda: 0.0)
    for client in "abcabc":
        bucket.take(client)
    assert bucket.take("a") is not None
    for client in "defg":
        assert bucket.take(client) is None
        assert len(bucket) <= 3


@given(st.lists(st.tuples(st.sampled_from("ab"), st.booleans()), max_size=40))
def test_places_are_counted_and_given_back(moves: list[tuple[str, bool]]) -> None:
    places = Places(2)
    held: dict[str, list[tuple[AbstractContextManager[bool], bool]]] = {"a": [], "b": []}
    for client, comes in moves:
        if comes:
            place = places.place(client)
            let_in = place.__enter__()
            assert let_in == (sum(one for _, one in held[client]) < 2), "two places for each client"
            held[client].append((place, let_in))
        elif held[client]:
            held[client].pop()[0].__exit__(None, None, None)
    for rest in held.values():
        for left, _ in rest:
            left.__exit__(None, None, None)
    assert len(places) == 0


@pytest.mark.parametrize(
    ("host", "client"),
    [
        ("192.168.1.5", "192.168.1.5"),
        ("::ffff:192.168.1.5", "192.168.1.5"),
        ("fd00:1:2:3:4:5:6:7", "fd00:1:2:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "testclient"),
        ("", ""),
    ],
)
def test_whom_an_address_stands_for(host: str, client: str) -> None:
    assert client_of(host) == client


# --- At the door ----------------------------------------------------------------------------------------------


@pytest.fixture
def refused() -> list[str]:
    return []


@pytest.fixture
async def client(refused: list[str]) -> AsyncIterator[httpx.AsyncClient]:
    now = [0.0]
    limits = Limits(requests=Rate(5, 1), sign_in=Rate(2, 0.1), streams=1, mono_s=lambda: now[0])
    access = MemoryAccess()
    app = app_of(ScriptedGateway(healthy()), access, limits=limits, refused=refused.append)
    async with http_client(app, headers=cookies(access, Role.TECHNICIAN)) as client:
        client.app, client.now = app, now  # type: ignore[attr-defined]
        yield client


async def test_who_asks_too_often_is_told_how_long_to_wait(
    client: httpx.AsyncClient, refused: list[str]
) -> None:
    assert [(await client.get("/healthz")).status_code for _ in range(5)] == [200] * 5
    answer = await client.get("/healthz")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.json()["code"] == "too_many"
    assert refused == ["rate"]
    client.now[0] += 1  # type: ignore[attr-defined]
    assert (await client.get("/healthz")).status_code == 200


async def test_a_client_has_its_share_of_streams(client: httpx.AsyncClient, refused: list[str]) -> None:
    waiting = asyncio.create_task(client.get("/live"))  # a stream: the answer never ends
    await asyncio.sleep(0.1)
    answer = await client.get("/api/v1/stream")
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many")
    assert refused == ["streams"]
    waiting.cancel()
    await asyncio.wait({waiting})
    again = asyncio.create_task(client.get("/api/v1/stream"))
    await asyncio.sleep(0.1)
    assert not again.done()
    again.cancel()
    await asyncio.wait({again})


async def test_tokens_are_tried_as_seldom_as_passwords(client: httpx.AsyncClient, refused: list[str]) -> None:
    answers = [await client.post("/kiosk/pair", json={"token": KIOSK_TOKEN}) for _ in range(3)]
    assert [answer.status_code for answer in answers][-1] == 429
    assert refused == ["rate"]


@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_that_is_too_large_is_refused(
    client: httpx.AsyncClient, refused: list[str], *, declared: bool
) -> None:
    body = b"name=" + b"x" * 70_000

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(body), 8192):
            yield body[at : at + 8192]

    answer = await client.post(
        "/sign-in",
        content=body if declared else pieces(),
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "too_large"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert refused == ["too_large"]
