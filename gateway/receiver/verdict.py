"""What the receiver says to each message."""

from dataclasses import dataclass
from enum import StrEnum

from gateway.receiver.verify import Event


class Outcome(StrEnum):
    """What became of a message."""

    ACCEPTED = "accepted"  # stored
    REJECTED = "rejected"  # stored, and refused for its content
    DUPLICATE = "duplicate"  # stored before
    PARKED = "parked"  # waits for its key, takes no sequence
    QUARANTINED = "quarantined"  # kept aside, takes no sequence
    NOTED = "noted"  # a document or a request, dealt with
    IGNORED = "ignored"  # not for us, or out of date


class Chain(StrEnum):
    """How an event hangs on its neighbours."""

    OK = "ok"
    OPEN = "open"  # the event before has not come yet
    BROKEN = "broken"  # the event before is here and is another one


@dataclass(frozen=True, slots=True)
class Verdict:
    """Outcome for one message. Given only after COMMIT."""

    outcome: Outcome
    code: str = ""  # why, where the outcome needs a reason
    event: Event | None = None
    chain: Chain | None = None
    fork: bool = False  # another event stands at its sequence
    repeated: bool = False  # the fact was known from another envelope
