"""The loop drives paho: reads when the line has something, writes once a turn, looks after its pings.

paho offers this beside its own thread (`loop_read`, `loop_write`, `loop_misc`). A thread costs two wake-ups
for each message, and dies of an exception while `is_connected()` stays true; here an exception ends the
connection at once. What paho calls back is noted and told when paho has finished its turn: it is in the
middle of a packet when it calls.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable

from paho.mqtt.client import Client

from gateway.mqtt_bridge.client import LineClient, line_of
from gateway.mqtt_bridge.line import Line

log = logging.getLogger(__name__)

HELD_BACK_S = 0.005  # how often a crowded receiver is looked at again
TICK_S = 1.0  # how often paho looks whether a ping is due


class Drive:
    """One client on one loop, from `adopt` until its line is closed."""

    def __init__(
        self, client: LineClient, *, crowded: Callable[[], bool], failed: Callable[[Exception], None]
    ) -> None:
        """`crowded`: nothing more may come in now; `failed`: paho raised, the connection cannot be used."""
        self.line: Line | None = None  # once adopted, until closed
        self._client = client
        self._crowded = crowded
        self._failed = failed
        self._loop = asyncio.get_running_loop()
        self._told: list[tuple[Callable[..., None], tuple[object, ...]]] = []
        self._reading = False
        self._over = False
        self._full = False  # the line takes no more; the loop watches for room
        self._emptied = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    def noting(self, handler: Callable[..., None]) -> Callable[..., None]:
        """A callback for paho: `handler` gets its arguments when paho's turn is over."""

        def note(_client: Client, _userdata: object, *args: object) -> None:
            self._told.append((handler, args))

        return note

    def adopt(self) -> None:
        """The client has dialled: from here on the loop drives it."""
        self.line = line_of(self._client)
        if self.line is None:
            return
        self.line.live = True
        self._client.on_socket_close = lambda _client, _userdata, _line: self._let_go()
        self._client.on_socket_register_write = lambda _client, _userdata, _line: self._write_soon()
        self._read_on(self.line)
        self._flush()
        self._tick()

    def rest(self) -> None:
        """Take nothing more in, for good."""
        self._over = True
        self._pause()

    def _pause(self) -> None:
        if self._reading and self.line is not None:
            self._loop.remove_reader(self.line.fileno())
        self._reading = False

    def write(self) -> None:
        """Send what paho has, as far as the line takes it."""
        if self.line is not None:
            self._turn(self._client.loop_write)
            self._flush()

    async def written(self, timeout_s: float) -> None:
        """`write`, and wait until the line has taken it; not for ever."""
        self.write()
        if self._full:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._emptied.wait()

    def close(self) -> None:
        """Cut the line and let paho find that out."""
        self.rest()
        if self.line is not None:
            self.line.cut()
            self._turn(self._client.loop_read)

    # -- a turn of paho's -----------------------------------------------------------------------------

    def _turn(self, work: Callable[[], object]) -> None:
        try:
            work()
        except Exception as exc:  # noqa: BLE001 - it raises what it likes over a packet it cannot read
            log.error("MQTT client failed", extra={"cause": type(exc).__name__})  # noqa: TRY400 - would show the packet
            self._failed(exc)
        told, self._told = self._told, []
        for handler, args in told:
            handler(*args)

    def _let_go(self) -> None:
        """paho closes the line."""
        self.rest()
        line, self.line = self.line, None
        if line is not None:
            self._loop.remove_writer(line.fileno())
        if self._timer is not None:
            self._timer.cancel()
        self._emptied.set()

    def _tick(self) -> None:
        self._turn(self._client.loop_misc)
        if self.line is not None:
            self._timer = self._loop.call_later(TICK_S, self._tick)

    # -- in -------------------------------------------------------------------------------------------

    def _read_on(self, line: Line) -> None:
        self._reading = True
        self._loop.add_reader(line.fileno(), self._readable)

    def _readable(self) -> None:
        if self.line is None or not self._reading:
            return
        if self.line.fill():
            self._loop.call_soon(self._readable)
        self._take_in()

    def _take_in(self) -> None:
        while self._reading and self.line is not None and self.line.readable:
            if self._crowded():
                # mosquitto sends far more than our Receive Maximum when it works off what it kept. Left
                # unread, TCP slows it down.
                self._pause()
                self._loop.call_later(HELD_BACK_S, self._go_on, self.line)
                return
            self._turn(self._client.loop_read)

    def _go_on(self, line: Line) -> None:
        if self.line is line and not self._over:
            self._read_on(line)
            self._take_in()

    # -- out ------------------------------------------------------------------------------------------

    def _write_soon(self) -> None:
        """paho has something to send; what else this turn brings goes with it."""
        self._loop.call_soon(self.write)

    def _flush(self) -> None:
        line = self.line
        if line is None:
            return
        full = not line.flush()
        if full and not self._full:
            self._emptied.clear()
            self._loop.add_writer(line.fileno(), self._flush)
        elif self._full and not full:
            self._loop.remove_writer(line.fileno())
            self._emptied.set()
        self._full = full
        if line.readable:  # it broke: paho learns that by reading
            self._take_in()
