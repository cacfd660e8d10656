"""Which serial ports this machine has, by the name that survives replugging, and which USB devices are no ports.

`/dev/ttyUSB0` is whoever was plugged in first; `/dev/serial/by-id` names the adapter itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from serial.tools import list_ports

BY_ID = Path("/dev/serial/by-id")
USB = Path("/sys/bus/usb/devices")
_CLASSES = {"03": "hid", "ff": "vendor"}  # USB interface classes of readers that are no serial port

# USB ids of readers that are known not to be ports. Source: public drivers and lists of desktop ID card readers.
KNOWN_USB: Mapping[str, str] = {"0400:c35a": "resident ID card reader (vendor-class USB)"}


@dataclass(frozen=True, slots=True)
class FoundPort:
    """A serial port."""

    name: str  # to be written into the configuration
    device: str  # what the kernel calls it now
    usb_id: str | None = None  # vid:pid, lower case
    product: str | None = None

    @property
    def stable(self) -> bool:
        """Whether the name stays with the adapter."""
        return self.name != self.device


@dataclass(frozen=True, slots=True)
class UsbDevice:
    """A USB device that is no serial port, and that a technician may take for one."""

    usb_id: str
    product: str | None
    kind: str  # hid, vendor
    known: str | None  # what it is, where the table says so


def serial_ports(by_id: Path = BY_ID) -> list[FoundPort]:
    """All of them, those with a stable name first."""
    names: dict[str, str] = {}
    if by_id.is_dir():
        names = {str(link.resolve()): str(link) for link in sorted(by_id.iterdir())}
    found = [
        FoundPort(
            name=names.pop(one.device, one.device),
            device=one.device,
            usb_id=None if one.vid is None else f"{one.vid:04x}:{one.pid or 0:04x}",
            product=one.product,
        )
        for one in list_ports.comports()
    ]
    found += [FoundPort(name=name, device=device) for device, name in names.items()]
    return sorted(found, key=lambda one: (not one.stable, one.name))


def no_ports(usb: Path = USB) -> list[UsbDevice]:
    """USB devices of a class that is no serial port; hubs, disks and keyboards are left out."""
    found = []
    for device in sorted(usb.iterdir()) if usb.is_dir() else ():
        vendor, product = _read(device / "idVendor"), _read(device / "idProduct")
        if vendor is None or product is None:
            continue
        classes = {_read(one / "bInterfaceClass") for one in usb.glob(f"{device.name}:*")}
        keyboards = {_read(one / "bInterfaceProtocol") for one in usb.glob(f"{device.name}:*")} & {"01", "02"}
        usb_id = f"{vendor}:{product}".lower()
        kinds = {_CLASSES[one] for one in classes if one in _CLASSES}
        if usb_id in KNOWN_USB or (kinds and len(classes) == 1 and not (kinds == {"hid"} and keyboards)):
            kind = "vendor" if "vendor" in kinds else "hid"
            found.append(UsbDevice(usb_id, _read(device / "product"), kind, KNOWN_USB.get(usb_id)))
    return found


def _read(file: Path) -> str | None:
    try:
        return file.read_text("utf-8", errors="replace").strip()
    except OSError:
        return None
