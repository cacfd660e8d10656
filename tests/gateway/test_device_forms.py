"""Devices that no search finds, filled in on the page: judged at the field, served at once, changed and taken away."""

import tomllib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import pytest_asyncio

from drivers.driver import Driver
from drivers.errors import DeviceFault, SettingsError
from drivers.forms import form_of, kinds_with_a_form
from drivers.registry import build
from firmware_protocols.osdp.secure_keys import DEFAULT_KEY
from gateway.config import DeviceConfig
from gateway.devices import filled_in
from gateway.devices.filled_in import FieldRefused
from gateway.errors import ConfigError, GatewayError
from gateway.web.messages import load_catalogue
from tests.gateway.console_bench import ConsoleBench, Waiting

BY = "tech-1"
LINE = MappingProxyType(
    {"listen": "127.0.0.1:7611", "allow": "10.1.2.0/24", "timezone": "", "model": "standard"}
)
TERMINAL = MappingProxyType(
    {"serial": "Z2", "address": "10.1.2.3", "timezone": "", "card_and_finger": "", "card_and_face": ""}
)
READER = MappingProxyType(
    {
        "port": "/dev/osdp",
        "baud": "9600",
        "address": "0",
        "channel": "secure",
        "key_file": "",
        "poll_interval_ms": "",
    }
)


class FormBench(ConsoleBench):
    """A console whose drivers are judged by the real parsers."""

    def _build(self, device: DeviceConfig, task: object) -> Driver:
        anything: Any = None
        try:
            build(device.kind, device.id, device.settings, anything) if device.kind != "idcard.sam" else None
        except SettingsError as exc:
            if task is None:  # those of the bench itself are not whole
                raise ConfigError(exc.code, str(exc)) from exc
        driver = Waiting()
        if task is not None:
            self.built.append(driver)
        return driver


@pytest_asyncio.fixture
async def bench(tmp_path: Path) -> AsyncIterator[FormBench]:
    yield FormBench(tmp_path, terminals_come=True)


def written(bench: ConsoleBench) -> list[dict[str, Any]]:
    return tomllib.loads(bench.file.read_text())["device"] if bench.file.exists() else []


async def add(bench: ConsoleBench, kind: str, filled: Mapping[str, str], **more: Any) -> None:
    await bench.console.add_filled(
        BY, kind=kind, **{"device": "new-1", "kiosk": None, "filled": filled, **more}
    )


async def test_a_line_for_wearables_is_added_changed_and_taken_away(bench: FormBench) -> None:
    await add(bench, "tracker.jt808", LINE)
    settings = {"listen": "127.0.0.1:7611", "allow": "10.1.2.0/24", "model": "standard"}
    assert written(bench) == [{"id": "new-1", "kind": "tracker.jt808", **settings}]
    assert bench.running.configured("new-1") is not None
    assert {one.key: value for one, value in bench.console.form("new-1")}["allow"] == "10.1.2.0/24"
    changed = {**LINE, "listen": "127.0.0.1:7612"}
    await bench.console.fill_in_anew(BY, device="new-1", filled=changed)
    assert written(bench)[0]["listen"] == "127.0.0.1:7612"
    await bench.console.remove(BY, device="new-1")
    assert bench.running.configured("new-1") is None
    assert [(one["what"], one["kind"], one["by"]) for one in bench.records.facts] == [
        ("device_added", "tracker.jt808", BY),
        ("device_replaced", "tracker.jt808", BY),
        ("device_removed", None, BY),
    ]


async def test_a_terminal_is_added_moved_and_taken_away_without_a_restart(bench: FormBench) -> None:
    await add(bench, "terminal.zk_adms", TERMINAL, kiosk="kiosk-2")
    assert bench.console.kiosk_of("new-1") == "kiosk-2"
    await bench.console.move(BY, device="new-1", kiosk=None)
    await bench.console.remove(BY, device="new-1")
    assert [one["what"] for one in bench.records.facts] == ["device_added", "device_moved", "device_removed"]


async def test_a_terminal_without_a_listener_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GatewayError) as refusal:
        await add(FormBench(tmp_path), "terminal.zk_adms", TERMINAL)
    assert refusal.value.code == "no_listener"


@pytest.mark.parametrize(
    ("kind", "filled", "field", "code"),
    [
        ("tracker.jt808", {**LINE, "listen": ""}, "listen", "missing_setting"),
        ("tracker.jt808", {**LINE, "listen": "7611"}, "listen", "wrong_type"),
        ("tracker.jt808", {**LINE, "allow": "everybody"}, "allow", "wrong_type"),
        ("tracker.jt808", {**LINE, "timezone": "Mars/Base"}, "timezone", "out_of_range"),
        ("tracker.jt808", {**LINE, "model": "other"}, "model", "out_of_range"),
        ("beacon.ble", {"rssi_min": "-10"}, "rssi_min", "out_of_range"),
        ("beacon.ble", {"rssi_min": "weak"}, "rssi_min", "wrong_type"),
        ("terminal.zk_adms", {**TERMINAL, "address": "0.0.0.0/0"}, "address", "out_of_range"),
        ("terminal.zk_adms", {**TERMINAL, "serial": "Z1"}, "serial", "serial_taken"),
        ("terminal.zk_adms", {**TERMINAL, "card_and_face": "15"}, "card_and_face", "out_of_range"),
        ("reader.osdp", {**READER, "port": "/dev/a"}, "port", "in_use"),
        ("reader.osdp", {**READER, "baud": "1200"}, "baud", "out_of_range"),
        ("reader.osdp", {**READER, "key_file": "/nowhere/key"}, "key_file", "unreadable"),
    ],
)
async def test_a_mistake_is_told_at_its_field(
    bench: FormBench, kind: str, filled: Mapping[str, str], field: str, code: str
) -> None:
    with pytest.raises(FieldRefused) as refusal:
        await add(bench, kind, filled)
    assert (refusal.value.field, refusal.value.code) == (field, code)
    assert f"console_error.{code}" in load_catalogue()
    assert (written(bench), bench.records.facts) == ([], [])


async def test_several_readers_are_filled_in_for_one_line(bench: FormBench) -> None:
    clear = {**READER, "channel": "clear"}
    await add(bench, "reader.osdp", clear, device="door-0")
    await add(bench, "reader.osdp", {**clear, "address": "1"}, device="door-1")
    assert [(one["id"], one["port"], one["address"]) for one in written(bench)] == [
        ("door-0", "/dev/osdp", 0),
        ("door-1", "/dev/osdp", 1),
    ]
    for changed, field, code in (
        ({"address": "1"}, "address", "address_taken"),
        ({"address": "2", "baud": "19200"}, "baud", "other_speed"),
    ):
        with pytest.raises(FieldRefused) as refusal:
            await add(bench, "reader.osdp", {**clear, **changed}, device="door-2")
        assert (refusal.value.field, refusal.value.code) == (field, code)
        assert f"console_error.{code}" in load_catalogue()
    await bench.console.fill_in_anew(BY, device="door-1", filled={**clear, "address": "3"})
    assert len(written(bench)) == 2


async def test_what_a_search_finds_has_no_form(bench: FormBench) -> None:
    with pytest.raises(GatewayError) as refusal:
        await add(bench, "idcard.sam", {"port": "/dev/b"})
    assert refusal.value.code == "no_form"
    assert bench.console.form("idcard-1") == ()


async def test_a_disk_that_takes_nothing_adds_nothing(bench: FormBench) -> None:
    bench.records.full = True
    with pytest.raises(GatewayError) as refusal:
        await add(bench, "tracker.jt808", LINE)
    assert refusal.value.code == "store_full"
    assert bench.running.configured("new-1") is None


# -- an OSDP reader and its key ---------------------------------------------------------------------------


async def test_a_reader_from_the_factory_is_given_a_key_of_its_own(
    bench: FormBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[bytes, bytes]] = []
    mute = True

    async def give(
        link: object, address: int, *, present: bytes, new: bytes, step: object, turn: object
    ) -> None:
        assert turn is link, "others of the line are served meanwhile"
        assert address == 0
        given.append((present, new))
        if mute:
            raise DeviceFault("mute", "no answer")

    monkeypatch.setattr(filled_in, "give_key", give)
    with pytest.raises(GatewayError) as refusal:
        await add(bench, "reader.osdp", READER)
    assert refusal.value.code == "key_not_given"
    assert (written(bench), bench.records.facts) == ([], [])
    mute = False
    await add(bench, "reader.osdp", READER)
    path = bench.file.parent / "keys" / "new-1.key"
    assert given == [(DEFAULT_KEY, bytes.fromhex(path.read_text()))] * 2, (
        "the same key: the reader may have it"
    )
    assert path.stat().st_mode & 0o777 == 0o400
    assert written(bench)[0]["key_file"] == str(path)
    assert path.read_text().strip() not in bench.file.read_text()
    assert path.read_text().strip() not in str(bench.records.facts)

    # other settings later: the key that it has stays
    kept = {one.key: value for one, value in bench.console.form("new-1")}
    await bench.console.fill_in_anew(BY, device="new-1", filled={**kept, "baud": "19200"})
    assert len(given) == 2


async def test_a_reader_in_clear_needs_no_key(bench: FormBench) -> None:
    await add(bench, "reader.osdp", {**READER, "channel": "clear"})
    assert "key_file" not in written(bench)[0]


def test_every_field_has_its_label_and_says_what_it_means() -> None:
    catalogue = load_catalogue()
    for kind in kinds_with_a_form():
        for one in form_of(kind):
            key = f"setting.{kind.partition('.')[0]}.{one.key}"
            assert key in catalogue
            assert f"{key}.help" in catalogue
