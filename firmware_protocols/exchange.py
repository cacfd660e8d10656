"""A procedure with a device as a generator: readable top to bottom, testable without a loop.

    def read_card() -> Exchange[Request, Reply, Card]:
        found = yield Ask(FindCard(), timeout_s=1.0)
        ...
        return card

A runner (in `drivers`) sends what is asked, feeds replies back in, and throws `ReplyTimeout`
into the generator when none came; the procedure decides about retries. `Pause` asks the runner
to wait. The runner answers a `Pause` with None. A device that talks before it answers is heard
with `More`: the procedure says of each frame whether it was the reply.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

RequestT = TypeVar("RequestT")
ReplyT = TypeVar("ReplyT")
ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class Ask(Generic[RequestT]):
    """Send `request`; one reply frame is due within `timeout_s` seconds of the last byte sent.

    `urgent` goes out at once although an earlier question may still be answered: it stops that one, and the
    procedure tells the two answers apart.
    """

    request: RequestT
    timeout_s: float
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class Pause:
    """Send nothing for `seconds`."""

    seconds: float


@dataclass(frozen=True, slots=True)
class More:
    """What came was not the reply yet. Send nothing; another frame is due within the time of the last `Ask`."""


Exchange: TypeAlias = Generator[Ask[RequestT] | Pause | More, ReplyT | None, ResultT]
