"""`zhijiao simulate`: a script is played against real drivers, or refused before anything is there."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path

import pytest

from drivers.errors import DriverError
from drivers.simulators.tracker_families import FAMILIES
from drivers.tracker_line import TrackerLine, TrackerSettings
from drivers.trackers import conversation_type
from firmware_protocols.tracking import Sign
from gateway.cli.simulate import FLEET, KINDS
from tests.broker import free_port
from tests.drivers.bench import RecordingHost, until
from tests.gateway.technicians_box import zhijiao
from tests.gateway.terminal_bench import SERIAL, listener

PLAYED = [kind for kind in KINDS if kind != FLEET]  # a fleet has no script
SCRIPTS = Path(__file__).parents[2] / "docs" / "scripts"
WALK = """{"fix": [36.65, 117.12], "speed_kmh": 4}
{"after_s": 0.1, "alarm": "sos"}
{"after_s": 0.1, "fault": "FAULT"}
{"fix": [36.66, 117.13]}
"""


async def simulate(*words: object) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "gateway",
        "simulate",
        *(str(word) for word in words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def ended(process: asyncio.subprocess.Process) -> tuple[int | None, str]:
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    return process.returncode, (out + err).decode()


@asynccontextmanager
async def line(settings: TrackerSettings, host: RecordingHost) -> AsyncIterator[None]:
    driver = TrackerLine(settings, host, converse=conversation_type(settings.family))

    async def drive() -> None:
        while True:
            try:
                await driver.run()
            except DriverError:
                await asyncio.sleep(0.05)

    running = asyncio.create_task(drive())
    yield
    running.cancel()
    await asyncio.wait([running])


@pytest.mark.parametrize(("family", "fault"), [("gt06", "cut"), ("h02", "noise_before")])
async def test_a_script_of_a_wearable_that_calls(family: str, fault: str, tmp_path: Path) -> None:
    host, port = RecordingHost(), free_port()
    (tmp_path / "walk.jsonl").write_text(WALK.replace("FAULT", fault))
    local = (ip_network("127.0.0.0/8"),)
    async with line(TrackerSettings(family=family, listen=("127.0.0.1", port), allow=local), host):
        process = await simulate(
            f"tracker.{family}", "--to", f"127.0.0.1:{port}", "--script", tmp_path / "walk.jsonl"
        )
        code, said = await ended(process)
    assert (code, said.splitlines()[0]) == (0, "line 1: fix [36.65, 117.12]")
    places = [round(one.fix.lat, 4) for one in host.reports if one.fix is not None]
    assert places == [36.65, 36.65, 36.66]
    assert [one.alarms for one in host.reports if one.alarms] == [{Sign.SOS}]


async def test_a_script_of_a_wearable_on_a_dock(tmp_path: Path) -> None:
    host, dock = RecordingHost(), tmp_path / "new" / "dock"
    (tmp_path / "walk.jsonl").write_text('{"fix": [36.65, 117.12]}\n')
    async with line(TrackerSettings(family="jt808", port=str(dock)), host):
        process = await simulate("tracker.jt808", "--port", dock, "--script", tmp_path / "walk.jsonl")
        code, _ = await ended(process)
    assert code == 0
    assert [one.fix.lat for one in host.reports if one.fix is not None] == [36.65]
    assert not dock.is_symlink()


async def test_the_example_of_a_terminal(tmp_path: Path) -> None:
    async with listener(tmp_path) as bench:
        bench.clock.wall_ms = int(datetime.now(UTC).timestamp() * 1000)
        process = await simulate(
            "terminal.zk_adms",
            *("--to", f"127.0.0.1:{bench.port}", "--serial", SERIAL),
            *("--script", SCRIPTS / "terminal.zk_adms.jsonl"),
        )
        assert (await ended(process))[0] == 0
        assert len(bench.events()) == 3


@pytest.mark.parametrize("kind", ["finger.zfm", "face.efaa_xor16", "reader.osdp", "badge.line"])
async def test_without_a_script_it_lies_there_until_it_is_interrupted(kind: str, tmp_path: Path) -> None:
    process = await simulate(kind, "--port", tmp_path / "port")
    await until((tmp_path / "port").is_symlink)
    process.send_signal(signal.SIGTERM)
    assert await ended(process) == (0, "")
    assert not (tmp_path / "port").is_symlink()


@pytest.mark.parametrize("kind", PLAYED)
def test_a_script_with_a_fault_is_refused_and_no_port_is_made(kind: str, tmp_path: Path) -> None:
    script = tmp_path / "walk.jsonl"
    script.write_text('{"after_s": 1}\n{"unplg_s": 5}\n')
    to = [] if kind != "terminal.zk_adms" else ["--to", "127.0.0.1:9"]
    ports = ["--port", tmp_path / "port", "--finger-port", tmp_path / "finger"]
    told = zhijiao("simulate", kind, *ports, *to, "--script", script)
    assert (told.code, told.out) == (65, "")
    assert f"{script}, line 2: 'unplg_s' is nothing that can happen to {kind}" in told.err
    assert told.err.endswith("[unknown_word]\n")
    assert "did you mean 'unplug_s'" in told.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["walk.jsonl"]


def test_every_kind_has_an_example_that_it_reads(tmp_path: Path) -> None:
    assert {path.name for path in SCRIPTS.iterdir()} == {f"{kind}.jsonl" for kind in PLAYED}
    assert {f"tracker.{family}" for family in FAMILIES} <= set(KINDS)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["tracker.gt06"], "needs --to ADDRESS:PORT"),
        (["tracker.gt06", "--to", "nowhere"], "needs --to ADDRESS:PORT"),
        (["tracker.gt06", "--to", "127.0.0.1:9", "--serial", "x"], "--serial: an IMEI has 15 digits"),
        (["finger.zfm"], "needs --port"),
        (["kiosk", "--port", "{tmp}/port"], "needs --finger-port"),
        (["reader.osdp", "--port", "{tmp}/port", "--key-file", "{tmp}/absent"], "cannot be read"),
        (["reader.osdp", "--port", "{tmp}/port", "--key-file", "{tmp}/short"], "must hold 32 hex digits"),
        (["finger.zfm", "--port", "/dev/null/port"], "choose another place"),
    ],
)
def test_what_is_missing_is_said(words: list[str], said: str, tmp_path: Path) -> None:
    (tmp_path / "short").write_text("00ff")
    told = zhijiao("simulate", *(word.format(tmp=tmp_path) for word in words))
    assert told.code == 69
    assert said in told.err
    assert told.err.endswith("[simulate]\n")
