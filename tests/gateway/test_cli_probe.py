"""`zhijiao probe` as a technician sees it, beside simulated devices on ptys."""

import asyncio
import json
import sys
import tomllib
from pathlib import Path

from drivers.links.serial_ports import UsbDevice
from drivers.probing import Answer, Question
from drivers.registry import build
from drivers.simulators.fingerprint import SimulatedModule
from drivers.simulators.idcard import SimulatedReader
from drivers.simulators.pty_host import PtyHost
from firmware_protocols.zfm.family import Family
from gateway.cli.answer import Mark
from gateway.cli.probe import _not_serial, blocks, judge
from tests.drivers.bench import RecordingHost


async def zhijiao_probe(*words: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "probe", *words, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await asyncio.wait_for(process.communicate(), 90)
    return process.returncode or 0, out.decode()


async def test_what_it_finds_can_be_pasted_into_the_configuration(tmp_path: Path) -> None:
    reader, finger = tmp_path / "usb-Reader", tmp_path / "usb-Finger"
    async with PtyHost(reader) as first, PtyHost(finger) as second:
        playing = [
            asyncio.create_task(SimulatedReader().serve(first)),
            asyncio.create_task(SimulatedModule(Family.SYNOCHIP).serve(second)),
        ]
        code, text = await zhijiao_probe(str(reader), str(finger))
        as_json = json.loads((await zhijiao_probe(str(reader), str(finger), "--json"))[1])
        for one in playing:
            one.cancel()
        await asyncio.wait(playing)
    assert code == 0
    assert [line[:2] for line in text.splitlines()[:1]] == ["ok"]
    for told in (text.partition("For the configuration:")[2], as_json["config"]):
        devices = tomllib.loads(told)["device"]
        assert [(one["kind"], one["port"]) for one in devices] == [
            ("idcard.sam", str(reader)), ("finger.zfm", str(finger)),
        ]  # fmt: skip
        assert devices[1]["family"] == "synochip"
        for one in devices:
            settings = {name: value for name, value in one.items() if name not in {"id", "kind"}}
            build(one["kind"], one["id"], settings, RecordingHost())


async def test_a_port_that_is_not_there_is_said_and_nothing_was_found(tmp_path: Path) -> None:
    code, text = await zhijiao_probe(str(tmp_path / "nothing"))
    assert code == 1
    assert text.startswith("!!")
    assert "absent" in text
    assert "\n    -> " in text


def test_the_readers_of_a_line_are_tables_with_the_files_of_their_keys() -> None:
    found = [
        ("/dev/x", Answer(Question("reader.osdp", {"baud": 9600, "address": address, **channel}), sure=True))
        for address, channel in ((2, {}), (5, {"channel": "clear"}))
    ]
    devices = tomllib.loads("\n".join(blocks(found)))["device"]
    secure, clear = (
        {name: one[name] for name in one if name not in {"id", "kind", "port"}} for one in devices
    )
    assert secure == {"baud": 9600, "address": 2, "key_file": f"/etc/zhijiao/keys/{devices[0]['id']}.key"}
    assert clear == {"baud": 9600, "address": 5, "channel": "clear"}


def test_a_machine_without_ports_is_told_what_to_do() -> None:
    (line,) = judge([], [])
    assert (line.mark, "plug the adapter in" in line.todo) == (Mark.ATTENTION, True)


def test_a_reader_that_is_no_serial_model_is_said_to_be_one() -> None:
    (line,) = _not_serial([UsbDevice("0400:c35a", "iDR210", "vendor", "resident ID card reader")])
    assert "not a serial model" in line.todo
