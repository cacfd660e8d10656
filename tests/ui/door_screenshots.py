"""Pictures of the sign-in, the account and the devices' page: `python -m tests.ui.door_screenshots FOLDER [SIZE]`."""

import asyncio
import sys
from pathlib import Path

from playwright.async_api import async_playwright

from tests.ui.chromium import INSTALL, LAUNCH_ARGS, chromium_path
from tests.ui.conftest import Site
from tests.ui.staff_screenshots import SIZES


async def shoot(folder: Path, size: str) -> None:
    """Take the pictures."""
    path = chromium_path()
    if path is None:
        sys.exit(INSTALL)
    site = Site()
    await site.start()
    width, height = SIZES[size]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=LAUNCH_ARGS)
        context = await browser.new_context(viewport={"width": width, "height": height})
        page = await context.new_page()
        await page.goto(f"{site.url}sign-in")
        await page.screenshot(path=folder / f"sign-in-{size}.png", full_page=True)
        await site.sign_in(context)
        await page.goto(f"{site.url}account")
        await page.screenshot(path=folder / f"account-{size}.png", full_page=True)
        await page.goto(f"{site.url}?lang=zh")
        await page.locator("#live.is-on").wait_for()
        await page.screenshot(path=folder / f"devices-{size}.png", full_page=True)
        await browser.close()
    await site.stop()


if __name__ == "__main__":
    asyncio.run(shoot(Path(sys.argv[1]), *(sys.argv[2:] or ["laptop"])))
