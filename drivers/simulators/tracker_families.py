"""What simulated wearables differ in: who speaks, under which id, and how faults look in their frames.

Where a family has no check byte, a wrong one is a wrong last byte; where it has no length, a huge one is a spoilt
beginning.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from drivers.simulators.faults import FaultKind, Spoiling
from firmware_protocols.gt06.terminal import Gt06Terminal
from firmware_protocols.h02.terminal import H02Terminal
from firmware_protocols.jt808.wearable import Jt808Wearable
from firmware_protocols.r16h.terminal import R16hTerminal
from firmware_protocols.tracker_terminal import TrackerTerminal
from firmware_protocols.watch.terminal import WatchTerminal

LENGTH_AFTER = len("[3G**")  # of a watch's frame, beside its id
# The faults that a wearable can have; others belong to devices that are asked.
FAULTS = (
    FaultKind.NOISE_BEFORE,
    FaultKind.NOISE_INSIDE,
    FaultKind.CUT,
    FaultKind.CHECKSUM,
    FaultKind.MUTE,
    FaultKind.HUGE,
    FaultKind.TWICE,
    FaultKind.LATE,
    FaultKind.UNPLUG,
)


@dataclass(frozen=True, slots=True)
class SimulatedFamily:
    """One line of the table."""

    terminal: Callable[[str], TrackerTerminal]
    device_id: str  # where no other is given; of nobody's
    spoiling: Callable[[str], Spoiling] = field(repr=False)  # by the id


FAMILIES: Mapping[str, SimulatedFamily] = MappingProxyType(
    {
        "gt06": SimulatedFamily(
            Gt06Terminal,
            "352000000000017",
            lambda _: Spoiling(bytes.fromhex("00FF785A79"), size_at=2, size=b"\xff", check_at=-3),
        ),
        "h02": SimulatedFamily(H02Terminal, "4700222306", lambda _: Spoiling(b"\x00\xff*H5", size_at=1)),
        "jt808": SimulatedFamily(
            Jt808Wearable,
            "13812345678",
            lambda _: Spoiling(bytes.fromhex("00FF7E5A"), size_at=3, check_at=-2),
        ),
        "r16h": SimulatedFamily(
            R16hTerminal, "352000000000017", lambda _: Spoiling(b"\x00\xff@GP5", size_at=1)
        ),
        "watch": SimulatedFamily(
            WatchTerminal,
            "4700222306",
            lambda name: Spoiling(b"\x00\xff[3G5", size_at=LENGTH_AFTER + len(name), size=b"FFFF"),
        ),
    }
)
