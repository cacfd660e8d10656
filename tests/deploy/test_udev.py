"""Plugged-in adapters get the right owner, are left alone by ModemManager, and keep their port's name.

The rules run in the real udevadm, next to the distribution's own, on a simulated Raspberry Pi 4.
"""

import re
from pathlib import Path

import pytest

from tests.deploy.fake_usb import RULES as FOLDER
from tests.deploy.fake_usb import Adapter, Outcome, plug
from tests.deploy.tools import DEPLOY, run, tool

UDEV = DEPLOY / "udev"
GENERAL = (UDEV / "60-zhijiao.rules").read_text("utf-8")
PORTS = (UDEV / "61-zhijiao-ports.rules.example").read_text("utf-8")
RULES = {"60-zhijiao.rules": GENERAL, "61-zhijiao-ports.rules": PORTS}

CH340, CP210X, FT232, PL2303 = ("1a86", "7523"), ("10c4", "ea60"), ("0403", "6001"), ("067b", "2303")
LTE_MODEM = ("12d1", "1506")


def listed_adapters() -> list[tuple[str, str]]:
    """Vendor and product of every adapter the rules name."""
    lines = re.findall(r'ENV\{ID_VENDOR_ID\}=="(\w+)", ENV\{ID_MODEL_ID\}=="([\w|]+)"', GENERAL)
    return [(vendor, product) for vendor, products in lines for product in products.split("|")]


def is_ours(outcome: Outcome) -> bool:
    ignored = outcome.usb.get("ID_MM_DEVICE_IGNORE") == outcome.port.get("ID_MM_PORT_IGNORE") == "1"
    return ignored and outcome.access == "660 dialout" and ":systemd:" in outcome.port.get("TAGS", "")


def test_the_usual_adapters_are_listed() -> None:
    assert {CH340, CP210X, FT232, PL2303} <= set(listed_adapters())


def test_every_listed_adapter_is_ours(tmp_path: Path) -> None:
    adapters = [
        Adapter(vendor, product, port=index % 4 + 1, tty=f"ttyUSB{index}")
        for index, (vendor, product) in enumerate(listed_adapters())
    ]
    # One at a time in a port: a tree holds four.
    for start in range(0, len(adapters), 4):
        batch = adapters[start : start + 4]
        for adapter, outcome in zip(batch, plug(tmp_path / str(start), batch, RULES), strict=True):
            assert is_ours(outcome), f"{adapter.vendor}:{adapter.product}\n{outcome.messages}"


def test_an_adapter_that_is_a_cdc_modem_to_the_kernel_is_ours_too(tmp_path: Path) -> None:
    (outcome,) = plug(tmp_path, [Adapter("1a86", "55d4", tty="ttyACM0")], RULES)
    assert is_ours(outcome)
    assert outcome.names == {"idcard-1"}


def test_a_real_modem_is_left_to_modemmanager(tmp_path: Path) -> None:
    """The control: an LTE stick in the same port is not ours."""
    (outcome,) = plug(tmp_path, [Adapter(*LTE_MODEM, port=4)], RULES)
    assert "ID_MM_DEVICE_IGNORE" not in outcome.usb
    assert "ID_MM_PORT_IGNORE" not in outcome.port
    assert outcome.names == set()


def test_without_our_rules_nothing_is_ours(tmp_path: Path) -> None:
    """The control of the test bed itself."""
    (outcome,) = plug(tmp_path, [Adapter(*CH340)], {})
    assert not is_ours(outcome)
    assert outcome.links >= {"ttyUSB0", "serial/by-id/usb-1a86_7523-if00-port0"}, "udevadm did its part"


def test_twins_without_serial_numbers_are_told_apart_by_their_ports(tmp_path: Path) -> None:
    """In either order of plugging in; their names by id would be one and the same."""
    first, second = plug(
        tmp_path, [Adapter(*CH340, port=2, tty="ttyUSB0"), Adapter(*CH340, port=1, tty="ttyUSB1")], RULES
    )
    assert (first.names, second.names) == ({"finger-1"}, {"idcard-1"})
    assert first.port["ID_SERIAL"] == second.port["ID_SERIAL"]


def test_a_replaced_adapter_takes_over_the_name_of_its_port(tmp_path: Path) -> None:
    (before,) = plug(tmp_path / "before", [Adapter(*CH340, tty="ttyUSB0")], RULES)
    (after,) = plug(tmp_path / "after", [Adapter(*FT232, tty="ttyUSB5")], RULES)
    assert before.names == after.names == {"idcard-1"}


def test_channels_of_one_adapter_have_names_of_their_own(tmp_path: Path) -> None:
    two = [Adapter("10c4", "ea70", port=3, interface=n, tty=f"ttyUSB{n}") for n in (0, 1)]
    assert [outcome.names for outcome in plug(tmp_path, two, RULES)] == [{"osdp-1"}, {"face-1"}]


@pytest.mark.parametrize("name", sorted(RULES))
@pytest.mark.parametrize(
    "fault", ['SUBSYSTEM="tty"', 'GROPU="dialout"', 'SUBSYSTEM=="tty" MODE="0660', 'GOTO="gone"']
)
def test_udev_finds_no_fault_in_the_rules(tmp_path: Path, name: str, fault: str) -> None:
    (clean,) = plug(tmp_path / "clean", [Adapter(*CH340)], RULES)
    assert complaints(clean, name) == []
    (spoilt,) = plug(tmp_path / "spoilt", [Adapter(*CH340)], {**RULES, name: f"{RULES[name]}{fault}\n"})
    assert complaints(spoilt, name), f"the control went unnoticed:\n{spoilt.messages}"


def test_udevadm_verify_agrees(tmp_path: Path) -> None:
    udevadm = tool("udevadm", "udev")
    version = int(run(udevadm, "--version").stdout)
    if version < 254:
        pytest.skip(
            f"udevadm {version} cannot verify (Debian 13 can); the tests above read the rules with it"
        )
    for name, text in RULES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    done = run(udevadm, "verify", *(tmp_path / name for name in RULES))
    assert done.returncode == 0, done.stdout + done.stderr


def complaints(outcome: Outcome, name: str) -> list[str]:
    """What udev had against a rules file when it read it; a rule at work is logged behind its device."""
    return [line for line in outcome.messages.splitlines() if line.startswith(f"{FOLDER}/{name}:")]
