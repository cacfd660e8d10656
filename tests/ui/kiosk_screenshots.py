"""Pictures of the kiosk in each state: `python -m tests.ui.kiosk_screenshots FOLDER [panel|wide|phone]`."""

import asyncio
import sys
import tempfile
from pathlib import Path

from playwright.async_api import async_playwright

from tests.gateway.kiosk_world import world
from tests.ui.chromium import INSTALL, LAUNCH_ARGS, chromium_path
from tests.ui.palette import compress
from tests.ui.test_ui_kiosk import SIZES, Site, browser_at, every_state


async def shoot(folder: Path, size: str) -> None:
    """Take the pictures."""
    path = chromium_path()
    if path is None:
        sys.exit(INSTALL)
    with tempfile.TemporaryDirectory() as place:
        async with world(Path(place)) as here, async_playwright() as playwright:
            site = Site(here)
            await site.start()
            browser = await playwright.chromium.launch(executable_path=path, args=LAUNCH_ARGS)
            async with browser_at(browser, site, "kiosk-1", size) as stand:
                async for state in every_state(stand):
                    await asyncio.sleep(0.4)
                    await stand.page.screenshot(path=folder / f"kiosk-{state}.png")
                    print(state)
                    if state == "counted":
                        receipt = await stand.page.context.new_page()
                        session = here.kiosk().shown_session
                        await receipt.goto(f"{site.url}/kiosk/receipt/{session}")
                        await receipt.screenshot(path=folder / "kiosk-receipt.png")
                        await receipt.close()
            context = await browser.new_context(viewport={"width": SIZES[size][0], "height": SIZES[size][1]})
            page = await context.new_page()
            await page.goto(f"{site.url}/kiosk/pair")
            await asyncio.sleep(0.4)
            await page.screenshot(path=folder / "kiosk-pair.png")
            await browser.close()
            await site.stop()
    for picture in folder.glob("kiosk-*.png"):
        compress(picture)


if __name__ == "__main__":
    asyncio.run(shoot(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "panel"))
