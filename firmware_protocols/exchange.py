"""A procedure with a device as a generator: readable top to bottom, testable without a loop.

    def read_card() -> Exchange[Request, Reply, Card]:
        found = yield Ask(FindCard(), timeout_s=1.0)
        ...
        return card

A runner (in `drivers`) sends what is asked, feeds replies back in, and throws `ReplyTimeout`
into the generator when none came; the procedure decides about retries. `Pause` asks the runner
to wait. The runner answers a `Pause` with None.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

RequestT = TypeVar("RequestT")
ReplyT = TypeVar("ReplyT")
ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class Ask(Generic[RequestT]):
    """Send `request`; one reply frame is due within `timeout_s` seconds of the last byte sent."""

    request: RequestT
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Pause:
    """Send nothing for `seconds`."""

    seconds: float


Exchange: TypeAlias = Generator[Ask[RequestT] | Pause, ReplyT | None, ResultT]
