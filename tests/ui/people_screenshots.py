"""Pictures of the pages about fingers and faces: `python -m tests.ui.people_screenshots FOLDER [SIZE] [zh|en]`."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from playwright.async_api import Page, async_playwright

from drivers.factors import Step
from gateway.api.gate import SESSION_COOKIE
from gateway.api.listening import listen, url_of
from gateway.api.parts import Parts
from gateway.api.server import create_app, serve_on
from gateway.checkin.enrolment_steps import Ending, Outcome
from tests.ui.chromium import INSTALL, LAUNCH_ARGS, chromium_path
from tests.ui.test_ui_persons import ANNA, GONE, SIZES, Script


async def states(page: Page, script: Script, url: str, lang: str) -> AsyncIterator[str]:
    """One after another."""
    await page.goto(f"{url}staff/persons?lang={lang}")
    yield "persons"
    await page.locator(".person-row a, .person-row button").first.click()
    await page.locator("#release, form").first.wait_for()
    yield "person"
    script.show(ANNA, stage="person", hint="another_card")
    await page.locator(".now").wait_for()
    yield "person-card"
    script.show(ANNA, stage="take", step=Step.AGAIN)
    await page.locator(".track-step.is-done").first.wait_for()
    yield "person-take"
    script.show(ANNA, stage="done", ending=Ending(Outcome.ENROLLED))
    await page.locator(".ending").wait_for()
    yield "person-enrolled"
    script.show(ANNA, stage="done", ending=Ending(Outcome.REFUSED, "known_as_another", GONE))
    await page.locator(".ending.is-fault").wait_for()
    yield "person-refused"


async def shoot(folder: Path, size: str, lang: str) -> None:
    """Take the pictures."""
    path = chromium_path()
    if path is None:
        sys.exit(INSTALL)
    script, listener = Script(), listen("127.0.0.1", 0)
    url = url_of(listener)
    app = create_app(Parts(viewed=script.gateway, metrics=bytes, access=script, persons=script))
    serving = asyncio.create_task(serve_on(app, listener))
    width, height = SIZES[size]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=LAUNCH_ARGS)
        context = await browser.new_context(viewport={"width": width, "height": height})
        await context.add_cookies(
            [
                {
                    "name": SESSION_COOKIE,
                    "value": "staff",
                    "url": url.replace("http:", "https:"),
                    "secure": True,
                    "httpOnly": True,
                    "sameSite": "Strict",
                }
            ]
        )
        page = await context.new_page()
        async for state in states(page, script, url, lang):
            await asyncio.sleep(0.3)
            await page.screenshot(path=folder / f"{state}-{size}-{lang}.png", full_page=True)
        await browser.close()
    serving.cancel()
    await asyncio.wait([serving])


if __name__ == "__main__":
    asyncio.run(shoot(Path(sys.argv[1]), *(sys.argv[2:] or ["kiosk", "zh"])))
