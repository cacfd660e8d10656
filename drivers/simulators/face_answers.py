"""What face modules differ in, and how a reply is spoilt on the wire."""

from dataclasses import dataclass

from drivers.simulators.faults import FaultKind
from firmware_protocols.efaa_xor16.envelope import SYNC
from firmware_protocols.efaa_xor16.frames import Frame
from firmware_protocols.efaa_xor16.replies import UNLOCKED
from firmware_protocols.efaa_xor16.results import UNKNOWN_USER

NOISE = bytes.fromhex("00FFEFEFAA77")  # with a sync word in it


@dataclass(frozen=True, slots=True)
class FirmwareHabits:
    """Habits of one firmware; the defaults are those of most."""

    unknown_result: int = UNKNOWN_USER  # some say 1
    full_refusals: bool = False  # a failed VERIFY with all its fields and user id FFFF
    tells_busy: bool = True  # GETSTATUS is answered while it works; some refuse it
    wants_format_byte: bool = False  # GET_ALL_USERID
    pads_ids_to: int = 0  # bytes
    names_enrolled: bool = False  # a refused enrolment names the slot that the face has
    unlock_status: int = UNLOCKED  # of a face with open eyes
    aborted_after_s: float | None = None  # after RESET was answered; None: before


def spoilt(frame: Frame, kind: FaultKind | None) -> bytes:
    """What goes over the wire in place of `frame`."""
    data = frame.to_bytes()
    half = len(data) // 2
    match kind:
        case None | FaultKind.LATE:
            return data
        case FaultKind.NOISE_BEFORE:
            return NOISE + data
        case FaultKind.NOISE_INSIDE:
            return data[:half] + NOISE + data[half:]
        case FaultKind.CUT | FaultKind.UNPLUG:
            return data[:half]
        case FaultKind.CHECKSUM:
            return data[:-1] + bytes([data[-1] ^ 0x55])
        case FaultKind.HUGE:
            return SYNC + data[2:3] + b"\xff\xff" + data[5:]
        case FaultKind.TWICE:
            return data + data
        case _:  # mute, and what other families know
            return b""
