"""Procedures with a reader, as generators (see firmware_protocols.exchange).

    probe()      is there a reader, and which one
    find()       does a card lie on it
    read_card()  find -> select -> read; one call per poll

What concerns a card or the reader comes back as a value; what breaks the protocol rises as
`RemoteProtocolError` or `ReplyTimeout`. A damaged request (status 10, 11) is sent again, a bounded
number of times. Leaves out: the pause between polls (at least 300 ms), and deciding what a person sees.
"""

from dataclasses import dataclass, field
from typing import TypeAlias

from firmware_protocols.errors import LocalProtocolError, RemoteProtocolError
from firmware_protocols.exchange import Ask, Exchange
from firmware_protocols.idcard_sam.commands import BAUD_RATES, Command, request_for
from firmware_protocols.idcard_sam.envelope import HEADER_SIZE, REPLY_BOUNDS
from firmware_protocols.idcard_sam.frames import Reply, Request
from firmware_protocols.idcard_sam.messages import (
    CardFound,
    CardRecord,
    Message,
    Refusal,
    SamId,
    parse_reply,
)
from firmware_protocols.idcard_sam.status import NO_CARD, Action, Status

SHORT_REPLY_S = 1.0  # find, select, status: other hosts wait 0.3 s to 2 s
READ_S = 3.0  # a card is read in about 1 s; the time on the wire comes on top
NOISE_ATTEMPTS = 3  # a line that damages three requests in a row needs a technician
FIND_ATTEMPTS = 2  # the first find after a card was laid down may miss it
BITS_PER_BYTE = 10  # start, 8 data, stop

# Speeds to try for a reader of unknown setting, most likely first; `probe()` is the question.
BAUD_SEARCH = tuple(BAUD_RATES.values())
DEFAULT_BAUD = BAUD_SEARCH[0]


@dataclass(frozen=True, slots=True)
class ReaderIdentity:
    """A reader fit for use. Some answer no SAM id."""

    sam_id: SamId | None


@dataclass(frozen=True, slots=True)
class ReaderFault:
    """The reader says that it is unfit for use: alarm."""

    status: Status


@dataclass(frozen=True, slots=True)
class NoCard:
    """Nothing on the reader."""


@dataclass(frozen=True, slots=True)
class CardRefusedByReader:
    """A card lies there and the reader could not `step` it; `status.action` says what to do."""

    status: Status
    step: Command


@dataclass(frozen=True, slots=True)
class CardUnreadable:
    """The reader delivered a card record that breaks the layout. `data` is a person's: hash it, never store it."""

    code: str
    text: str
    data: bytes = field(repr=False)


Found: TypeAlias = CardFound | NoCard | CardRefusedByReader | ReaderFault
CardResult: TypeAlias = CardRecord | NoCard | CardRefusedByReader | CardUnreadable | ReaderFault


def read_timeout_s(baud: int) -> float:
    """How long a card record may take at `baud`: the reading itself, and the longest reply on the wire."""
    longest = HEADER_SIZE + REPLY_BOUNDS.maximum
    return READ_S + longest * BITS_PER_BYTE / baud


def probe() -> Exchange[Request, Reply, ReaderIdentity | ReaderFault]:
    """Ask for the SAM's status, then for its id."""
    state = yield from _ask(Command.SAM_STATUS, SHORT_REPLY_S)
    if isinstance(state, Refusal):
        if state.status.action is Action.FAULT:
            return ReaderFault(state.status)
        raise RemoteProtocolError("sam_status", f"SAM status {state.sw3:02X}: {state.status.meaning}")
    identity = yield from _ask(Command.SAM_ID, SHORT_REPLY_S)
    return ReaderIdentity(identity if isinstance(identity, SamId) else None)


def find() -> Exchange[Request, Reply, Found]:
    """Look for a card, twice at most."""
    for _ in range(FIND_ATTEMPTS):
        answer = yield from _ask(Command.FIND_CARD, SHORT_REPLY_S)
        if isinstance(answer, CardFound):
            return answer
        if not (isinstance(answer, Refusal) and answer.sw3 == NO_CARD):
            return _refused(answer, Command.FIND_CARD)
    return NoCard()


def read_card(
    *, with_fingerprint: bool = False, baud: int = DEFAULT_BAUD
) -> Exchange[Request, Reply, CardResult]:
    """One poll: the record of the card that lies there, or why there is none."""
    found = yield from find()
    if not isinstance(found, CardFound):
        return found
    selected = yield from _ask(Command.SELECT_CARD, SHORT_REPLY_S)
    if isinstance(selected, Refusal):
        return _refused(selected, Command.SELECT_CARD)
    command = Command.READ_CARD_WITH_FINGERPRINT if with_fingerprint else Command.READ_CARD
    reply = yield from _exchange(request_for(command), read_timeout_s(baud))
    try:
        record = parse_reply(request_for(command), reply)
    except RemoteProtocolError as exc:
        return CardUnreadable(exc.code, str(exc), reply.data)
    return record if isinstance(record, CardRecord) else _refused(record, command)


def _refused(answer: Message, step: Command) -> CardRefusedByReader | ReaderFault:
    if not isinstance(answer, Refusal):
        raise RemoteProtocolError("unexpected", f"{type(answer).__name__} in answer to '{step.value}'")
    if answer.status.action is Action.FAULT:
        return ReaderFault(answer.status)
    return CardRefusedByReader(answer.status, step)


def _ask(command: Command, timeout_s: float) -> Exchange[Request, Reply, Message]:
    request = request_for(command)
    reply = yield from _exchange(request, timeout_s)
    return parse_reply(request, reply)


def _exchange(request: Request, timeout_s: float) -> Exchange[Request, Reply, Reply]:
    """Send until the request arrives undamaged."""
    for _ in range(NOISE_ATTEMPTS):
        reply = yield Ask(request, timeout_s)
        if reply is None:
            raise LocalProtocolError("runner", "the runner answered a request with nothing")
        if Refusal(reply.sw3).status.action is not Action.RETRY:
            return reply
    raise RemoteProtocolError(
        "line_noise",
        f"the reader found {NOISE_ATTEMPTS} requests in a row damaged; check cable, shielding and baud rate",
    )
