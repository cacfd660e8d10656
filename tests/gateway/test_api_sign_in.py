"""The door for people: signing in and out, one's own password, and what nobody gets past it."""

from collections.abc import AsyncIterator
from typing import Annotated
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi import Depends
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.access.model import PEOPLE, AccessRefused, Principal, Role
from gateway.api.gate import CSRF_HEADER, SESSION_COOKIE, Gate
from gateway.api.limits import Limits
from gateway.api.own_path import own_path
from gateway.api.page_routes import LANG_COOKIE
from gateway.errors import StoreRefused
from gateway.web.bar import Bars
from tests.gateway.memory_access import PASSWORD, MemoryAccess, app_of, client_of, cookies
from tests.ui.scripted import ScriptedGateway, healthy

BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
HOSTILE = "\"'><script>alert(1)</script>"


@pytest.fixture
def access() -> MemoryAccess:
    return MemoryAccess()


@pytest.fixture
def refused() -> list[str]:
    return []


@pytest.fixture
async def client(access: MemoryAccess, refused: list[str]) -> AsyncIterator[httpx.AsyncClient]:
    app = app_of(ScriptedGateway(healthy()), access, refused=refused.append)
    async with client_of(app, headers=BROWSER) as client:
        yield client


async def sign_in(client: httpx.AsyncClient, name: str = "technician", **more: str) -> httpx.Response:
    return await client.post("/sign-in", data={"name": name, "password": PASSWORD, **more})


# --- In and out -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", sorted(PEOPLE))
async def test_each_role_is_led_to_a_page_that_is_there(client: httpx.AsyncClient, role: Role) -> None:
    answer = await sign_in(client, role.value)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


def test_a_role_begins_at_its_own_page_once_there_is_one() -> None:
    bars = Bars({"/", "/staff", "/evidence"})
    assert [bars.first(role) for role in (Role.STAFF, Role.AUDITOR, Role.TECHNICIAN, Role.ADMIN)] == [
        "/staff",
        "/evidence",
        "/",
        "/",
    ]


async def test_the_cookie_is_for_this_host_this_browser_and_no_script(client: httpx.AsyncClient) -> None:
    said = (await sign_in(client)).headers["set-cookie"]
    name, _, rest = said.partition("=")
    assert name == SESSION_COOKIE
    assert name.startswith("__Host-")
    attributes = {part.strip().lower() for part in rest.split(";")[1:]}
    assert attributes == {"httponly", "path=/", "samesite=strict", "secure"}  # no Domain, no Max-Age


async def test_signing_out_ends_the_session_here_and_at_the_gateway(
    client: httpx.AsyncClient, access: MemoryAccess
) -> None:
    sent = cookies(access, Role.TECHNICIAN)
    token = next(iter(access.sessions.values())).csrf
    assert (await client.get("/", headers=sent)).status_code == 200
    answer = await client.post("/sign-out", headers=sent, data={"csrf": token})
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?said=signed_out")
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert access.sessions == {}
    assert (await client.get("/", headers=sent)).status_code == 303


async def test_a_second_sign_in_ends_the_first_session_of_the_browser(
    client: httpx.AsyncClient, access: MemoryAccess
) -> None:
    sent = cookies(access, Role.STAFF)
    await client.post("/sign-in", headers=sent, data={"name": "technician", "password": PASSWORD})
    assert [one.role for one in access.sessions.values()] == [Role.TECHNICIAN]


async def test_the_bar_says_who_it_is_and_holds_the_way_out(
    client: httpx.AsyncClient, access: MemoryAccess
) -> None:
    page = (await client.get("/", headers=cookies(access, Role.AUDITOR))).text
    token = next(iter(access.sessions.values())).csrf
    assert "驻检室" in page
    assert f'<input type="hidden" name="csrf" value="{token}">' in page
    assert 'action="/sign-out"' in page
    assert 'href="/staff"' not in page  # neither for this role nor there


async def test_who_is_signed_in_is_told_to_programs(client: httpx.AsyncClient, access: MemoryAccess) -> None:
    told = (await client.get("/api/v1/me", headers=cookies(access, Role.STAFF))).json()
    (held,) = access.sessions.values()
    assert told == {"role": "staff", "name": "staff", "csrf": held.csrf, "must_change": False}


# --- Where to go afterwards -----------------------------------------------------------------------------------


async def test_a_page_that_was_asked_for_is_opened_after_signing_in(client: httpx.AsyncClient) -> None:
    sent_to = (await client.get("/api/v1/devices?a=1")).headers["location"]
    assert sent_to == "/sign-in?next=%2Fapi%2Fv1%2Fdevices%3Fa%3D1"
    page = (await client.get(sent_to)).text
    assert 'name="next" value="/api/v1/devices?a=1"' in page
    assert (await sign_in(client, next="/api/v1/devices?a=1")).headers["location"] == "/api/v1/devices?a=1"


@pytest.mark.parametrize(
    "evil",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "javascript:alert(1)",
        "evil.example",
        "",
        "/sign-in?next=/sign-in",
        "/sign-out",
        "/" + "x" * 600,
        "/\u202e",
    ],
)
async def test_nobody_is_sent_anywhere_else(client: httpx.AsyncClient, evil: str) -> None:
    assert (await sign_in(client, next=evil)).headers["location"] == "/"
    page = (await client.get("/sign-in", params={"next": evil})).text
    assert 'name="next" value=""' in page


@given(st.text(max_size=40))
@example("//x")
@example("/\\x")
@example("/a//b")
def test_a_path_of_ours_stays_with_us_however_it_is_read(asked: str) -> None:
    path = own_path(asked)
    if path is not None:
        # As a browser does: it takes \ for / and drops tabs and line ends.
        read = path.replace("\\", "/").translate({9: None, 10: None, 13: None})
        assert read.startswith("/")
        assert not read.startswith("//")
        assert urlsplit(f"https://gateway.lan{read}").netloc == "gateway.lan"


# --- What does not work, and why ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("failing", "status", "words", "retry_after"),
    [
        (AccessRefused("bad_credentials", "x"), 401, "账号或密码不正确", None),
        (AccessRefused("locked", "x", retry_after_s=192), 429, "3 分 12 秒后再试", "192"),
        (AccessRefused("too_many", "x", retry_after_s=20), 429, "20 秒后再试", "20"),
        (AccessRefused("busy", "x"), 503, "请稍候再试", "5"),
        (AccessRefused("no_accounts", "x"), 503, "还没有任何账号", "5"),
        (StoreRefused("store_full", "x"), 503, "存储拒绝写入", "5"),
        (AccessRefused("moon_phase", "x"), 400, "moon_phase", None),
    ],
    ids=lambda value: getattr(value, "code", None),
)
async def test_a_refusal_says_why_and_lets_nobody_in(
    client: httpx.AsyncClient,
    access: MemoryAccess,
    failing: AccessRefused | StoreRefused,
    status: int,
    words: str,
    retry_after: str | None,
) -> None:
    access.failing = failing
    answer = await sign_in(client)
    assert answer.status_code == status
    assert words in answer.text
    assert answer.headers.get("retry-after") == retry_after
    assert "set-cookie" not in answer.headers
    assert access.sessions == {}


async def test_a_wrong_password_is_not_repeated_and_a_name_is_only_text(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.post("/sign-in", data={"name": HOSTILE, "password": "geheim-geheim"})
    assert answer.status_code == 401
    assert "geheim" not in answer.text
    assert "<script>" not in answer.text
    assert "&lt;script&gt;" in answer.text


@pytest.mark.parametrize(
    "form", [{}, {"name": "staff"}, {"password": PASSWORD}, {"name": "", "password": ""}]
)
async def test_an_empty_field_asks_nobody(
    client: httpx.AsyncClient, access: MemoryAccess, form: dict[str, str]
) -> None:
    answer = await client.post("/sign-in", data=form)
    assert answer.status_code == 400
    assert "请填写" in answer.text
    assert access.sources == []


async def test_a_file_is_no_password(client: httpx.AsyncClient, access: MemoryAccess) -> None:
    answer = await client.post("/sign-in", data={"name": "staff"}, files={"password": b"x"})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert access.sources == []


async def test_the_page_is_there_in_english_too(client: httpx.AsyncClient) -> None:
    chosen = await client.get("/sign-in", params={"lang": "en"})
    assert "Sign in" in chosen.text
    assert "zhijiao_lang=en" in chosen.headers["set-cookie"]
    refused = await client.post(
        "/sign-in", headers={"Cookie": "zhijiao_lang=en"}, data={"name": "x", "password": "y"}
    )
    assert "The account or the password is wrong" in refused.text


async def test_tries_of_one_address_are_few_and_cost_another_nothing(
    access: MemoryAccess, refused: list[str]
) -> None:
    now = [0.0]
    limits = Limits(mono_s=lambda: now[0])
    app = app_of(ScriptedGateway(healthy()), access, refused=refused.append, limits=limits)
    async with client_of(app, headers=BROWSER) as here, client_of(app, peer="192.0.2.7") as other:
        for _ in range(6):
            assert (await here.post("/sign-in", data={"name": "x", "password": "y"})).status_code == 401
        answer = await sign_in(here)
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "13")
        assert "13 秒后再试" in answer.text
        assert refused == ["rate"]
        assert (await sign_in(other)).status_code == 303
        assert (await here.get("/sign-in")).status_code == 200
        now[0] += 13
        assert (await sign_in(here)).status_code == 303
    assert len(access.sources) == 8


# --- Pages of others ------------------------------------------------------------------------------------------

FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "https://127.0.0.1:8080"},  # another scheme is another origin
    {"Origin": "http://127.0.0.1:9090"},
    {"Origin": "http://localhost:8080"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "none"},
    {"Origin": "http://127.0.0.1:8080", "Sec-Fetch-Site": "cross-site"},
]
OWN = [
    {},
    {"Origin": "http://127.0.0.1:8080"},
    {"Origin": "http://127.0.0.1:8080", "Sec-Fetch-Site": "same-origin"},
]


@pytest.mark.parametrize("headers", FOREIGN)
async def test_a_page_of_another_origin_signs_nobody_in_or_out(
    client: httpx.AsyncClient, access: MemoryAccess, refused: list[str], headers: dict[str, str]
) -> None:
    form = {"name": "technician", "password": PASSWORD}
    answer = await client.post("/sign-in", headers=headers, data=form)
    assert answer.status_code == 403
    assert access.sources == []
    sent = cookies(access, Role.TECHNICIAN)
    token = next(iter(access.sessions.values())).csrf
    answer = await client.post("/sign-out", headers={**headers, **sent}, data={"csrf": token})
    assert (answer.status_code, answer.json()["code"]) == (403, "foreign_page")
    assert len(access.sessions) == 1
    assert refused == ["csrf", "csrf"]


@pytest.mark.parametrize("headers", OWN)
@pytest.mark.parametrize("where", ["field", "header"])
async def test_a_page_of_our_own_may_with_the_token(
    client: httpx.AsyncClient, access: MemoryAccess, headers: dict[str, str], where: str
) -> None:
    sent = {**headers, **cookies(access, Role.TECHNICIAN)}
    token = next(iter(access.sessions.values())).csrf
    more = {CSRF_HEADER: token} if where == "header" else {}
    form = {"csrf": token} if where == "field" else {}
    assert (await client.post("/sign-out", headers={**sent, **more}, data=form)).status_code == 303
    assert access.sessions == {}


@pytest.mark.parametrize("token", ["", "x", "of another session", "é"])
@pytest.mark.parametrize("where", ["field", "header", "nowhere", "query"])
async def test_without_the_token_of_this_session_nothing_changes(
    client: httpx.AsyncClient, access: MemoryAccess, token: str, where: str
) -> None:
    other = access.begin(Role.STAFF).principal.csrf
    sent = cookies(access, Role.TECHNICIAN)
    token = other if token == "of another session" else token
    headers = httpx.Headers({**sent, **({CSRF_HEADER: token} if where == "header" else {})}, encoding="utf-8")
    query = {"csrf": token} if where == "query" else {}
    answer = await client.post(
        "/sign-out", headers=headers, params=query, data={"csrf": token} if where == "field" else {}
    )
    assert (answer.status_code, answer.json()["code"]) == (403, "foreign_page")
    assert len(access.sessions) == 2


# --- One's own password ---------------------------------------------------------------------------------------


async def change(client: httpx.AsyncClient, access: MemoryAccess, **form: str) -> httpx.Response:
    sent = cookies(access, Role.STAFF)
    token = list(access.sessions.values())[-1].csrf
    return await client.post("/account", headers=sent, data={"csrf": token, **form})


NEW = "four unrelated quiet words"


async def test_a_new_password_ends_all_sessions_and_is_used_from_then_on(
    client: httpx.AsyncClient, access: MemoryAccess
) -> None:
    access.begin(Role.STAFF)
    answer = await change(client, access, old=PASSWORD, new=NEW, again=NEW)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?said=password_changed")
    assert access.sessions == {}
    assert access.passwords["staff"] == NEW
    assert "密码已更改" in (await client.get(answer.headers["location"])).text


@pytest.mark.parametrize(
    ("form", "status", "words"),
    [
        ({"old": "wrong", "new": NEW, "again": NEW}, 401, "账号或密码不正确"),
        ({"old": PASSWORD, "new": NEW, "again": "another"}, 400, "不一致"),
        ({"old": PASSWORD, "new": "short", "again": "short"}, 400, "至少 12 个字符"),
        ({"old": PASSWORD, "new": NEW}, 400, "请填写"),
    ],
)
async def test_a_password_that_is_not_changed_says_why(
    client: httpx.AsyncClient, access: MemoryAccess, form: dict[str, str], status: int, words: str
) -> None:
    answer = await change(client, access, **form)
    assert answer.status_code == status
    assert words in answer.text
    assert NEW not in answer.text
    assert access.passwords["staff"] == PASSWORD


async def test_who_has_a_password_that_others_know_can_only_change_it(
    client: httpx.AsyncClient, access: MemoryAccess
) -> None:
    access.must_change.add("staff")
    sent = cookies(access, Role.STAFF)
    answer = await client.get("/", headers=sent)
    assert (answer.status_code, answer.headers["location"]) == (303, "/account")
    program = await client.get("/api/v1/snapshot", headers={**sent, "accept": "*/*"})
    assert (program.status_code, program.json()["code"]) == (403, "password_change_due")
    assert "由他人设定" in (await client.get("/account", headers=sent)).text
    assert (await change(client, access, old=PASSWORD, new=NEW, again=NEW)).status_code == 303
    assert (await client.get("/", headers=cookies(access, Role.STAFF))).status_code == 200


async def test_a_foreign_sessions_cookie_or_token_is_nobodys(client: httpx.AsyncClient) -> None:
    for sent in (
        {"Cookie": f"{SESSION_COOKIE}=invented"},
        {"Cookie": f"{SESSION_COOKIE}="},
        {"Authorization": "Bearer invented"},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic dGVjaG5pY2lhbjp4"},
    ):
        answer = await client.get("/api/v1/snapshot", headers={**sent, "accept": "*/*"})
        assert (answer.status_code, answer.json()["code"]) == (401, "not_signed_in")
        assert answer.headers["www-authenticate"].startswith("Bearer")


# --- What is not there ----------------------------------------------------------------------------------------


async def test_a_person_is_told_in_words_what_is_not_there_and_a_program_as_before(
    client: httpx.AsyncClient, access: MemoryAccess
) -> None:
    """By its role, or by its address; both languages; nothing of what was asked for stands in the answer."""

    @client._transport.app.get("/only-admins")  # type: ignore[attr-defined, untyped-decorator]
    async def only_admins(_who: Annotated[Principal, Depends(Gate(access).allow(Role.ADMIN))]) -> str:
        return "shown"

    sent = cookies(access, Role.STAFF)
    for path, status, zh, en in (
        ("/nothing-here", 404, "没有这个页面", "There is no such page"),
        ("/only-admins", 403, "无权查看此页", "Your account may not see this page"),
    ):
        page = await client.get(path, headers=sent)
        assert (page.status_code, page.headers["content-type"]) == (status, "text/html; charset=utf-8")
        assert zh in page.text
        assert 'href="/"' in page.text
        assert path not in page.text
        english = await client.get(path, headers={"Cookie": f"{sent['Cookie']}; {LANG_COOKIE}=en"})
        assert en in english.text
        told = await client.get(path, headers={**sent, "accept": "*/*"})
        assert (told.status_code, told.headers["content-type"]) == (status, "application/problem+json")
