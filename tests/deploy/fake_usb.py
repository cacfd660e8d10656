"""A Raspberry Pi 4 with USB serial adapters, as a tree of sysfs files, judged by the real udevadm.

The tree is mounted over /sys in a mount namespace of its own, with an empty /dev and /run: nothing of this
machine is read or changed. `udevadm test` then does what udevd does when the adapter is plugged in.
"""

import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.broker import skip_or_fail
from tests.deploy.tools import need_root, run, tool

CONTROLLER = Path("devices/platform/scb/fd500000.pcie/pci0000:00/0000:00:00.0/0000:01:00.0")
DISTRIBUTION_RULES = ("50-udev-default.rules", "60-serial.rules", "99-systemd.rules")
RULES = Path("/usr/lib/udev/rules.d")
TTY_MAJOR = {"ttyUSB": 188, "ttyACM": 166}


@dataclass(frozen=True, slots=True)
class Adapter:
    """One adapter in one port of the hub."""

    vendor: str
    product: str
    port: int = 1
    interface: int = 0
    tty: str = "ttyUSB0"

    @property
    def usb(self) -> Path:
        """The USB device."""
        return CONTROLLER / "usb1/1-1" / f"1-1.{self.port}"

    @property
    def node(self) -> Path:
        """The serial port."""
        interface = self.usb / f"1-1.{self.port}:1.{self.interface}"
        return (interface / self.tty if "USB" in self.tty else interface) / "tty" / self.tty

    def plant(self, sys: Path) -> None:
        """Write its part of the tree."""
        kind = self.tty.rstrip("0123456789")
        interface = self.usb / f"1-1.{self.port}:1.{self.interface}"
        numbers = {"idVendor": self.vendor, "idProduct": self.product, "bcdDevice": "0264"}
        _entry(sys / self.usb, "bus/usb", "usb", {"DEVTYPE": "usb_device"}, numbers)
        _entry(
            sys / interface,
            "bus/usb",
            "usbserial",
            {"DEVTYPE": "usb_interface"},
            {"bInterfaceNumber": f"{self.interface:02}", "bInterfaceClass": "ff", "bInterfaceSubClass": "01"},
        )
        if kind == "ttyUSB":
            _entry(sys / interface / self.tty, "bus/usb-serial", "usbserial", {}, {"port_number": "0"})
        minor = self.tty.removeprefix(kind)
        _entry(
            sys / self.node,
            "class/tty",
            "",
            {"DEVNAME": self.tty, "MAJOR": str(TTY_MAJOR[kind]), "MINOR": minor},
            {"dev": f"{TTY_MAJOR[kind]}:{minor}"},
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What udev made of an adapter."""

    usb: dict[str, str]  # properties of the USB device
    port: dict[str, str]  # properties of the serial port
    links: frozenset[str]  # names under /dev that lead to it
    access: str  # mode and group of the node
    messages: str  # what udevadm had to say, errors in the rules included

    @property
    def names(self) -> set[str]:
        """Its names under /dev/zhijiao."""
        return {link.removeprefix("zhijiao/") for link in self.links if link.startswith("zhijiao/")}


def plug(folder: Path, adapters: list[Adapter], rules: dict[str, str]) -> list[Outcome]:
    """Plug the adapters in one after the other, on a machine with these rules files."""
    need_root("a mount namespace")
    udevadm, unshare = tool("udevadm", "udev"), tool("unshare", "util-linux")
    sys, rules_folder = folder / "sys", folder / "rules"
    rules_folder.mkdir(parents=True)
    for name in DISTRIBUTION_RULES:
        (rules_folder / name).write_bytes((RULES / name).read_bytes())
    for name, text in rules.items():
        (rules_folder / name).write_text(text, encoding="utf-8")
    _plant_controller(sys)
    for adapter in adapters:
        adapter.plant(sys)
    script = [
        "set -eu",
        "mount --make-rprivate /",
        "mount -t tmpfs none /run",
        "mkdir -p /run/dev && mount -t tmpfs none /run/dev",
        "cp -a /dev/null /dev/urandom /dev/random /run/dev/",
        f"mount --bind {shlex.quote(str(rules_folder))} {RULES}",
        f"mount --bind {shlex.quote(str(sys))} /sys",
        "mount --move /run/dev /dev",
    ]
    for index, adapter in enumerate(adapters):
        tty = adapter.tty
        kind = tty.rstrip("0123456789")
        out = shlex.quote(str(folder / f"out-{index}"))
        script += [
            f"mknod -m 600 /dev/{tty} c {TTY_MAJOR[kind]} {tty.removeprefix(kind)}",
            f"{udevadm} test --action=add /sys/{adapter.usb} > {out}.usb 2> {out}.log",
            f"{udevadm} test --action=add /sys/{adapter.node} > {out}.port 2>> {out}.log",
            f"stat -c '%a %G' /dev/{tty} > {out}.access",
            f"find -L /dev -samefile /dev/{tty} -printf '%P\\n' > {out}.links",
            f"rm -f /dev/{tty}",
        ]
    done = run(unshare, "--mount", "sh", "-c", "\n".join(script), env={"SYSTEMD_DEVICE_VERIFY_SYSFS": "0"})
    if "unshare failed" in done.stderr or "permission denied" in done.stderr.lower():
        skip_or_fail("a container that may mount", "(start it privileged)")
    if done.returncode != 0:
        pytest.fail(f"udevadm test did not run: {done.stderr}")
    return [_outcome(folder, index) for index in range(len(adapters))]


def _outcome(folder: Path, index: int) -> Outcome:
    parts = {kind: (folder / f"out-{index}.{kind}").read_text("utf-8") for kind in ("usb", "port", "log")}
    links = (folder / f"out-{index}.links").read_text("utf-8").split()
    access = (folder / f"out-{index}.access").read_text("utf-8").strip()
    return Outcome(
        _properties(parts["usb"]), _properties(parts["port"]), frozenset(links), access, parts["log"]
    )


def _properties(output: str) -> dict[str, str]:
    pairs = (line.split("=", 1) for line in output.splitlines() if "=" in line)
    return {name: value for name, value in pairs if name.replace("_", "").isalnum()}


def _plant_controller(sys: Path) -> None:
    _entry(sys / CONTROLLER.parents[3], "bus/platform", "", {}, {})
    _entry(sys / CONTROLLER.parents[2], "bus/platform", "", {}, {})
    _entry(sys / CONTROLLER.parents[0], "bus/pci", "pcieport", {}, {})
    _entry(sys / CONTROLLER, "bus/pci", "xhci_hcd", {}, {"vendor": "0x1106", "device": "0x3483"})
    for name, vendor, product in (("usb1", "1d6b", "0002"), ("usb1/1-1", "2109", "3431")):
        ids = {"idVendor": vendor, "idProduct": product}
        _entry(sys / CONTROLLER / name, "bus/usb", "usb", {"DEVTYPE": "usb_device"}, ids)


def _entry(
    folder: Path, subsystem: str, driver: str, uevent: dict[str, str], attributes: dict[str, str]
) -> None:
    """One device of sysfs: its uevent, its links to subsystem and driver, its attributes."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "uevent").write_text("".join(f"{k}={v}\n" for k, v in uevent.items()), encoding="ascii")
    for link, target in (("subsystem", subsystem), ("driver", driver)):
        if target and not (folder / link).is_symlink():
            (folder / link).symlink_to(f"/sys/{target}")
    for name, value in attributes.items():
        (folder / name).write_text(f"{value}\n", encoding="ascii")
