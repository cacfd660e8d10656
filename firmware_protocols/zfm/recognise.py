"""What a packet without context is: which command a reply answers, and whose a command can be.

A driver knows both, from the question it asked and from its configuration, and needs none of this. Someone
who reads a dump has only codes and sizes to go by. What only one family can have said is read as that
family's; what both can have said is read as synochip's, and the other reading is named beside it.
"""

from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError
from firmware_protocols.zfm import commands as c
from firmware_protocols.zfm import vendor_commands as v
from firmware_protocols.zfm.confirm import NO_MATCH
from firmware_protocols.zfm.family import Family
from firmware_protocols.zfm.messages import Command
from firmware_protocols.zfm.packet import Packet, Pid
from firmware_protocols.zfm.progress import SYNOCHIP_PRESSES, is_synochip_progress
from firmware_protocols.zfm.replies import PROD_INFO_RESERVED, PROD_INFO_SIZE, SystemParameters

HOST_TO_MODULE = "host>module"
MODULE_TO_HOST = "module>host"
DIRECTIONS = (HOST_TO_MODULE, MODULE_TO_HOST)
DEFAULT_FAMILY = Family.SYNOCHIP


def check_direction(pid: Pid, direction: str | None) -> None:
    """Codes: direction (no such word), pid (a packet of the other way)."""
    if direction is None:
        return
    if direction not in DIRECTIONS:
        raise LocalProtocolError("direction", f"unknown direction; known are {' and '.join(DIRECTIONS)}")
    other = {HOST_TO_MODULE: Pid.ACKNOWLEDGE, MODULE_TO_HOST: Pid.COMMAND}[direction]
    if pid is other:
        raise RemoteProtocolError("pid", f"packet identifier {pid:02X} does not go {direction}")


def commands_of(packet: Packet, family: Family | None) -> list[tuple[Family | None, Command]]:
    """The readings of a command packet, the likely one first; None as family: both have it.

    Empty for a code that is in no table. Code: message_length.
    """
    code = packet.payload[0]
    if code in c.COMMON:
        return [(family, c.parse_command(family or DEFAULT_FAMILY, packet))]
    readings: list[tuple[Family | None, Command]] = []
    error: RemoteProtocolError | None = None
    for one in (family,) if family else (Family.SYNOCHIP, Family.GROW):
        try:
            readings.append((one, c.parse_command(one, packet)))
        except RemoteProtocolError as exc:
            error = error or (exc if exc.code == "message_length" else None)
    if not readings and error is not None:
        raise error
    return sorted(readings, key=lambda reading: not _plausible(reading[1])) if len(readings) > 1 else readings


def _plausible(command: Command) -> bool:
    """Whether the values are ones that the command can have."""
    match command:
        case v.GrowAutoEnroll():
            switches = (
                command.allow_overwrite,
                command.allow_duplicate,
                command.report_steps,
                command.finger_lift,
            )
            return max(switches) <= 1
        case v.GrowAutoIdentify():
            return 1 <= command.security_level <= 5 and command.report_steps <= 1
        case v.SynochipAutoEnroll():
            return 1 <= command.presses <= SYNOCHIP_PRESSES
        case _:
            return True


def answered_command(packet: Packet, family: Family | None) -> Command | None:
    """A command that a reply can be the answer to, by its size; None for a size that no answer has."""
    confirm, data = packet.payload[0], packet.payload[1:]
    match len(data):
        case 0:
            return c.GetEcho()
        case 2:
            return _of_two_bytes(confirm, data, family)
        case 4:
            return c.Search(1, 0, 0)
        case 5:
            return v.SynochipAutoIdentify(0, 0, 0)
        case 32:
            return c.ReadIndexTable(0)
        case size if size == SystemParameters.size():
            return c.ReadSysPara()
        case size if size in {PROD_INFO_SIZE, PROD_INFO_SIZE + PROD_INFO_RESERVED}:
            return v.ReadProdInfo()
        case _:
            return None


def _of_two_bytes(confirm: int, data: bytes, family: Family | None) -> Command:
    """Count, score or progress of AutoEnroll: the reports of the 2-byte-id family have a form of their own."""
    if confirm == NO_MATCH:
        return c.Match()
    if family is not Family.GROW and is_synochip_progress(data[0], data[1]):
        return v.SynochipAutoEnroll(0, 1, 0)
    if confirm != 0:
        return v.GrowAutoEnroll(0, 0, 0, 0, 0) if family is Family.GROW else v.SynochipAutoEnroll(0, 1, 0)
    return c.TemplateNum()
