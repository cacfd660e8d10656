"""The gate with real accounts and tokens: who comes through, with what, from where."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

import httpx
import pytest
from fastapi import Depends, FastAPI

from gateway.access.model import Principal, Role
from gateway.api.gate import CSRF_HEADER, KIOSK_COOKIE, SESSION_COOKIE, Gate
from tests.gateway.access_box import ADMIN, DESK, PASSWORD, Running, access_box, add, quick_hashes, running


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    quick_hashes(monkeypatch)


@pytest.fixture
async def box(tmp_path: Path) -> AsyncIterator[Running]:
    async with running(access_box(tmp_path)) as made:
        await add(made, "desk-1")
        yield made


def client(box: Running, address: str = DESK) -> httpx.AsyncClient:
    app, gate = FastAPI(), Gate(box.access)

    async def who(asking: Principal) -> dict[str, str]:
        return {"name": asking.name}

    staff = Depends(gate.allow(Role.STAFF))
    kiosk = Depends(gate.allow(Role.KIOSK))

    @app.get("/staff")
    @app.post("/staff")
    async def for_staff(asking: Annotated[Principal, staff]) -> dict[str, str]:
        return await who(asking)

    @app.get("/kiosk")
    async def for_kiosk(asking: Annotated[Principal, kiosk]) -> dict[str, str]:
        return await who(asking)

    transport = httpx.ASGITransport(app, client=(address, 50_000))
    return httpx.AsyncClient(transport=transport, base_url="https://box")


async def test_a_token_bound_to_a_network_counts_from_there_only(box: Running) -> None:
    token = await box.access.accounts.make_token(ADMIN, "kiosk-1", "192.168.1.0/24")
    for held in ({"authorization": f"Bearer {token}"}, {"cookie": f"{KIOSK_COOKIE}={token}"}):
        async with client(box) as here, client(box, "10.0.0.1") as elsewhere:
            told = await here.get("/kiosk", headers=held)
            assert (told.status_code, told.json()) == (200, {"name": "kiosk-1"})
            assert (await here.get("/staff", headers=held)).status_code == 403
            assert (await elsewhere.get("/kiosk", headers=held)).status_code == 401


async def test_a_session_comes_through_until_it_ends(box: Running) -> None:
    of_another = await box.access.sign_in("desk-1", PASSWORD, DESK)
    async with client(box) as here:  # an administrator made the password: a new one is due first
        held = {"cookie": f"{SESSION_COOKIE}={of_another.cookie}"}
        assert (await here.get("/staff", headers=held)).status_code == 403
    own = f"{PASSWORD}, my own"
    await box.access.change_password(of_another.principal, PASSWORD, own, DESK)
    signed = await box.access.sign_in("desk-1", own, DESK)
    held = {"cookie": f"{SESSION_COOKIE}={signed.cookie}"}
    async with client(box) as here:
        assert (await here.get("/staff", headers=held)).json() == {"name": "desk-1"}
        assert (await here.get("/kiosk", headers=held)).status_code == 403
        assert (await here.post("/staff", headers=held)).status_code == 403
        proven = {**held, CSRF_HEADER: signed.principal.csrf, "origin": "https://box"}
        assert (await here.post("/staff", headers=proven)).status_code == 200
        assert (await here.get("/staff")).status_code == 401
        await box.access.accounts.disable(ADMIN, "desk-1")
        assert (await here.get("/staff", headers=held)).status_code == 401
