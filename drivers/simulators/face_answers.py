"""What face modules differ in, and how their frames are spoilt on the wire."""

from dataclasses import dataclass

from drivers.simulators.faults import Spoiling
from firmware_protocols.efaa_xor16.replies import UNLOCKED
from firmware_protocols.efaa_xor16.results import UNKNOWN_USER

SPOILING = Spoiling(noise=bytes.fromhex("00FFEFEFAA77"), size_at=3)


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
    init_answered_sealed: bool = False  # INIT_ENCRYPTION: in clear or already sealed, no source says
    wants_reserved: bool = False  # INIT_ENCRYPTION with its three reserved bytes
    aborted_after_s: float | None = None  # after RESET was answered; None: before
