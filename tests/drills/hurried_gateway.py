"""The real command with `drill.source`, on a monotonic clock that runs faster: an hour in half a minute.

Not part of the product. Every sleep, deadline and patience of the loop shrinks by the same factor
(ZHIJIAO_DRILL_HURRY); threads, sockets and the wall clock keep their pace. With ZHIJIAO_DRILL_STUBBORN=1
it is the negative control of the center-down drill: it begins again every 10 s, whatever comes back.
ZHIJIAO_DRILL_CLOCK (synced, unsynced) says what the kernel would say of the wall clock.
"""

import os
import selectors
import time
from typing import Any

FACTOR = float(os.environ.get("ZHIJIAO_DRILL_HURRY", "120"))
real, began = time.monotonic, time.monotonic()
select = selectors.DefaultSelector.select


def hurried() -> float:
    """Monotonic seconds, FACTOR of them in one."""
    return began + (real() - began) * FACTOR


def select_hurried(self: Any, timeout: float | None = None) -> Any:
    """The loop's own wait: it asks in hurried seconds and waits in real ones."""
    return select(self, None if timeout is None else timeout / FACTOR)


def be_stubborn() -> None:
    """Patience that never grows."""
    from gateway.uplink.window import SettleWindow

    def rewound(self: Any, now_s: float) -> None:
        self.since_s = now_s

    SettleWindow.stalled = lambda self, now_s: now_s - self.since_s >= 10  # type: ignore[method-assign]
    SettleWindow.rewound = rewound  # type: ignore[method-assign]


def say_of_the_clock(quality: str) -> None:
    """The same on every machine."""
    from gateway.clock import SystemClock
    from gateway.clock.kernel import KernelTime

    def ask(_self: Any) -> KernelTime:
        return KernelTime(synchronised=quality == "synced", error_ms=12 if quality == "synced" else None)

    SystemClock._ask_kernel = ask  # type: ignore[method-assign, assignment]


if __name__ == "__main__":
    import asyncio

    from gateway import loops
    from gateway.cli.main import main
    from tests.drills.rated_gateway import add_source

    if os.environ.get("ZHIJIAO_DRILL_STUBBORN") == "1":
        be_stubborn()
    if "ZHIJIAO_DRILL_CLOCK" in os.environ:
        say_of_the_clock(os.environ["ZHIJIAO_DRILL_CLOCK"])
    add_source()
    loops.new_event_loop = asyncio.new_event_loop  # whose time can be made to hurry
    time.monotonic = hurried
    selectors.DefaultSelector.select = select_hurried  # type: ignore[method-assign]
    main()
