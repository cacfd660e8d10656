"""The first run in a real browser: the center named, an address tried, kept and undone, and what is still missing."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from gateway.access.model import Role
from gateway.api.listening import listen
from gateway.api.server import serve_on
from gateway.network import trial as trial_module
from gateway.network.ipv4 import Ipv4
from tests.gateway.memory_access import MemoryAccess, app_of
from tests.gateway.setup_bench import SetupBench
from tests.gateway.test_device_forms import FormBench
from tests.ui.conftest import Site, Tab

pytestmark = [pytest.mark.ui, pytest.mark.asyncio(loop_scope="module")]

SIZES = {"laptop": (1280, 800), "panel": (1024, 600), "phone": (390, 844)}
SHOTS = os.environ.get("SHOTS")  # a folder for pictures of every page
NAME = "历城区智慧矫正中心"


class SetupSite(Site):
    """The pages over a first run in memory."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.bench = SetupBench(folder)
        self.devices = FormBench(folder, terminals_come=True)
        self.gateway = self.bench.gateway
        self.access = MemoryAccess()

    async def start(self) -> None:
        listener = listen("127.0.0.1", self._port)
        self._port = listener.getsockname()[1]
        app = app_of(self.gateway, self.access, first_run=self.bench.first_run, console=self.devices.console)
        self._task = asyncio.create_task(serve_on(app, listener))
        await asyncio.sleep(0)


@pytest_asyncio.fixture(loop_scope="module")
async def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SetupSite]:
    monkeypatch.setattr(trial_module, "LOOK_S", 0.05)
    site = SetupSite(tmp_path)
    await site.start()
    yield site
    await site.bench.network.close()
    await site.stop()


async def shown(page: Page, name: str) -> None:
    """axe finds nothing serious; and pictures in all sizes, where they are wanted."""
    found = await Axe().run(page)
    serious = [one for one in found.response["violations"] if one["impact"] in {"serious", "critical"}]
    assert serious == [], json.dumps(serious, ensure_ascii=False)[:3000]
    wide = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0, "nothing is to be pushed aside"
    if SHOTS is not None:
        for size, (width, height) in SIZES.items():
            await page.set_viewport_size({"width": width, "height": height})
            await page.screenshot(path=f"{SHOTS}/{name}-{size}.png", full_page=True)
        await page.set_viewport_size({"width": 1280, "height": 800})


async def test_a_center_is_named_and_gets_an_address(site: SetupSite, tab: Tab) -> None:
    page, bench = tab.page, site.bench
    await page.set_viewport_size({"width": 1280, "height": 800})
    await page.goto(f"{site.url}setup")
    await shown(page, "setup")
    await expect(page.locator('[data-key="center_name"]')).to_contain_text("待完成")
    await page.locator("#center").fill(f"  {NAME} ")
    await page.locator("#name button").click()
    await expect(page.locator("#setup-name")).to_contain_text(NAME)
    await expect(page.locator('[data-key="center_name"]')).to_contain_text("已完成")
    assert bench.records.notes == {"center_name": NAME}

    # a mistake is told at its field, and nothing is tried
    await page.locator("#method").select_option("manual")
    await page.locator("#address").fill("10.1.2.3")
    await page.locator("#prefix").fill("255.255.255.0")
    await page.locator("#gateway").fill("10.9.9.9")
    await page.locator("#dns").fill("223.5.5.5")
    await page.locator("#network button").click()
    await expect(page.locator("#gateway-wrong")).to_contain_text("同一网段")
    await expect(page.locator("#gateway")).to_be_focused()
    await shown(page, "setup-wrong")
    assert bench.network.view.trial is None

    # tried, with a countdown; here the page is open at the box itself, so it may be kept
    await page.locator("#gateway").fill("10.1.2.1")
    await page.locator("#network button").click()
    await expect(page.locator(".trial")).to_contain_text("等待确认")
    await expect(page.locator("#gateway-wrong")).to_have_count(0)
    await expect(page.locator(".left")).to_have_text("28")
    await shown(page, "setup-trial")
    await page.locator("#keep button").click()
    await expect(page.locator("#setup-network")).to_contain_text("长期有效")
    kept = Ipv4.given(method="manual", address="10.1.2.3", prefix="24", gateway="10.1.2.1", dns="223.5.5.5")
    assert bench.daemon.disk == kept

    # another one, and back at once
    await page.locator("#method").select_option("auto")
    await expect(page.locator("#fixed")).to_be_hidden()
    await page.locator("#network button").click()
    await page.locator("#undo button").click()
    await expect(page.locator("#setup-network")).to_contain_text("已恢复原网络设置")
    assert bench.daemon.memory == kept
    assert [what for what, _ in bench.records.said()] == [
        "center_named", "network_tried", "network_kept", "network_tried", "network_undone",
    ]  # fmt: skip
    assert {one["by"] for one in bench.records.facts} == {"technician"}
    assert tab.errors == ["Failed to load resource: the server responded with a status of 409 (Conflict)"]


async def test_a_machine_without_network_manager_says_what_to_do(site: SetupSite, tab: Tab) -> None:
    site.bench.daemon.away = "no_network_manager"
    await tab.page.goto(f"{site.url}setup")
    await expect(tab.page.locator("#setup-network")).to_contain_text("apt-get install network-manager")
    await expect(tab.page.locator("#network")).to_have_count(0)
    await shown(tab.page, "setup-away")
    assert tab.errors == []


async def test_the_technician_begins_here_until_the_center_has_a_name(site: SetupSite, tab: Tab) -> None:
    await tab.page.context.clear_cookies()
    for named, first in ((False, "setup"), (True, "")):
        if named:
            await site.bench.name.give("admin-1", NAME)
        await tab.page.goto(f"{site.url}sign-in")
        await tab.page.locator("input[name=name]").fill(Role.TECHNICIAN)
        await tab.page.locator("input[name=password]").fill(site.access.passwords[Role.TECHNICIAN])
        await tab.page.locator("main button").first.click()
        await tab.page.wait_for_url(f"{site.url}{first}")
        await tab.page.context.clear_cookies()
    assert tab.errors == []


async def test_a_line_for_wearables_is_filled_in_and_changed(site: SetupSite, tab: Tab) -> None:
    page = tab.page
    await page.set_viewport_size({"width": 1280, "height": 800})
    await page.goto(f"{site.url}devices")
    await page.locator('a[href="/devices/new"]').click()
    await page.locator("#kind-choice").select_option("tracker.jt808")
    await page.locator("#kind button").click()
    await expect(page.locator("#s-device")).to_have_value("tracker-1")
    await page.locator("#s-listen").fill("10.1.2.3:7611")
    await page.locator("#s-allow").fill("everybody")
    await page.locator("#new button").click()
    await expect(page.locator("#s-allow-wrong")).to_contain_text("格式不对")
    await shown(page, "devices-new")
    await page.locator("#s-allow").fill("10.1.2.0/24")
    await page.locator("#new button").click()
    await page.wait_for_url(f"{site.url}devices/at/tracker-1")
    await page.locator("#s-allow").fill("10.1.3.0/24")
    await shown(page, "device-settings")
    await page.locator("#settings button").click()
    await expect(page.locator("#settings button")).to_be_enabled()
    made = site.devices.running.configured("tracker-1")
    assert made is not None
    assert made.settings["allow"] == "10.1.3.0/24"
    assert [one["what"] for one in site.devices.records.facts] == ["device_added", "device_replaced"]


@pytest.mark.parametrize("kind", ["reader.osdp", "terminal.zk_adms", "beacon.ble"])
async def test_every_form_stands_on_every_screen(site: SetupSite, tab: Tab, kind: str) -> None:
    await tab.page.goto(f"{site.url}devices/new?kind={kind}")
    await expect(tab.page.locator("#new button")).to_be_visible()
    await shown(tab.page, f"new-{kind}")
    assert tab.errors == []
