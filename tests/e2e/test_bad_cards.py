"""Cards and answers that are broken: recorded as what they are, by the whole gateway, and nothing stops."""

import asyncio
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from drivers.simulators.cards import (
    Card,
    cards,
    refused,
    with_lone_surrogate,
    with_short_text,
    with_unknown_type,
)
from drivers.simulators.faults import Fault, FaultKind
from firmware_protocols.idcard_sam.commands import Command
from tests.broker import Mosquitto
from tests.e2e.bench_center import Center, Counter, center

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


def stored(bench: Center) -> list[dict[str, Any]]:
    """Events in the gateway's store about a card, read from outside."""
    with sqlite3.connect(f"file:{bench.store}?mode=ro", uri=True, timeout=10) as db:
        found = [json.loads(row[0]) for row in db.execute("SELECT wire FROM event ORDER BY n")]
    return [event for event in found if event["type"].startswith("cn.zhijiao.identity.")]


async def shown(bench: Center, counter: Counter, card: Card) -> dict[str, Any]:
    """The event that a card makes."""
    before = len(stored(bench))
    await counter.visit(card)
    await bench.until(lambda: len(stored(bench)) > before, "the card's event", 20)
    event = stored(bench)[-1]
    assert len(stored(bench)) == before + 1, "one card, one event"
    return event


BROKEN: list[tuple[str, Callable[[Card], Card], dict[str, Any]]] = [
    ("identity.card_read", with_lone_surrogate, {"text_repaired": True}),
    ("identity.card_refused", with_unknown_type, {"reason": "text_block"}),
    ("identity.card_refused", with_short_text, {"reason": "text_block"}),
    (
        "identity.card_refused",
        lambda card: refused(card, Command.READ_CARD, 0x32),
        {"reason": "card_auth", "status": 50},
    ),
    (
        "identity.card_refused",
        lambda card: refused(card, Command.SELECT_CARD, 0x81),
        {"reason": "select_failed"},
    ),
]


async def test_broken_cards_are_recorded_as_what_they_are(tmp_path: Path, mosquitto: Mosquitto) -> None:
    with center(tmp_path, mosquitto, readers=1) as bench:
        counter = Counter(bench.port_of(1), seed=5, pause_s=0.3)
        await counter.open(people=False)
        bench.start_gateway()
        await bench.until(lambda: len(bench.receipts()) >= 3, "the reader")
        deck = cards(5)
        for kind, damage, expected in BROKEN:
            event = await shown(bench, counter, damage(next(deck)))
            assert event["type"] == f"cn.zhijiao.{kind}"
            assert expected.items() <= event["data"].items()
            sound = await shown(bench, counter, next(deck))
            assert sound["type"] == "cn.zhijiao.identity.card_read"
        await counter.close()
        assert bench.stop_gateway() == 0


async def test_an_answer_that_claims_64_kib_is_recorded_and_nothing_stops(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    with center(tmp_path, mosquitto, readers=1) as bench:
        counter = Counter(bench.port_of(1), seed=6, pause_s=0.3)
        await counter.open(people=False)
        bench.start_gateway()
        await bench.until(lambda: len(bench.receipts()) >= 3, "the reader")
        deck = cards(6)
        counter.reader.faults.add(Fault(FaultKind.HUGE, Command.READ_CARD, times=10))
        counter.reader.present(next(deck))
        await bench.until(lambda: bool(stored(bench)), "the refusal", 40)
        counter.reader.lift()
        await asyncio.sleep(0.5)  # a person's pause: the reader must see that the card is gone
        event = stored(bench)[-1]
        assert event["type"] == "cn.zhijiao.identity.card_refused"
        assert event["data"]["reason"] == "frame"
        counter.reader.faults.clear()
        sound = await shown(bench, counter, next(deck))
        assert sound["type"] == "cn.zhijiao.identity.card_read"
        await counter.close()
        assert bench.stop_gateway() == 0


async def test_no_name_or_number_reaches_log_store_or_wire(tmp_path: Path, mosquitto: Mosquitto) -> None:
    with center(tmp_path, mosquitto, readers=1) as bench:
        counter = Counter(bench.port_of(1), seed=7, pause_s=0.3)
        await counter.open(people=False)
        bench.config.write_text(bench.config.read_text().replace("[log]", '[log]\nlevel = "debug"'))
        bench.start_gateway()
        await bench.until(lambda: len(bench.receipts()) >= 3, "the reader")
        deck = cards(7)
        seen: list[str] = []
        for _ in range(4):
            card = next(deck)
            text = card.record[4:260].decode("utf-16-le")
            seen += [text[:15].strip(), text[61:79].strip()]
            await shown(bench, counter, card)
        await counter.close()
        assert bench.stop_gateway() == 0
        everything = bench.log_text("gateway").encode()
        for path in bench.store.parent.iterdir():
            everything += path.read_bytes()
        for word in seen:
            assert len(word) > 1
            for spelling in (word.encode(), word.encode("utf-16-le"), json.dumps(word)[1:-1].encode()):
                assert spelling not in everything
