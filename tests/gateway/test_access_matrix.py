"""Every route, asked as everybody, against the one table in docs/access-matrix.md."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.types import Message

from gateway.access.model import PEOPLE, Role
from gateway.api.nothing import nothing
from gateway.api.routes import all_routes, is_for_this_machine, roles_of
from gateway.checkin.persons import PersonView
from tests.gateway.console_bench import ConsoleBench
from tests.gateway.memory_access import KIOSK_TOKEN, MemoryAccess, app_of, cookies
from tests.gateway.setup_bench import SetupBench
from tests.ui.scripted import ScriptedGateway, healthy
from tests.ui.staff_script import Office as ScriptedOffice

TABLE = Path(__file__).parents[2] / "docs" / "access-matrix.md"
ROW = re.compile(r"\| (?P<method>[A-Z]+) \| `(?P<path>/[^`]*)` \| (?P<who>[a-z, ]+) \|")
NOBODY, NOBODY_HERE = "nobody", "nobody here"
ELSEWHERE = "192.0.2.7"
ASKING = (NOBODY, NOBODY_HERE, *Role)
REFUSED = {401, 403}


def table() -> dict[tuple[str, str], frozenset[str]]:
    """(method, path) -> who."""
    rows = [ROW.fullmatch(line) for line in TABLE.read_text(encoding="utf-8").splitlines()]
    found = [row for row in rows if row is not None]
    read = {(row["method"], row["path"]): frozenset(row["who"].split(", ")) for row in found}
    assert len(read) == len(found), "a route stands twice"
    return read


def routes(app: FastAPI) -> set[tuple[str, str]]:
    # FastAPI's own /openapi.json answers HEAD as well; nothing else does.
    return {
        (method, route.path)
        for route in all_routes(app)
        for method in route.methods or ()
        if method != "HEAD"
    }


class Nobody:
    """Nobody is expected: every address of a person leads nowhere."""

    def all(self) -> Sequence[PersonView]:
        return ()

    def refs(self) -> Sequence[str]:
        return ()


@dataclass
class Door:
    """An application and how it is asked."""

    app: FastAPI
    access: MemoryAccess

    async def status(self, method: str, path: str, asking: str, **headers: str) -> int:
        """Of the answer; the rest of it, which of a stream has no end, is not waited for."""
        sent = {"host": "localhost", **headers}
        if asking == Role.KIOSK:  # a program: what its page must add to the cookie is not asked here
            sent["authorization"] = f"Bearer {KIOSK_TOKEN}"
        elif asking in set(Role):
            sent["cookie"] = cookies(self.access, Role(asking))["Cookie"]
            held = self.access.session(sent["cookie"].partition("=")[2])
            if method != "GET" and held is not None:
                sent["x-csrf-token"] = held.csrf
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
            "client": (ELSEWHERE if asking == NOBODY else "127.0.0.1", 40_000),
            "server": ("127.0.0.1", 8080),
        }
        answered: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        asked = False

        async def receive() -> Message:
            nonlocal asked
            if asked:
                await asyncio.Event().wait()
            asked = True
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start" and not answered.done():
                answered.set_result(message["status"])

        task = asyncio.ensure_future(self.app(scope, receive, send))
        try:
            async with asyncio.timeout(5):
                return await answered
        finally:
            task.cancel()
            await asyncio.wait({task})


@pytest.fixture
def door(tmp_path: Path) -> Door:
    """With every route there is."""
    access = MemoryAccess()
    staff = ScriptedOffice().parts().staff
    whole = app_of(
        ScriptedGateway(healthy()),
        access,
        kiosks=nothing().kiosks,
        persons=Nobody(),
        staff=staff,
        console=ConsoleBench(tmp_path).console,
        first_run=SetupBench(tmp_path).first_run,
    )
    return Door(whole, access)


def test_every_route_stands_in_the_table_and_no_other(door: Door) -> None:
    assert routes(door.app) == set(table()), "docs/access-matrix.md: add or remove the line"


@pytest.mark.parametrize(("method", "path"), sorted(table()))
async def test_a_route_is_for_those_whom_the_table_names(door: Door, method: str, path: str) -> None:
    who = table()[method, path]
    assert who <= {"anybody", "this machine", *Role}, who
    asked = re.sub(r"\{[^}]*\}", "x", path)
    for asking in ASKING:
        allowed = "anybody" in who or asking in who or (asking == NOBODY_HERE and "this machine" in who)
        # /sign-in answers 401 itself: who signs in is nobody yet.
        if asking in set(Role) and "this machine" in who:
            allowed = True
        status = await door.status(method, asked, asking)
        if path == "/sign-in" and method == "POST":
            assert status == 400, "an empty form"
        elif allowed:
            assert status not in REFUSED, f"{asking}: {status}"
        else:
            assert status == (401 if asking in {NOBODY, NOBODY_HERE} else 403), f"{asking}: {status}"


async def test_what_is_declared_is_what_is_answered(door: Door) -> None:
    """The description of the API reads the declaration; the table was held against answers."""
    for route in all_routes(door.app):
        for method in (route.methods or set()) - {"HEAD"}:
            who = set(table()[method, route.path])
            declared = {role.value for role in roles_of(route)} or {"anybody"}
            assert declared | ({"this machine"} if is_for_this_machine(route) else set()) == who, route.path


async def test_a_person_is_sent_to_sign_in_and_a_program_is_told(door: Door) -> None:
    for method, path in sorted(table()):
        who = table()[method, path]
        if method != "GET" or "anybody" in who or not who & {role.value for role in PEOPLE}:
            continue
        asked = re.sub(r"\{[^}]*\}", "x", path)
        assert await door.status(method, asked, NOBODY, accept="text/html,*/*;q=0.8") == 303, path
        assert await door.status(method, asked, NOBODY, accept="*/*") == 401, path
        script = {"accept": "text/html", "sec-fetch-mode": "cors"}
        assert await door.status(method, asked, NOBODY, **script) == 401, path


async def test_a_route_without_a_gate_would_be_found(door: Door) -> None:
    """The control: what these tests are for."""

    @door.app.get("/forgotten")
    async def forgotten() -> str:
        return "open"

    assert ("GET", "/forgotten") in routes(door.app) - set(table())
    assert await door.status("GET", "/forgotten", NOBODY) == 200
