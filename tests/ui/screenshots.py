"""Pictures of the page for the documentation: `python -m tests.ui.screenshots FOLDER`.

Test code: the gateway behind the page is a script. `--all` adds the other states and sizes, for looking at a change.
"""

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

from playwright.async_api import async_playwright

from gateway.view import Snapshot
from tests.ui import scripted
from tests.ui.chromium import LAUNCH_ARGS, chromium_path
from tests.ui.conftest import Site

SIZES = {"desktop": (1440, 900), "kiosk": (1024, 600), "phone": (390, 844), "wide": (1920, 1080)}
STATES = {
    "healthy": scripted.healthy,
    "attention": scripted.attention,
    "troubled": scripted.troubled,
    "empty": scripted.empty,
}


def wanted(*, everything: bool) -> list[tuple[str, Snapshot, str, str]]:
    """(file name, snapshot, language, size) of each picture."""
    shots = [
        (f"page-{lang}.png", replace(scripted.attention(), demo=True), lang, "desktop")
        for lang in ("zh", "en")
    ]
    if everything:
        for state, make in STATES.items():
            shots += [
                (f"{state}-{size}-{lang}.png", make(), lang, size) for size in SIZES for lang in ("zh", "en")
            ]
    return shots


async def shoot(folder: Path, *, everything: bool) -> None:
    """Take the pictures."""
    path = chromium_path()
    if path is None:
        sys.exit("chromium is not installed: apt-get install chromium fonts-noto-cjk")
    site = Site()
    await site.start()
    gateway, url = site.gateway, site.url
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=LAUNCH_ARGS)
        for name, snapshot, lang, size in wanted(everything=everything):
            gateway.show(snapshot)
            width, height = SIZES[size]
            context = await browser.new_context(viewport={"width": width, "height": height})
            await site.sign_in(context)
            page = await context.new_page()
            await page.goto(f"{url}?lang={lang}")
            await page.locator("#live.is-on").wait_for()
            await page.screenshot(path=folder / name, full_page=everything and not name.startswith("page-"))
            await context.close()
        await browser.close()
    await site.stop()


if __name__ == "__main__":
    asyncio.run(shoot(Path(sys.argv[1]), everything="--all" in sys.argv))
