"""What a receiver remembers of its gateways between two transactions: read from the disk, then kept beside it.

It follows the disk: only what is committed is taken up. Of a gateway that another worker has it knows nothing.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from gateway.receiver.directory import GatewayState, load_directory
from gateway.receiver.judge import Result
from gateway.receiver.ledger import EpochState, Key, load_book
from gateway.receiver.lives import Life, load_lives
from gateway.receiver.resends import Resend, load_resends
from gateway.receiver.sql import Connection, some_at_a_time
from gateway.receiver.waiting_room import blocked_at, parked_gateways


@dataclass(slots=True)
class Memory:
    """Of some gateways."""

    book: dict[str, dict[str, EpochState]] = field(default_factory=dict)
    gateways: dict[str, GatewayState] = field(default_factory=dict)
    blocked: dict[str, dict[str, int]] = field(default_factory=dict)  # gateway -> epoch -> parked sequence
    resends: dict[Key, Resend] = field(default_factory=dict)
    lives: dict[str, dict[str, Life]] = field(default_factory=dict)

    def heard_of(self) -> set[str]:
        """Whom an ack may tell something."""
        return {*self.book, *self.blocked}

    def add(self, other: "Memory") -> None:
        """What was read of further gateways."""
        self.book |= other.book
        self.gateways |= other.gateways
        self.blocked |= other.blocked
        self.resends |= other.resends
        self.lives |= other.lives

    def keep(self, mine: Callable[[str], bool]) -> None:
        """Forget all others."""
        for known in (self.book, self.gateways, self.blocked, self.lives):
            for gateway in [name for name in known if not mine(name)]:
                del known[gateway]
        for key in [key for key in self.resends if not mine(key[0])]:
            del self.resends[key]

    def take_up(self, result: Result) -> None:
        """COMMIT returned."""
        for (gateway, epoch), state in result.epochs.items():
            self.book.setdefault(gateway, {})[epoch] = state
        for (gateway, epoch), life in result.lives.items():
            self.lives.setdefault(gateway, {})[epoch] = life
        self.gateways.update(result.gateways)
        self.blocked.update(result.blocked)
        for key, row in result.resends.items():
            if row is None:
                self.resends.pop(key, None)
            else:
                self.resends[key] = row


def read(connection: Connection, mine: Callable[[str], bool]) -> Memory:
    """All that the disk holds of gateways for which `mine` is true."""
    memory = Memory()
    parked = {name for name in parked_gateways(connection) if mine(name)}
    for gateways in some_at_a_time(_names(connection, mine)):
        memory.book |= load_book(connection, gateways)
        memory.gateways |= load_directory(connection, gateways)
        memory.resends |= load_resends(connection, gateways)
        memory.lives |= load_lives(connection, gateways)
    for gateway in parked:
        memory.blocked[gateway] = blocked_at(connection, gateway)
    return memory


def _names(connection: Connection, mine: Callable[[str], bool]) -> Iterator[str]:
    """Everybody of whom there is a row, in order."""
    rows: Iterable[tuple[str]] = connection.execute(
        "SELECT gw FROM cursor UNION SELECT gw FROM gateway UNION SELECT gw FROM resend ORDER BY 1"
    )
    return (gateway for (gateway,) in rows if mine(gateway))
