"""The negative control of the stop drill: a gateway that does not hear SIGTERM.

Not part of the product. Everything else is the real command with `drill.source`.
"""

import asyncio
import signal
from typing import Any

from gateway import loops
from gateway.cli.main import main
from tests.drills.rated_gateway import add_source

add_handler = asyncio.SelectorEventLoop.add_signal_handler


def deaf(self: Any, name: int, *args: Any) -> None:
    """Every signal but SIGTERM."""
    if name == signal.SIGTERM:
        signal.signal(name, signal.SIG_IGN)
    else:
        add_handler(self, name, *args)


asyncio.SelectorEventLoop.add_signal_handler = deaf  # type: ignore[assignment]

if __name__ == "__main__":
    loops.new_event_loop = asyncio.new_event_loop  # the one that is deaf
    add_source()
    main()
