"""The page of the center in a browser: it stays current by itself, and says when nobody answers."""

import asyncio
import re

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, expect

from gateway.api.center_server import FRESH_S, create_center_app
from gateway.api.listening import listen
from gateway.api.parts import CENTER_ZONE
from gateway.api.server import serve_on
from gateway.receiver.overview import GatewayFacts, Overview
from tests.ui.conftest import Tab

pytestmark = [pytest.mark.ui, pytest.mark.asyncio(loop_scope="module")]

AT_MS = 1_795_309_322_000


def standing(missing: int) -> Overview:
    facts = GatewayFacts(
        "gw-370102-01", state="online", seen_ms=AT_MS - 4000, upto=12, last_seq=12, backlog=0, missing=missing,
        clockq="synced", mqtt="5", ack_mode="center", software="0.1.0", worker="a", alarms={"rejected": 2},
    )  # fmt: skip
    return Overview(AT_MS, (facts,), ("a", "b"), 3)


async def test_the_page_of_the_center_stays_current_and_says_when_it_cannot(
    chromium: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.api.center_server.FRESH_S", 0.0)
    assert FRESH_S > 0
    now = standing(0)

    async def read() -> Overview:
        return now

    listener = listen("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    serving = asyncio.create_task(serve_on(create_center_app(read, zone=CENTER_ZONE), listener))
    context = await chromium.new_context(viewport={"width": 1280, "height": 700})
    tab = Tab(await context.new_page())
    tab.watch()
    try:
        await tab.page.clock.install()
        await tab.page.goto(url)
        await expect(tab.page.get_by_role("row", name=re.compile("gw-370102-01"))).to_contain_text(
            "至 #12 无缺号"
        )
        found = await Axe().run(tab.page)
        assert found.violations_count == 0, found.generate_report()
        now = standing(5)
        await tab.page.clock.fast_forward(15_500)
        await expect(tab.page.get_by_role("row", name=re.compile("gw-370102-01"))).to_contain_text("缺 5 条")
        assert tab.errors == []
        serving.cancel()
        await asyncio.wait((serving,))
        await tab.page.clock.fast_forward(15_500)
        await expect(tab.page.get_by_role("alert")).to_contain_text("失去联系")
        assert {request.partition("/static")[0] for request in tab.requests} <= {url, url.rstrip("/")}
    finally:
        serving.cancel()
        await asyncio.wait((serving,))
        await context.close()
