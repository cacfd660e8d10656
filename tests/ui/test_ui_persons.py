"""The pages about fingers and faces in a real browser: enrolment followed live, a release that asks twice."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect

from drivers.factors import Factor, Step
from gateway.access.model import Access, Principal, Role, SignedIn
from gateway.api.gate import SESSION_COOKIE
from gateway.api.listening import listen
from gateway.api.parts import Parts
from gateway.api.server import create_app, serve_on
from gateway.checkin.enroller import EnrolView
from gateway.checkin.enrolment_steps import Ending, Outcome
from gateway.checkin.persons import Offer, PersonView, Template
from gateway.checkin.references import State
from gateway.checkin.roster import Method
from gateway.errors import ContractError
from tests.ui.conftest import DEADLINE_MS, Tab
from tests.ui.scripted import NOW_MS, ScriptedGateway, healthy

pytestmark = [pytest.mark.ui, pytest.mark.asyncio(loop_scope="module")]

SIZES = {"laptop": (1280, 800), "kiosk": (1024, 600), "phone": (390, 844)}
ALL = frozenset(Method)
ANNA, MINOR, GONE = "p-370102-0001", "p-370102-0002", "p-370102-0003"
OFFERS = (
    Offer(device="finger-1", kiosk="kiosk-1", factor=Factor.FINGER, online=True, allowed=True, enrolled=True),
    Offer(device="face-1", kiosk="kiosk-1", factor=Factor.FACE, online=False, allowed=True, enrolled=False),
    Offer(
        device="finger-2", kiosk="kiosk-2", factor=Factor.FINGER, online=True, allowed=True, enrolled=False
    ),
)
TEMPLATES = (
    Template(
        method=Method.FINGER,
        module="ZFM-00A1B2",
        device="finger-1",
        state=State.ACTIVE,
        reason=None,
        label="right_index",
        made_ms=NOW_MS - 86_400_000,
        counts=True,
    ),
    Template(
        method=Method.FACE,
        module="FM-77",
        device=None,
        state=State.ERASING,
        reason="replaced",
        label=None,
        made_ms=NOW_MS,
        counts=False,
    ),
)


def person(ref: str = ANNA, **changes: Any) -> PersonView:
    base = PersonView(
        ref=ref,
        name="测*甲",
        protected=False,
        unit="370102001",
        until=date(2027, 1, 4),
        ended=False,
        methods=ALL,
        templates=TEMPLATES,
        offers=OFFERS,
        reenrol=True,
        releasing=False,
    )
    return replace(base, **changes)


class Script:
    """`Persons` and `Access` by a script."""

    def __init__(self) -> None:
        self.gateway = ScriptedGateway(healthy())
        self.people = [
            person(),
            person(MINOR, name="小*", protected=True, reenrol=False, templates=()),
            person(GONE, name="*", protected=True, listed=False, releasing=True, ended=True, offers=()),
        ]
        self.enrolments: dict[str, EnrolView] = {}
        self.done: list[tuple[str, ...]] = []

    def all(self) -> Sequence[PersonView]:
        return self.people

    def refs(self) -> Sequence[str]:
        return [one.ref for one in self.people]

    def of(self, ref: str) -> PersonView | None:
        return next((one for one in self.people if one.ref == ref), None)

    def enrolment(self, ref: str) -> EnrolView | None:
        return self.enrolments.get(ref)

    async def viewed(self, staff: str, ref: str) -> None:
        self.done.append(("viewed", staff, ref))

    def begin(self, ref: str, *, device: str, staff: str, consent: bool, label: str | None) -> str:
        self.done.append(("begin", ref, device, staff, str(consent), str(label)))
        if device == "face-1":
            raise ContractError("no_module", "away")
        self.show(ref, stage="person")
        return "e"

    def vouch(self, ref: str, reason: str) -> None:
        self.done.append(("vouch", ref, reason))

    def cancel(self, ref: str) -> None:
        self.done.append(("cancel", ref))

    async def release(self, ref: str, *, staff: str, reason: str) -> None:
        self.done.append(("release", ref, staff, reason))
        self.people[0] = replace(self.people[0], releasing=True, templates=TEMPLATES[1:])
        self.gateway.show(self.gateway.snapshot())

    def show(self, ref: str, **changes: Any) -> None:
        base = EnrolView(
            id="e", person=ref, kiosk="kiosk-1", device="finger-2", factor=Factor.FINGER, staff="staff-1"
        )
        self.enrolments[ref] = replace(base, **changes)
        self.gateway.show(self.gateway.snapshot())

    # Access
    def session(self, cookie: str, *, used: bool = True) -> Principal | None:
        roles = {"staff": Role.STAFF, "technician": Role.TECHNICIAN}
        return Principal(roles[cookie], f"{cookie}-1", f"csrf-{cookie}") if cookie in roles else None

    def kiosk(self, token: str, source: str = "") -> Principal | None:
        return Principal(Role.KIOSK, "kiosk-1") if token == "kiosk" else None

    async def sign_in(self, name: str, password: str, source: str) -> SignedIn:
        raise NotImplementedError

    async def change_password(self, by: Principal, old: str, new: str, source: str) -> None:
        raise NotImplementedError

    async def sign_out(self, cookie: str) -> None:
        raise NotImplementedError


class Pages:
    def __init__(self, script: Script, url: str) -> None:
        self.script, self.url = script, url


@pytest_asyncio.fixture(loop_scope="module")
async def pages() -> AsyncIterator[Pages]:
    script = Script()
    access: Access = script
    app = create_app(Parts(viewed=script.gateway, metrics=bytes, access=access, persons=script))
    listener = listen("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    serving = asyncio.create_task(serve_on(app, listener))
    await asyncio.sleep(0)
    yield Pages(script, url)
    serving.cancel()
    await asyncio.wait([serving])


@pytest_asyncio.fixture(loop_scope="module")
async def staff_tab(chromium: Browser, pages: Pages) -> AsyncIterator[Tab]:
    context = await chromium.new_context(viewport={"width": 1440, "height": 900})
    await context.add_cookies(
        [
            {
                "name": SESSION_COOKIE,
                "value": "staff",
                "url": pages.url.replace("http:", "https:"),
                "secure": True,
                "httpOnly": True,
                "sameSite": "Strict",
            }
        ]
    )
    tab = Tab(await context.new_page())
    tab.watch()
    yield tab
    await context.close()
    assert [url for url in tab.requests if not url.startswith(pages.url)] == []
    assert not [url for url in tab.requests if "p-370102" in url], "a person in an address"


async def open_anna(page: Page, pages: Pages) -> None:
    await page.goto(f"{pages.url}/staff/persons")
    await page.get_by_role("link", name="测*甲").click()
    await expect(page.get_by_role("heading", name="测*甲")).to_be_visible()


async def faults(page: Page) -> list[str]:
    found = await Axe().run(page)
    return [
        f"{one['id']}: {one['nodes'][0]['html'][:120]}"
        for one in found.response["violations"]
        if one["impact"] in {"serious", "critical"}
    ]


async def test_the_list_names_everybody_masked_and_the_filter_filters(staff_tab: Tab, pages: Pages) -> None:
    page = staff_tab.page
    await page.goto(f"{pages.url}/staff/persons")
    await expect(page.locator(".person-row")).to_have_count(3)
    await expect(page.locator("main")).not_to_contain_text("小*")
    await expect(page.locator(".person-row").first).to_contain_text("需重新采集")
    await page.get_by_label("查找").fill("测")
    await expect(page.locator(".person-row:visible")).to_have_count(1)
    assert staff_tab.errors == []


async def test_an_enrolment_is_begun_followed_and_ends(staff_tab: Tab, pages: Pages) -> None:
    page, script = staff_tab.page, pages.script
    await open_anna(page, pages)
    assert script.done == [("viewed", "staff-1", ANNA)]
    await page.get_by_role("radio", name="finger-2").check()
    await page.get_by_label("哪个手指").select_option("left_thumb")
    await page.get_by_role("radio", name="本人同意", exact=True).check()
    await page.get_by_role("button", name="开始", exact=True).click()
    await expect(page.locator(".now")).to_have_text("请本人在报到机上放身份证")
    assert script.done[-1] == ("begin", ANNA, "finger-2", "staff-1", "True", "left_thumb")
    await expect(page.locator("#enrol-card")).to_be_hidden()
    await page.get_by_label("未带身份证").fill("多年相识")
    script.show(ANNA, stage="person", hint="another_card")
    await expect(page.locator(".hint")).to_contain_text("不是此人的身份证")
    await expect(page.get_by_label("未带身份证")).to_have_value("多年相识")
    await page.get_by_role("button", name="确认是本人").click()
    await expect(page.locator("#told")).to_be_hidden()
    script.show(ANNA, stage="take", step=Step.AGAIN)
    await expect(page.locator(".now")).to_have_text("同一手指，再按一次")
    await expect(page.locator(".track-step.is-done")).to_have_count(2)
    script.show(ANNA, stage="done", ending=Ending(Outcome.ENROLLED))
    await expect(page.locator(".ending")).to_contain_text("采集成功")
    await expect(page.locator("#enrol-card")).to_be_visible()
    assert ("vouch", ANNA, "多年相识") in script.done
    script.show(ANNA, stage="done", ending=Ending(Outcome.REFUSED, "known_as_another", GONE))
    await expect(page.locator(".ending.is-fault")).to_contain_text("另一人")
    await expect(page.locator("body")).not_to_contain_text(GONE)
    assert staff_tab.errors == []


async def test_a_refusal_is_said_in_words(staff_tab: Tab, pages: Pages) -> None:
    page = staff_tab.page
    await open_anna(page, pages)
    await page.get_by_role("radio", name="face-1").check()
    await page.get_by_role("radio", name="本人不同意").check()
    await page.get_by_role("button", name="开始", exact=True).click()
    await expect(page.get_by_role("alert")).to_contain_text("采集设备不在线")


async def test_a_release_needs_a_reason_a_tick_and_two_buttons(staff_tab: Tab, pages: Pages) -> None:
    page, script = staff_tab.page, pages.script
    await open_anna(page, pages)
    await page.get_by_role("button", name="删除…").click()
    await expect(page.locator("#release-sure")).to_be_hidden()
    await page.get_by_label("原因").fill("期满解除")
    await page.get_by_role("button", name="删除…").click()
    await page.get_by_role("button", name="确认删除").click()
    await expect(page.get_by_role("alert")).to_contain_text("请先勾选确认")
    await page.get_by_role("checkbox").check()
    await page.get_by_role("button", name="确认删除").click()
    await expect(page.locator("#person-templates")).not_to_contain_text("右手食指")
    assert script.done[-1] == ("release", ANNA, "staff-1", "期满解除")


async def test_nobody_else_gets_in(chromium: Browser, pages: Pages) -> None:
    context = await chromium.new_context()
    request = context.request
    address = f"{pages.url}/staff/persons"
    assert (await request.get(address)).status == 401
    kiosk = {"Authorization": "Bearer kiosk"}
    assert (await request.get(address, headers=kiosk)).status == 403
    technician = {"Cookie": f"{SESSION_COOKIE}=technician"}
    assert (await request.get(address, headers=technician)).status == 403
    staff = {"Cookie": f"{SESSION_COOKIE}=staff"}
    listed = await (await request.get(address, headers=staff)).text()
    handle = listed.split('href="/staff/persons/')[1].split('"')[0]
    release = f"{address}/{handle}/release"
    told = {"reason": "over", "sure": True}
    assert (await request.post(release, headers=staff, data=told)).status == 403, "no token"
    other = ("x" if handle[0] != "x" else "y") + handle[1:]
    assert (await request.get(f"{address}/{other}", headers=staff)).status == 404
    assert pages.script.done == []
    await context.close()


@pytest.mark.parametrize("size", SIZES)
async def test_it_fits_and_has_no_serious_fault(
    staff_tab: Tab, pages: Pages, size: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    page, folder = staff_tab.page, tmp_path_factory.getbasetemp()
    width, height = SIZES[size]
    await page.set_viewport_size({"width": width, "height": height})
    await page.goto(f"{pages.url}/staff/persons")
    shots: dict[str, dict[str, Any] | None] = {
        "list": None,
        "asked": {"stage": "person"},
        "taking": {"stage": "take", "step": Step.PRESENT, "hint": "poor"},
        "refused": {"stage": "done", "ending": Ending(Outcome.REFUSED, "known_as_another", GONE)},
        "enrolled": {"stage": "done", "ending": Ending(Outcome.ENROLLED)},
    }
    for name, state in shots.items():
        if state is not None:
            if name == "asked":
                await open_anna(page, pages)
            pages.script.show(ANNA, **state)
            await expect(page.locator("#person-enrolment").locator(".now, .ending")).to_be_visible()
            await page.wait_for_timeout(300)
        assert await faults(page) == [], name
        wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, f"{name}: {wide} px too wide"
        await page.screenshot(path=folder / f"persons-{name}-{size}.png", full_page=True)
    assert staff_tab.errors == []


expect.set_options(timeout=DEADLINE_MS)
