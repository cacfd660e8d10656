"""Typed commands of the host, both directions: `to_frame` sends one, `parse_command` takes one apart.

    delete user   user id 2, big-endian
    baud rate     index 1, valid after the next start
    backlight, display, white light   on 1

Leaves out: writing and reading a template beyond its frame. The widths of its running fields are not documented, and
nothing here moves templates about.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from types import MappingProxyType
from typing import TypeAlias

from firmware_protocols.efaa_sum32.frames import FIRST_COMMAND, Frame
from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError


class Command(IntEnum):
    """The message number of a command."""

    IDENTIFY = 0x12
    REGISTER = 0x13
    DELETE_USER = 0x20
    DELETE_ALL = 0x21
    VERSION = 0x30
    BAUD_RATE = 0x51
    BACKLIGHT = 0xC0
    DISPLAY = 0xC1
    WHITE_LIGHT = 0xC2
    REBOOT = 0xC3
    LIST_USERS = 0xC4
    WRITE_TEMPLATE = 0xC5
    READ_TEMPLATE = 0xC6


LABELS_ZH: Mapping[Command, str] = MappingProxyType(
    {
        Command.IDENTIFY: "人脸识别",
        Command.REGISTER: "人脸注册",
        Command.DELETE_USER: "删除用户",
        Command.DELETE_ALL: "删除全部用户",
        Command.VERSION: "查询版本",
        Command.BAUD_RATE: "设置波特率",
        Command.BACKLIGHT: "背光",
        Command.DISPLAY: "显示",
        Command.WHITE_LIGHT: "白光灯",
        Command.REBOOT: "重启",
        Command.LIST_USERS: "查询已注册用户",
        Command.WRITE_TEMPLATE: "写入特征值",
        Command.READ_TEMPLATE: "读取特征值",
    }
)
SWITCHES = frozenset({Command.BACKLIGHT, Command.DISPLAY, Command.WHITE_LIGHT})
TEMPLATES = frozenset({Command.WRITE_TEMPLATE, Command.READ_TEMPLATE})  # their data is somebody's face
BARE = frozenset(Command) - SWITCHES - TEMPLATES - {Command.DELETE_USER, Command.BAUD_RATE}

# The manual names the first and the last index; the three between are the usual rates between those two.
BAUD_RATES: Mapping[int, int] = MappingProxyType({0: 9600, 1: 19200, 2: 38400, 3: 57600, 4: 115200})


@dataclass(frozen=True, slots=True)
class Bare:
    """A command without data."""

    command: Command

    def to_frame(self) -> Frame:
        """The frame that carries it."""
        if self.command not in BARE:
            raise LocalProtocolError("command", f"{name_of(self.command)} has data")
        return Frame(self.command)


@dataclass(frozen=True, slots=True)
class DeleteUser:
    """Forget one face."""

    user_id: int

    def to_frame(self) -> Frame:
        """The frame that carries it."""
        return Frame(Command.DELETE_USER, _number(self.user_id, 2))


@dataclass(frozen=True, slots=True)
class SetBaudRate:
    """Speak at another speed, one of `BAUD_RATES`, after the next start."""

    index: int

    def to_frame(self) -> Frame:
        """The frame that carries it."""
        return Frame(Command.BAUD_RATE, _number(self.index, 1))


@dataclass(frozen=True, slots=True)
class Switch:
    """Backlight, display or white light on (1) or off (0)."""

    command: Command
    on: int

    def to_frame(self) -> Frame:
        """The frame that carries it."""
        if self.command not in SWITCHES:
            raise LocalProtocolError("command", f"{name_of(self.command)} switches nothing")
        return Frame(self.command, _number(self.on, 1))


@dataclass(frozen=True, slots=True)
class OtherCommand:
    """A command that is carried and not taken apart."""

    msg_id: int
    data: bytes = field(default=b"", repr=False)

    def to_frame(self) -> Frame:
        """The frame that carries it."""
        if self.msg_id < FIRST_COMMAND:
            raise LocalProtocolError("range", f"message {self.msg_id:02X} is the module's")
        return Frame(self.msg_id, self.data)


AnyCommand: TypeAlias = Bare | DeleteUser | SetBaudRate | Switch | OtherCommand


def parse_command(frame: Frame) -> AnyCommand:
    """What the host asks for. Codes: msg_id, command_length."""
    if frame.msg_id < FIRST_COMMAND:
        raise RemoteProtocolError("msg_id", f"message {frame.msg_id:02X} is the module's")
    if frame.msg_id not in LABELS_ZH or frame.msg_id in TEMPLATES:
        return OtherCommand(frame.msg_id, frame.data)
    command = Command(frame.msg_id)
    if command in BARE:
        _expect(frame, 0)
        return Bare(command)
    if command in SWITCHES:
        _expect(frame, 1)
        return Switch(command, frame.data[0])
    if command is Command.BAUD_RATE:
        _expect(frame, 1)
        return SetBaudRate(frame.data[0])
    _expect(frame, 2)
    return DeleteUser(int.from_bytes(frame.data, "big"))


def name_of(msg_id: int) -> str:
    """What the manual calls a command, or words that say that the number is not known."""
    if msg_id not in LABELS_ZH:
        return f"unknown {msg_id:02X}"
    return Command(msg_id).name.lower().replace("_", " ")


def _expect(frame: Frame, size: int) -> None:
    if len(frame.data) != size:
        raise RemoteProtocolError(
            "command_length", f"{name_of(frame.msg_id)}: {len(frame.data)} data bytes; {size} expected"
        )


def _number(value: int, size: int) -> bytes:
    try:
        return value.to_bytes(size, "big")
    except OverflowError:
        raise LocalProtocolError("range", f"a number does not fit its {size} bytes") from None
