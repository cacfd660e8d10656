"""The families that can be decoded by name, imported when first asked for.

A new family is one line here: a module, or an object in one. Names have dashes, folders underscores.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from types import MappingProxyType
from typing import Protocol, cast

from firmware_protocols.describing import Describer
from firmware_protocols.errors import LocalProtocolError

FAMILIES: Mapping[str, str] = MappingProxyType(
    {
        "ble-adv": "firmware_protocols.ble.describe_adv",
        "ble-gatt": "firmware_protocols.ble.describe_gatt:UNTOLD",
        "colmi": "firmware_protocols.colmi.describe",
        "efaa-sum32": "firmware_protocols.efaa_sum32.describe",
        "efaa-xor16": "firmware_protocols.efaa_xor16.describe",
        "efaa-xor16-aes": "firmware_protocols.efaa_xor16.describe_encrypted",
        "gb11643": "firmware_protocols.gb11643.describe",
        "gt06": "firmware_protocols.gt06.describe",
        "h02": "firmware_protocols.h02.describe",
        "idcard-sam": "firmware_protocols.idcard_sam.describe",
        "jt808": "firmware_protocols.jt808.describe",
        "laipac": "firmware_protocols.laipac.describe",
        "minifinder2": "firmware_protocols.minifinder2.describe",
        "osdp": "firmware_protocols.osdp.describe",
        "osdp-sc": "firmware_protocols.osdp.describe_channel",
        "osdp-session": "firmware_protocols.osdp.describe_session",
        "pt60": "firmware_protocols.pt60.describe",
        "r16h": "firmware_protocols.r16h.describe",
        "topin": "firmware_protocols.topin.describe",
        "trv": "firmware_protocols.trv.describe",
        "watch": "firmware_protocols.watch.describe",
        "wiegand": "firmware_protocols.wiegand.describe",
        "wristband-yx": "firmware_protocols.wristband_yx.describe",
        "xexun2": "firmware_protocols.xexun2.describe",
        "zfm": "firmware_protocols.zfm.describe:BOTH",
        "zfm-grow": "firmware_protocols.zfm.describe:GROW",
        "zfm-synochip": "firmware_protocols.zfm.describe:SYNOCHIP",
        "zk-adms": "firmware_protocols.zk_adms.describe",
    }
)


class ByUuid(Protocol):
    """A family whose bytes do not tell what they are."""

    def of_uuid(self, uuid: str) -> Describer:
        """The describer of one characteristic. Code: uuid."""
        ...


def describer(family: str, uuid: str | None = None) -> Describer:
    """The describer of a family. `uuid`: of the characteristic, for ble-gatt alone. Codes: family, uuid."""
    if family not in FAMILIES:
        near = get_close_matches(family, FAMILIES, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise LocalProtocolError("family", f"unknown family; known are {', '.join(sorted(FAMILIES))}{hint}")
    module, _, name = FAMILIES[family].partition(":")
    found = import_module(module)
    if uuid is not None and family == "ble-gatt":
        return cast("ByUuid", getattr(found, name)).of_uuid(uuid)
    return cast("Describer", getattr(found, name) if name else found)
