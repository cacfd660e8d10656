"""What a panel asks of one reader, as generators: introduce, secure, poll, status, light and sound, a new key.

A question is repeated where nothing or nothing fitting comes back, with the same frame; a reader that is busy is asked
again later. A refusal is raised (`Refused`).
Nothing here asks for biometrics or sets a reader's address.
"""

from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from firmware_protocols.errors import LocalProtocolError, ProtocolError, RemoteProtocolError, ReplyTimeout
from firmware_protocols.exchange import Ask, Exchange, More, Pause
from firmware_protocols.osdp.codes import Command, Reply
from firmware_protocols.osdp.commands import (
    POLL,
    AskCapabilities,
    Bare,
    Buzz,
    Colour,
    Identify,
    Light,
    SetKey,
)
from firmware_protocols.osdp.frames import Frame
from firmware_protocols.osdp.handshake import PanelHandshake
from firmware_protocols.osdp.layout import Message
from firmware_protocols.osdp.replies import Capabilities, Identity, LocalStatus
from firmware_protocols.osdp.secure_keys import Aes
from firmware_protocols.osdp.security_block import SecurityBlock
from firmware_protocols.osdp.session import PanelSession, understood

ATTEMPTS = 3
REPLY_S = 0.4  # a reader begins within 200 ms; the longest usual reply takes as long at 9600 baud
BUSY_S = 0.2
BUSY_TIMES = 25
SHOWN_100MS = 20
TONE = 2

ResultT = TypeVar("ResultT")
Talk: TypeAlias = Exchange[Frame, Frame, ResultT]


@dataclass(frozen=True, slots=True)
class Introduction:
    """Who the reader is and what it can do."""

    identity: Identity
    capabilities: Capabilities


def ask(
    session: PanelSession, message: Message, attempts: int = ATTEMPTS, reply_s: float = REPLY_S
) -> Talk[Message]:
    """The answer to one command."""
    reply = yield from _answer(session, session.frame(message), attempts, reply_s)
    return understood(reply, message.code)


def _answer(
    session: PanelSession, frame: Frame, attempts: int = ATTEMPTS, reply_s: float = REPLY_S
) -> Talk[Frame]:
    failed: ProtocolError = ReplyTimeout("the reader stays busy")
    failures = 0
    for _ in range(attempts + BUSY_TIMES):
        try:
            reply = yield from _once(session, frame, reply_s)
        except (ReplyTimeout, RemoteProtocolError) as exc:
            failed, failures = exc, failures + 1
            if failures == attempts:
                break
            continue
        if reply.code != Reply.BUSY:
            session.answered()
            return reply
        yield Pause(BUSY_S)
    raise failed


def _once(session: PanelSession, frame: Frame, reply_s: float) -> Talk[Frame]:
    heard = yield Ask(frame, reply_s)
    while heard is not None:
        reply = session.heard(frame, heard)
        if reply is not None:
            return reply
        heard = yield More()
    raise ReplyTimeout("no reply")


def introduce(
    session: PanelSession, attempts: int = ATTEMPTS, reply_s: float = REPLY_S
) -> Talk[Introduction]:
    """Begin anew and ask who is there, first so often. Code: unexpected."""
    session.restart()
    identity = yield from ask(session, Identify(), attempts, reply_s)
    capabilities = yield from ask(session, AskCapabilities(), attempts, reply_s)
    if not isinstance(identity, Identity) or not isinstance(capabilities, Capabilities):
        raise RemoteProtocolError("unexpected", "the reader answers something else than it was asked")
    return Introduction(identity, capabilities)


def secure(session: PanelSession, scbk: bytes, rnd_a: bytes, aes: Aes) -> Talk[None]:
    """Begin a secure channel. `rnd_a` was never used before. Codes: those of `PanelHandshake`, nak."""
    handshake = PanelHandshake(scbk, rnd_a, aes)
    first = handshake.challenge()
    told = yield from _shake(session, first.message, first.block)
    second = handshake.prove(told)
    begun = yield from _shake(session, second.message, second.block)
    session.secure(handshake.finish(begun))


def _shake(session: PanelSession, message: Message, block: SecurityBlock) -> Talk[Frame]:
    reply = yield from _answer(session, session.frame(message, block))
    understood(reply, message.code)
    return reply


def poll(session: PanelSession) -> Talk[Message]:
    """What the reader has to say."""
    return (yield from ask(session, POLL))


def local_status(session: PanelSession) -> Talk[LocalStatus]:
    """Whether somebody opened the reader, and its power. Code: unexpected."""
    said = yield from ask(session, Bare(Command.LSTAT))
    if not isinstance(said, LocalStatus):
        raise RemoteProtocolError("unexpected", "the reader answers something else than it was asked")
    return said


def light(session: PanelSession, *, accepted: bool, reader: int = 0) -> Talk[None]:
    """Green or red for a while; what the light did before comes back by itself."""
    colour = Colour.GREEN if accepted else Colour.RED
    yield from ask(
        session,
        Light(
            reader,
            0,
            temporary=2,
            on_100ms=SHOWN_100MS,
            on_colour=colour,
            off_colour=colour,
            timer_100ms=SHOWN_100MS,
        ),
    )


def sound(session: PanelSession, *, accepted: bool, reader: int = 0) -> Talk[None]:
    """One tone or three."""
    yield from ask(session, Buzz(reader, TONE, 2, 2, 1 if accepted else 3))


def set_key(session: PanelSession, key: bytes) -> Talk[None]:
    """Give the reader another key. Only on a secure channel. Code: clear."""
    if not session.is_secure:
        raise LocalProtocolError("clear", "a key is given over a secure channel or not at all")
    yield from ask(session, SetKey(key))
