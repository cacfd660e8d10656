"""The tables that may stand several times: devices, and the kiosks that they are bound to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final

from gateway.config.key import Key
from gateway.config.values import FLAG, choice, text, texts

DEVICE_ID: Final = r"[a-z0-9-]{1,32}"  # a level of an MQTT topic
OWN_DEVICE_ID: Final = "gateway"  # events of the gateway itself carry this device id
ANY_PURPOSE: Final = "any"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceConfig:
    """One device. What its kind needs beyond these two keys is read by its driver."""

    id: Annotated[
        str,
        Key(
            kind=text(DEVICE_ID, "1 to 32 small letters, digits or dashes"),
            what="Name of the device in topics, events and pages; unique on this gateway.",
            when="Once, when the device is added: events of the past keep the old name.",
            example='"idcard-1"',
        ),
    ]
    kind: Annotated[
        str,
        Key(
            kind=text(r"[a-z0-9][a-z0-9._-]{0,63}", "the name of a device kind in quotes"),
            what="What it is. The kinds, and the further keys that each of them has, are listed in drivers/README.md.",
            when="Never for the same device.",
            example='"idcard.sam"',
        ),
    ]
    # Names only in `repr`: a device's settings may hold its secrets.
    settings: Mapping[str, object] = field(default_factory=dict, repr=False)
    table_index: int = 0  # which [[device]] of the file, from 0; for `locate`
    source: Path | None = None  # the file, where it is not the configuration itself


@dataclass(frozen=True, slots=True, kw_only=True)
class KioskConfig:
    """One place where people check in, and the devices that stand there."""

    id: Annotated[
        str,
        Key(
            kind=text(DEVICE_ID, "1 to 32 small letters, digits or dashes"),
            what="Name of the kiosk in events and pages; no other kiosk and no device has it.",
            when="Once, when the kiosk is set up.",
            example='"kiosk-1"',
        ),
    ]
    devices: Annotated[
        tuple[str, ...],
        Key(
            kind=texts(DEVICE_ID, "the ids of devices"),
            what="The devices that stand at this kiosk; a device stands at one kiosk. A terminal may have none.",
            when="When a device is bound to another kiosk.",
            example='["idcard-1"]',
        ),
    ]
    purpose: Annotated[
        str,
        Key(
            kind=choice(
                ANY_PURPOSE,
                "report",
                "study_in",
                "study_out",
                "service_in",
                "service_out",
                "leave",
                "return",
                "enrol",
            ),
            what="What people come to this kiosk for; any = they choose on the screen.",
            when="Where a kiosk serves one purpose only, or has no screen.",
        ),
    ] = ANY_PURPOSE
    terminal: Annotated[
        bool,
        Key(
            kind=FLAG,
            what="The kiosk is a terminal of another maker that reports cards and fingers or faces itself, through "
            "the interface (docs/api.md). Its word is then the evidence.",
            when="Only for a terminal that the center has approved for it.",
        ),
    ] = False
    printer: Annotated[
        bool,
        Key(
            kind=FLAG,
            what="A printer stands at this kiosk: a check-in that counts offers to print a receipt.",
            when="Where people are given a receipt on paper.",
        ),
    ] = False
