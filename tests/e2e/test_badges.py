"""Two OSDP readers on one line and a converter, served by a whole gateway that is killed: green means on disk."""

import asyncio
import hmac
import json
import sqlite3
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any, cast

import pytest

from drivers.simulators.badge_line import SimulatedConverter
from drivers.simulators.osdp import SimulatedOsdpReader
from drivers.simulators.osdp_bus import SimulatedOsdpBus
from drivers.simulators.pty_host import PtyHost
from drivers.simulators.wire import serve_port
from firmware_protocols.osdp.commands import Colour, Light
from firmware_protocols.wiegand.card import Card
from tests.broker import Mosquitto
from tests.drivers.osdp_bench import SCBK, secured
from tests.e2e.bench_center import Center, center, stored_events

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]
DEVICES = """
[[device]]
id = "door-1"
kind = "reader.osdp"
port = "{line}"
baud = 115200
address = 1
key_file = "{key}"
[[device]]
id = "door-2"
kind = "reader.osdp"
port = "{line}"
baud = 115200
address = 2
channel = "clear"
[[device]]
id = "badge-1"
kind = "badge.line"
port = "{converter}"
"""


def greens(reader: SimulatedOsdpReader) -> int:
    return sum(isinstance(one, Light) and one.on_colour == Colour.GREEN for one in reader.shown)


def at_center(bench: Center) -> list[dict[str, Any]]:
    """Badges that the center has verified and stored."""
    if not bench.db.exists():
        return []
    try:
        rows = stored_events(bench.db, "SELECT wire FROM accepted ORDER BY n")
    except sqlite3.OperationalError:  # it is just being made
        return []
    events = [json.loads(cast("bytes", row["wire"])) for row in rows]
    return [event for event in events if event["type"] == "cn.zhijiao.identity.badge_read"]


class People:
    """Each has a badge of his own, waits for the light for a moment, and remembers that it was green."""

    def __init__(self) -> None:
        self.green: set[str] = set()
        self.all: set[str] = set()
        self._numbers = count(1)

    def next(self) -> str:
        bits = Card(next(self._numbers)).to_bits()
        self.all.add(bits)
        return bits

    async def come(self, reader: SimulatedOsdpReader) -> None:
        bits, before = self.next(), greens(reader)
        reader.present(bits)
        try:
            async with asyncio.timeout(1.0):
                while greens(reader) == before:  # noqa: ASYNC110 - a light tells nobody
                    await asyncio.sleep(0.005)
        except TimeoutError:
            reader.leave()
            return
        self.green.add(bits)

    async def come_to(self, readers: Sequence[SimulatedOsdpReader]) -> None:
        await asyncio.gather(*(self.come(reader) for reader in readers))


async def test_whoever_saw_green_is_known_to_the_center(tmp_path: Path, mosquitto: Mosquitto) -> None:
    line, far, key = (tmp_path / name for name in ("usb-Line", "usb-Converter", "door-1.key"))
    key.write_text(SCBK.hex())
    readers = [secured(address=1, serial=1), SimulatedOsdpReader(address=2, serial=2)]
    converter, people = SimulatedConverter(), People()
    table = DEVICES.format(line=line, key=key, converter=far)
    with center(tmp_path, mosquitto, readers=0, device_config=table) as bench:

        def hash_of(bits: str) -> str:
            key = bytes.fromhex(bench.keys.hmac_key.read_text())
            return hmac.digest(key, f"badge:bits:{bits}".encode(), "sha256").hex()

        def known() -> list[str]:
            return [event["data"]["number_hmac"] for event in at_center(bench)]

        async with PtyHost(line) as wires, PtyHost(far) as other:
            playing = [
                asyncio.create_task(serve_port(SimulatedOsdpBus(readers), wires)),
                asyncio.create_task(serve_port(converter, other)),
            ]
            bench.start_receiver()
            for kill_after_s in (0.05, None):
                bench.start_gateway()
                enough = len(people.green) + 4
                async with asyncio.timeout(60):
                    while len(people.green) < enough:
                        await people.come_to(readers)
                if kill_after_s is not None:
                    coming = asyncio.create_task(people.come_to(readers))
                    await asyncio.sleep(kill_after_s)  # between badge and light
                    bench.kill_gateway()
                    await coming
            by_converter = people.next()
            converter.present(by_converter)
            await bench.until(lambda: hash_of(by_converter) in known(), "the converter's badge")
            await bench.until(lambda: bench.waiting() == 0, "the rest")
            for task in playing:
                task.cancel()
            await asyncio.gather(*playing, return_exceptions=True)
            assert bench.stop_gateway() == 0
        told = known()
        assert len(set(told)) == len(told), "no badge twice"
        assert {hash_of(bits) for bits in people.green} <= set(told), (
            "green, and the center knows nothing of it"
        )
        assert set(told) <= {hash_of(bits) for bits in people.all}, "nobody's badge"
        everything = b"".join(
            path.read_bytes() for path in [bench.log("gateway"), *bench.store.parent.iterdir()]
        )
        assert not [bits for bits in people.all if bits.encode() in everything]
