"""Typed commands, and which code each has in which family.

    payload of a command packet = [code 1] [fields]

COMMON holds what both families share; GROW_ONLY and SYNOCHIP_ONLY what only one has, or has otherwise. A code
of a table is never looked up in the other one.
Those that only one family has stand in vendor_commands.py. Leaves out: what comes back (replies.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError
from firmware_protocols.zfm import vendor_commands as v
from firmware_protocols.zfm.family import Family
from firmware_protocols.zfm.messages import Command
from firmware_protocols.zfm.packet import DEFAULT_ADDRESS, Packet, Pid

NOTEPAD_SIZE = 32


@dataclass(frozen=True, slots=True)
class GenImg(Command):
    """Take a picture of the finger."""

    NAME, LABEL_ZH = "GenImg", "获取图像"


@dataclass(frozen=True, slots=True)
class Img2Tz(Command):
    """Make features of the picture, in a buffer of the module."""

    NAME, LABEL_ZH, LAYOUT = "Img2Tz", "生成特征", "B"
    buffer: int


@dataclass(frozen=True, slots=True)
class Match(Command):
    """Compare buffers 1 and 2."""

    NAME, LABEL_ZH = "Match", "精确比对"


@dataclass(frozen=True, slots=True)
class Search(Command):
    """Look for a buffer's finger in `count` slots from `start` on."""

    NAME, LABEL_ZH, LAYOUT = "Search", "搜索指纹", "BHH"
    buffer: int
    start: int
    count: int


@dataclass(frozen=True, slots=True)
class RegModel(Command):
    """Merge the buffers into a template."""

    NAME, LABEL_ZH = "RegModel", "合并特征"


@dataclass(frozen=True, slots=True)
class Store(Command):
    """Keep a buffer's template in a slot; what was there is overwritten."""

    NAME, LABEL_ZH, LAYOUT = "Store", "储存模板", "BH"
    buffer: int
    page_id: int


@dataclass(frozen=True, slots=True)
class Load(Command):
    """Fetch a slot's template into a buffer."""

    NAME, LABEL_ZH, LAYOUT = "Load", "读出模板", "BH"
    buffer: int
    page_id: int


@dataclass(frozen=True, slots=True)
class UpChar(Command):
    """Send a buffer's template to the host. No driver of ours asks for it."""

    NAME, LABEL_ZH, LAYOUT = "UpChar", "上传特征或模板", "B"
    buffer: int


@dataclass(frozen=True, slots=True)
class DownChar(Command):
    """Take a template from the host into a buffer. No driver of ours asks for it."""

    NAME, LABEL_ZH, LAYOUT = "DownChar", "下载特征或模板", "B"
    buffer: int


@dataclass(frozen=True, slots=True)
class UpImage(Command):
    """Send the picture to the host. No driver of ours asks for it."""

    NAME, LABEL_ZH = "UpImage", "上传图像"


@dataclass(frozen=True, slots=True)
class DownImage(Command):
    """Take a picture from the host. No driver of ours asks for it."""

    NAME, LABEL_ZH = "DownImage", "下载图像"


@dataclass(frozen=True, slots=True)
class Delete(Command):
    """Delete `count` slots from `page_id` on."""

    NAME, LABEL_ZH, LAYOUT = "Delete", "删除模板", "HH"
    page_id: int
    count: int


@dataclass(frozen=True, slots=True)
class Empty(Command):
    """Delete all slots."""

    NAME, LABEL_ZH = "Empty", "清空指纹库"


@dataclass(frozen=True, slots=True)
class SetSysPara(Command):
    """Set 4 the baud rate (N x 9600), 5 the security level (1 to 5), 6 the packet size code (0 to 3)."""

    NAME, LABEL_ZH, LAYOUT = "SetSysPara", "写系统寄存器", "BB"
    parameter: int
    value: int


@dataclass(frozen=True, slots=True)
class ReadSysPara(Command):
    """Read the parameters."""

    NAME, LABEL_ZH = "ReadSysPara", "读系统基本参数"


@dataclass(frozen=True, slots=True)
class SetPwd(Command):
    """Change the password."""

    NAME, LABEL_ZH, LAYOUT = "SetPwd", "设置口令", "I"
    password: int = field(repr=False)


@dataclass(frozen=True, slots=True)
class VfyPwd(Command):
    """Prove the password."""

    NAME, LABEL_ZH, LAYOUT = "VfyPwd", "验证口令", "I"
    password: int = field(repr=False)


@dataclass(frozen=True, slots=True)
class GetRandomCode(Command):
    """Give a random number."""

    NAME, LABEL_ZH = "GetRandomCode", "采样随机数"


@dataclass(frozen=True, slots=True)
class SetAddr(Command):
    """Change the address."""

    NAME, LABEL_ZH, LAYOUT = "SetAddr", "设置芯片地址", "I"
    new_address: int


@dataclass(frozen=True, slots=True)
class ReadInfPage(Command):
    """Send the information page, in data packets."""

    NAME, LABEL_ZH = "ReadInfPage", "读flash信息页"


@dataclass(frozen=True, slots=True)
class WriteNotepad(Command):
    """Keep 32 bytes for the host."""

    NAME, LABEL_ZH, LAYOUT = "WriteNotepad", "写记事本", "B32s"
    page: int
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ReadNotepad(Command):
    """Give the 32 bytes back."""

    NAME, LABEL_ZH, LAYOUT = "ReadNotepad", "读记事本", "B"
    page: int


@dataclass(frozen=True, slots=True)
class HiSpeedSearch(Command):
    """As Search. Some modules do not know it: use Search."""

    NAME, LABEL_ZH, LAYOUT = "HiSpeedSearch", "高速搜索", "BHH"
    buffer: int
    start: int
    count: int


@dataclass(frozen=True, slots=True)
class TemplateNum(Command):
    """Count the slots that are taken."""

    NAME, LABEL_ZH = "TemplateNum", "读有效模板个数"


@dataclass(frozen=True, slots=True)
class ReadIndexTable(Command):
    """Which of the 256 slots of a page are taken."""

    NAME, LABEL_ZH, LAYOUT = "ReadIndexTable", "读索引表", "B"
    page: int


@dataclass(frozen=True, slots=True)
class LedOn(Command):
    """Light on, older modules."""

    NAME, LABEL_ZH = "LedOn", "开灯"


@dataclass(frozen=True, slots=True)
class LedOff(Command):
    """Light off, older modules."""

    NAME, LABEL_ZH = "LedOff", "关灯"


@dataclass(frozen=True, slots=True)
class GetEcho(Command):
    """Answer with confirm code 55, R307 and its kin."""

    NAME, LABEL_ZH = "GetEcho", "握手"


COMMON: Mapping[int, type[Command]] = MappingProxyType(
    {
        0x01: GenImg, 0x02: Img2Tz, 0x03: Match, 0x04: Search, 0x05: RegModel, 0x06: Store, 0x07: Load,
        0x08: UpChar, 0x09: DownChar, 0x0A: UpImage, 0x0B: DownImage, 0x0C: Delete, 0x0D: Empty,
        0x0E: SetSysPara, 0x0F: ReadSysPara, 0x12: SetPwd, 0x13: VfyPwd, 0x14: GetRandomCode, 0x15: SetAddr,
        0x16: ReadInfPage, 0x18: WriteNotepad, 0x19: ReadNotepad, 0x1B: HiSpeedSearch, 0x1D: TemplateNum,
        0x1F: ReadIndexTable, 0x50: LedOn, 0x51: LedOff, 0x53: GetEcho,
    }
)  # fmt: skip
GROW_ONLY: Mapping[int, type[Command]] = MappingProxyType(
    {
        0x28: v.GetImageEx, 0x30: v.Cancel, 0x31: v.GrowAutoEnroll, 0x32: v.GrowAutoIdentify, 0x35: v.AuraLedConfig,
        0x36: v.CheckSensor, 0x39: v.GetAlgVer, 0x3A: v.GetFwVer, 0x3C: v.ReadProdInfo, 0x3D: v.SoftReset,
        0x40: v.GrowHandShake,
    }
)  # fmt: skip
SYNOCHIP_ONLY: Mapping[int, type[Command]] = MappingProxyType(
    {
        0x29: v.GetEnrollImage, 0x31: v.SynochipAutoEnroll, 0x32: v.SynochipAutoIdentify, 0x33: v.Sleep,
        0x34: v.ReadUuid, 0x35: v.SynochipHandShake, 0x3C: v.LedControl,
    }
)  # fmt: skip
COMMANDS: Mapping[Family, Mapping[int, type[Command]]] = MappingProxyType(
    {
        Family.GROW: MappingProxyType({**COMMON, **GROW_ONLY}),
        Family.SYNOCHIP: MappingProxyType({**COMMON, **SYNOCHIP_ONLY}),
    }
)


def code_of(family: Family, command: Command) -> int:
    """The code of a command. Code: family (this one does not have it)."""
    for code, kind in COMMANDS[family].items():
        if type(command) is kind:
            return code
    raise LocalProtocolError("family", f"{command.NAME} is no command of family {family}")


def command_packet(family: Family, command: Command, address: int = DEFAULT_ADDRESS) -> Packet:
    """The packet that asks `command`."""
    return Packet(Pid.COMMAND, bytes([code_of(family, command)]) + command.pack(), address)


def parse_command(family: Family, packet: Packet) -> Command:
    """What a command packet asks. Codes: pid, unknown_command, message_length."""
    if packet.pid is not Pid.COMMAND:
        raise RemoteProtocolError("pid", f"packet identifier {packet.pid:02X} is no command")
    code, data = packet.payload[0], packet.payload[1:]
    kind = COMMANDS[family].get(code)
    if kind is None:
        raise RemoteProtocolError("unknown_command", f"{code:02X} is no command of family {family}")
    if kind is v.ReadUuid and not data:  # some hosts leave the parameter out
        return v.ReadUuid()
    return kind.unpack(data)
