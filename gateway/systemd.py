"""Telling systemd how the service is: ready, stopping, a status line, and the watchdog's food.

The notify protocol is one datagram of KEY=value lines to the socket named in NOTIFY_SOCKET. Without that
variable (a desk, a container) everything here does nothing. `watchdog` tells that the loop turns and that
the database thread answers, and nothing else: a lost uplink or device is no reason to be restarted.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Mapping

log = logging.getLogger(__name__)

NO_OP_DEADLINE_S = 10.0  # for each check: an unanswered database thread means a stuck disk or a bug
_SEND_DEADLINE_S = 1.0  # systemd reads at once; a full socket must not hold up the loop
_MAX_STATUS = 256  # characters


class Notifier:
    """The service manager's ear. One per process, made at start."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = _address(environment.get("NOTIFY_SOCKET", ""))
        self.watchdog_interval_s = _watchdog_interval(environment)

    @property
    def enabled(self) -> bool:
        """Somebody listens."""
        return self._address is not None

    def ready(self, status: str = "") -> None:
        """The gateway takes events from now on."""
        self._send("READY=1", *_status_line(status))

    def extend(self, seconds: float, status: str = "") -> None:
        """The start goes on; systemd is to wait for READY or another word for so long at the least."""
        self._send(f"EXTEND_TIMEOUT_USEC={seconds * 1_000_000:.0f}", *_status_line(status))

    def stopping(self, status: str = "") -> None:
        """The gateway was asked to end and is doing so."""
        self._send("STOPPING=1", *_status_line(status))

    def status(self, status: str) -> None:
        """One line for `systemctl status`."""
        self._send(*_status_line(status))

    def alive(self) -> None:
        """Feed the watchdog."""
        self._send("WATCHDOG=1")

    def _send(self, *lines: str) -> None:
        if self._address is None or not lines:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.settimeout(_SEND_DEADLINE_S)
                sender.sendto("\n".join(lines).encode(), self._address)
        except OSError as exc:
            # Nobody to report to. An unfed watchdog tells systemd more clearly than we could.
            log.warning("service manager not reached", extra={"cause": exc.strerror or str(exc)})


async def watchdog(
    notifier: Notifier,
    checks: Mapping[str, Callable[[], Awaitable[object]]],
    *,
    deadline_s: float = NO_OP_DEADLINE_S,
) -> None:
    """Feed the watchdog for as long as every check is answered in time.

    That this task runs shows that the loop turns; `checks` are no-ops on other threads. Returns at once
    where the service has no watchdog. A check that is late is told once; it is asked again until systemd acts.
    """
    if notifier.watchdog_interval_s is None:
        return
    late: frozenset[str] = frozenset()
    while True:
        unanswered = await _unanswered(checks, deadline_s)
        if not unanswered:
            notifier.alive()
        for name in sorted(unanswered - late):
            log.error("watchdog not fed: no answer", extra={"check": name, "deadline_s": deadline_s})
        late = unanswered
        await asyncio.sleep(notifier.watchdog_interval_s)


async def _unanswered(
    checks: Mapping[str, Callable[[], Awaitable[object]]], deadline_s: float
) -> frozenset[str]:
    missing: set[str] = set()
    for name, check in checks.items():
        try:
            async with asyncio.timeout(deadline_s):
                await check()
        except TimeoutError:
            missing.add(name)
    return frozenset(missing)


def _address(text: str) -> str | None:
    if text.startswith("@"):
        return "\0" + text[1:]  # the abstract namespace: no file behind it
    return text if text.startswith("/") else None  # other families are for virtual machines


def _watchdog_interval(environment: Mapping[str, str]) -> float | None:
    """A third of what the unit allows, so that an answer just within its deadline still feeds in time."""
    owner = environment.get("WATCHDOG_PID", "")
    allowed_us = environment.get("WATCHDOG_USEC", "")
    if owner and owner != str(os.getpid()):
        return None  # meant for the process that started us
    if not allowed_us.isascii() or not allowed_us.isdigit() or int(allowed_us) == 0:
        return None
    return int(allowed_us) / 1_000_000 / 3


def _status_line(status: str) -> tuple[str, ...]:
    return (f"STATUS={' '.join(status.split())[:_MAX_STATUS]}",) if status else ()
