"""A badge from the reader's wire to what the center verified: once, sealed, hashed, and nobody's check-in."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from drivers.badge_line import BadgeLine
from drivers.driver import Driver, Host
from drivers.events import BadgeForm, BadgeRead
from drivers.osdp_reader import OsdpReader
from drivers.simulators.badge_line import SimulatedConverter
from drivers.simulators.faults import Fault, FaultKind
from drivers.simulators.pty_host import PtyHost
from firmware_protocols.osdp.codes import Command
from firmware_protocols.wiegand.card import Card
from gateway.clock import ManualClock
from gateway.envelope import Draft
from gateway.evidence.canonical import Json
from gateway.evidence.keys import Role, TrustedKey, TrustStore
from gateway.ingest.facts import badge_content, fact_of
from gateway.ingest.ingest import Ingest
from gateway.ingest.sealing import Sealer, unseal
from gateway.metrics import Metrics
from gateway.receiver.verdict import Outcome
from gateway.store.opening import StoreSettings
from gateway.store.store import Store, open_store
from gateway.supervisor import DeviceTask
from gateway.view import DeviceView
from tests.drivers.badge_bench import badge_settings
from tests.drivers.bench import until
from tests.drivers.osdp_bench import SCBK, secured
from tests.gateway.console_bench import ConsoleBench
from tests.gateway.receiver_fixtures import ACK, ROOT, receiving
from tests.gateway.store_fixtures import GATEWAY, ORG, SIGNER, draft

CENTER = X25519PrivateKey.from_private_bytes(bytes([5]) * 32)
HMAC_KEY = bytes([9]) * 32
SEALER = Sealer(GATEWAY, HMAC_KEY, ("center-seal#1", CENTER.public_key()))
CARD = Card(0x0A1B2C).to_bits()
BADGE = BadgeRead(form=BadgeForm.WIEGAND_26, number=CARD)
TRUSTED = TrustStore(
    [
        TrustedKey(SIGNER.kid, Role.GATEWAY, GATEWAY, SIGNER.public.public_bytes_raw()),
        TrustedKey(ACK.kid, Role.ACK, None, ACK.public.public_bytes_raw()),
    ]
)


@dataclass(slots=True)
class Box:
    """Store, ingest and one supervised device, without page and uplink."""

    path: Path
    metrics: Metrics
    task: DeviceTask
    told: list[Draft]

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(wire) for wire in self.wires()]

    def wires(self) -> list[bytes]:
        with sqlite3.connect(f"file:{self.path}?mode=ro", uri=True) as db:
            return [wire for (wire,) in db.execute("SELECT wire FROM event ORDER BY n")]

    def badges(self) -> list[dict[str, Any]]:
        return [event for event in self.events() if event["type"] == "cn.zhijiao.identity.badge_read"]

    def count(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"zhijiao_{name}", labels) or 0.0


@asynccontextmanager
async def opened_store(path: Path, clock: ManualClock) -> AsyncIterator[Store]:
    """A store whose epoch is opened as the contract wants it."""
    settings = StoreSettings(path=path, org=ORG, gateway=GATEWAY, reserve_mib=1)
    store = await open_store(settings, SIGNER, clock.now())

    def first(kind: str, data: dict[str, Json]) -> Draft:
        return draft(clock.now(), kind, **data, profile="intl", software="0")

    try:
        await store.start(clock.now(), first)
        yield store
    finally:
        await asyncio.wait_for(store.close(clean=True), 30)


@asynccontextmanager
async def box(folder: Path, kind: str, make: Callable[[Host], Driver]) -> AsyncIterator[Box]:
    clock, metrics, told = ManualClock(), Metrics(), list[Draft]()
    async with opened_store(folder / "events.db", clock) as store:
        ingest = Ingest(store, clock, SEALER, metrics, GATEWAY)

        def stored(_device: str, drafts: Sequence[Draft]) -> None:
            told.extend(drafts)

        task = DeviceTask(
            DeviceView(id="badge-1", kind=kind, state="unknown", since_ms=0, port="/dev/x"),
            ingest=ingest, alarms=None, clock=clock, metrics=metrics, changed=lambda: None, stored=stored,  # type: ignore[arg-type]
        )  # fmt: skip
        serving = asyncio.create_task(task.serve(make(task)))
        try:
            await until(lambda: task.view.state == "online")
            yield Box(folder / "events.db", metrics, task, told)
        finally:
            serving.cancel()
            await asyncio.wait([serving])


async def verified(folder: Path, wires: Sequence[bytes]) -> list[dict[str, Any]]:
    """What a center has accepted of them, badges alone."""
    async with receiving(folder / "center.db", trust=TRUSTED) as receiver:
        messages = [(f"{ROOT}evt/{json.loads(wire)['type'].split('.')[2]}", wire) for wire in wires]
        verdicts = await receiver.accept_many(messages)
        assert {one.outcome for one in verdicts} == {Outcome.ACCEPTED}
        kept = [json.loads(one.wire) for one in await receiver.events_after(0)]
    return [one for one in kept if one["type"] == "cn.zhijiao.identity.badge_read"]


def check_at_center(event: dict[str, Any], number: str = CARD) -> None:
    """All that the contract says of it."""
    data = event["data"]
    assert (event["subject"], event["deviceid"]) == ("device/badge-1", "badge-1")
    assert event["dataclassification"] == "restricted"
    assert {name: data[name] for name in data if name not in {"sealed", "number_hmac"}} == {
        "medium": "badge", "format": "wiegand26", "length": 26,
    }  # fmt: skip
    assert data["number_hmac"] == SEALER.content_hash(f"badge:bits:{number}".encode())
    assert unseal(data["sealed"], CENTER, gateway=GATEWAY, event_id=event["id"]) == {"number": number}
    assert number not in json.dumps(event)


async def test_a_badge_at_a_converter_comes_to_the_center_once(tmp_path: Path) -> None:
    converter = SimulatedConverter()
    async with PtyHost(tmp_path / "usb-Converter") as port:
        settings = badge_settings(port=str(port.link))

        def make(host: Host) -> Driver:
            return BadgeLine.build("badge-1", {"port": settings.port}, host)

        async with box(tmp_path, "badge.line", make) as gateway:
            playing = asyncio.create_task(converter.serve(port))
            converter.faults.add(Fault(FaultKind.TWICE))
            converter.present(CARD)
            converter.faults.add(Fault(FaultKind.CHECKSUM))
            converter.present(Card(0x777777).to_bits())
            await until(
                lambda: gateway.count("device_frames_discarded_total", device="badge-1", reason="parity") > 0
            )
            assert [draft.type for draft in gateway.told] == ["identity.badge_read"]
            (event,) = await verified(tmp_path, gateway.wires())
            playing.cancel()
            await asyncio.wait([playing])
    check_at_center(event)


async def test_a_badge_at_an_osdp_reader_comes_to_the_center_once_and_then_it_is_green(
    tmp_path: Path,
) -> None:
    reader = secured(baud=115200)
    key_file = tmp_path / "badge-1.key"
    key_file.write_text(SCBK.hex())
    async with PtyHost(tmp_path / "usb-Reader") as port:
        playing = asyncio.create_task(reader.serve(port))

        def make(host: Host) -> Driver:
            table = {"port": str(port.link), "baud": 115200, "key_file": str(key_file)}
            return OsdpReader.build("badge-1", table, host)

        async with box(tmp_path, "reader.osdp", make) as gateway:
            reader.faults.add(Fault(FaultKind.CHECKSUM, Command.POLL, times=2))  # it is asked to repeat it
            reader.present(CARD)
            await until(lambda: len(reader.shown) == 2)
            reader.press(b"1870\r")
            await until(
                lambda: gateway.count("device_frames_discarded_total", device="badge-1", reason="keys") > 0
            )
            (event,) = await verified(tmp_path, gateway.wires())
            everything = b"".join(path.read_bytes() for path in tmp_path.glob("events.db*"))
        playing.cancel()
        await asyncio.wait([playing])
    check_at_center(event)
    assert b"1870" not in everything.replace(b"18700101", b""), "keys are kept nowhere"
    assert CARD.encode() not in everything


def test_equal_badges_have_equal_hashes_and_none_is_that_of_an_id_card() -> None:
    bits, text = (
        BadgeRead(form=BadgeForm.BITS, number="1" * 32),
        BadgeRead(form=BadgeForm.TEXT, number="1" * 32),
    )
    assert SEALER.content_hash(badge_content(bits)) != SEALER.content_hash(badge_content(text))
    id_number = "370102187001010017"
    like_a_card = BadgeRead(form=BadgeForm.TEXT, number=id_number)
    assert SEALER.content_hash(badge_content(like_a_card)) != SEALER.number_hash(id_number)


def test_without_a_center_key_there_is_the_hash_alone() -> None:
    fact = fact_of("badge-1", BADGE, "0", Sealer(GATEWAY, HMAC_KEY, None))
    assert (fact.data["sealed"], fact.data["why"], fact.restricted) == (None, "no_key", True)
    assert CARD not in json.dumps(fact.data)


@pytest.mark.parametrize(
    ("kind", "begun"), [("identity.badge_read", 0), ("identity.card_read", 1)], ids=["badge", "card"]
)
async def test_a_badge_begins_no_session_at_the_kiosk_where_its_reader_stands(
    tmp_path: Path, kind: str, begun: int
) -> None:
    """Even one whose hash were that of somebody's ID card."""
    bench = ConsoleBench(tmp_path)
    told = draft(ManualClock().now(), kind, number_hmac="a" * 64)
    bench.kiosks.stored("idcard-1", [told])
    assert bench.kiosks.all[0]._inputs.qsize() == begun
