"""Pictures of the pages of staff and auditor: `python -m tests.ui.staff_screenshots FOLDER [--all]`.

Test code: day, kiosks and alarms behind the pages are a script, the store behind the evidence is a real one.
"""

import asyncio
import contextlib
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from playwright.async_api import Browser, Page, async_playwright

from gateway.api.gate import SESSION_COOKIE
from gateway.api.listening import listen, url_of
from gateway.api.server import create_app, serve_on
from gateway.clock import ManualClock
from tests.gateway.store_fixtures import draft, running_store
from tests.ui.chromium import LAUNCH_ARGS, chromium_path
from tests.ui.staff_script import Office

Then = Callable[[Page], Awaitable[None]]
SIZES = {"desktop": (1440, 900), "panel": (1024, 600), "laptop": (1280, 800), "phone": (390, 844)}


async def a_store(path: Path) -> None:
    """A store with a trail."""
    clock = ManualClock()
    async with running_store(path, clock) as store:
        for number in range(6):
            stamp = clock.now()
            said = [
                draft(stamp, "audit.login", by=f"staff-{number % 2}", source="10.0.0.5"),
                draft(stamp, "audit.viewed", by="staff-1", what="person"),
                draft(
                    stamp,
                    "audit.exported",
                    by="staff-1",
                    what="day",
                    day="2026-11-21",
                    part="duties",
                    rows=14,
                ),
            ]
            about = [replace(one, subject="gateway/gw-440305-01", device="gateway") for one in said]
            about[1] = replace(about[1], subject="person/p-440305-0003")
            await store.append([draft(stamp, card_type="resident"), *about], stamp)
            clock.advance(60_000)


async def open_page(browser: Browser, url: str, path: str, role: str, size: str) -> Page:
    """A signed-in tab."""
    width, height = SIZES[size]
    context = await browser.new_context(viewport={"width": width, "height": height})
    await context.add_cookies(
        [
            {
                "name": SESSION_COOKIE,
                "value": role,
                "url": url.replace("http:", "https:"),
                "secure": True,
                "httpOnly": True,
                "sameSite": "Strict",
            }
        ]
    )
    page = await context.new_page()
    await page.goto(f"{url}{path}")
    return page


async def filled_entry(page: Page) -> None:
    """On to the second step."""
    await page.select_option("#ref", index=2)
    await page.select_option("#reason", "kiosk_broken")
    await page.get_by_role("button", name="下一步").click()
    await page.get_by_text("尚未写入任何记录").wait_for()


async def printed(page: Page) -> None:
    """The sheets."""
    await page.locator("#export").evaluate("form => { form.target = '_self' }")
    await page.get_by_role("button", name="打印").click()
    await page.locator(".sheet").first.wait_for()


async def called(page: Page) -> None:
    """A roll call with an answer."""
    await page.get_by_role("button", name="开始").click()
    await page.locator(".called > li").first.wait_for()
    await page.locator("button[value=present]").first.click()
    await page.locator(".is-given").first.wait_for()


async def live(page: Page) -> None:
    """Followed."""
    await page.locator("#live.is-on").wait_for()


async def alarmed(page: Page) -> None:
    """Over everything."""
    await page.locator("#alarm-dialog[open]").wait_for()


async def still(_page: Page) -> None:
    """As it comes."""


async def shoot(folder: Path, *, everything: bool) -> None:
    """Take the pictures."""
    path = chromium_path()
    if path is None:
        sys.exit("chromium is not installed: apt-get install chromium fonts-noto-cjk")

    shots: list[tuple[str, str, str, Then, bool]] = [
        ("staff-day", "staff", "staff", live, False),
        ("staff-entry", "staff/entry", "staff", filled_entry, False),
        ("staff-rollcall", "staff/rollcall", "staff", called, False),
        ("staff-print", "staff", "staff", printed, False),
        ("evidence-page", "evidence", "auditor", still, False),
        ("staff-alarm", "staff", "staff", alarmed, True),
    ]
    with tempfile.TemporaryDirectory() as temporary:
        store = Path(temporary) / "events.db"
        await a_store(store)
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=path, args=LAUNCH_ARGS)
            for size in SIZES if everything else ("laptop",):
                for name, where, role, then, alarm in shots:
                    office = Office(store)
                    if alarm:
                        office.raise_alarm()
                    listener = listen("127.0.0.1", 0)
                    url = url_of(listener)
                    app = create_app(office.parts())
                    server = asyncio.create_task(serve_on(app, listener))
                    page = await open_page(browser, url, where, role, size)
                    await then(page)
                    suffix = f"-{size}" if everything else ""
                    await page.screenshot(
                        path=folder / f"{name}{suffix}.png", full_page=everything and not alarm
                    )
                    await page.context.close()
                    server.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await server
            await browser.close()


if __name__ == "__main__":
    asyncio.run(shoot(Path(sys.argv[1]), everything="--all" in sys.argv))
