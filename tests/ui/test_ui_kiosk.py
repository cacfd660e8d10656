"""The kiosk in a real browser, over real kiosks and a real store: what people see, and that nothing of them stays."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect

from gateway.api.listening import listen
from gateway.api.server import create_app, serve_on
from gateway.checkin.facts import RosterState, Standing, Visitor
from gateway.checkin.purposes import Purpose
from gateway.checkin.schedule import Where
from gateway.checkin.screen import KioskView, Screen
from gateway.checkin.session import SHOWN_S, STEP_S, Stage
from gateway.errors import StoreRefused
from gateway.setup.center_name import LONGEST
from tests.gateway.kiosk_world import (
    ANNA,
    BORIS,
    CANARY,
    CLARA,
    ENDED,
    NEXT,
    STAFF_ONLY,
    World,
    token,
    world,
)
from tests.ui.conftest import DEADLINE_MS, Tab

pytestmark = [pytest.mark.ui, pytest.mark.asyncio(loop_scope="module")]
expect.set_options(timeout=DEADLINE_MS)

SIZES = {"panel": (1024, 600), "wide": (1280, 800), "phone": (390, 844)}


class Site:
    """The gateway's own server in front of the world; can be stopped and started again on the same port."""

    def __init__(self, here: World) -> None:
        self.here = here
        self._port = 0
        self._task: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    async def start(self) -> None:
        listener = listen("127.0.0.1", self._port)
        self._port = listener.getsockname()[1]
        app = create_app(self.here.parts)
        self._task = asyncio.create_task(serve_on(app, listener))
        await asyncio.sleep(0)

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None


@dataclass
class Stand:
    """A kiosk's browser, and what stands behind it."""

    here: World
    site: Site
    page: Page
    tab: Tab
    name: str = "kiosk-1"

    async def checks_in(self, person: Visitor, purpose: Purpose = Purpose.REPORT) -> None:
        await self.touches(person, purpose)
        await self.kind("proving")

    async def touches(self, person: Visitor | None, purpose: Purpose = Purpose.REPORT) -> None:
        """A card and a purpose, wherever that leads."""
        self.here.lay(person, self.name)
        await self.kind("choosing")
        await self.page.locator(f"[data-touch={purpose}]").first.click()

    async def checks_in_again(self, person: Visitor) -> None:
        await self.goes_if_shown()
        await self.checks_in(person)

    async def goes_if_shown(self) -> None:
        if self.here.kiosk(self.name).view.stage is Stage.SHOWN:
            await self.goes()

    async def kind(self, kind: str) -> None:
        await expect(self.page.locator(f".screen.is-{kind}")).to_be_visible()

    async def says(self, *words: str) -> None:
        for one in words:
            await expect(self.page.locator("#screen")).to_contain_text(one)

    async def ends(self, *words: str, tone: str) -> None:
        await self.kind("result")
        await expect(self.page.locator(f".ending.is-{tone} > .shape")).to_be_visible()
        await self.says(*words)

    async def goes(self) -> None:
        """The result is shown for its time, then nothing of it is left."""
        self.here.pass_s(SHOWN_S)
        await self.kind("idle")

    async def document(self) -> str:
        return str(await self.page.evaluate("document.documentElement.outerHTML"))


@asynccontextmanager
async def browser_at(chromium: Browser, site: Site, kiosk: str, size: str = "panel") -> AsyncIterator[Stand]:
    width, height = SIZES[size]
    context = await chromium.new_context(
        viewport={"width": width, "height": height},
        has_touch=True,
        locale="en-US",  # the page does not go by it
        timezone_id="America/New_York",  # nor by this
    )
    tab = Tab(await context.new_page())
    tab.watch()
    await tab.page.goto(f"{site.url}/kiosk/pair#{token(kiosk)}")
    await expect(tab.page.locator("body[data-live] #screen .screen")).to_be_visible()
    yield Stand(site.here, site, tab.page, tab, kiosk)
    await context.close()
    assert [url for url in tab.requests if not url.startswith(site.url)] == []


@pytest_asyncio.fixture(loop_scope="module")
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with world(tmp_path) as here:
        site = Site(here)
        await site.start()
        yield site
        await site.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def stand(chromium: Browser, site: Site) -> AsyncIterator[Stand]:
    async with browser_at(chromium, site, "kiosk-1") as stand:
        yield stand
        expected = ("ERR_", "404")  # of servers that were stopped, and of a receipt that is gone
        assert [one for one in stand.tab.errors if not any(word in one for word in expected)] == []


async def test_pairing_leaves_the_token_nowhere(stand: Stand) -> None:
    await stand.kind("idle")
    assert stand.page.url == f"{stand.site.url}/kiosk"
    left = await stand.page.evaluate(
        "[document.cookie, localStorage.length, sessionStorage.length, location.href]"
    )
    assert left == ["", 0, 0, f"{stand.site.url}/kiosk"]
    assert token("kiosk-1") not in await stand.document()
    (cookie,) = await stand.page.context.cookies()
    assert (cookie["name"], cookie["httpOnly"], cookie["secure"]) == ("__Host-zhijiao-kiosk", True, True)
    await stand.page.go_back()
    assert token("kiosk-1") not in stand.page.url


async def test_a_wrong_token_is_said_to_be_one(chromium: Browser, site: Site) -> None:
    context = await chromium.new_context()
    page = await context.new_page()
    await page.goto(f"{site.url}/kiosk")
    assert page.url == f"{site.url}/kiosk/pair"
    await expect(page.locator("[role=status]:visible")).to_have_count(0)
    await page.locator("#token").fill("wrong")
    await page.locator("#go").click()
    await expect(page.locator("#refused")).to_be_visible()
    await expect(page.locator("[role=status]:visible")).to_have_count(1)
    await expect(page.locator("#token")).to_have_value("")
    await context.close()


async def test_every_purpose_can_be_chosen_and_counts(stand: Stand) -> None:
    for purpose in Purpose:
        await stand.checks_in(ANNA, purpose)
        await stand.says(ANNA.name)
        stand.here.modules["finger-1"].present(ANNA)
        await stand.ends("已计入", tone="ok")
        kind, data = (await stand.here.events())[-1]
        assert (kind, data["purpose"]) == ("checkin.completed", purpose)
        await stand.goes()
        assert ANNA.name not in await stand.document()


DUTY: list[tuple[Where | None, str, str]] = [
    (Where.ON_TIME, "已计入，按时", "ok"),
    (Where.LATE, "已计入，迟到", "attention"),
    (Where.EARLY, "未到报到时段", "attention"),
    (Where.OUTSIDE, "不在报到时段内", "attention"),
    (Where.NOT_DUE, "今日无需报到", "ok"),
    (None, "已计入", "ok"),
]


async def test_a_report_says_how_it_lies_to_the_duty(stand: Stand) -> None:
    for where, words, tone in DUTY:
        stand.here.roster.standings[ANNA.ref] = Standing(where, NEXT)
        await stand.checks_in(ANNA)
        stand.here.modules["finger-1"].present(ANNA)
        await stand.ends(words, "下次报到：2026年11月30日 星期一", tone=tone)
        await stand.goes()


async def test_a_purpose_before_the_card(stand: Stand) -> None:
    await stand.page.locator("[data-touch=leave]").click()
    await stand.kind("waiting")
    await stand.says("请放置身份证", "请假外出")
    stand.here.lay(ANNA)
    await stand.kind("proving")


async def test_a_card_of_one_and_a_finger_of_another(stand: Stand) -> None:
    await stand.checks_in(ANNA)
    stand.here.modules["finger-1"].present(BORIS)
    await stand.ends("不计入", "证件与核验的不是同一人", "请本人用自己的身份证重新办理", tone="fault")
    assert BORIS.name not in await stand.document()


async def test_tries_are_counted_down_and_then_it_does_not_count(stand: Stand) -> None:
    await stand.checks_in(ANNA)
    finger = stand.here.modules["finger-1"]
    finger.fail("poor")
    await stand.says("采集质量不足，请再试一次，还可试 2 次")
    finger.fail("unknown")
    await stand.says("还可试 1 次")
    finger.fail("unknown")
    await stand.ends("不计入", "多次核验未通过", "请找工作人员核验身份", tone="fault")


async def test_who_is_not_on_the_roster_is_recorded_for_review(stand: Stand) -> None:
    await stand.touches(None)
    await stand.ends("待人工复核", "不在花名册中", tone="attention")


async def test_every_other_refusal_says_why_and_what_to_do(stand: Stand) -> None:
    roster = stand.here.roster
    for state, person, why in (
        (None, ANNA, "本机尚无花名册"),
        (RosterState(7, 60, expired=True), ANNA, "花名册已过期"),
        (RosterState(7, 60, expired=False), ENDED, "已解除矫正"),
    ):
        roster.state = state
        await stand.touches(person)
        await stand.ends("待人工复核", why, "工作人员", tone="attention")
        await stand.goes()


async def test_a_disk_that_takes_nothing_is_said_at_once(stand: Stand) -> None:
    await stand.checks_in(ANNA)
    stand.here.ingest.refusal_of_test = StoreRefused("store_full", "no room")
    stand.here.modules["finger-1"].present(ANNA)
    await stand.ends("不计入，未能保存", "本机存储已满", "请找工作人员", tone="fault")
    assert await stand.page.locator(".is-ok").count() == 0


async def test_a_store_known_to_be_full_closes_the_kiosk(stand: Stand) -> None:
    full = stand.here.viewed.snapshot()
    stand.here.viewed.show(replace(full, buffer=replace(full.buffer, state="store_full")))
    await stand.kind("closed")
    await stand.says("暂时无法报到", "本机存储已满")
    stand.here.viewed.show(full)
    await stand.kind("idle")


async def test_an_uplink_that_is_down_changes_nothing_for_the_person(stand: Stand) -> None:
    up = stand.here.viewed.snapshot()
    longest = "中" * LONGEST
    stand.here.viewed.show(replace(up, uplink=replace(up.uplink, state="offline"), center=longest))
    await expect(stand.page.locator(".offline")).to_be_visible()
    await expect(stand.page.locator(".center")).to_have_text(longest)
    assert await stand.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (
        "the longest name of a center makes room"
    )
    await stand.checks_in(ANNA)
    stand.here.modules["finger-1"].present(ANNA)
    await stand.ends("已计入，按时", tone="ok")


async def test_an_unreadable_card_is_told_and_the_hint_goes_away(stand: Stand) -> None:
    stand.here.kiosk().unread("card_auth")
    await expect(stand.page.locator(".alert")).to_contain_text("证件未读出：证件认证失败")
    stand.here.pass_s(SHOWN_S)
    await expect(stand.page.locator(".alert")).to_have_count(0)


async def test_a_protected_person_is_not_named(stand: Stand) -> None:
    await stand.checks_in(CLARA)
    stand.here.modules["finger-1"].present(CLARA)
    await stand.ends("已计入", tone="ok")
    assert CLARA.name not in await stand.document()


async def test_who_has_no_finger_and_no_face_is_sent_to_the_staff(stand: Stand) -> None:
    await stand.checks_in(STAFF_ONLY)
    await stand.says("请工作人员核验")
    session = stand.here.kiosk().view.session
    assert session is not None
    stand.here.kiosk().staff_word(session, "staff-1", "known")
    await stand.ends("已计入", tone="ok")


async def test_steps_of_the_device_are_words(stand: Stand) -> None:
    from drivers.factors import Step

    await stand.checks_in(ANNA)
    await stand.says("请按指纹", "将手指平放在指纹窗上")
    stand.here.modules["finger-1"].guide(Step.LIFT)
    await stand.says("请抬起手指")


async def test_who_walks_away_leaves_nothing(stand: Stand) -> None:
    await stand.checks_in(ANNA)
    await stand.says(ANNA.name)
    stand.here.pass_s(STEP_S)
    await stand.kind("idle")
    assert ANNA.name not in await stand.document()
    assert (await stand.here.events())[-1][1]["reason"] == "timeout"
    assert await stand.page.evaluate("localStorage.length + sessionStorage.length") == 0


async def test_cancel_ends_it(stand: Stand) -> None:
    await stand.checks_in(ANNA)
    await stand.page.locator("[data-cancel]").click()
    await stand.kind("idle")
    assert (await stand.here.events())[-1][1]["reason"] == "cancelled"


async def test_two_kiosks_never_mix(chromium: Browser, stand: Stand) -> None:
    async with browser_at(chromium, stand.site, "kiosk-2") as other:
        await stand.checks_in(ANNA)
        stand.here.lay(BORIS, "kiosk-2")
        await other.kind("proving")
        await other.says(BORIS.name)
        stand.here.modules["finger-2"].present(BORIS)
        await other.ends("已计入", tone="ok")
        await stand.says(ANNA.name)
        assert BORIS.name not in await stand.document()
        assert ANNA.name not in await other.document()
        stand.here.modules["finger-1"].present(ANNA)
        await stand.ends("已计入", tone="ok")


async def test_a_name_is_text_and_nothing_else(stand: Stand) -> None:
    await stand.checks_in(CANARY)
    await stand.says("window.hacked")
    stand.here.modules["finger-1"].present(CANARY)
    await stand.ends("已计入", tone="ok")
    assert await stand.page.evaluate("window.hacked") is None
    assert await stand.page.locator("#screen img, #screen script").count() == 0


async def test_a_gateway_that_is_gone_is_said_and_back_by_itself(stand: Stand) -> None:
    await stand.checks_in(ANNA)
    await stand.site.stop()
    gone_at = time.monotonic()
    await expect(stand.page.locator("#lost")).to_be_visible()
    assert time.monotonic() - gone_at < 5
    await expect(stand.page.locator("#lost")).to_contain_text("请找工作人员")
    assert ANNA.name not in await stand.document()
    stand.here.modules["finger-1"].present(ANNA)  # the gateway goes on without the page
    await stand.here.stage(Stage.SHOWN)
    await stand.site.start()
    await stand.ends("已计入，按时", tone="ok")
    await expect(stand.page.locator("#lost")).to_be_hidden()


async def test_a_line_that_only_looks_open_is_noticed(stand: Stand) -> None:
    """The stream stays open and nobody speaks: the page must not wait for TCP to notice."""
    await stand.kind("idle")
    silent = asyncio.Event()
    stand.here.kiosk()._screen = Mute(silent)
    await stand.page.reload()
    started = time.monotonic()
    await expect(stand.page.locator("#lost")).to_be_visible()
    assert time.monotonic() - started < 5.5


class Mute(Screen):
    """Says nothing to whoever watches."""

    def __init__(self, silent: asyncio.Event) -> None:
        super().__init__()
        self._silent = silent

    async def changes(self, beat_s: float = 2.0) -> AsyncIterator[KioskView]:
        del beat_s
        await self._silent.wait()
        yield self.view


async def test_a_gateway_killed_after_the_commit_tells_what_is_on_disk(stand: Stand) -> None:
    await stand.checks_in(ANNA)
    stand.here.modules["finger-1"].present(ANNA)
    await stand.here.stage(Stage.SHOWN)
    await stand.here.restart()
    await stand.page.reload()
    await stand.ends("已计入，按时", "设备刚刚重启", tone="ok")
    assert ANNA.name not in await stand.document()


async def test_a_gateway_killed_before_the_commit_says_that_it_does_not_count(stand: Stand) -> None:
    await stand.checks_in(ANNA)
    await stand.here.restart()
    await stand.page.reload()
    await expect(stand.page.locator(".alert")).to_contain_text("上一次报到未完成，不计入，请重新报到")
    assert [name for name, _ in await stand.here.events()].count("checkin.completed") == 0


async def test_the_receipt_is_there_while_the_result_is(stand: Stand) -> None:
    await stand.checks_in(ANNA)
    stand.here.modules["finger-1"].present(ANNA)
    await stand.ends("打印回执", tone="ok")
    await stand.page.locator(".foot a").click()
    await expect(stand.page.locator(".receipt")).to_contain_text("报到回执")
    await expect(stand.page.locator(".receipt")).to_contain_text("2026-11-22 09:02:02")
    url, receipt = stand.page.url, await stand.document()
    assert ANNA.name not in receipt
    assert ANNA.ref not in receipt
    stand.here.pass_s(SHOWN_S)
    await stand.here.stage(Stage.IDLE)
    await stand.page.goto(url)
    assert stand.page.url.endswith("/kiosk"), "who comes back too late sees the kiosk, not an error"
    assert "报到回执" not in await stand.document()
    answer = await stand.page.request.get(url)
    assert answer.status == 404, "a program is told"


@pytest.mark.parametrize("size", ["panel", "wide"])
async def test_no_state_scrolls_or_is_cut_off_or_hard_to_read(
    chromium: Browser, site: Site, size: str
) -> None:
    async with browser_at(chromium, site, "kiosk-1", size) as stand:
        async for state in every_state(stand):
            room = await stand.page.evaluate(
                "[document.documentElement.scrollHeight, innerHeight, document.documentElement.scrollWidth, innerWidth]"
            )
            assert room[0] <= room[1], state
            assert room[2] <= room[3], state
            cut = await stand.page.evaluate(CUT_OFF)
            assert cut == [], (state, cut)
            if size == "panel":
                found = await Axe().run(stand.page, options=ACCESSIBLE)
                assert found.response["violations"] == [], (state, found.response["violations"])


ACCESSIBLE = {"runOnly": ["wcag2a", "wcag2aa", "wcag21aa"], "resultTypes": ["violations"]}

# Elements with words that stick out of their frame or of the screen.
CUT_OFF = """() => [...document.querySelectorAll('#screen span, #screen h1, #screen button, #top span, #top b')]
  .filter((one) => one.getClientRects().length && one.textContent.trim() && !one.closest('.sr-only'))
  .filter((one) => { const r = one.getBoundingClientRect();
    return r.left < 0 || r.top < 0 || r.right > innerWidth + 1 || r.bottom > innerHeight + 1
      || one.scrollWidth > one.clientWidth + 2 && one.tagName === 'BUTTON'
      || one.scrollHeight > one.clientHeight + 2 && one.tagName === 'BUTTON'; })
  .map((one) => one.textContent.trim())"""


async def every_state(stand: Stand) -> AsyncIterator[str]:
    here = stand.here
    await stand.kind("idle")
    yield "idle"
    here.kiosk().unread("card_auth")
    await expect(stand.page.locator(".alert")).to_be_visible()
    yield "unread"
    here.lay(BORIS)
    await stand.kind("choosing")
    yield "choosing"
    await stand.page.locator("[data-touch=report]").click()
    await stand.kind("proving")
    yield "proving-both"
    here.lay(ANNA)
    await stand.kind("choosing")
    await stand.page.locator("[data-touch=service_out]").click()
    await stand.kind("proving")
    yield "proving-finger"
    here.modules["finger-1"].fail("poor")
    await expect(stand.page.locator(".alert")).to_be_visible()
    yield "proving-again"
    here.modules["finger-1"].present(ANNA)
    await stand.kind("result")
    yield "counted-study"
    await stand.goes()
    await stand.page.locator("[data-touch=report]").click()
    await stand.kind("waiting")
    yield "waiting"
    here.lay(ANNA)
    await stand.kind("proving")
    here.modules["finger-1"].present(ANNA)
    await stand.ends("按时", tone="ok")
    yield "counted"
    here.roster.standings[ANNA.ref] = Standing(Where.LATE, NEXT)
    await stand.checks_in_again(ANNA)
    here.modules["finger-1"].present(ANNA)
    await stand.ends("迟到", tone="attention")
    yield "late"
    await stand.checks_in_again(ANNA)
    here.modules["finger-1"].present(BORIS)
    await stand.ends("不计入", tone="fault")
    yield "rejected"
    await stand.goes()
    await stand.touches(None)
    await stand.ends("待人工复核", tone="attention")
    yield "review"
    await stand.checks_in_again(ANNA)
    here.ingest.gate = asyncio.Event()
    here.modules["finger-1"].present(ANNA)
    await stand.kind("storing")
    yield "storing"
    here.ingest.refusal_of_test = StoreRefused("store_full", "no room")
    here.ingest.gate.set()
    here.ingest.gate = None
    await stand.ends("未能保存", tone="fault")
    yield "not-stored"
    here.ingest.refusal_of_test = None
    await stand.checks_in_again(STAFF_ONLY)
    yield "proving-staff"
    await stand.site.stop()
    await expect(stand.page.locator("#lost")).to_be_visible()
    yield "lost"
    await stand.site.start()


PAINTED = """() => new Promise((done) => {
  const now = () => performance.timeOrigin + performance.now();
  const seen = () => requestAnimationFrame(() => requestAnimationFrame(() => done(now())));
  new MutationObserver((_, me) => { if (document.querySelector('.ending')) { me.disconnect(); seen(); } })
    .observe(document.getElementById('screen'), { childList: true, subtree: true });
})"""


async def test_from_the_finger_to_the_painted_result(
    stand: Stand, capsys: pytest.CaptureFixture[str]
) -> None:
    took: list[float] = []
    for _ in range(20):
        await stand.checks_in(ANNA)
        painted = asyncio.ensure_future(stand.page.evaluate(PAINTED))
        await asyncio.sleep(0.2)  # until the page watches
        began_ms = time.time() * 1000
        stand.here.modules["finger-1"].present(ANNA)
        took.append(await painted - began_ms)
        stand.here.clock.advance(10_000)
        await stand.goes()
    took.sort()
    median = statistics.median(took)
    with capsys.disabled():
        print(f"\nfinger to painted result, {len(took)}: median {median:.0f} ms, p95 {took[18]:.0f} ms")
    assert median < 2000, "a person waits"
