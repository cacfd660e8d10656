"""The negative control of the workers' drill: a worker that acks what it has not committed.

Not part of the product. It runs the real command with one thing wrong: a transaction is over for everybody who
waits for it when its statements have run, and COMMIT comes 300 ms later.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from gateway.cli.main import main
from gateway.receiver.database import Database

LATE_S = 0.3


def transact(self: Any, fn: Callable[[Any], Any]) -> Any:
    result = fn(self._engine.begin())
    self._thread.submit(commit, self)
    return result


def commit(self: Any) -> None:
    time.sleep(LATE_S)
    with suppress(*self._engine.errors):
        self._engine.commit()


Database._transact = transact  # type: ignore[method-assign]

if __name__ == "__main__":
    main()
