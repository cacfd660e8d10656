"""`zhijiao devices`: what there is, what one went through, what comes and goes."""

import asyncio
import json
from pathlib import Path

import pytest

from drivers.aes import aes
from drivers.links.serial_ports import FoundPort, UsbDevice
from drivers.simulators.osdp import SimulatedOsdpReader
from drivers.simulators.pty_host import PtyHost
from firmware_protocols.osdp.secure_keys import DEFAULT_KEY
from gateway.cli.devices_watch import changes, seen
from gateway.cli.main import execute
from gateway.clock import ManualClock
from gateway.config import DeviceConfig
from gateway.config.added import ADDED_FILE, Added, told, write_added
from gateway.devices.history import history
from gateway.evidence.canonical import Json
from gateway.ingest.ingest import Ingest
from gateway.ingest.sealing import Sealer
from gateway.metrics import Metrics
from tests.gateway.store_fixtures import running_store
from tests.gateway.test_config_added import BASE

GATEWAY = "gw-370102-01"


@pytest.fixture
def box(tmp_path: Path) -> Path:
    path = tmp_path / "zhijiao.toml"
    path.write_text(BASE.format(state=tmp_path))
    return path


def test_a_list_names_port_kiosk_and_what_was_changed(box: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_added(
        box.with_name(ADDED_FILE),
        told([Added(id="idcard-1", kind="idcard.sam", settings={"port": "/dev/null"}, kiosk="kiosk-1")]),
    )
    assert execute(["devices", "list", "--config", str(box)]) == 1
    said = capsys.readouterr().out
    assert "idcard-1" in said
    assert "/dev/null, at kiosk-1, as changed on the page" in said
    assert "/dev/f is not there, at kiosk-1" in said
    assert execute(["devices", "list", "--config", str(box), "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert [(one["id"], one["kiosk"], one["changed_on_page"]) for one in answer["devices"]] == [
        ("finger-1", "kiosk-1", False),
        ("idcard-1", "kiosk-1", True),
    ]


def test_a_history_is_of_one_device_newest_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "events.db"

    async def live() -> None:
        clock = ManualClock()
        async with running_store(path, clock) as store:
            ingest = Ingest(store, clock, Sealer(GATEWAY, bytes(32), None), Metrics(), GATEWAY)
            for device, kind, code in (
                ("idcard-1", "device.online", None),
                ("idcard-1", "device.offline", "unplugged"),
                ("idcard-11", "device.fault", "mute"),
                ("idcard-1", "device.online", None),
            ):
                clock.wall_ms += 1000
                said: dict[str, Json] = {"model": None, "serial": None} if code is None else {"code": code}
                await ingest.record(kind, {"kind": "idcard.sam", **said}, device=device)

    asyncio.run(live())
    assert [(one.state, one.code) for one in history(path, "idcard-1")] == [
        ("online", None),
        ("offline", "unplugged"),
        ("online", None),
    ]
    assert execute(["devices", "history", "idcard-1", "--store", str(path)]) == 0
    told = capsys.readouterr().out
    assert told.count("\n") == 4, "three changes, and what to do about one"
    assert "    -> " in told
    assert execute(["devices", "history", "idcard-9", "--store", str(path)]) == 1
    capsys.readouterr()
    assert execute(["devices", "history", "idcard-11", "--store", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["changes"][0]["code"] == "mute"


def test_an_unknown_device_is_named_with_those_there_are(
    box: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["devices", "history", "idcard-9", "--config", str(box)]) == 78
    assert "idcard-1, finger-1" in capsys.readouterr().err


def test_what_comes_and_goes_is_told_and_whose_it_is() -> None:
    devices = [DeviceConfig(id="idcard-1", kind="idcard.sam", settings={"port": "/by-id/a"})]
    ports = [
        FoundPort("/by-id/a", "/dev/ttyUSB0", "1a86:7523", "USB Serial"),
        FoundPort("/by-id/b", "/dev/ttyUSB1"),
    ]
    others = [UsbDevice("0400:c35a", "Reader", "vendor", "resident ID card reader (vendor-class USB)")]
    before = dict(seen(ports, others, devices, real=str))
    assert before == {
        "/by-id/a": "idcard-1 (idcard.sam), USB 1a86:7523 USB Serial",
        "/by-id/b": "no device of the configuration",
        "usb 0400:c35a": "resident ID card reader (vendor-class USB), not a serial model",
    }
    now = dict(seen(ports[:1], [], devices, real=str))
    assert list(changes({}, now)) == [(True, "/by-id/a", before["/by-id/a"])]
    assert sorted(changes(before, now)) == [
        (False, "/by-id/b", before["/by-id/b"]),
        (False, "usb 0400:c35a", before["usb 0400:c35a"]),
    ]
    assert list(changes(now, now)) == []


def test_every_reader_of_a_line_is_told_where_its_cable_comes_and_goes() -> None:
    devices = [
        DeviceConfig(id=f"door-{n}", kind="reader.osdp", settings={"port": "/by-id/a", "address": n})
        for n in (1, 2)
    ]
    told = dict(seen([FoundPort("/by-id/a", "/dev/ttyUSB0")], [], devices, real=str))
    assert told == {"/by-id/a": "door-1 (reader.osdp), door-2 (reader.osdp)"}


def test_a_watch_ends_by_itself(
    box: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = iter([[FoundPort("/by-id/a", "/dev/ttyUSB0")], []])
    monkeypatch.setattr("gateway.cli.devices_watch.serial_ports", lambda: next(looks, []))
    monkeypatch.setattr("gateway.cli.devices_watch.no_ports", list)
    monkeypatch.setattr("gateway.cli.devices_watch.LOOK_S", 0.01)
    words = ["devices", "watch", "--config", str(box), "--seconds", "0.2", "--json"]
    assert execute(words) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(one["event"], one["name"]) for one in told] == [("here", "/by-id/a"), ("gone", "/by-id/a")]


OSDP = """
[gateway]
org = "370102"
id = "gw-370102-01"
state_dir = "{folder}"
[[device]]
id = "door-1"
kind = "reader.osdp"
port = "{folder}/reader"
key_file = "{folder}/door-1.key"
"""


async def test_a_reader_from_the_factory_gets_a_key_that_is_on_disk_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, key_file = tmp_path / "zhijiao.toml", tmp_path / "door-1.key"
    config.write_text(OSDP.format(folder=tmp_path))
    words = ["devices", "key", "door-1", "--config", str(config)]
    assert await asyncio.to_thread(execute, words) == 1, "nobody is there"
    assert key_file.stat().st_mode & 0o777 == 0o400
    before = key_file.read_text()
    assert len(bytes.fromhex(before)) == 16
    reader = SimulatedOsdpReader(scbk=DEFAULT_KEY, aes=aes)
    async with PtyHost(tmp_path / "reader") as port:
        serving = asyncio.create_task(reader.serve(port))
        assert await asyncio.to_thread(execute, words) == 0
        assert "has it" in capsys.readouterr().out
        assert reader.scbk == bytes.fromhex(before), "the key that was there already"
        assert await asyncio.to_thread(execute, [*words, "--json"]) == 1, "it is no longer the factory's"
        answer = json.loads(capsys.readouterr().out)
        assert "wrong_key" in answer["lines"][1]["value"]
        again = [*words, "--present", str(key_file)]
        assert await asyncio.to_thread(execute, again) == 0
        serving.cancel()
        await asyncio.wait([serving])
    shown = capsys.readouterr()
    assert before.strip() not in shown.out + shown.err
    assert await asyncio.to_thread(execute, ["devices", "key", "door-2", "--config", str(config)]) == 78
