"""The negative control of the kill and disk-trouble drills: a gateway that writes its receipts before COMMIT.

Not part of the product. It runs the real command with two things wrong: receipts are written when an
event is inserted, and COMMIT comes 100 ms later. A drill that passes with this proves nothing.
"""

import time
from collections.abc import Sequence
from typing import Any

from gateway.cli.main import main
from gateway.store import store as store_module
from gateway.store.db_thread import DbThread
from gateway.store.outbox import Outbox
from gateway.store.tail import Committed
from tests.drills.rated_gateway import add_source

write_receipts = store_module.write_receipts
inserted: list[Committed] = []
wrong_fd: list[int] = []


def too_early(fd: int, events: Sequence[Committed]) -> None:
    """COMMIT returned: with this gateway the receipts were written long ago."""
    wrong_fd[:] = [fd]


original_append = Outbox.append
original_sql = DbThread._sql


def append(self: Any, drafts: Any, recorded: Any, *, admit: bool = True) -> list[Committed]:
    placed = original_append(self, drafts, recorded, admit=admit)
    if wrong_fd:
        write_receipts(wrong_fd[0], placed)
    return placed


def sql(self: Any, statement: str) -> None:
    if statement == "COMMIT":
        time.sleep(0.1)
    original_sql(self, statement)


store_module.write_receipts = too_early
Outbox.append = append  # type: ignore[method-assign]
DbThread._sql = sql  # type: ignore[method-assign]

if __name__ == "__main__":
    add_source()
    main()
