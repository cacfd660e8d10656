"""The interface of a kiosk: for its token only, answered after the commit, harmless to repeat, without a person."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.api.gate import KIOSK_COOKIE
from gateway.api.kiosk_gate import PAGE_HEADER
from gateway.api.server import create_app
from gateway.checkin.purposes import Purpose
from gateway.checkin.session import SHOWN_S, Stage
from gateway.errors import StoreRefused
from tests.gateway.kiosk_world import ANNA, BORIS, CLARA, MODULE, PEOPLE, World, number, token, world

CARD = {"id_number": number(ANNA), "name": "测试甲", "valid_from": "18900101", "valid_to": "长期"}


class Client:
    """A program at one kiosk."""

    def __init__(self, here: World, kiosk: str) -> None:
        app = create_app(here.parts)
        self.http = httpx.AsyncClient(
            transport=httpx.ASGITransport(app),
            base_url="http://127.0.0.1",
            headers={"Authorization": f"Bearer {token(kiosk)}"},
        )
        self._keys = 0

    async def get(self, path: str = "") -> httpx.Response:
        return await self.http.get(f"/api/v1/kiosk{path}")

    async def post(self, path: str, body: object, key: str | None = None) -> httpx.Response:
        self._keys += 1
        headers = {"Idempotency-Key": key or f"key-{self._keys}"}
        return await self.http.post(f"/api/v1/kiosk{path}", json=body, headers=headers)


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as here:
        yield here


def problem(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == answer.status_code
    assert answer.json()["hint"]
    return answer.status_code, answer.json()["code"]


def finger(session: str, person: int, **changed: object) -> dict[str, object]:
    said = {
        "session": session,
        "factor": "finger",
        "matched": True,
        "module": MODULE,
        "slot": person,
        "score": 90,
    }
    return said | changed


async def test_a_terminal_checks_somebody_in_and_gets_a_receipt(here: World) -> None:
    program = Client(here, "terminal-1")
    assert (await program.get()).json()["purposes"] == list(Purpose)
    await program.post("/touch", {"purpose": "report"})
    begun = await program.post("/card", CARD)
    assert begun.status_code == 201
    session = begun.json()["session"]
    state = (await program.get()).json()
    assert (state["stage"], state["name"], state["wanted"]) == ("proving", ANNA.name, ["finger"])
    assert (await program.get(f"/sessions/{session}")).json()["running"]
    assert problem(await program.get(f"/sessions/{session}/receipt")) == (404, "no_such_session")
    late = await program.http.get(f"/kiosk/receipt/{session}", headers={"accept": "text/html"})
    assert (late.status_code, late.headers["location"]) == (303, "/kiosk"), "a person sees the kiosk again"
    told = await program.post("/factor", finger(session, PEOPLE.index(ANNA)))
    assert told.json() == {"session": session, "changed": True}
    ended = (await program.get(f"/sessions/{session}")).json()
    assert ended["result"] == {
        "outcome": "completed",
        "counts": True,
        "reason": None,
        "where": "on_time",
        "next_day": "2026-11-30",
    }
    receipt = (await program.get(f"/sessions/{session}/receipt")).json()
    assert receipt["number"] == f"20261122-{ended['event'][-8:].upper()}"
    assert receipt["at"] == "2026-11-22T09:02:02+08:00"
    assert ANNA.name not in json.dumps(receipt, ensure_ascii=False)
    types = [name for name, _ in await here.events()]
    assert types[-4:] == [
        "identity.card_read",
        "checkin.opened",
        "identity.finger_matched",
        "checkin.completed",
    ]
    here.pass_s(SHOWN_S)
    await here.stage(Stage.IDLE, "terminal-1")
    assert problem(await program.get(f"/sessions/{session}/receipt")) == (404, "no_such_session")
    assert (await program.get(f"/sessions/{session}")).json() == ended
    left = json.dumps((await program.get()).json(), ensure_ascii=False)
    assert ANNA.name not in left
    assert session not in left


async def test_the_number_of_a_card_stays_nowhere(here: World, caplog: pytest.LogCaptureFixture) -> None:
    program = Client(here, "terminal-1")
    answers = [await program.post("/card", CARD)]
    answers.append(await program.post("/card", {**CARD, "id_number": number(ANNA) + "!!!"}))
    assert problem(answers[1]) == (422, "bad_parameter")
    answers.append(await program.get())
    notes = json.dumps(await here.ingest.notes("a"))
    everything = [answer.text for answer in answers] + [notes, caplog.text, json.dumps(await here.events())]
    for where in everything:
        assert number(ANNA) not in where
        assert "测试甲" not in where


async def test_a_repeat_is_answered_and_not_done_again(here: World) -> None:
    program = Client(here, "terminal-1")
    await program.post("/touch", {"purpose": "report"}, "touch")
    first = await program.post("/card", CARD, "card")
    before = await here.events()
    again = await program.post("/card", CARD, "card")
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert problem(await program.post("/card", {**CARD, "name": "测试乙"}, "card")) == (422, "key_reused")
    assert problem(await program.post("/cancel", {}, "card")) == (422, "key_reused")
    assert await here.events() == before
    await here.restart()
    program = Client(here, "terminal-1")
    assert (await program.post("/card", CARD, "card")).json() == first.json()
    assert [name for name, _ in await here.events()][-1] == "checkin.abandoned", "it was cut off, once"


async def test_a_repeat_in_flight_is_told_so_and_nothing_is_answered_before_the_commit(here: World) -> None:
    program = Client(here, "terminal-1")
    here.ingest.gate = asyncio.Event()
    asked = asyncio.create_task(program.post("/card", CARD, "card"))
    while not program.http.is_closed and not asked.done():
        await asyncio.sleep(0.02)
        if problem(await program.post("/card", CARD, "card")) == (409, "in_flight"):
            break
    assert not asked.done()
    here.ingest.gate.set()
    assert (await asked).status_code == 201


async def test_what_cannot_be_stored_is_no_success(here: World) -> None:
    program = Client(here, "terminal-1")
    here.ingest.refusal_of_test = StoreRefused("store_full", "no room; free space")
    assert problem(await program.post("/card", CARD, "card")) == (503, "store_full")
    here.ingest.refusal_of_test = None
    assert (await program.post("/card", CARD, "card")).status_code == 201


async def test_a_request_without_key_is_refused(here: World) -> None:
    program = Client(here, "terminal-1")
    for path, body in (("/touch", {"purpose": "report"}), ("/cancel", {}), ("/card", CARD)):
        answer = await program.http.post(f"/api/v1/kiosk{path}", json=body)
        assert problem(answer) == (400, "key_missing")


async def test_only_a_terminal_reports_cards_and_fingers(here: World) -> None:
    program = Client(here, "kiosk-1")
    assert problem(await program.post("/card", CARD)) == (403, "not_a_terminal")
    assert problem(await program.post("/factor", finger("s", 0))) == (403, "not_a_terminal")


async def test_a_finger_of_a_session_that_is_over_counts_for_nobody(here: World) -> None:
    program = Client(here, "terminal-1")
    await program.post("/touch", {"purpose": "report"})
    old = (await program.post("/card", CARD)).json()["session"]
    await program.post("/card", {**CARD, "id_number": number(BORIS)})
    late = await program.post("/factor", finger(old, PEOPLE.index(ANNA)))
    assert late.json()["changed"] is False
    assert (await program.get(f"/sessions/{old}")).json()["result"]["reason"] == "another_card"


async def test_a_finger_of_somebody_else_is_rejected_and_unknown_ones_cost_tries(here: World) -> None:
    program = Client(here, "terminal-1")
    await program.post("/touch", {"purpose": "report"})
    session = (await program.post("/card", CARD)).json()["session"]
    await program.post("/factor", finger(session, 0, matched=False, reason="poor"))
    assert (await program.get()).json()["tries_left"] == 2
    await program.post("/factor", finger(session, 0, module=None))
    assert (await program.get()).json()["tries_left"] == 1
    await program.post("/factor", finger(session, PEOPLE.index(BORIS)))
    result = (await program.get(f"/sessions/{session}")).json()["result"]
    assert (result["outcome"], result["reason"], result["counts"]) == (
        "rejected",
        "not_the_same_person",
        False,
    )
    assert problem(await program.get(f"/sessions/{session}/receipt")) == (404, "no_such_session")


async def test_nobody_else_is_let_in(here: World) -> None:
    program = Client(here, "kiosk-1")
    program.http.headers["Authorization"] = "Bearer wrong"
    assert problem(await program.get()) == (401, "not_signed_in")
    assert problem(await program.post("/touch", {"purpose": "report"})) == (401, "not_signed_in")
    answer = await program.http.get("/kiosk")
    assert (answer.status_code, answer.headers["location"]) == (303, "/kiosk/pair")


async def test_one_kiosk_sees_nothing_of_another(here: World) -> None:
    one, other = Client(here, "kiosk-1"), Client(here, "kiosk-2")
    here.lay(ANNA)
    await here.stage(Stage.CHOOSING)
    assert (await one.get()).json()["name"] == ANNA.name
    state = (await other.get()).json()
    assert (state["stage"], state["name"], state["purposes"]) == ("idle", None, ["report"])
    session = (await one.get()).json()["session"]
    assert problem(await other.get(f"/sessions/{session}")) == (404, "no_such_session")
    wrong = await other.post("/touch", {"purpose": "leave"})
    assert wrong.json()["changed"] is False


async def test_a_protected_person_is_greeted_without_a_name(here: World) -> None:
    here.lay(CLARA)
    await here.stage(Stage.CHOOSING)
    assert (await Client(here, "kiosk-1").get()).json()["name"] is None


async def test_a_cookie_changes_something_only_from_the_kiosks_own_page(here: World) -> None:
    program = Client(here, "kiosk-1")
    del program.http.headers["Authorization"]
    program.http.headers["Cookie"] = f"{KIOSK_COOKIE}={token('kiosk-1')}"
    program.http.headers["Idempotency-Key"] = "k"
    ours: dict[str, str] = {PAGE_HEADER: "1", "Origin": "http://127.0.0.1", "Sec-Fetch-Site": "same-origin"}
    foreign: list[dict[str, str]] = [
        {},
        {**ours, "Origin": "http://evil.example"},
        {**ours, "Origin": "null"},
        {**ours, "Sec-Fetch-Site": "cross-site"},
        {**ours, "Sec-Fetch-Site": "same-site"},
    ]
    for headers in foreign:
        answer = await program.http.post("/api/v1/kiosk/touch", json={"purpose": "report"}, headers=headers)
        assert problem(answer) == (403, "foreign_page")
    assert here.kiosk().view.stage is Stage.IDLE
    answer = await program.http.post("/api/v1/kiosk/touch", json={"purpose": "report"}, headers=ours)
    assert answer.status_code == 200
    assert (await program.get()).json()["stage"] == "waiting"


async def test_pairing_sets_a_cookie_that_no_script_reads(here: World) -> None:
    program = Client(here, "kiosk-1")
    del program.http.headers["Authorization"]
    headers = {PAGE_HEADER: "1"}
    body = {"token": token("kiosk-1")}
    assert problem(await program.http.post("/kiosk/pair", json=body)) == (403, "foreign_page")
    wrong = await program.http.post("/kiosk/pair", json={"token": "wrong"}, headers=headers)
    assert problem(wrong) == (401, "not_signed_in")
    assert "set-cookie" not in wrong.headers
    paired = await program.http.post("/kiosk/pair", json=body, headers=headers)
    assert paired.status_code == 204
    cookie = paired.headers["set-cookie"].lower()
    assert cookie.startswith(f"{KIOSK_COOKIE}={token('kiosk-1')};".lower())
    assert all(word in cookie for word in ("httponly", "secure", "samesite=strict", "path=/"))
    assert "domain" not in cookie


async def test_a_program_hears_each_change(here: World) -> None:
    app = create_app(here.parts)
    heard: list[dict[str, Any]] = []
    async with streamed(app, "/api/v1/kiosk/events", token("kiosk-2")) as lines:
        async with asyncio.timeout(10):
            async for line in lines:
                if line.startswith("data:"):
                    heard.append(json.loads(line[5:]))
                    if heard[-1]["stage"] == "idle" and len(heard) == 1:
                        here.lay(ANNA, "kiosk-2")
                    if heard[-1]["stage"] == "proving":
                        break
    numbers = [one["number"] for one in heard]
    assert numbers == sorted(numbers)
    assert heard[-1]["name"] == ANNA.name


@asynccontextmanager
async def streamed(app: Any, path: str, bearer: str) -> AsyncIterator[AsyncIterator[str]]:
    """httpx's ASGI transport waits for the end of an answer; a stream has none, so a real server is asked."""
    from gateway.api.listening import listen
    from gateway.api.server import serve_on

    listener = listen("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    serving = asyncio.create_task(serve_on(app, listener))
    async with (
        httpx.AsyncClient(headers={"Authorization": f"Bearer {bearer}"}) as client,
        client.stream("GET", url + path) as answer,
    ):
        assert answer.status_code == 200
        yield answer.aiter_lines()
    serving.cancel()
    await asyncio.wait([serving])


async def test_a_stream_ends_when_its_token_is_withdrawn(here: World) -> None:
    app = create_app(here.parts)
    async with streamed(app, "/api/v1/kiosk/events", token("kiosk-2")) as lines, asyncio.timeout(10):
        seen = 0
        async for line in lines:
            if line.startswith("data:"):
                seen += 1
                here.access.known.clear()
                here.lay(ANNA, "kiosk-2")
        assert seen == 1


async def test_while_somebody_is_enrolled_a_program_is_told_so_and_may_ask_again(here: World) -> None:
    program, kiosk = Client(here, "kiosk-1"), here.kiosk()
    assert kiosk.lend(lambda _hash, _event: None)
    assert (await program.get()).json()["lent"]
    same = {"Idempotency-Key": "while-enrolling"}
    body = {"purpose": "report"}
    assert problem(await program.http.post("/api/v1/kiosk/touch", json=body, headers=same)) == (
        409,
        "enrolling",
    )
    kiosk.give_back()
    assert not (await program.get()).json()["lent"]
    again = await program.http.post("/api/v1/kiosk/touch", json=body, headers=same)
    assert (again.status_code, again.json()["changed"]) == (200, True), "what was refused is not remembered"


async def test_what_is_refused_is_counted(here: World) -> None:
    counted: list[str] = []
    app = create_app(replace(here.parts, refused=counted.append))
    headers = {"Authorization": f"Bearer {token('kiosk-1')}"}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://127.0.0.1", headers=headers
    ) as http:
        await http.post("/api/v1/kiosk/touch", json={"purpose": "report"})
        await http.post("/api/v1/kiosk/touch", json={"purpose": "dance"}, headers={"Idempotency-Key": "k"})
    assert counted == ["kiosk", "parameter"]
