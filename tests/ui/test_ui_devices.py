"""The technician's pages in a real browser, over a real gateway: a device found, added, tested, moved and gone."""

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import tomllib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect

from drivers.simulators.cards import Card, cards
from tests.broker import Mosquitto, free_port
from tests.drills.ground import ROOT
from tests.e2e.bench_center import Center, Counter, center
from tests.e2e.test_checkin import stored

pytestmark = [pytest.mark.ui, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(170)]

KIOSKS = "".join(
    f'[[kiosk]]\nid = "kiosk-{n}"\ndevices = ["idcard-{n}"]\npurpose = "report"\n' for n in (1, 2)
)
PASSWORD = "an invented password for tests"
NAME = "历城区智慧矫正中心"
PATIENCE_MS = 30_000
SIZES = {"laptop": (1280, 800), "kiosk": (1024, 600), "phone": (390, 844)}
SHOTS = os.environ.get("SHOTS")  # a folder for pictures of every page


class Site:
    """A gateway with two readers of its own, and two that nobody serves yet."""

    def __init__(self, bench: Center, port: int, counters: list[Counter], deck: Iterator[Card]) -> None:
        self.bench, self.url, self.counters, self.deck = bench, f"http://127.0.0.1:{port}", counters, deck

    async def lay(self, reader: int) -> Card:
        card = next(self.deck)
        await self.counters[reader - 1].visit(card)
        return card

    def opened(self) -> list[str]:
        return [one["deviceid"] for one in stored(self.bench, "checkin.opened")]

    def read_by(self) -> list[str]:
        return [one["deviceid"] for one in stored(self.bench, "identity.card_read")]

    def changes(self) -> list[tuple[Any, ...]]:
        events = stored(self.bench, "audit.config_changed")
        told = [one["data"] for one in events if one["data"]["what"].startswith("device_")]
        return [(one["what"], one["name"], one["kiosk"], one["by"], one["via"]) for one in told]


@asynccontextmanager
async def site(folder: Path, broker: Mosquitto) -> AsyncIterator[Site]:
    port = free_port()
    api = f'listen = "127.0.0.1:{port}"'
    with center(folder, broker, readers=2, api_config=api, device_config=KIOSKS) as bench:
        counters = [Counter(bench.port_of(n), seed=n) for n in (1, 2, 3, 4)]
        for counter in counters:
            await counter.open(people=False)
        secret = folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o600)
        words = ("user", "add", "tech-1", "--role", "technician", "--password-file", str(secret))
        command = [sys.executable, "-m", "gateway", *words, "--config", str(bench.config)]
        bench.store.parent.mkdir(exist_ok=True)
        await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True, cwd=ROOT)
        bench.start_gateway()
        await bench.until(lambda: bench.log_text("gateway").count("device online") == 2, "both readers")
        await bench.until(lambda: answers(port), "the page")
        try:
            yield Site(bench, port, counters, cards(9))
        finally:
            for counter in counters:
                await counter.close()


def personal(card: Card) -> list[str]:
    """Name, address and number of the invented person."""
    text = card.record[4:260].decode("utf-16-le")
    return [text[:15].strip(), text[26:61].strip(), text[61:79]]


def answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


async def sign_in(page: Page, url: str) -> None:
    await page.goto(f"{url}/sign-in")
    await page.locator("input[name=name]").fill("tech-1")
    await page.locator("input[name=password]").fill(PASSWORD)
    await page.locator("main button").first.click()
    await page.wait_for_url(lambda at: "sign-in" not in at)


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


async def search(page: Page, url: str, port: Path) -> None:
    await page.goto(f"{url}/devices")
    await page.locator("#search-port").fill(str(port))
    await page.locator("#search button").click()
    await expect(page.locator("#console-found")).to_contain_text("已识别", timeout=PATIENCE_MS)


async def test_a_device_is_found_added_tested_moved_replaced_and_taken_away(
    chromium: Browser, tmp_path: Path, mosquitto: Mosquitto
) -> None:
    async with site(tmp_path, mosquitto) as here:
        bench, url = here.bench, here.url
        context = await chromium.new_context(viewport={"width": 1280, "height": 800})
        page = await context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        await sign_in(page, url)

        # the first run begins with the name of the center
        await page.wait_for_url(f"{url}/setup")
        await page.locator("#center").fill(NAME)
        await page.locator("#name button").click()
        await expect(page.locator(".whoami, #setup-name").last).to_contain_text(NAME)
        await expect(page.locator('#setup-steps [data-key="uplink"]')).to_contain_text("已完成")

        # found and added, without a restart, and its cards count at the kiosk at once
        await search(page, url, bench.port_of(3))
        await shown(page, "devices-found")
        await expect(page.locator(".add input[name=device]")).to_have_value("idcard-3")
        await page.locator(".add select").select_option("kiosk-1")
        await page.locator(".add button").click()
        row = page.locator('.row[data-key="idcard-3"]')
        await expect(row).to_contain_text("在线")
        await expect(row).to_contain_text("kiosk-1")
        await here.lay(3)
        await bench.until(lambda: here.opened() == ["kiosk-1"], "the check-in at its kiosk")
        assert here.read_by() == ["idcard-3"]

        # tested: what passes is seen, nothing of the person is
        await row.locator("a").click()
        await page.locator("#test button").click()
        card = await here.lay(3)
        await expect(page.locator("#console-test")).to_contain_text("个人信息已隐去")
        await expect(page.locator("#console-test")).to_contain_text("记录事件 1 条")
        await shown(page, "device")
        seen = await page.content()
        for secret in personal(card):
            assert len(secret) > 1
            assert secret not in seen
            assert secret.encode("utf-16-le").hex() not in seen.lower().replace(" ", "")

        await page.locator("#test-end button").click()
        await expect(page.locator("#console-test")).to_contain_text("测试结束")

        # moved: the next card opens a session at the other kiosk
        await page.locator("#kiosk").select_option("kiosk-2")
        await page.locator("#move button").click()
        await bench.until(lambda: len(here.changes()) == 2, "the change on disk")
        await here.lay(3)
        await bench.until(lambda: "kiosk-2" in here.opened(), "the check-in at the other kiosk")

        # the report, to be signed
        await page.goto(f"{url}/devices/report")
        await expect(page.locator(".report")).to_contain_text("通过")
        await expect(page.locator(".report")).to_contain_text("未测试")
        await expect(page.locator(".sheet header")).to_contain_text(NAME)
        if SHOTS is not None:
            await page.screenshot(path=f"{SHOTS}/report.png", full_page=True)

        # after a restart all of it holds, also where the file is gone: the store remembers it
        assert bench.stop_gateway() == 0
        (bench.store.parent / "devices.toml").unlink()
        bench.start_gateway()
        await bench.until(lambda: bench.log_text("gateway").count("gateway runs") == 2, "the second start")
        await bench.until(
            lambda: bench.log_text("gateway").count("device online") == 6, "three readers again"
        )
        await bench.until(lambda: answers(int(url.rpartition(":")[2])), "the page again")
        await sign_in(page, url)
        await expect(page.locator(".whoami")).to_contain_text(NAME)

        # replaced by the one at another port, under its name and at its place
        await search(page, url, bench.port_of(4))
        await page.goto(f"{url}/devices/at/idcard-3")
        await page.locator(".instead button").click()
        await expect(page.locator("#console-state")).to_contain_text(str(bench.port_of(4)))
        await expect(page.locator("#console-state")).to_contain_text("在线")
        before = len(here.read_by())
        await here.lay(4)
        await bench.until(lambda: here.read_by()[before:] == ["idcard-3"], "a card at the new one")

        # taken away, asked twice
        await page.locator("#remove-first").click()
        await page.locator("#remove button[type=submit]").click()
        await expect(page.locator("#told")).to_contain_text("勾选")
        await page.locator("#remove input[name=sure]").check()
        await page.locator("#remove button[type=submit]").click()
        await page.wait_for_url(f"{url}/devices")
        await expect(page.locator(".row")).to_have_count(2)
        assert here.changes() == [
            ("device_added", "idcard-3", "kiosk-1", "tech-1", "page"),
            ("device_moved", "idcard-3", "kiosk-2", "tech-1", "page"),
            ("device_replaced", "idcard-3", "kiosk-2", "tech-1", "page"),
            ("device_removed", "idcard-3", None, "tech-1", "page"),
        ]
        written = tomllib.loads((bench.store.parent / "devices.toml").read_text())
        assert written == {"device": [{"id": "idcard-3", "removed": True}]}
        assert bench.stop_gateway() == 0
        assert errors == []
        await context.close()
