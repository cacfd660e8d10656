"""Routes of staff: who may, what is recorded before what, and that nothing counts which the disk did not take."""

import csv
import io
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from gateway.api.gate import SESSION_COOKIE
from gateway.api.server import create_app
from gateway.checkin.kiosk import KioskView
from gateway.errors import ContractError, StoreRefused
from gateway.store.database import StoreDamaged
from gateway.uuid7 import uuid7
from gateway.web import staff_present
from gateway.web.messages import Lang, Speaker, load_catalogue
from gateway.web.times import Times
from tests.ui.scripted import NOW_MS
from tests.ui.staff_script import MINOR, REVIEW_EVENT, TODAY, UNKNOWN_EVENT, Office, proving

ROLES = ("staff", "admin", "auditor", "technician", "kiosk")
FULL = StoreRefused("store_full", "full")
ENTRY = {
    "ref": "p-440305-0001",
    "purpose": "report",
    "day": "2026-11-22",
    "at": "09:05",
    "reason": "kiosk_broken",
    "more": "",
    "key": "k" * 24,
}


@pytest.fixture
def office() -> Office:
    return Office()


@pytest.fixture
async def client(office: Office) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(office.parts())
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="https://127.0.0.1", timeout=20
    ) as client:
        yield client


def signed_in(role: str) -> dict[str, str]:
    return {"Cookie": f"{SESSION_COOKIE}={role}", "X-CSRF-Token": f"csrf-of-{role}"}


STAFF = signed_in("staff")

READ = {"staff", "admin", "auditor"}
ACT = {"staff", "admin"}
ALLOWED: dict[tuple[str, str], set[str]] = {
    ("GET", "/staff"): READ,
    ("GET", "/staff/entry"): ACT,
    ("GET", "/staff/rollcall"): READ,
    ("GET", "/evidence"): {"auditor", "admin"},
    ("POST", "/staff/vouch"): ACT,
    ("POST", "/staff/review"): ACT,
    ("POST", "/staff/reveal"): READ,
    ("POST", "/staff/alarm"): READ,
    ("POST", "/staff/entry"): ACT,
    ("POST", "/staff/export"): READ,
    ("POST", "/staff/rollcall/open"): ACT,
    ("POST", "/staff/rollcall/answer"): ACT,
    ("POST", "/staff/rollcall/end"): ACT,
}


@pytest.mark.parametrize("role", ROLES)
async def test_a_route_is_for_the_roles_that_it_names(client: httpx.AsyncClient, role: str) -> None:
    for (method, path), allowed in ALLOWED.items():
        answer = await client.request(method, path, headers=signed_in(role))
        assert (answer.status_code not in {401, 403}) == (role in allowed), (method, path, answer.status_code)
        nobody = await client.request(method, path)
        assert nobody.status_code == 401
        assert nobody.json()["code"] == "not_signed_in"


async def test_no_route_is_missing_in_the_table(office: Office) -> None:
    app = create_app(office.parts())
    served = {
        (method, route.path)
        for route in _leaves(app.routes)
        for method in getattr(route, "methods", None) or ()
        if route.path.startswith(("/staff", "/evidence")) and "/live" not in route.path
    }
    assert served == set(ALLOWED)


def _leaves(routes: Any) -> list[Any]:
    found = []
    for route in routes:
        below = getattr(getattr(route, "original_router", None), "routes", None)
        found += _leaves(below) if below is not None else [route] if hasattr(route, "path") else []
    return found


@pytest.mark.parametrize("path", [path for method, path in ALLOWED if method == "POST"])
async def test_what_changes_something_needs_the_sessions_token(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.post(path, headers={"Cookie": f"{SESSION_COOKIE}=admin"}, data={"csrf": "guessed"})
    assert answer.status_code == 403


async def test_the_page_shows_the_day_and_no_minors_name(client: httpx.AsyncClient, office: Office) -> None:
    html = (await client.get("/staff", headers=STAFF)).text
    minor = office.roster.of_ref(MINOR)
    assert minor is not None
    assert minor.name not in html
    for duty in office.book.shown.duties:
        assert duty.protected or duty.name in html
        assert f'data-key="{duty.ref}"' in html
    assert f'data-reveal="{MINOR}"' in html


async def test_a_minors_name_is_shown_after_a_recorded_click_and_for_a_minute(
    client: httpx.AsyncClient, office: Office
) -> None:
    minor = office.roster.of_ref(MINOR)
    assert minor is not None
    assert (await client.post("/staff/reveal", headers=STAFF, data={"ref": MINOR})).json()["ok"]
    assert [(one.type, one.subject) for one in office.recorded.facts] == [("audit.viewed", f"person/{MINOR}")]
    assert minor.name in (await client.get("/staff", headers=STAFF)).text
    assert minor.name not in (await client.get("/staff", headers=signed_in("admin"))).text
    office.now_s += 61
    assert minor.name not in (await client.get("/staff", headers=STAFF)).text


async def test_no_name_where_the_look_is_not_on_disk(client: httpx.AsyncClient, office: Office) -> None:
    office.recorded.refusal = FULL
    answer = await client.post("/staff/reveal", headers=STAFF, data={"ref": MINOR})
    assert (answer.status_code, answer.json()["ok"]) == (503, False)
    minor = office.roster.of_ref(MINOR)
    assert minor is not None
    assert minor.name not in (await client.get("/staff", headers=STAFF)).text


@pytest.mark.parametrize("ref", ["p-440305-0001", "nobody", ""])
async def test_a_look_at_nobody_or_at_what_is_shown_anyway_leaves_no_event(
    client: httpx.AsyncClient, office: Office, ref: str
) -> None:
    assert (await client.post("/staff/reveal", headers=STAFF, data={"ref": ref})).status_code in {404, 422}
    assert office.recorded.facts == []


# -- export ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["csv", "print"])
@pytest.mark.parametrize("part", ["duties", "visits"])
async def test_an_export_is_on_disk_before_its_first_byte(
    client: httpx.AsyncClient, office: Office, form: str, part: str
) -> None:
    sent = {"day": TODAY.isoformat(), "part": part, "form": form}
    office.recorded.refusal = FULL
    answer = await client.post("/staff/export", headers=STAFF, data=sent)
    assert answer.status_code == 503
    assert not any(one.name in answer.text for one in office.roster.persons)
    office.recorded.refusal = None
    answer = await client.post("/staff/export", headers=STAFF, data=sent)
    assert answer.status_code == 200
    (fact,) = office.recorded.facts
    assert fact.type == "audit.exported"
    assert fact.data == {
        "by": "staff-1",
        "what": "day",
        "day": "2026-11-22",
        "part": part,
        "form": form,
        "rows": 14 if part == "duties" else 7,
        "roster_version": 7,
    }
    minor = office.roster.of_ref(MINOR)
    assert minor is not None
    assert minor.name not in answer.text
    assert "p-440305-0002" in answer.text


async def test_the_file_is_a_csv_of_masked_names(client: httpx.AsyncClient, office: Office) -> None:
    sent = {"day": TODAY.isoformat(), "part": "duties", "form": "csv"}
    answer = await client.post("/staff/export", headers=STAFF, data=sent)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"].endswith('filename="gw-440305-01-2026-11-22-duties.csv"')
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    by_ref = {row["编号"]: row for row in rows}
    assert by_ref["p-440305-0002"]["姓名"] == "孙*丙"
    assert by_ref["p-440305-0002"]["报到时间"] == "2026-11-22 13:43:22"
    assert by_ref[MINOR]["姓名"] == "未成年人"
    assert by_ref["p-440305-0005"]["原因"] == "网关或报到机曾不可用"


async def test_a_printed_day_has_a_number_on_every_sheet(office: Office) -> None:
    office = Office(count=50)
    app = create_app(office.parts())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://127.0.0.1") as client:
        sent = {"day": TODAY.isoformat(), "part": "duties", "form": "print"}
        html = (await client.post("/staff/export", headers=STAFF, data=sent)).text
    assert re.findall(r"<p>(第 \d+ 页，共 \d+ 页)</p>", html) == [f"第 {n} 页，共 3 页" for n in (1, 2, 3)]
    assert html.count("gw-440305-01 · 2026-11-22 星期日 · 花名册第 7 版") == 3
    assert html.count("<tr>") == 50 + 3


# -- manual entry ---------------------------------------------------------------------------------------------


def key_in(html: str) -> str:
    found = re.search(r'name="key" value="([\w-]{20,64})"', html)
    assert found is not None
    return found[1]


async def test_an_entry_is_asked_twice_and_recorded_once(client: httpx.AsyncClient, office: Office) -> None:
    key = key_in((await client.get("/staff/entry", headers=STAFF)).text)
    form = {**ENTRY, "key": key, "more": "断电后手工登记"}
    asked = await client.post("/staff/entry", headers=STAFF, data={**form, "step": "check"})
    assert "尚未写入任何记录" in asked.text
    assert key_in(asked.text) == key
    assert office.book.entered == []
    told = [
        await client.post("/staff/entry", headers=STAFF, data={**form, "step": "record"}) for _ in range(3)
    ]
    assert all("已存盘，计入记录" in one.text for one in told)
    (entered,) = office.book.entered
    assert (entered["ref"], entered["staff"], entered["reason"]) == (
        "p-440305-0001",
        "staff-1",
        "kiosk_broken: 断电后手工登记",
    )
    assert entered["at_ms"] == NOW_MS - 2_000 - (4 * 60 + 58) * 60_000 - 20_000  # 09:05 in the center's zone
    assert entered["event"] in told[2].text


async def test_the_same_form_with_other_words_is_another_entry(
    client: httpx.AsyncClient, office: Office
) -> None:
    for ref in ("p-440305-0001", "p-440305-0002"):
        await client.post("/staff/entry", headers=STAFF, data={**ENTRY, "ref": ref, "step": "record"})
    assert [one["ref"] for one in office.book.entered] == ["p-440305-0001", "p-440305-0002"]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"ref": "p-nobody"}, "花名册中没有此人"),
        ({"ref": ""}, "花名册中没有此人"),
        ({"purpose": "dance"}, "请选择事由"),
        ({"day": "2026-13-01"}, "时间无法采用"),
        ({"at": "25:00"}, "时间无法采用"),
        ({"at": "09:05+02:00"}, "时间无法采用"),
        ({"day": "2026-11-23"}, "时间无法采用"),
        ({"day": "9999-12-31", "at": "23:59"}, "时间无法采用"),
        ({"day": "0001-01-01", "at": "00:00"}, None),
        ({"reason": ""}, "请选择理由"),
        ({"reason": "other", "more": "  "}, "请选择理由"),
        ({"reason": "made_up"}, "请选择理由"),
    ],
)
@pytest.mark.parametrize("step", ["check", "record"])
async def test_an_entry_that_makes_no_sense_is_not_recorded(
    client: httpx.AsyncClient, office: Office, changes: dict[str, str], text: str | None, step: str
) -> None:
    answer = await client.post("/staff/entry", headers=STAFF, data={**ENTRY, **changes, "step": step})
    if text is None:  # left to the book of days
        assert answer.status_code in {200, 409}
        return
    assert answer.status_code == 409
    assert text in answer.text
    assert office.book.entered == []
    assert "已存盘" not in answer.text


@pytest.mark.parametrize(
    "refusal", [FULL, StoreRefused("degraded", ""), StoreDamaged("torn"), ContractError("bad_time", "")]
)
async def test_what_the_disk_does_not_take_is_not_said_to_be_recorded(
    client: httpx.AsyncClient, office: Office, refusal: Any
) -> None:
    office.book.refusal = refusal
    answer = await client.post("/staff/entry", headers=STAFF, data={**ENTRY, "step": "record"})
    assert answer.status_code == (409 if isinstance(refusal, ContractError) else 503)
    assert "未写入记录" in answer.text
    assert "已存盘，计入记录" not in answer.text
    assert 'value="p-440305-0001" selected' in answer.text  # nothing has to be typed again


# -- review, vouching, alarms ---------------------------------------------------------------------------------


async def test_a_review_carries_who_and_why(client: httpx.AsyncClient, office: Office) -> None:
    form = {"event": UNKNOWN_EVENT, "verdict": "accept", "reason": "known_here", "ref": "p-440305-0002"}
    unnamed = await client.post("/staff/review", headers=STAFF, data=form)
    assert (unnamed.status_code, unnamed.json()["code"]) == (409, "no_purpose")
    form["purpose"] = "report"
    assert (await client.post("/staff/review", headers=STAFF, data=form)).json()["ok"]
    assert office.book.reviewed == [
        {
            "event": UNKNOWN_EVENT,
            "accept": True,
            "staff": "staff-1",
            "reason": "known_here",
            "ref": "p-440305-0002",
            "purpose": "report",
        }
    ]
    again = await client.post("/staff/review", headers=STAFF, data=form)
    assert (again.status_code, again.json()["code"]) == (409, "not_waiting")
    form = {"event": REVIEW_EVENT, "verdict": "refuse", "reason": "other", "more": "不是\n本人"}
    assert (await client.post("/staff/review", headers=STAFF, data=form)).json()["ok"]
    assert office.book.reviewed[1]["reason"] == "other: 不是 本人"
    assert office.book.reviewed[1]["ref"] is None


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"reason": ""}, 409),
        ({"reason": "other"}, 409),
        ({"verdict": "perhaps"}, 422),
        ({"purpose": "holiday"}, 422),
        ({"more": "x" * 500}, 422),
    ],
)
async def test_a_review_without_a_reason_decides_nothing(
    client: httpx.AsyncClient, office: Office, changes: dict[str, str], status: int
) -> None:
    form = {"event": REVIEW_EVENT, "verdict": "accept", "reason": "known_here", **changes}
    assert (await client.post("/staff/review", headers=STAFF, data=form)).status_code == status
    assert office.book.reviewed == []


async def test_staff_vouch_for_the_session_that_they_saw(client: httpx.AsyncClient, office: Office) -> None:
    kiosk = office.kiosks[0]
    session = kiosk.view.session
    form = {"kiosk": "kiosk-1", "session": session, "reason": "finger_unreadable"}
    assert (await client.post("/staff/vouch", headers=STAFF, data=form)).json()["ok"]
    assert kiosk.words == [(session, "staff-1", "finger_unreadable")]
    for view in (proving("another"), KioskView()):
        kiosk.view = view
        answer = await client.post("/staff/vouch", headers=STAFF, data=form)
        assert (answer.status_code, answer.json()["code"]) == (409, "not_waiting")
    kiosk.view = proving()
    assert (await client.post("/staff/vouch", headers=STAFF, data={**form, "reason": ""})).status_code == 409
    answer = await client.post("/staff/vouch", headers=STAFF, data={**form, "kiosk": "kiosk-9"})
    assert answer.status_code == 409
    assert len(kiosk.words) == 1


async def test_an_alarm_that_was_seen_is_recorded_and_still_stands(
    client: httpx.AsyncClient, office: Office
) -> None:
    event = uuid7(NOW_MS)
    office.raise_alarm("chain_mismatch/9f3c2a71", event)
    for _ in range(2):
        assert (await client.post("/staff/alarm", headers=STAFF, data={"event": event})).json()["ok"]
    (fact,) = office.recorded.facts
    assert fact.data == {"by": "staff-1", "what": "alarm", "alarm": event, "kind": "chain_mismatch"}
    assert f'data-alarm="{event}"' in (await client.get("/staff", headers=STAFF)).text
    # One that is over, or never was, leaves no event.
    assert (await client.post("/staff/alarm", headers=STAFF, data={"event": "x"})).json()["ok"]
    assert len(office.recorded.facts) == 1


# -- the day, roll calls, evidence ----------------------------------------------------------------------------


async def test_another_day_is_shown_and_a_day_to_come_is_today(client: httpx.AsyncClient) -> None:
    past = (TODAY - timedelta(days=3)).isoformat()
    html = (await client.get(f"/staff?day={past}", headers=STAFF)).text
    assert f"&amp;day={past}" in html
    html = (await client.get("/staff?day=2030-01-01", headers=STAFF)).text
    assert "&amp;day=" not in html


async def test_a_store_that_cannot_be_read_is_told(client: httpx.AsyncClient, office: Office) -> None:
    office.book.refusal = StoreRefused("store_io", "the disk reports errors")
    answer = await client.get("/staff", headers=STAFF)
    assert (answer.status_code, answer.json()["code"]) == (503, "store_io")


async def test_a_roll_call_from_its_beginning_to_its_end(client: httpx.AsyncClient, office: Office) -> None:
    answer = await client.post(
        "/staff/rollcall/open", headers=STAFF, data={"group": "present", "minutes": "30"}
    )
    assert answer.json()["ok"]
    (call,) = office.calls.open_now
    form = {"call": call.id, "ref": MINOR, "answer": "present", "note": "on_the_way"}
    assert (await client.post("/staff/rollcall/answer", headers=STAFF, data=form)).json()["ok"]
    form = {**form, "note": "free text with a name"}
    assert (await client.post("/staff/rollcall/answer", headers=STAFF, data=form)).status_code == 422
    html = (await client.get("/staff/rollcall", headers=signed_in("auditor"))).text
    assert "还有 2 人未答，共 3 人" in html
    assert "data-act" not in html
    assert (await client.post("/staff/rollcall/end", headers=STAFF, data={"call": call.id})).json()["ok"]
    (ended,) = office.calls.ended
    assert ended["present"] == [MINOR]
    again = await client.post("/staff/rollcall/end", headers=STAFF, data={"call": call.id})
    assert (again.status_code, again.json()["code"]) == (409, "no_rollcall")


async def test_nobody_to_call_is_told(client: httpx.AsyncClient) -> None:
    answer = await client.post(
        "/staff/rollcall/open", headers=STAFF, data={"group": "unit:9", "minutes": "30"}
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "nobody")


async def test_the_auditors_page_changes_nothing_and_tells_of_a_missing_store(
    client: httpx.AsyncClient, office: Office
) -> None:
    answer = await client.get("/evidence", headers=signed_in("auditor"))
    assert answer.status_code == 503
    assert "存储文件不存在" in answer.text
    html = (await client.get("/staff", headers=signed_in("auditor"))).text
    assert "data-act" not in html
    assert "/staff/entry" not in html


async def test_no_address_names_a_person(client: httpx.AsyncClient, office: Office) -> None:
    pages = [
        (await client.get(path, headers=signed_in("admin"))).text for path in ("/staff", "/staff/rollcall")
    ]
    for url in re.findall(r'(?:href|action|data-live|data-act)="([^"]*)"', "".join(pages)):
        assert not any(one.ref in url or one.name in url for one in office.roster.persons)


@pytest.mark.parametrize("path", ["/staff", "/staff/entry", "/staff/rollcall", "/evidence"])
async def test_an_english_page_has_no_chinese_but_names_and_the_switch(
    client: httpx.AsyncClient, office: Office, path: str
) -> None:
    await client.post("/staff/rollcall/open", headers=STAFF, data={"group": "present", "minutes": "30"})
    office.raise_alarm()
    answer = await client.get(f"{path}?lang=en", headers=signed_in("admin"))
    names = {one.name for one in office.roster.persons} | {"钱*乙", "中文", "智矫网关"}
    html = answer.text
    for name in names:
        html = html.replace(name, "")
    assert re.findall(r"[\u4e00-\u9fff]+", html) == []
    assert "zhijiao_lang=en" in answer.headers.get("set-cookie", "") or answer.status_code == 503


async def test_another_language_shows_the_same_day(client: httpx.AsyncClient) -> None:
    html = (await client.get("/staff?day=2026-11-20", headers=signed_in("auditor"))).text
    assert 'href="/staff?day=2026-11-20&amp;lang=en"' in html


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("what", "kiosk_token_made", "签发报到机令牌"),
        ("via", "command", "本机命令"),
        ("role", "auditor", "驻检室"),
        ("issued", "2026-11-27T03:01:02.939Z", "2026-11-27 11:01:02"),
        ("issued", "no moment", "no moment"),
        ("what", "of_a_later_release", "of_a_later_release"),
        ("name", "auditor", "auditor"),  # of an account: no code
        ("expired", False, "否"),
        ("count", 69, "69"),
    ],
)
def test_the_record_is_said_in_words_where_there_are_any(key: str, value: Any, said: str) -> None:
    times = Times(ZoneInfo("Asia/Shanghai"))
    assert staff_present.evidence(key, value, Speaker(load_catalogue(), Lang.ZH), times) == said
