"""The commands a reader knows, and the requests that carry them.

    CMD PARA   10 FF reset SAM     20 01 find card      30 01 read text and photo
               11 FF SAM status    20 02 select card    30 10 read text, photo, fingerprint
               12 FF SAM id        60 nn baud rate      30 03 additional address
                                   61 FF nn RF frame    30 05 chip number

Leaves out: what comes back (messages.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from firmware_protocols.errors import LocalProtocolError
from firmware_protocols.idcard_sam.frames import Request


class Command(Enum):
    """A command; the value says what it does."""

    RESET_SAM = "reset SAM"
    SAM_STATUS = "SAM status"
    SAM_ID = "read SAM id"
    FIND_CARD = "find card"
    SELECT_CARD = "select card"
    READ_CARD = "read text and photo"
    READ_CARD_WITH_FINGERPRINT = "read text, photo and fingerprint"
    READ_NEW_ADDRESS = "read additional address"
    READ_CHIP_NUMBER = "read chip management number"
    SET_BAUD = "set UART baud rate"
    SET_RF_FRAME = "set largest RF frame"


@dataclass(frozen=True, slots=True)
class CommandSpec:
    """How a command looks on the wire. `para` is None where the parameter is a value of the caller."""

    cmd: int
    para: int | None
    data_size: int
    label_zh: str

    def matches(self, request: Request) -> bool:
        """Whether `request` is this command."""
        return (
            request.cmd == self.cmd
            and self.para in {None, request.para}
            and len(request.data) == self.data_size
        )


COMMANDS: Mapping[Command, CommandSpec] = MappingProxyType(
    {
        Command.RESET_SAM: CommandSpec(0x10, 0xFF, 0, "复位SAM"),
        Command.SAM_STATUS: CommandSpec(0x11, 0xFF, 0, "SAM状态检测"),
        Command.SAM_ID: CommandSpec(0x12, 0xFF, 0, "读SAM管理号"),
        Command.FIND_CARD: CommandSpec(0x20, 0x01, 0, "寻找证卡"),
        Command.SELECT_CARD: CommandSpec(0x20, 0x02, 0, "选取证卡"),
        Command.READ_CARD: CommandSpec(0x30, 0x01, 0, "读文字和照片"),
        Command.READ_CARD_WITH_FINGERPRINT: CommandSpec(0x30, 0x10, 0, "读文字、照片和指纹"),
        Command.READ_NEW_ADDRESS: CommandSpec(0x30, 0x03, 0, "读追加地址"),
        Command.READ_CHIP_NUMBER: CommandSpec(0x30, 0x05, 0, "读芯片管理号"),
        Command.SET_BAUD: CommandSpec(0x60, None, 0, "设置串口波特率"),
        Command.SET_RF_FRAME: CommandSpec(0x61, 0xFF, 1, "设置射频帧最大字节数"),
    }
)

# Value of PARA in `60 nn`, in the order in which a reader of unknown speed is searched.
BAUD_RATES: Mapping[int, int] = MappingProxyType({0: 115200, 1: 57600, 2: 38400, 3: 19200, 4: 9600})


def identify(request: Request) -> Command | None:
    """Which command a request is; None for one that is not in the table."""
    return next((command for command, spec in COMMANDS.items() if spec.matches(request)), None)


def request_for(command: Command) -> Request:
    """The request of a command without a value of its own."""
    spec = COMMANDS[command]
    if spec.para is None or spec.data_size:
        raise LocalProtocolError("command", f"{command.value} carries a value: use its own function")
    return Request(spec.cmd, spec.para)


def set_baud(baud: int) -> Request:
    """The request that switches the reader's serial line to `baud`."""
    for para, known in BAUD_RATES.items():
        if known == baud:
            return Request(0x60, para)
    raise LocalProtocolError("baud", f"{baud} baud is not offered; {list(BAUD_RATES.values())} are")


def set_rf_frame(size: int) -> Request:
    """The request that limits a frame on the air to `size` bytes. One maker sends 0x58."""
    if not 0 <= size <= 0xFF:
        raise LocalProtocolError("range", f"RF frame of {size} bytes; 0 to 255 can be told")
    return Request(0x61, 0xFF, bytes([size]))
