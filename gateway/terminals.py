"""The door for terminals that come by HTTP: who is let in, by serial number and address, and what is told to them.

Neither proves anything, so both must be on the list, the listener stands on a network of its own, and what a
stranger does leaves a count and now and then a line in the log. Only where a terminal's own number comes from a
foreign address an event is made, at most one in ten minutes: rows must not be producible at will.
"""

import asyncio
import ipaddress
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from drivers.driver import Driver
from drivers.terminals import Answer, Source, Terminal
from firmware_protocols.errors import RemoteProtocolError
from firmware_protocols.zk_adms.requests import Request, parse
from gateway.clock import Clock, ClockQuality
from gateway.ingest.ingest import Ingest
from gateway.metrics import Metrics
from gateway.store.database import StoreDamaged

log = logging.getLogger(__name__)

LINE_EVERY_S = 10.0
EVENT_EVERY_S = 600.0
MOST_ERROR_MS = 10_000  # of our clock, to set other clocks by it
MOST_UNREAD = 32 << 20  # bytes of a body that is thrown away; a set of templates has some MiB

REFUSED = Answer(403, b"ERROR: not on the list\n")
NOT_TAKEN = Answer(503, b"ERROR: not taken, send it again\n")
NOT_FOUND = Answer(404, b"ERROR\n")


@dataclass(frozen=True, slots=True)
class Admitted:
    """A request of a terminal that is on the list."""

    terminal: Terminal
    request: Request

    @property
    def body_limit(self) -> int:
        """Bytes of the body that are read; 0: it is thrown away unseen."""
        return self.terminal.body_limit(self.request)


class TerminalDoor:
    """All terminals of a gateway, by serial number."""

    def __init__(
        self,
        drivers: Mapping[str, Driver],
        *,
        ingest: Ingest,
        clock: Clock,
        metrics: Metrics,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        """`drivers` by device id, which may come and go; `seconds`: a clock that nobody can set."""
        self._drivers = drivers
        self._ingest = ingest
        self._clock = clock
        self._metrics = metrics
        self._seconds = seconds
        self._damage: asyncio.Future[StoreDamaged] = asyncio.get_running_loop().create_future()
        self._next_line_s = 0.0
        self._next_event_s: dict[str, float] = {}

    async def admit(self, source: str, method: str, path: str, query: bytes) -> Admitted | Answer:
        """Let a request in, or the answer that refuses it."""
        try:
            request = parse(method, path, query)
        except RemoteProtocolError as exc:
            self._refused("request", exc.code)
            return NOT_FOUND if exc.code in {"path", "method"} else REFUSED
        device, terminal = self._of_serial(request.serial)
        if terminal is None:
            self._refused("serial", "a serial number that no device here has")
            return REFUSED
        if not terminal.allows(_address(source)):
            self._refused("address", f"the serial number of {device} from an address that is not its own")
            await self._tell_foreign(device)
            return REFUSED
        return Admitted(terminal, request)

    async def handle(self, admitted: Admitted, body: bytes, unread: int) -> Answer:
        """The terminal's own driver answers."""
        try:
            return await admitted.terminal.handle(admitted.request, body, unread=unread, now_ms=self.now_ms())
        except StoreDamaged as exc:
            if not self._damage.done():
                self._damage.set_result(exc)
            return NOT_TAKEN

    async def until_damaged(self) -> None:
        """Raises `StoreDamaged` once a request has met it: the server would swallow what must end the process."""
        raise await asyncio.shield(self._damage)

    def _of_serial(self, serial: str) -> tuple[str, Terminal | None]:
        for name, driver in self._drivers.items():
            if isinstance(driver, Terminal) and driver.serial == serial:
                return name, driver
        return "", None

    def too_long(self) -> Answer:
        """A body beyond every bound."""
        self._refused("too_long", "a body beyond every bound")
        return Answer(413, b"ERROR: too long\n")

    def now_ms(self) -> int | None:
        """The time, where it is good enough to set other clocks by."""
        now = self._clock.now()
        vouched = now.quality is not ClockQuality.UNSYNCED and now.error_ms is not None
        return now.wall_ms if vouched and (now.error_ms or 0) <= MOST_ERROR_MS else None

    def _refused(self, reason: str, text: str) -> None:
        self._metrics.terminal_refused.labels(reason=reason).inc()
        if self._seconds() >= self._next_line_s:
            self._next_line_s = self._seconds() + LINE_EVERY_S
            log.warning("terminal not let in", extra={"reason": reason, "cause": text})

    async def _tell_foreign(self, device: str) -> None:
        if self._seconds() < self._next_event_s.get(device, 0.0):
            return
        self._next_event_s[device] = self._seconds() + EVENT_EVERY_S
        await self._ingest.record("device.fault", {"code": "foreign_address"}, device=device)


def _address(source: str) -> Source:
    try:
        address = ipaddress.ip_address(source.partition("%")[0])
    except ValueError:
        return ipaddress.ip_address("0.0.0.0")  # noqa: S104 - no address: on nobody's list
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
