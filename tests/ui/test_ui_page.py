"""The page in a real browser: first paint, live, disconnected, in every size, by keyboard, without surprises."""

import re
from collections.abc import Callable
from dataclasses import replace
from itertools import product

import pytest
from playwright.async_api import Browser, expect

from gateway.view import Snapshot, Stage
from tests.ui import scripted
from tests.ui.conftest import DEADLINE_MS, Site, Tab

pytestmark = [pytest.mark.ui, pytest.mark.asyncio(loop_scope="module")]

SIZES = {"desktop": (1440, 900), "kiosk": (1024, 600), "phone": (390, 844), "wide": (1920, 1080)}
STATES: dict[str, Callable[[], Snapshot]] = {
    "healthy": scripted.healthy,
    "attention": scripted.attention,
    "troubled": scripted.troubled,
    "empty": scripted.empty,
}
HOSTILE = '<img src=x onerror="window.hacked=1;alert(1)"><script>window.hacked=1</script>'

expect.set_options(timeout=DEADLINE_MS)


async def live(tab: Tab, site: Site, query: str = "") -> None:
    """Open the page and wait until it follows the gateway."""
    await tab.page.goto(f"{site.url}{query}")
    await expect(tab.page.locator("#live.is-on")).to_be_visible()


async def test_the_page_is_complete_in_chinese(tab: Tab, site: Site) -> None:
    await live(tab, site)
    page = tab.page
    await expect(page).to_have_title("正常运行 · gw-440305-01 · 智矫网关")
    await expect(page.get_by_role("heading", name="正常运行")).to_be_visible()
    for title in ("设备", "最近事件", "上报", "本机存储", "时钟"):
        await expect(page.get_by_role("heading", name=title, exact=True)).to_be_visible()
    await expect(page.locator(".device")).to_have_count(2)
    await expect(page.locator(".event")).to_have_count(10)
    await expect(page.locator(".event").first).to_contain_text("读取身份证")
    await expect(page.locator(".event").first).to_contain_text("ID card read")
    assert tab.errors == []


async def test_the_switch_changes_the_language_and_is_remembered(tab: Tab, site: Site) -> None:
    await live(tab, site)
    await tab.page.get_by_role("link", name="English").click()
    await expect(tab.page.locator("#live.is-on")).to_have_text("Live")
    await expect(tab.page.get_by_role("heading", name="Working normally")).to_be_visible()
    await live(tab, site)  # a new visit to the plain address
    await expect(tab.page.get_by_role("heading", name="Recent events")).to_be_visible()
    assert await tab.page.evaluate("document.documentElement.lang") == "en"
    # What arrives live speaks the page's language too.
    site.gateway.show(scripted.troubled())
    await expect(tab.page.get_by_role("heading", name="Fault", exact=True)).to_be_visible()
    assert tab.errors == []


async def test_the_page_is_complete_without_scripts(chromium: Browser, site: Site) -> None:
    context = await chromium.new_context(java_script_enabled=False)
    await site.sign_in(context)
    page = await context.new_page()
    await page.goto(site.url)
    await expect(page.locator(".event")).to_have_count(10)
    await expect(page.locator("#now")).to_have_text("14:03:22")
    await expect(page.locator("#lost")).to_be_hidden()
    await context.close()


async def test_a_new_event_appears_and_walks_to_confirmed_without_a_reload(tab: Tab, site: Site) -> None:
    await live(tab, site)
    await tab.page.evaluate("window.marker = 'same page'")
    before = site.gateway.snapshot()
    row = tab.page.locator('.event[data-key="9f3c2a71-1285"]')
    for stage, done in ((Stage.COMMITTED, 1), (Stage.SENT, 2), (Stage.SETTLED, 3)):
        after = 182 if stage is Stage.SETTLED else None
        event = scripted.event(1285, stage=stage, after_ms=after)
        site.gateway.show(replace(before, events=(event, *before.events)))
        await expect(row.locator(".is-done, .is-now")).to_have_count(done)
    await expect(row.locator(".is-now")).to_have_text("中心已确认")
    await expect(row.locator(".latency")).to_have_text("182 毫秒")
    await expect(tab.page.locator(".event")).to_have_count(11)
    await expect(tab.page.locator(".event").first).to_contain_text("#1285")
    assert await tab.page.evaluate("window.marker") == "same page"
    assert tab.errors == []


async def test_only_new_rows_are_marked_as_new(tab: Tab, site: Site) -> None:
    await live(tab, site)
    assert await tab.page.locator("[data-fresh]").count() == 0
    before = site.gateway.snapshot()
    site.gateway.show(
        replace(before, events=(scripted.event(1286), scripted.event(1285), *before.events[:-2]))
    )
    await expect(tab.page.locator("[data-fresh]")).to_have_count(2)
    assert await tab.page.locator(".event").count() == 10
    keys = await tab.page.locator(".event").evaluate_all("rows => rows.map(row => row.dataset.key)")
    assert keys == [f"9f3c2a71-{seq}" for seq in range(1286, 1276, -1)]


async def test_motion_is_left_out_where_it_is_unwanted(tab: Tab, site: Site) -> None:
    await tab.page.emulate_media(reduced_motion="reduce")
    await live(tab, site)
    before = site.gateway.snapshot()
    site.gateway.show(replace(before, events=(scripted.event(1285), *before.events)))
    fresh = tab.page.locator("[data-fresh]")
    await expect(fresh).to_have_css("animation-name", "none")
    await tab.page.emulate_media(reduced_motion="no-preference")
    await expect(fresh).to_have_css("animation-name", "arrive")


async def test_a_reader_that_is_lost_turns_the_page_and_says_what_to_do(tab: Tab, site: Site) -> None:
    await live(tab, site)
    site.gateway.show(scripted.attention())
    await expect(tab.page.get_by_role("heading", name="需要关注")).to_be_visible()
    await expect(tab.page).to_have_title("需要关注 · gw-440305-01 · 智矫网关")
    device = tab.page.locator('.device[data-key="idcard-1"]')
    await expect(device.locator(".pill")).to_have_text("离线")
    await expect(device).to_contain_text("插回 USB 线")
    site.gateway.show(scripted.healthy())
    await expect(device.locator(".pill")).to_have_text("在线")
    await expect(tab.page.get_by_role("heading", name="正常运行")).to_be_visible()


async def test_a_lost_connection_is_said_and_heals_by_itself(tab: Tab, site: Site) -> None:
    await live(tab, site)
    await site.stop()
    banner = tab.page.locator("#lost")
    await expect(banner).to_be_visible()
    await expect(banner).to_contain_text("本页与网关的连接中断")
    await expect(banner).to_contain_text("秒前的状态")
    await expect(tab.page.locator("#live")).to_have_text("连接中断")
    # No state keeps its colour while nobody knows whether it still holds.
    await expect(tab.page.locator("main")).to_have_css("filter", "grayscale(1)")
    await expect(tab.page.locator("#lost-age")).to_have_text(
        re.compile(r"为 ([2-9]|\d\d) 秒前")
    )  # the age goes on
    site.gateway.show(scripted.attention())
    await site.start()
    await expect(banner).to_be_hidden()
    await expect(tab.page.get_by_role("heading", name="需要关注")).to_be_visible()
    await expect(tab.page.locator("main")).to_have_css("filter", "none")


async def test_a_line_that_is_dead_but_looks_open_is_noticed(tab: Tab, site: Site) -> None:
    await tab.page.clock.install()
    await live(tab, site)
    await tab.page.clock.run_for(20_000)
    await expect(tab.page.locator("#lost")).to_be_hidden()
    site.gateway.show(replace(scripted.healthy(), version="0.1.1"))  # a sign of life
    await expect(tab.page.locator(".event")).to_have_count(10)
    await tab.page.clock.run_for(26_000)
    await expect(tab.page.locator("#lost")).to_be_visible()
    await tab.page.clock.run_for(6_000)  # and a new attempt is made, which the gateway answers
    await expect(tab.page.locator("#lost")).to_be_hidden()


async def test_the_clock_goes_on_by_itself_in_beijing_time(tab: Tab, site: Site) -> None:
    await live(tab, site)
    await expect(tab.page.locator("#now")).to_have_text(
        "14:03:24"
    )  # two seconds after the snapshot's 14:03:22
    assert tab.errors == []


async def test_a_page_older_than_the_gateway_loads_itself_anew(tab: Tab, site: Site) -> None:
    await live(tab, site)
    await tab.page.evaluate("document.body.dataset.version = '000000000000'")
    async with tab.page.expect_navigation():
        site.gateway.show(scripted.attention())
    await expect(tab.page.locator("#live.is-on")).to_be_visible()
    assert await tab.page.evaluate("document.body.dataset.version") != "000000000000"
    assert tab.errors == []


async def test_what_the_person_opened_stays_open_and_focused_over_updates(tab: Tab, site: Site) -> None:
    site.gateway.show(scripted.attention())
    await live(tab, site)
    summary = tab.page.locator('.device[data-key="idcard-1"] summary')
    await summary.focus()
    await tab.page.keyboard.press("Enter")
    detail = tab.page.locator('.device[data-key="idcard-1"] .detail')
    await expect(detail).to_be_visible()
    now = site.gateway.snapshot()
    devices = (replace(now.devices[0], events_total=313), replace(now.devices[1], events_total=49))
    site.gateway.show(replace(now, devices=devices))
    await expect(tab.page.locator('.device[data-key="idcard-1"]')).to_contain_text("313")
    await expect(detail).to_be_visible()
    await expect(summary).to_be_focused()


async def test_a_screen_reader_hears_changes_of_state_and_not_every_event(tab: Tab, site: Site) -> None:
    await live(tab, site)
    await tab.page.evaluate(
        """() => { window.spoken = 0; const status = document.querySelector('[role=status]');
        new MutationObserver(() => { window.spoken += 1; })
            .observe(status, {childList: true, characterData: true, subtree: true}); }"""
    )
    now = site.gateway.snapshot()
    for seq in range(1285, 1290):
        buffer = replace(now.buffer, backlog=seq, last_seq=seq)
        site.gateway.show(replace(now, events=(scripted.event(seq), *now.events), buffer=buffer))
        await expect(tab.page.locator(".event").first).to_contain_text(f"#{seq}")
    assert await tab.page.evaluate("window.spoken") == 0
    site.gateway.show(scripted.attention())
    await expect(tab.page.locator("[role=status]")).to_have_text("需要关注 · 设备离线 idcard-1")
    assert await tab.page.evaluate("window.spoken") == 1


async def test_hostile_text_that_arrives_live_is_only_text(tab: Tab, site: Site) -> None:
    await live(tab, site)
    good = scripted.attention()
    device = replace(good.devices[0], id="idcard-9", detail=HOSTILE, code=HOSTILE, serial=HOSTILE)
    site.gateway.show(replace(good, devices=(device,), events=(scripted.event(1, HOSTILE, detail=HOSTILE),)))
    await expect(tab.page.locator(".event .event-detail")).to_have_text(HOSTILE)
    await tab.page.locator("summary").click()
    await expect(tab.page.locator(".detail")).to_have_text(HOSTILE)
    assert await tab.page.evaluate("window.hacked") is None
    assert await tab.page.locator("main img, main script").count() == 0
    assert tab.errors == []


async def test_the_keyboard_reaches_everything_and_one_sees_where_it_is(tab: Tab, site: Site) -> None:
    site.gateway.show(scripted.attention())
    await live(tab, site)
    names = []
    for _ in range(7):
        await tab.page.keyboard.press("Tab")
        focused = tab.page.locator(":focus")
        names.append(await focused.inner_text())
        await expect(focused).to_have_css("outline-style", "solid")
        await expect(focused).to_be_in_viewport()
    assert names == ["跳到正文", "中文", "English", "设备状态", "technician\n技术员", "退出", "技术信息"]


WIDER_THAN_THE_SCREEN = """() => [...document.querySelectorAll('body *')]
    .filter(one => one.checkVisibility() && !one.closest('.skip')
        && one.getBoundingClientRect().right > innerWidth + 0.5)
    .map(one => one.outerHTML.slice(0, 120))"""


@pytest.mark.parametrize(("state", "lang"), list(product(STATES, ("zh", "en"))))
async def test_nothing_is_wider_than_the_screen(tab: Tab, site: Site, state: str, lang: str) -> None:
    site.gateway.show(replace(STATES[state](), demo=True))
    await live(tab, site, f"?lang={lang}")
    for name, (width, height) in SIZES.items():
        await tab.page.set_viewport_size({"width": width, "height": height})
        assert await tab.page.evaluate("document.documentElement.scrollWidth") <= width, name
        assert await tab.page.evaluate(WIDER_THAN_THE_SCREEN) == [], name
        # The one strong line is on the first screen, whatever the size.
        await expect(tab.page.locator(".verdict-word")).to_be_in_viewport(ratio=1)
    assert tab.errors == []


async def test_long_words_do_not_break_the_frame(tab: Tab, site: Site) -> None:
    good = scripted.troubled()
    long = "x" * 200
    device = replace(
        good.devices[0], id=long[:32], kind=long, port=f"/dev/{long}", serial=long, model=long, detail=long
    )
    events = (scripted.event(2**53, long, device=long[:32], detail=long, epoch="deadbeef"), *good.events)
    uplink = replace(good.uplink, broker=f"{long}:8883", detail=long)
    site.gateway.show(
        replace(good, devices=(device, *good.devices), events=events, uplink=uplink, gateway=long)
    )
    await live(tab, site)
    for name, (width, height) in SIZES.items():
        await tab.page.set_viewport_size({"width": width, "height": height})
        assert await tab.page.evaluate("document.documentElement.scrollWidth") <= width, name


async def test_chinese_is_drawn_and_not_boxes(tab: Tab, site: Site) -> None:
    await live(tab, site)
    drawn = await tab.page.evaluate(
        """() => ['矫', '正', '存', '\\ufdd0'].map(letter => {
            const canvas = document.createElement('canvas'); canvas.width = canvas.height = 40;
            const pen = canvas.getContext('2d');
            pen.font = '32px ' + getComputedStyle(document.body).fontFamily;
            pen.fillText(letter, 2, 34); return canvas.toDataURL(); })"""
    )
    assert len(set(drawn)) == 4, (
        "no Chinese font: every character is the same box; apt-get install fonts-noto-cjk"
    )


async def test_the_page_asks_nobody_but_the_gateway(tab: Tab, site: Site) -> None:
    await live(tab, site)
    paths = sorted({url.removeprefix(site.url).rpartition("/")[2] for url in tab.requests})
    # The fixture checks the origin of every request of every test; here is what they are.
    assert paths == ["", "live.js", "live?lang=zh", "mark.svg", "morph.js", "page.css", "page.js"]
    stored = await tab.page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]")
    assert stored == [0, 0, ""]
