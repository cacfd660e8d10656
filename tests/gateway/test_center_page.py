"""The center's page and metrics: how each gateway stands, for whoever may look, and nothing of a person."""

import argparse
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.api.center_server import create_center_app
from gateway.api.parts import CENTER_ZONE
from gateway.cli.receive_page import serve_page
from gateway.errors import ConfigError, StoreRefused
from gateway.evidence.keys import TrustStore
from gateway.receiver.metrics import OTHERS, PER_GATEWAY, PREFIX, render
from gateway.receiver.overview import GatewayFacts, Overview, overview
from tests.gateway.receiver_fixtures import (
    EPOCH,
    GW,
    KEY,
    ORG,
    ROOT,
    TRUSTED,
    Time,
    chain,
    message,
    receiving,
    record,
    status,
)

TOKEN = "0123456789abcdef0123456789abcdef"
DOCS = Path(__file__).parents[2] / "docs/receiver.md"


@asynccontextmanager
async def browsing(found: Overview | Exception, token: str | None = None) -> AsyncIterator[httpx.AsyncClient]:
    async def read() -> Overview:
        if isinstance(found, Exception):
            raise found
        return found

    app = create_center_app(read, zone=CENTER_ZONE, token=token)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8473"
    ) as client:
        yield client


async def a_record(path: Path, time: Time) -> Overview:
    """Ten events of which #6 and #7 are missing, one refused, a fork, a quarantined message, a backlog of 5."""
    events, twin = chain(10, broken=[4]), chain(3)
    info = {"v": 1, "gw": GW, "org": ORG, "session": "session-1", "ts": "2026-11-22T01:00:00.000Z", "epochs": [],
            "versions": {"software": "<b>1.2</b>", "contract": 1}, "profile": "intl"}  # fmt: skip
    async with receiving(path, time) as receiver:
        await receiver.accept_many([message(event) for event in events if event.seq not in (6, 7)])
        await receiver.accept(*message(twin[2]))
        await receiver.accept(f"{ROOT}evt/identity", b'{"name":"\xe6\xb5\x8b\xe8\xaf\x95\xe7\x94\xb2"}')
        await receiver.accept(f"{ROOT}info", KEY.sign_object(info))  # type: ignore[arg-type]  # plain JSON
        await receiver.accept(
            *status(time, epoch=EPOCH, last_seq="0000000000000012", backlog=5, oldest_unacked_s=70,
                    clockq="unsynced", mqtt="5")
        )  # fmt: skip
        return overview(record(path), time.wall_ms)


@pytest.mark.usefixtures("on_both")
async def test_how_a_gateway_stands_is_read_from_the_record(tmp_path: Path) -> None:
    time = Time()
    found = await a_record(tmp_path / "c.db", time)
    (facts,) = found.gateways
    assert facts == GatewayFacts(
        GW, state="online", seen_ms=time.wall_ms, epoch=EPOCH, epochs=1, upto=facts.upto, last_seq=12, backlog=5,
        oldest_unacked_s=70, missing=4, forks=1, rejected=1, quarantined=1, clockq="unsynced", mqtt="5",
        ack_mode="center", software="<b>1.2</b>", profile="intl", alarms=facts.alarms,
    )  # fmt: skip
    assert facts.alarms.keys() == {"fork", "chain_broken", "quarantined", "rejected"}
    assert facts.level(time.wall_ms) == "fault"


@pytest.mark.parametrize(
    ("change", "level"),
    [
        ({}, "ok"),
        ({"missing": 3, "backlog": 3}, "ok"),  # it drains
        ({"missing": 3}, "attention"),
        ({"state": "lost"}, "attention"),
        ({"seen_ms": 1}, "attention"),
        ({"clockq": "unsynced"}, "attention"),
        ({"lost": 1}, "attention"),
        ({"alarms": {"rejected": 1}}, "ok"),
        ({"alarms": {"duplicate_identity": 1}}, "fault"),
        ({"forks": 1}, "fault"),
        ({"state": None}, "unknown"),
    ],
)
def test_one_word_for_it(change: dict[str, object], level: str) -> None:
    facts = GatewayFacts(GW, state="online", seen_ms=10**12, backlog=0, clockq="synced")
    for name, value in change.items():
        setattr(facts, name, value)
    assert facts.level(10**12 + 60_000) == level


async def test_the_page_is_chinese_first_and_shows_nothing_of_a_person(tmp_path: Path) -> None:
    found = await a_record(tmp_path / "c.db", Time())
    async with browsing(found) as client:
        answer = await client.get("/")
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
        page = answer.text
        assert '<html lang="zh-CN">' in page
        for text in (GW, "各网关状况", "在线", "缺 4 条", "已等 1 分 10 秒", "拒收 1 · 隔离 1", "证据链断开"):
            assert text in page
        assert "&lt;b&gt;1.2&lt;/b&gt;" in page, "what a gateway says is text"
        english = (await client.get("/?lang=en")).text
        assert "4 missing" in english
        assert '<html lang="en">' in (await client.get("/")).text, "remembered"
        for url in re.findall(r'(?:href|src)="(/static/[^"]+)"', page):
            assert (await client.get(url)).status_code == 200
        shown = page + english + (await client.get("/metrics")).text
        for hidden in ("测试甲", "person/", "card_read", "session-1"):
            assert hidden not in shown


async def test_metrics_are_what_the_record_says(tmp_path: Path) -> None:
    found = await a_record(tmp_path / "c.db", Time())
    async with browsing(found) as client:
        text = (await client.get("/metrics")).text
    values = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    for name, value in (
        ("gateway_online", 1), ("gateway_backlog", 5), ("gateway_missing", 4), ("gateway_forks", 1),
        ("gateway_rejected", 1), ("gateway_quarantined", 1), ("gateway_oldest_unacked_seconds", 70),
    ):  # fmt: skip
        assert values[PREFIX + name, GW] == value
    assert values[f"{PREFIX}gateway_clock", GW, "unsynced"] == 1
    assert values[f"{PREFIX}gateway_clock", GW, "synced"] == 0
    assert values[f"{PREFIX}workers",] == 0


def test_every_metric_is_in_the_documentation() -> None:
    documented = set(re.findall(rf"`{PREFIX}(\w+)`", DOCS.read_text("utf-8")))
    assert documented == {*PER_GATEWAY, *OTHERS}
    rendered = render(Overview(0, (), (), 0)).decode()
    assert set(re.findall(rf"# HELP {PREFIX}(\w+)", rendered)) == documented


@pytest.mark.parametrize("path", ["/", "/metrics", "/static/x/page.css", "/nothing"])
async def test_without_the_token_nothing_is_seen(path: str) -> None:
    async with browsing(Overview(0, (), (), 0), TOKEN) as client:
        for headers in (
            {},
            {"Authorization": f"Bearer {TOKEN}x"},
            {"Authorization": "Basic ####"},
            {"Authorization": TOKEN},
        ):
            answer = await client.get(path, headers=headers)
            assert answer.status_code == (401 if path != "/nothing" else 404)
            assert GW not in answer.text
        if path in ("/", "/metrics"):
            assert (await client.get(path, headers={"Authorization": f"Bearer {TOKEN}"})).status_code == 200
            assert (await client.get(path, auth=("anybody", TOKEN))).status_code == 200


async def test_a_foreign_host_is_not_served() -> None:
    async with browsing(Overview(0, (), (), 0)) as client:
        assert (await client.get("/", headers={"Host": "elsewhere.example"})).status_code == 400


async def test_a_record_that_cannot_be_read_is_said() -> None:
    async with browsing(StoreRefused("store_io", "postgresql://host/db: gone")) as client:
        for path in ("/", "/metrics"):
            answer = await client.get(path)
            assert answer.status_code == 503
            assert "store_io" in answer.text
            assert "postgresql" not in answer.text


@pytest.mark.parametrize(
    ("page", "token", "tls"),
    [("0.0.0.0:8473", None, None), ("192.0.2.1:8473", TOKEN, None), ("[::]:8473", None, "certificate"),
     ("127.0.0.1", None, None), ("127.0.0.1:0", None, None), ("127.0.0.1:8473", "short", None)],
)  # fmt: skip
async def test_on_the_network_it_wants_a_token_and_a_certificate(
    tmp_path: Path, page: str, token: str | None, tls: str | None
) -> None:
    file = tmp_path / "token"
    file.write_text(token or "")
    args = argparse.Namespace(
        page=page, page_token=file if token else None, page_cert=file if tls else None,
        page_key=file if tls else None, page_name=[], db=str(tmp_path / "c.db"),
    )  # fmt: skip
    with pytest.raises(ConfigError):
        await serve_page(args)


async def test_a_revoked_gateway_is_still_shown(tmp_path: Path) -> None:
    time = Time()
    async with receiving(tmp_path / "c.db", time) as receiver:
        await receiver.accept_many([message(event) for event in chain(3)])
        await receiver.retrust(TrustStore(TRUSTED[1:]))
    (facts,) = overview(tmp_path / "c.db", time.wall_ms, {GW: 5, "gw-370102-07": 6}).gateways[:1]
    assert (facts.gw, facts.upto, facts.certificate_ms) == (GW, 3, 5)
