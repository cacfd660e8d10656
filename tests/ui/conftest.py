"""Fixtures of the browser tests: the machine's Chromium, a real server in this loop, a watched tab.

Playwright's asynchronous interface is used: its synchronous one leaves a running loop behind, in which no later
asyncio test of the same process can run.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from gateway.access.model import Role
from gateway.api.gate import SESSION_COOKIE
from gateway.api.listening import listen
from gateway.api.server import serve_on
from tests.gateway.memory_access import MemoryAccess, app_of
from tests.ui.chromium import INSTALL, LAUNCH_ARGS, chromium_path
from tests.ui.scripted import ScriptedGateway, healthy

DEADLINE_MS = 20_000


class Site:
    """The gateway's own server over a scripted gateway; can be stopped and started again on the same port."""

    def __init__(self) -> None:
        self.gateway = ScriptedGateway(healthy())
        self.access = MemoryAccess()
        self._port = 0
        self._task: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/"

    async def start(self) -> None:
        listener = listen("127.0.0.1", self._port)
        self._port = listener.getsockname()[1]
        self._task = asyncio.create_task(serve_on(app_of(self.gateway, self.access), listener))
        await asyncio.sleep(0)

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))
            self._task = None

    async def sign_in(self, context: BrowserContext, role: Role = Role.TECHNICIAN) -> None:
        """As if somebody had signed in before; the page to do so has tests of its own."""
        cookie = self.access.begin(role).cookie
        await context.add_cookies(
            [
                {
                    "name": SESSION_COOKIE,
                    "value": cookie,
                    "url": self.url.replace(
                        "http:", "https:"
                    ),  # else the tool refuses what the browser takes
                    "secure": True,
                    "httpOnly": True,
                    "sameSite": "Strict",
                }
            ]
        )


@dataclass
class Tab:
    """An open page and everything it did that it should not."""

    page: Page
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def watch(self) -> None:
        self.page.on(
            "console",
            lambda said: self.errors.append(said.text) if said.type in {"error", "warning"} else None,
        )
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("dialog", lambda dialog: self.errors.append(f"dialog: {dialog.message}"))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.set_default_timeout(DEADLINE_MS)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium() -> AsyncIterator[Browser]:
    path = chromium_path()
    if path is None:
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(INSTALL)
        pytest.skip(INSTALL)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=LAUNCH_ARGS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="module")
async def site() -> AsyncIterator[Site]:
    site = Site()
    await site.start()
    yield site
    await site.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def tab(chromium: Browser, site: Site) -> AsyncIterator[Tab]:
    """A tab of its own context, not yet on the page. Fails the test if it asked anybody but the site."""
    context = await chromium.new_context(
        viewport={"width": 1440, "height": 900},
        locale="en-US",  # the page does not go by it
        timezone_id="America/New_York",  # nor by this: it shows Beijing time
    )
    await site.sign_in(context)
    tab = Tab(await context.new_page())
    tab.watch()
    yield tab
    await context.close()
    assert [url for url in tab.requests if not url.startswith(site.url)] == []
