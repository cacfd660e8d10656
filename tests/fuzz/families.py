"""What is fuzzed of each family: its stream decoders, its describer, its published frames."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from firmware_protocols.ble.characteristics import CHARACTERISTICS
from firmware_protocols.describing import Describer
from firmware_protocols.families import FAMILIES, describer
from firmware_protocols.wiegand.content import text_of
from firmware_protocols.wiegand.describe_lines import LinesDescriber
from tests.firmware_protocols import vectors
from tests.firmware_protocols.stream_decoders import MARKS, of_family
from tests.fuzz.checks import CHECKS
from tests.fuzz.inputs import Inputs
from tests.fuzz.trial import DescriberTrial, StreamTrial

# Families that are another reading of the same bytes.
SAME_FRAMES = {"zfm-grow": "zfm", "zfm-synochip": "zfm", "osdp-sc": "osdp", "osdp-session": "osdp"}
DIRECTIONS: dict[str, Sequence[str | None]] = {
    "idcard-sam": (None, "host>reader", "reader>host"),
    "efaa-xor16": (None, "host>module", "module>host"),
    "efaa-sum32": (None, "host>module", "module>host"),
    "osdp": (None, "cp>pd", "pd>cp", "data"),
    "zfm": (None, "host>module", "module>host"),
    "zk-adms": (None, "device>server", "server>device"),
    "jt808": (None, "up", "down"),
}
_ADMS = [
    b"GET /iclock/cdata?SN=TEST001&options=all&pushver=2.4.1 HTTP/1.1\r\nHost: 10.1.2.3\r\n\r\n",
    b"POST /iclock/cdata?SN=TEST001&table=ATTLOG&Stamp=9999 HTTP/1.1\r\n\r\n1\t2026-11-27 08:00:00\t0\t15\t0\t0\n",
    b"GET /iclock/getrequest?SN=TEST001&INFO=Ver%208.0.4 HTTP/1.1\r\n\r\n",
    b"POST /iclock/devicecmd?SN=TEST001 HTTP/1.1\r\n\r\nID=7&Return=0&CMD=DATA",
    b"POST /iclock/cdata?SN=TEST001&table=options HTTP/1.1\r\n\r\n~DeviceName=X,FWVersion=Ver 8.0",
]


@dataclass(frozen=True, slots=True)
class Part:
    """One decoder or describer, with the inputs made for it."""

    name: str
    trial: StreamTrial | DescriberTrial
    inputs: Inputs


@cache
def _air(kind: str) -> list[bytes]:
    entries = json.loads((vectors.VECTORS / "trackers" / "ble.json").read_text("utf-8"))["ble"]
    return [bytes.fromhex(one["hex"]) for one in entries if one["kind"].startswith(kind)]


def frames_of(family: str) -> list[bytes]:
    """Everything published of it."""
    match family:
        case "ble-adv" | "ble-gatt" | "colmi":
            return _air(family.removeprefix("ble-"))
        case "gb11643":
            return [one.data for one in vectors.GB11643]
        case "zk-adms":
            return [one.data for one in vectors.ZK_ADMS] + _ADMS
        case "wiegand":
            cards = [b"2A3B4C5", b"00000000000000000000000001", b"0000000"]
            return cards + [b"\x02" + card + b"\x03" for card in cards]
        case "osdp-session":
            return [b"".join(frames_of("osdp")[-14:]), *frames_of("osdp")]
    cases = of_family(SAME_FRAMES.get(family, family))
    return list(dict.fromkeys(data for case in cases for data in case.vectors))


def parts_of(family: str, seed: int) -> list[Part]:
    """What takes turns in the fuzzing of a family: its decoders, and its describer as often."""
    frames, check = frames_of(family), CHECKS.get(SAME_FRAMES.get(family, family))
    parts: list[Part] = []
    for case in of_family(family):
        begin = [bytes.fromhex(one) for one in case.beginnings]
        inputs = Inputs(str(case), seed, vectors=case.vectors, begin=begin, check=check)
        parts.append(Part(str(case), StreamTrial(case), inputs))
    for name, found in _describers(family):
        trial = DescriberTrial(name, found, DIRECTIONS.get(SAME_FRAMES.get(family, family), (None,)))
        begin = [one[:3] for one in frames[:8]]
        parts.append(Part(name, trial, Inputs(name, seed, vectors=frames, begin=begin, check=check)))
    return parts


def _describers(family: str) -> list[tuple[str, Describer]]:
    if family == "ble-gatt":
        return [(f"{family} {uuid}", describer(family, uuid)) for uuid in CHARACTERISTICS]
    if family == "wiegand":
        lines = [(f"{family} lines {name}", LinesDescriber(marks, text_of)) for name, marks in MARKS.items()]
        return [(f"{family} describe", describer(family)), *lines]
    return [(f"{family} describe", describer(family))]


EVERY = tuple(sorted(FAMILIES))
