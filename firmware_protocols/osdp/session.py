"""One reader as the panel talks to it: sequence numbers, the secure channel, and which reply answers which command.

A repetition is the same frame again: the reader then repeats its reply and does nothing twice. When nothing helps,
`restart` and speak from the beginning: number 0, in clear.
"""

from firmware_protocols.errors import RemoteProtocolError
from firmware_protocols.osdp.catalogue import parse_reply
from firmware_protocols.osdp.codes import UNSECURED, Reply
from firmware_protocols.osdp.frames import Check, Frame
from firmware_protocols.osdp.layout import Message
from firmware_protocols.osdp.replies import Nak
from firmware_protocols.osdp.secure_channel import Channel
from firmware_protocols.osdp.security_block import SecurityBlock

LAST_SEQUENCE = 3


class PanelSession:
    """The panel's side of one reader."""

    def __init__(self, address: int, check: Check = Check.CRC16) -> None:
        self.address = address
        self._check = check
        self._sequence = 0
        self._channel: Channel | None = None

    @property
    def is_secure(self) -> bool:
        """Whether what is said now goes over a secure channel."""
        return self._channel is not None

    def restart(self) -> None:
        """Speak from the beginning."""
        self._sequence, self._channel = 0, None

    def secure(self, channel: Channel) -> None:
        """Speak over this channel from now on."""
        self._channel = channel

    def frame(self, message: Message, block: SecurityBlock | None = None) -> Frame:
        """The next command; with a block it is one of the handshake."""
        clear = Frame(
            self.address,
            self._sequence,
            message.code,
            message.to_data(),
            check=self._check,
            security=block,
            mark=True,
        )
        return clear if self._channel is None or block else self._channel.seal_command(clear)

    def heard(self, sent: Frame, reply: Frame) -> Frame | None:
        """The answer in clear; None for what another reader says, or what answers another question.

        Codes: clear, mac, padding.
        """
        if not reply.reply or reply.address != self.address:
            return None
        if reply.code == Reply.BUSY:
            return reply  # number 0, and it changes nothing: no MAC is asked of it
        if reply.sequence != sent.sequence:
            return None
        if self._channel is None:
            return reply
        if _ends_the_channel(reply):
            return reply  # says that it knows of no channel: who forges it can only make us begin anew
        return self._channel.open_reply(reply)

    def answered(self) -> None:
        """The question was answered: the next one has the next number."""
        self._sequence = 1 + self._sequence % LAST_SEQUENCE


def _ends_the_channel(reply: Frame) -> bool:
    return (
        reply.code == Reply.NAK
        and reply.security is None
        and reply.data[:1] in {bytes([one]) for one in UNSECURED}
    )


class Refused(RemoteProtocolError):  # noqa: N818 - named for what the reader did
    """The reader said NAK. `number`: why."""

    def __init__(self, nak: Nak, asked: int) -> None:
        super().__init__("nak", f"the reader refuses command {asked:02X} (NAK {nak.number})")
        self.number = nak.number


def understood(reply: Frame, asked: int) -> Message:
    """What an answer in clear says; raises `Refused`. Code: data_length."""
    message = parse_reply(reply.code, reply.data)
    if isinstance(message, Nak):
        raise Refused(message, asked)
    return message
