"""Packets by name and key, for tests and machines. For a person: explain.py.

    zfm             what only one family can have said is read as that family's, the rest as synochip's
    zfm-grow        as a module of Grow
    zfm-synochip    as a module with a chip of Synochip

Templates, images and what is written into a notepad are measured and left out.
"""

from dataclasses import dataclass, fields

from firmware_protocols.describing import Field, Json
from firmware_protocols.zfm import commands as c
from firmware_protocols.zfm.confirm import confirm_of
from firmware_protocols.zfm.explain import explain
from firmware_protocols.zfm.family import Family
from firmware_protocols.zfm.messages import Command
from firmware_protocols.zfm.packet import HEADER, READY, SUM_SIZE, Packet, Pid
from firmware_protocols.zfm.progress import enrol_step
from firmware_protocols.zfm.recognise import (
    DEFAULT_FAMILY,
    HOST_TO_MODULE,
    answered_command,
    check_direction,
    commands_of,
)
from firmware_protocols.zfm.replies import (
    Count,
    Echo,
    EnrolProgress,
    Found,
    IdentifyProgress,
    IndexTable,
    ProductInfo,
    Refused,
    Reply,
    Score,
    SystemParameters,
    ascii_text,
    parse_reply,
)

READY_NAME = "power-on handshake byte, sent unframed before the first command is accepted"
HEX_WORDS = {"password": 8, "new_address": 8, "flags": 4}  # shown as hex digits, not as numbers
REGISTERS = {4: "baud_multiplier", 5: "security_level", 6: "packet_size_code"}


@dataclass(frozen=True, slots=True)
class ZfmDescriber:
    """The describer of one family, or of both where a dump does not say whose it is."""

    family: Family | None = None

    def decode(self, data: bytes, direction: str | None) -> Json:
        """The keys of exactly one packet. Bytes before its header are skipped, bytes after it are an error."""
        if data == bytes([READY]) and direction != HOST_TO_MODULE:
            return {"name": READY_NAME}
        start = max(data.find(HEADER), 0)
        packet = Packet.from_bytes(data[start:])
        check_direction(packet.pid, direction)
        keys: Json = {
            "address": f"{packet.address:08x}",
            "pid": f"{packet.pid:02X}",
            "length": len(packet.payload) + SUM_SIZE,
            "checksum": data[-SUM_SIZE:].hex(),
            **self._payload_keys(packet),
        }
        return {**keys, "skipped": start} if start else keys

    def explain(self, data: bytes, direction: str | None) -> list[Field]:
        """Every byte of `data`, in order; any number of packets, noise between them included."""
        return explain(data, direction, self.family)

    def _payload_keys(self, packet: Packet) -> Json:
        match packet.pid:
            case Pid.COMMAND:
                return self._command_keys(packet)
            case Pid.ACKNOWLEDGE:
                return self._reply_keys(packet)
            case Pid.DATA:
                return {"name": "data, more follow", "data_length": len(packet.payload)}
            case Pid.LAST_DATA:
                return {"name": "data, the last", "data_length": len(packet.payload)}

    def _command_keys(self, packet: Packet) -> Json:
        keys: Json = {"instruction": f"{packet.payload[0]:02X}", "params": packet.payload[1:].hex()}
        readings = commands_of(packet, self.family)
        if not readings:
            return {**keys, "name": "unknown command"}
        family, command = readings[0]
        keys |= {"name": command.NAME, "family": family, **_fields_of(command)}
        if isinstance(command, c.WriteNotepad):
            keys["params"] = f"{command.page:02x}"
        if isinstance(command, c.SetSysPara) and command.parameter in REGISTERS:
            keys[REGISTERS[command.parameter]] = command.value
        if len(readings) > 1:
            other, reading = readings[1]
            keys["also"] = {"family": other, "name": reading.NAME, **_fields_of(reading)}
        return keys

    def _reply_keys(self, packet: Packet) -> Json:
        code, data = packet.payload[0], packet.payload[1:]
        confirm = confirm_of(self.family or DEFAULT_FAMILY, code)
        keys: Json = {
            "confirm": f"{code:02X}",
            "params": data.hex(),
            "status": confirm.name,
            "action": str(confirm.action),
            "meaning": confirm.meaning,
        }
        if code != 0:
            keys["confirm_meaning"] = confirm.meaning
        command = answered_command(packet, self.family)
        if command is None:
            return keys
        return {**keys, **_answer_keys(parse_reply(command, packet), data, self.family)}


def _answer_keys(reply: Reply, data: bytes, family: Family | None) -> Json:
    match reply:
        case Refused() if len(data) == Found.size():
            return {"name": "Search reply", **_fields_of(Found.unpack(data))}
        case Refused() if len(data) == Score.size():
            return {"name": "Match reply", **_fields_of(Score.unpack(data))}
        case SystemParameters():
            return {"name": "ReadSysPara reply", **_system_keys(reply)}
        case Found():
            return {"name": "Search reply", **_fields_of(reply)}
        case Count(count):
            # The same two bytes are the score of a Match: only who asked knows.
            return {
                "name": "TemplateNum or Match reply",
                "count": count,
                "template_count": count,
                "score": count,
            }
        case IndexTable():
            return _table_keys(reply)
        case ProductInfo():
            return {"name": "ReadProdInfo reply", **_fields_of(reply)}
        case EnrolProgress(confirm, step, item):
            key = "id" if family is Family.GROW else "press"
            told = {"meaning": enrol_step(family or DEFAULT_FAMILY, step)} if confirm == 0 else {}
            return {"name": "AutoEnroll progress", "step": step, key: item, **told}
        case IdentifyProgress():
            return {
                "name": "AutoIdentify progress",
                "step": reply.step,
                "id": reply.page_id,
                "page_id": reply.page_id,
                "score": reply.score,
            }
        case Echo():
            return {"name": "GetEcho reply"}
        case _:
            return {}


def _system_keys(reply: SystemParameters) -> Json:
    return {
        "status_register": reply.status_register,
        "status_bits": list(reply.status_bits),
        "system_id": f"{reply.system_id:04X}",
        "capacity": reply.capacity,
        "security_level": reply.security_level,
        "device_address": f"{reply.device_address:08X}",
        "packet_size_code": reply.packet_size_code,
        "packet_size": reply.packet_size,
        "baud_multiplier": reply.baud_multiplier,
        "baud": reply.baud,
    }


def _table_keys(reply: IndexTable) -> Json:
    """32 bytes are an index table, a version, a chip's number or a notepad: only who asked knows."""
    keys: Json = {"name": "32 bytes: index table, version, chip number or notepad"}
    text = ascii_text(reply.bitmap)
    if text and "?" not in text:
        keys["text"] = text
    slots = sorted(reply.slots())
    return {**keys, "slots": slots, "template_count": len(slots)}


def _fields_of(message: Command | Found | Score | ProductInfo) -> Json:
    keys: Json = {}
    for one in fields(message):
        value = getattr(message, one.name)
        if one.name in HEX_WORDS:
            keys[one.name] = f"{value:0{HEX_WORDS[one.name]}X}"
        elif one.name == "content":
            keys["content_length"] = len(value)
        elif one.name == "hw_version":
            keys[one.name] = f"{value[0]}.{value[1]}"
        elif isinstance(value, bytes):
            keys[one.name] = ascii_text(value)
        else:
            keys[one.name] = value
    return keys


BOTH = ZfmDescriber()
GROW = ZfmDescriber(Family.GROW)
SYNOCHIP = ZfmDescriber(Family.SYNOCHIP)
