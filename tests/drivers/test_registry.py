"""Every kind can be imported and built; what is wrong in a device's table is named with what is right."""

import subprocess
import sys
from pathlib import Path

import pytest

from drivers.driver import Settings
from drivers.errors import SettingsError
from drivers.face_settings import FaceSettings
from drivers.idcard_reader import IdCardReader, IdCardSettings
from drivers.registry import REGISTRY, build, driver_type
from drivers.trackers import FAMILIES
from firmware_protocols.efaa_xor16.exchanges import Variant
from tests.drivers.bench import RecordingHost

ROOT = Path(__file__).parents[2]
EXAMPLES: dict[str, Settings] = {
    "badge.line": {"port": "/dev/serial/by-id/usb-Test"},
    "beacon.ble": {},
    "face.efaa_xor16": {"port": "/dev/serial/by-id/usb-Test"},
    "finger.zfm": {"port": "/dev/serial/by-id/usb-Test", "family": "grow"},
    "idcard.sam": {"port": "/dev/serial/by-id/usb-Test"},
    "reader.osdp": {"port": "/dev/serial/by-id/usb-Test", "channel": "clear"},
    "terminal.zk_adms": {"serial": "TEST001", "address": "10.1.2.0/28"},
    **{f"tracker.{family}": {"listen": "10.1.2.3:7611", "allow": "10.1.2.0/24"} for family in FAMILIES},
}


def test_every_family_of_wearables_is_a_kind() -> None:
    kinds = {kind.partition(".")[2] for kind in REGISTRY if kind.startswith("tracker.")}
    assert kinds == set(FAMILIES)


@pytest.mark.parametrize("kind", REGISTRY)
def test_every_kind_imports_and_builds(kind: str) -> None:
    assert callable(driver_type(kind).build)
    assert callable(build(kind, "door-1", EXAMPLES[kind], RecordingHost()).run)


def test_kinds_are_imported_only_when_they_are_asked_for() -> None:
    program = (
        "import sys, drivers.registry\n"
        "loaded = {entry.partition(':')[0] for entry in drivers.registry.REGISTRY.values()} & set(sys.modules)\n"
        "sys.exit(f'imported early: {loaded}' if loaded or 'serial' in sys.modules else 0)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60, cwd=ROOT)


def test_simulators_need_nothing_but_the_standard_library() -> None:
    program = (
        "import sys, drivers.simulators.counter, drivers.simulators.face, drivers.simulators.fingerprint, "
        "drivers.simulators.osdp, drivers.simulators.osdp_bus, drivers.simulators.badge_line, "
        "drivers.simulators.terminal\n"
        "foreign = {name.partition('.')[0] for name in sys.modules} - set(sys.stdlib_module_names)\n"
        "foreign -= {'drivers', 'firmware_protocols', '__main__'}\n"
        "sys.exit(f'imported: {foreign}' if {n for n in foreign if not n.startswith('_')} else 0)"
    )
    subprocess.run([sys.executable, "-S", "-c", program], check=True, timeout=60, cwd=ROOT)


@pytest.mark.parametrize("kind", ["idcard-sam", "idcard", "idcard.smt"])
def test_unknown_kind_names_the_nearest(kind: str) -> None:
    with pytest.raises(SettingsError, match=r"door-1.*did you mean 'idcard\.sam'") as caught:
        build(kind, "door-1", {}, RecordingHost())
    assert caught.value.code == "unknown_kind"


def test_settings_are_read_with_their_defaults() -> None:
    driver = build("idcard.sam", "door-1", {"port": "/dev/serial/by-id/usb-Test"}, RecordingHost())
    assert isinstance(driver, IdCardReader)
    assert IdCardSettings.parse("door-1", {"port": "/dev/x"}) == IdCardSettings(
        port="/dev/x", baud=115200, poll_interval_ms=300, gone_after_ms=150, repeat_burst=6
    )
    assert IdCardSettings.parse("door-1", {"port": "/dev/x", "poll_interval_ms": 500}).gone_after_ms == 250


@pytest.mark.parametrize(
    ("settings", "code", "text"),
    [
        ({}, "missing_setting", "'port' is missing"),
        ({"prot": "/dev/x"}, "missing_setting", "'port' is missing; correct 'prot' to 'port'"),
        ({"port": ""}, "wrong_type", "'port' must be a text"),
        ({"port": 7}, "wrong_type", "'port' must be a text"),
        (
            {"port": "/dev/x", "buad": 9600},
            "unknown_setting",
            "unknown setting 'buad', did you mean 'baud'; known: baud",
        ),
        (
            {"port": "/dev/x", "read_fingerprint": True},
            "unknown_setting",
            "unknown setting 'read_fingerprint'",
        ),
        ({"port": "/dev/x", "baud": 14400}, "out_of_range", "'baud' must be one of 9600, 19200"),
        ({"port": "/dev/x", "baud": "9600"}, "wrong_type", "'baud' must be a whole number"),
        (
            {"port": "/dev/x", "poll_interval_ms": 19},
            "out_of_range",
            "'poll_interval_ms' must be 20 to 5000, not 19",
        ),
        (
            {"port": "/dev/x", "poll_interval_ms": True},
            "wrong_type",
            "'poll_interval_ms' must be a whole number",
        ),
        ({"port": "/dev/x", "gone_after_ms": 0}, "out_of_range", "'gone_after_ms' must be 1 to 10000"),
        ({"port": "/dev/x", "repeat_burst": 0}, "out_of_range", "'repeat_burst' must be 1 to 1000"),
    ],
)
def test_wrong_setting_is_named(settings: Settings, code: str, text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        build("idcard.sam", "door-1", settings, RecordingHost())
    assert caught.value.code == code
    assert str(caught.value).startswith("device 'door-1': ")
    assert text in str(caught.value)


def test_settings_of_a_face_module_are_read_with_their_defaults() -> None:
    assert FaceSettings.parse("face-1", {"port": "/dev/x"}) == FaceSettings(
        port="/dev/x",
        baud=115200,
        variant=Variant.STANDARD,
        direction="single",
        verify_min_s=3,
        verify_max_s=20,
    )
    given = {"port": "/dev/x", "variant": "lk", "direction": "five", "verify_min_s": 30}
    assert FaceSettings.parse("face-1", given).verify_max_s == 30


@pytest.mark.parametrize(
    ("settings", "code", "text"),
    [
        ({}, "missing_setting", "'port' is missing"),
        (
            {"port": "/dev/x", "variant": "LK"},
            "out_of_range",
            "'variant' must be one of lk, standard, not 'LK'",
        ),
        (
            {"port": "/dev/x", "direction": "fiver"},
            "out_of_range",
            "'direction' must be one of five, single, not 'fiver', did you mean 'five'",
        ),
        ({"port": "/dev/x", "direction": 5}, "wrong_type", "'direction' must be a text"),
        ({"port": "/dev/x", "baud": 9600}, "out_of_range", "'baud' must be one of 115200, 230400"),
        ({"port": "/dev/x", "verify_min_s": 0}, "out_of_range", "'verify_min_s' must be 1 to 60"),
        (
            {"port": "/dev/x", "verify_min_s": 9, "verify_max_s": 8},
            "out_of_range",
            "'verify_max_s' must be 9 to 255",
        ),
        ({"port": "/dev/x", "snapshot": True}, "unknown_setting", "unknown setting 'snapshot'"),
    ],
)
def test_wrong_setting_of_a_face_module_is_named(settings: Settings, code: str, text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        build("face.efaa_xor16", "face-1", settings, RecordingHost())
    assert caught.value.code == code
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ({"rssi_min": 10}, "'rssi_min' must be -110 to -20"),
        ({"left_after_s": 5}, "'left_after_s' must be 30 to 3600"),
        ({"calm_s": 0}, "'calm_s' must be 60 to 3600"),
        ({"silence": "dead"}, "'silence' must be one of deaf, empty, not 'dead', did you mean 'deaf'"),
        ({"port": "hci0"}, "unknown setting 'port'"),
    ],
)
def test_wrong_setting_of_the_ears_is_named(table: Settings, text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        build("beacon.ble", "ears", table, RecordingHost())
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("changed", "code", "text"),
    [
        ({"serial": None}, "missing_setting", "'serial' is missing"),
        ({"address": None}, "missing_setting", "'address' is missing"),
        ({"address": "terminal.local"}, "wrong_type", "'address' must be an address like"),
        ({"address": "10.1.2.3/28"}, "wrong_type", "'address' must be an address like"),
        ({"address": "0.0.0.0/0"}, "out_of_range", "'address' allows 4294967296 addresses"),
        ({"address": "fd00::/64"}, "out_of_range", "'address' allows"),
        ({"timezone": "Asia/Jinan"}, "out_of_range", "'timezone' is no time zone"),
        ({"card_and_finger": 256}, "out_of_range", "'card_and_finger' must be 0 to 255"),
        ({"card_and_finger": 1}, "out_of_range", "'card_and_finger' is 1, which says something else"),
        ({"card_and_finger": 9, "card_and_face": 9}, "out_of_range", "'card_and_face' is 9, which says"),
        ({"trusted": True}, "unknown_setting", "unknown setting 'trusted'"),
    ],
)
def test_wrong_setting_of_a_terminal_is_named(changed: dict[str, object], code: str, text: str) -> None:
    table = {"serial": "TEST001", "address": "10.1.2.3", **changed}
    given = {name: value for name, value in table.items() if value is not None}
    with pytest.raises(SettingsError) as caught:
        build("terminal.zk_adms", "door-1", given, RecordingHost())
    assert caught.value.code == code
    assert text in str(caught.value)
