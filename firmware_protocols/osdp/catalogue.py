"""Which type stands behind which code, both directions: frames to typed messages and back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from firmware_protocols.osdp.biometrics import (
    BiometricsMatched,
    BiometricsRead,
    MatchBiometrics,
    ReadBiometrics,
)
from firmware_protocols.osdp.codes import Command, Reply
from firmware_protocols.osdp.commands import (
    BARE,
    AskCapabilities,
    Bare,
    Buzz,
    Challenge,
    Identify,
    KeepActive,
    Light,
    ServerCryptogram,
    SetCommunication,
    SetKey,
    SetOutputs,
    ShowText,
    ToMaker,
)
from firmware_protocols.osdp.files import FilePiece, FileStatus, ReceiveSize
from firmware_protocols.osdp.layout import Message, require
from firmware_protocols.osdp.replies import (
    BARE_REPLIES,
    STATES,
    BareReply,
    Capabilities,
    CardBits,
    CardText,
    ClientCryptogram,
    Communication,
    FirstMac,
    FromMaker,
    Identity,
    Keys,
    LocalStatus,
    Nak,
    States,
)

Parser = Callable[[bytes], Message]

COMMANDS: Mapping[int, Parser] = MappingProxyType(
    {
        Command.ID: Identify.from_data,
        Command.CAP: AskCapabilities.from_data,
        Command.OUT: SetOutputs.from_data,
        Command.LED: Light.from_data,
        Command.BUZ: Buzz.from_data,
        Command.TEXT: ShowText.from_data,
        Command.COMSET: SetCommunication.from_data,
        Command.BIOREAD: ReadBiometrics.from_data,
        Command.BIOMATCH: MatchBiometrics.from_data,
        Command.KEYSET: SetKey.from_data,
        Command.CHLNG: Challenge.from_data,
        Command.SCRYPT: ServerCryptogram.from_data,
        Command.ACURXSIZE: ReceiveSize.from_data,
        Command.FILETRANSFER: FilePiece.from_data,
        Command.MFG: ToMaker.from_data,
        Command.KEEPACTIVE: KeepActive.from_data,
    }
)
REPLIES: Mapping[int, Parser] = MappingProxyType(
    {
        Reply.NAK: Nak.from_data,
        Reply.PDID: Identity.from_data,
        Reply.PDCAP: Capabilities.from_data,
        Reply.LSTATR: LocalStatus.from_data,
        Reply.RAW: CardBits.from_data,
        Reply.FMT: CardText.from_data,
        Reply.KEYPAD: Keys.from_data,
        Reply.COM: Communication.from_data,
        Reply.BIOREADR: BiometricsRead.from_data,
        Reply.BIOMATCHR: BiometricsMatched.from_data,
        Reply.CCRYPT: ClientCryptogram.from_data,
        Reply.RMAC_I: FirstMac.from_data,
        Reply.FTSTAT: FileStatus.from_data,
        Reply.MFGREP: FromMaker.from_data,
    }
)


@dataclass(frozen=True, slots=True)
class Other:
    """A code that is not in the tables; what it carries may be anybody's."""

    code: int
    content: bytes = field(repr=False)

    def to_data(self) -> bytes:
        """As it came."""
        return self.content


def parse_command(code: int, data: bytes) -> Message:
    """The command that a frame's clear data say. Code: data_length."""
    if code in BARE:
        require(Command(code).name, not data, data)
        return Bare(code)
    parser = COMMANDS.get(code)
    return parser(data) if parser else Other(code, data)


def parse_reply(code: int, data: bytes) -> Message:
    """The reply that a frame's clear data say. Code: data_length."""
    if code in BARE_REPLIES:
        require(Reply(code).name, not data, data)
        return BareReply(code)
    if code in STATES:
        return States(code, tuple(data))
    parser = REPLIES.get(code)
    return parser(data) if parser else Other(code, data)
