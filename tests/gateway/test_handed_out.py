"""An export is an event: recorded once by the one writer, whether the gateway runs or not."""

import asyncio
import json
import os
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.clock import ManualClock
from gateway.errors import StoreRefused
from gateway.handed_out import record_exports, record_oldest
from gateway.ingest.ingest import Ingest
from gateway.metrics import Metrics
from gateway.store import export_note
from gateway.store.store import Store
from tests.gateway.store_fixtures import GATEWAY, running_store
from tests.gateway.technicians_box import Box, box, fill, wires, zhijiao


@pytest.fixture
def desk(tmp_path: Path) -> Box:
    made = box(tmp_path)
    asyncio.run(fill(made.store, ManualClock(), 5))
    return made


@dataclass
class Gateway:
    store: Store
    ingest: Ingest
    clock: ManualClock
    folder: Path

    async def looks(self) -> bool:
        return await record_oldest(self.folder, self.store, self.ingest, self.clock)


def gateway(store: Store, desk: Box) -> Gateway:
    clock = ManualClock()
    ingest = Ingest(store, clock, SimpleNamespace(), Metrics(), GATEWAY)  # type: ignore[arg-type]
    return Gateway(store, ingest, clock, desk.store.parent)


def notes(desk: Box) -> list[Path]:
    return sorted(desk.store.parent.glob("exported-*"))


def exported(desk: Box, name: str = "out.jsonl", *words: object) -> Any:
    told = desk.run("outbox", "export", "--out", desk.folder / name, "--json", *words)
    assert told.code == 0, told.err
    return told.json


def recorded(desk: Box) -> list[dict[str, Any]]:
    events = [json.loads(wire) for wire in wires(desk.store)]
    return [event for event in events if event["type"] == "cn.zhijiao.audit.exported"]


async def test_the_next_start_records_what_was_handed_out(desk: Box) -> None:
    assert (await asyncio.to_thread(exported, desk))["recorded"] is True
    (note,) = notes(desk)
    assert note.stat().st_mode & 0o777 == 0o600
    async with running_store(desk.store, ManualClock()) as store:
        box = gateway(store, desk)
        assert await box.looks()
        assert not await box.looks(), "once"
    (event,) = recorded(desk)
    assert note.name == f"exported-{event['id']}.json", "recorded twice it would be one fact"
    data = event["data"]
    assert (data["what"], data["uid"], data["ranges_n"]) == ("outbox", os.getuid(), 1)
    ((span),) = data["ranges"]
    assert (span["from"], span["to"]) == (1, data["events"])
    assert event["subject"] == f"gateway/{GATEWAY}"
    assert "dataclassification" not in event
    assert notes(desk) == []


async def test_a_running_gateway_records_one_at_a_time(desk: Box) -> None:
    async with running_store(desk.store, ManualClock()) as store:
        for number in range(3):
            await asyncio.to_thread(exported, desk, f"{number}.jsonl")
        box = gateway(store, desk)
        working = asyncio.create_task(record_exports(box.folder, store, box.ingest, box.clock, every_s=3600))
        async with asyncio.timeout(10):
            while len(notes(desk)) > 2:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        assert len(notes(desk)) == 2, "the others wait for their minute"
        working.cancel()
        assert await box.looks()
        assert await box.looks()
    assert len({event["id"] for event in recorded(desk)}) == 3


async def test_a_store_that_takes_nothing_keeps_the_note(desk: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    await asyncio.to_thread(exported, desk)
    async with running_store(desk.store, ManualClock()) as store:
        box = gateway(store, desk)

        async def refuse(*_: Any) -> None:
            raise StoreRefused("store_full", "the disk is full")

        with monkeypatch.context() as patch:
            patch.setattr(Store, "append", refuse)
            with pytest.raises(StoreRefused):
                await box.looks()
        assert len(notes(desk)) == 1
        assert await box.looks()
    assert len(recorded(desk)) == 1


async def test_a_note_that_is_not_understood_stops_no_other(desk: Box) -> None:
    folder = desk.store.parent
    for name, content in (
        ("exported-.json", "{}"),
        ("exported-00000000-0000-7000-8000-000000000000.json", "[1]"),
        ("exported-00000000-0000-7000-8000-000000000001.json", '{"what": "outb'),
    ):
        (folder / name).write_text(content)
    await asyncio.to_thread(exported, desk)
    async with running_store(desk.store, ManualClock()) as store:
        box = gateway(store, desk)
        for _ in range(4):
            assert await box.looks()
        assert not await box.looks()
    assert len(recorded(desk)) == 1
    assert {path.suffix for path in notes(desk)} == {".unreadable"}


async def test_an_export_without_a_gateway_says_that_it_is_not_recorded(desk: Box) -> None:
    words = ("outbox", "export", "--store", desk.store, "--out", desk.folder / "o.jsonl")
    told = await asyncio.to_thread(zhijiao, *words)
    assert "not recorded" in told.out
    assert notes(desk) == []


async def test_a_folder_that_takes_nothing_stops_no_export(
    desk: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise StoreRefused("output_io", "read-only")

    monkeypatch.setattr(export_note, "leave", refuse)
    assert (await asyncio.to_thread(exported, desk))["recorded"] is False
    assert (desk.folder / "out.jsonl").exists()
