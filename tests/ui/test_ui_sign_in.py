"""Signing in with a real browser: without scripts, over plain HTTP on the box and over HTTPS, by keyboard, legibly."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, Page, expect

from gateway import RELEASED_MS
from gateway.access.model import AccessRefused, Role
from gateway.api.gate import SESSION_COOKIE
from gateway.api.https import CertificatePlan, Https
from gateway.api.listening import listen, url_of
from gateway.api.server import serve_on
from tests.gateway.memory_access import PASSWORD, app_of
from tests.ui.conftest import DEADLINE_MS, Site, Tab

pytestmark = [pytest.mark.ui, pytest.mark.asyncio(loop_scope="module")]

expect.set_options(timeout=DEADLINE_MS)
NEW = "four unrelated quiet words"


@pytest_asyncio.fixture(loop_scope="module")
async def stranger(chromium: Browser) -> AsyncIterator[BrowserContext]:
    """A browser in which nobody is signed in and no script runs."""
    context = await chromium.new_context(java_script_enabled=False, viewport={"width": 1024, "height": 600})
    context.set_default_timeout(DEADLINE_MS)
    yield context
    await context.close()


async def sign_in(page: Page, name: str = "technician", password: str = PASSWORD) -> None:
    await page.get_by_label("账号").fill(name)
    await page.get_by_label("密码").fill(password)
    await page.get_by_role("button", name="登录").click()


async def test_a_person_signs_in_and_out_without_scripts(stranger: BrowserContext, site: Site) -> None:
    page = await stranger.new_page()
    await page.goto(f"{site.url}?lang=zh")
    await expect(page).to_have_url(f"{site.url}sign-in?next=%2F%3Flang%3Dzh")
    await sign_in(page, password="wrong")
    await expect(page.get_by_role("alert")).to_have_text("账号或密码不正确。")
    await expect(page.get_by_label("账号")).to_have_value("technician")
    await expect(page.get_by_label("密码")).to_have_value("")
    await sign_in(page)
    await expect(page).to_have_url(f"{site.url}?lang=zh")
    await expect(page.locator(".bar-who")).to_have_text("technician 技术员")
    await page.get_by_role("button", name="退出").click()
    await expect(page.get_by_role("status")).to_have_text("已退出。")
    assert site.access.sessions == {}
    await page.goto(site.url)
    await expect(page).to_have_url(f"{site.url}sign-in")


async def test_a_browser_keeps_the_cookie_over_https_too(
    chromium: Browser, site: Site, tmp_path: Path
) -> None:
    plan = CertificatePlan(folder=tmp_path, gateway="gw-440305-01", names=("127.0.0.1",))
    https = Https.load(plan, RELEASED_MS)
    listener = listen("127.0.0.1", 0)
    url = url_of(listener, "https")
    server = asyncio.create_task(serve_on(app_of(site.gateway, site.access), listener, context=https.context))
    context = await chromium.new_context(ignore_https_errors=True)  # the technician has trusted it
    page = await context.new_page()
    await page.goto(url)
    await sign_in(page)
    await expect(page.locator("#live.is-on")).to_be_visible()
    (cookie,) = [one for one in await context.cookies() if one["name"] == SESSION_COOKIE]
    assert (cookie["secure"], cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (
        True,
        True,
        "Strict",
        "/",
    )
    await page.get_by_role("button", name="退出").click()
    await expect(page.get_by_role("status")).to_have_text("已退出。")
    await context.close()
    server.cancel()
    await asyncio.wait({server})


async def test_a_locked_account_says_how_long_in_the_chosen_language(
    stranger: BrowserContext, site: Site
) -> None:
    page = await stranger.new_page()
    await page.goto(f"{site.url}sign-in")
    await page.get_by_role("link", name="English").click()
    site.access.failing = AccessRefused("locked", "wait", retry_after_s=90)
    await page.get_by_label("Account").fill("technician")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("alert")).to_contain_text("Try again in 1 min 30 s.")


async def test_one_s_own_password_is_changed_without_scripts(stranger: BrowserContext, site: Site) -> None:
    site.access.must_change.add("staff")
    page = await stranger.new_page()
    await page.goto(f"{site.url}sign-in")
    await sign_in(page, "staff")
    await expect(page).to_have_url(f"{site.url}account")  # nothing else before
    await page.get_by_label("当前密码").fill(PASSWORD)
    await page.get_by_label("新密码", exact=True).fill(NEW)
    await page.get_by_label("再输一次新密码").fill(NEW)
    await page.get_by_role("button", name="更改密码").click()
    await expect(page.get_by_role("status")).to_have_text("密码已更改，请用新密码登录。")
    await sign_in(page, "staff", NEW)
    await expect(page).to_have_url(site.url)


async def test_a_page_of_another_origin_signs_nobody_out(tab: Tab, site: Site, chromium: Browser) -> None:
    """The browser's own words: SameSite, Origin and Sec-Fetch-Site, all three at once."""
    context = await chromium.new_context()
    await site.sign_in(context)
    before = len(site.access.sessions)
    other = listen("127.0.0.2", 0)  # another host, hence another site
    evil = url_of(other)

    async def form(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = f'<form method="post" action="{site.url}sign-out"><button>win</button></form>'.encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n" + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(form, sock=other)
    page = await context.new_page()
    await page.goto(evil)
    await page.get_by_role("button").click()
    await page.wait_for_url(f"{site.url}sign-out")
    assert "not_signed_in" in await page.content()  # the cookie did not even come along
    assert len(site.access.sessions) == before
    await context.close()
    server.close()


async def test_an_open_page_leads_to_the_sign_in_once_the_session_has_ended(tab: Tab, site: Site) -> None:
    await tab.page.goto(site.url)
    await expect(tab.page.locator("#live.is-on")).to_be_visible()
    site.access.sessions.clear()
    site.gateway.show(site.gateway.snapshot())
    await expect(tab.page).to_have_url(f"{site.url}sign-in")


async def test_a_gateway_started_again_knows_nobody_and_the_page_says_so(tab: Tab, site: Site) -> None:
    await tab.page.goto(site.url)
    await expect(tab.page.locator("#live.is-on")).to_be_visible()
    await site.stop()
    await expect(tab.page.locator("#lost")).to_be_visible()
    site.access.sessions.clear()
    await site.start()
    await expect(tab.page).to_have_url(f"{site.url}sign-in")


@pytest.mark.parametrize("path", ["sign-in", "account", ""])
@pytest.mark.parametrize("size", [(390, 844), (1024, 600), (1440, 900)])
async def test_the_pages_of_the_door_are_legible_for_everybody(
    tab: Tab, site: Site, path: str, size: tuple[int, int]
) -> None:
    await tab.page.set_viewport_size({"width": size[0], "height": size[1]})
    await tab.page.goto(f"{site.url}{path}")
    wide = await tab.page.evaluate("document.documentElement.scrollWidth > innerWidth")
    assert not wide
    found = await Axe().run(tab.page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]})
    assert found.violations_count == 0, found.generate_report()
    assert tab.errors == []


async def test_the_form_is_filled_in_by_keyboard_alone(tab: Tab, site: Site) -> None:
    await tab.page.context.clear_cookies()
    await tab.page.goto(f"{site.url}sign-in")
    await expect(tab.page.get_by_label("账号")).to_be_focused()
    await tab.page.keyboard.type("auditor")
    await tab.page.keyboard.press("Tab")
    await tab.page.keyboard.type(PASSWORD)
    await tab.page.keyboard.press("Enter")
    await expect(tab.page.locator(".bar-who")).to_contain_text("驻检室")
    assert [one.role for one in site.access.sessions.values()][-1] is Role.AUDITOR
