"""`config-set`: on disk before it counts, on trial until the center answers, back by itself where it does not."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.clock import ManualClock
from gateway.config import Config, load
from gateway.errors import ContractError, StoreRefused
from gateway.evidence import canonical
from gateway.ingest.ingest import Ingest
from gateway.ingest.sealing import Sealer
from gateway.metrics import Metrics
from gateway.orders import settings as settings_of
from gateway.orders.from_center import NAMES, NOTE, FromCenter, in_force, laid_over
from gateway.orders.settings import Settings, kept_in
from gateway.store.store import Store
from gateway.uplink.command_message import Command, Refusal
from tests.gateway.store_fixtures import GATEWAY, running_store
from tests.gateway.technicians_box import Box, box, wires
from tests.gateway.uplink_bench import until


@pytest.fixture
def desk(tmp_path: Path) -> Box:
    return box(tmp_path)


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings_of, "LOOK_EVERY_S", 0.005)
    monkeypatch.setattr(settings_of, "SHORTEST_S", 0)


class Running:
    def __init__(self, desk: Box, store: Store, kept: FromCenter) -> None:
        self.applied: list[Config] = []
        self.answering = True
        self.asked = 0
        ingest = Ingest(store, ManualClock(), Sealer(GATEWAY, bytes(32), None), Metrics(), GATEWAY)
        self.settings = Settings(
            load(desk.config),
            kept,
            records=ingest,
            apply=self.apply,
            answers=self.answers,
            keep=lambda text: store.run(lambda box: box.note(NOTE, text)),
        )

    async def apply(self, config: Config) -> None:
        self.applied.append(config)

    async def answers(self) -> bool:
        self.asked += 1
        return self.answering

    async def do(self, name: str, **args: Any) -> dict[str, Any]:
        command = Command(name, "id", "s", 0, args)
        return await self.settings.by_name()[name](command, lambda _progress: None)


@asynccontextmanager
async def running(desk: Box) -> AsyncIterator[Running]:
    kept = FromCenter() if not desk.store.exists() else kept_in(desk.store, load(desk.config))
    async with running_store(desk.store, ManualClock(), clean=True) as store:
        made = Running(desk, store, kept)
        await made.settings.started()
        yield made


def told(desk: Box) -> list[tuple[str, str]]:
    events: list[Any] = [canonical.decode(wire) for wire in wires(desk.store)]
    return [
        (one["data"]["what"], one["data"]["name"])
        for one in events
        if one["type"] == "cn.zhijiao.audit.config_changed"
    ]


async def test_a_change_is_kept_audited_applied_and_there_after_a_restart(desk: Box) -> None:
    async with running(desk) as gateway:
        result = await gateway.do("config-set", values={"uplink.drain_cap_per_s": 50, "log.level": "debug"})
        assert result["changed"] == ["log.level", "uplink.drain_cap_per_s"]
        assert gateway.applied[-1].uplink.drain_cap_per_s == 50
    assert told(desk) == [("settings_changed", "log.level, uplink.drain_cap_per_s")]
    async with running(desk) as gateway:
        shown = await gateway.do("config-get")
        assert shown["values"]["uplink.drain_cap_per_s"] == 50
        assert shown["file"]["uplink.drain_cap_per_s"] == 200
        await gateway.do("config-set", values={"uplink.drain_cap_per_s": None})
        shown = await gateway.do("config-get")
        assert (shown["values"]["uplink.drain_cap_per_s"], shown["set"]) == (200, {"log.level": "debug"})
        assert (await gateway.do("config-set", values={"log.level": "debug"}))["changed"] == []
    assert len(told(desk)) == 2, "what changes nothing is no change"


async def test_where_the_center_is_silent_it_goes_back_and_says_so(desk: Box) -> None:
    async with running(desk) as gateway:
        gateway.answering = False
        with pytest.raises(Refusal) as refused:
            await gateway.do("config-set", values={"uplink.broker": "mqtts://nowhere.example"}, trial_s=0)
        assert (refused.value.code, refused.value.status) == ("rolled_back", "failed")
        assert [str(one.uplink.broker) for one in gateway.applied] == [
            "mqtts://nowhere.example:8883",
            str(load(desk.config).uplink.broker),
        ]
        assert gateway.asked
    assert told(desk) == [("settings_changed", "uplink.broker"), ("settings_rolled_back", "uplink.broker")]
    assert kept_in(desk.store, load(desk.config)) == FromCenter()


async def test_a_crash_in_the_trial_is_a_way_back(desk: Box) -> None:
    async with running(desk) as gateway:
        await gateway.do("config-set", values={"store.retention_days": 90})
        gateway.answering = False
        trying = asyncio.create_task(gateway.do("config-set", values={"log.level": "error"}, trial_s=60))
        await until(lambda: gateway.asked > 1, "the trial")
        trying.cancel()  # as a kill would: nothing more is done
    kept = kept_in(desk.store, load(desk.config))
    assert kept.trial == {"store.retention_days": 90}
    assert laid_over(load(desk.config), kept.at_a_start).log.level == "info"
    async with running(desk) as gateway:
        assert gateway.applied[-1].store.retention_days == 90
        assert (await gateway.do("config-get"))["set"] == {"store.retention_days": 90}
    assert told(desk)[-1] == ("settings_rolled_back", "log.level")
    assert kept_in(desk.store, load(desk.config)).trial is None


async def test_what_cannot_be_stored_is_not_applied(desk: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(desk) as gateway:

        async def full(*_args: object, **_more: object) -> None:
            raise StoreRefused("store_full", "the disk is full")

        monkeypatch.setattr(gateway.settings._records, "store", full)
        with pytest.raises(StoreRefused):
            await gateway.do("config-set", values={"log.level": "debug"})
        assert gateway.applied == []
    assert told(desk) == []


@pytest.mark.parametrize(
    ("args", "code"),
    [
        ({}, "args"),
        ({"values": {}}, "args"),
        ({"values": ["log.level"]}, "args"),
        ({"values": {"log.level": "debug"}, "trial_s": 10**6}, "args"),
        ({"values": {"log.level": "debug"}, "trial_s": True}, "args"),
        ({"values": {"keys.event_key_file": "/tmp/x"}}, "unknown_setting"),
        ({"values": {"gateway.demo": True}}, "unknown_setting"),
        ({"values": {"nothing": None}}, "unknown_setting"),
        ({"values": {"log.level": "loud"}}, "bad_value"),
        ({"values": {"uplink.keepalive_s": 1}}, "bad_value"),
        ({"values": {"uplink.keepalive_s": "30"}}, "bad_value"),
        ({"values": {"uplink.broker": "mqtt://center.example"}}, "bad_value"),
        ({"values": {"log.level": "debug", "store.retention_days": 0}}, "bad_value"),
    ],
)
async def test_what_is_wrong_changes_nothing(desk: Box, args: dict[str, Any], code: str) -> None:
    async with running(desk) as gateway:
        with pytest.raises(ContractError) as refused:
            await gateway.do("config-set", **args)
        assert refused.value.code == code
        assert gateway.applied == []
    assert told(desk) == []


async def test_a_note_that_a_newer_release_cannot_read_stops_no_start(desk: Box) -> None:
    async with running_store(desk.store, ManualClock(), clean=True) as store:
        text = FromCenter({"uplink.colour": "red"}).as_text()
        await store.run(lambda box: box.note(NOTE, text))
    assert kept_in(desk.store, load(desk.config)) == FromCenter()


def test_every_setting_can_be_shown_and_set_as_it_is_shown(desk: Box) -> None:
    config = load(desk.config)
    shown = in_force(config)
    assert tuple(shown) == NAMES
    assert in_force(laid_over(config, json.loads(json.dumps(shown)))) == shown
