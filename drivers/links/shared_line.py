"""One line with several devices on it (RS-485): opened once, one question at a time, each device a link of its own.

    place = place_on("door-1", "/dev/serial/by-id/...", 5, settings)    # address 5; the line is that of the loop
    await place.open()                          # the first one opens the port, the last one closes it
    ExchangeRunner(place, ..., turn=place)      # asks when it is its turn

Turns are given in the order in which they are asked for. A device that did not answer holds up the others for as long
as it is waited for, so all those together ask one question in `SILENT_EVERY_S`: however many are mute, the others
wait for one of them at most.

A line that is lost is lost for all on it; each finds out at its next byte, and the first that comes back opens it anew.
Leaves out: the devices' addresses on the wire and what is said (codecs), when a device is silent (its driver).
"""

import asyncio
from collections.abc import Callable
from weakref import WeakKeyDictionary

from drivers.errors import LinkLost, LinkUnavailable
from drivers.links.lines import line_to, wired
from drivers.links.link import Link
from drivers.links.looking_on import passed
from drivers.links.serial_port import SerialSettings

SILENT_EVERY_S = 1.0  # a mute device that is back is found within that, where it is the only one

_lines: "WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, SharedLine]]" = WeakKeyDictionary()


def looked_at(port: str, address: int) -> str:
    """Under which name a technician looks on at what one device of a line says (`looking_on`)."""
    return f"{port}#{address}"


def place_on(device_id: str, port: str, address: int, settings: SerialSettings) -> "Place":
    """The place of a device on the line of a port; raises `SettingsError`."""
    wired(device_id, port, settings)  # what is no port is refused before anything is opened
    return Place(port, address, settings)


class SharedLine:
    """The wires, and who is on them."""

    def __init__(self, make: Callable[[SerialSettings], Link]) -> None:
        """`make`: the link, for the speed of those who open it."""
        self.one = asyncio.Lock()  # a question and its answer at a time
        self.silent_one = asyncio.Lock()  # those who did not answer stand in a line of their own
        self.silent_at = float("-inf")
        self.times_opened = 0
        self._make = make
        self._link: Link | None = None
        self._settings = SerialSettings()
        self._opening = asyncio.Lock()
        self._on_it: dict[int, Place] = {}
        self._lost: LinkLost | None = None

    async def join(self, place: "Place") -> None:
        """Open the line, or use it with the others. Raises `LinkUnavailable`."""
        async with self._opening:
            self._check(place)
            if self._lost is not None or not self._on_it:
                await self._open(place.settings)
            self._on_it[place.address] = place

    async def _open(self, settings: SerialSettings) -> None:
        if self._link is not None:
            await self._link.close()
        if self._link is None or settings != self._settings:  # one that hangs in opening knows that it does
            self._link, self._settings = self._make(settings), settings
        await self._link.open()
        self._lost = None
        self.times_opened += 1

    async def leave(self, place: "Place") -> None:
        """Use it no longer; close it where nobody does."""
        async with self._opening:
            if self._on_it.get(place.address) is place:
                del self._on_it[place.address]
            if not self._on_it and self._link is not None:
                await self._link.close()

    def link(self, times_opened: int, name: str) -> Link:
        """The open link; raises `LinkLost` where it was lost since it had been opened so often."""
        if self._lost is not None:
            raise self._lost
        if self._link is None or times_opened != self.times_opened:
            raise LinkLost("closed", f"{name}: the line was lost and opened anew meanwhile")
        return self._link

    def lose(self, times_opened: int, error: LinkLost) -> None:
        """It is lost for all who are on it, unless it was opened anew since."""
        if times_opened == self.times_opened:
            self._lost = self._lost or error

    def _check(self, place: "Place") -> None:
        if self._on_it.get(place.address, place) is not place:
            raise LinkUnavailable(
                "address_taken",
                f"{place.name}: another device of the configuration has address {place.address} on this line; "
                "give each reader an address of its own",
            )
        if self._on_it and place.settings != self._settings:
            raise LinkUnavailable(
                "other_speed",
                f"{place.name}: the line runs at {self._settings.baud} baud for another reader; "
                "all readers of a line have one baud rate",
            )


class Place:
    """One device's place on a line: a `Link` whose bytes are its own while it has the turn, and that turn."""

    def __init__(
        self,
        port: str,
        address: int,
        settings: SerialSettings | None = None,
        *,
        line: SharedLine | None = None,
    ) -> None:
        """`line`: for tests; without, the line of this port in the running loop."""
        self.settings = settings or SerialSettings()
        self.address = address
        self._port = port
        self._line = line
        self._times_opened = 0
        self._silent = self._in_silent_line = False

    @property
    def name(self) -> str:
        """The port: what a technician sees at the cable."""
        return self._port

    @property
    def silent(self) -> bool:
        """Whether it did not answer last time."""
        return self._silent

    def answered(self, *, silent: bool = False) -> None:
        """It answered its last questions; `silent`: it did not."""
        self._silent = silent

    async def open(self) -> None:
        """Open the line or join it; raises `LinkUnavailable` (address_taken, other_speed, and those of the link)."""
        if self._line is None:
            self._line = _line_of_the_loop(self._port)
        await self._line.join(self)
        self._times_opened = self._line.times_opened

    async def send(self, data: bytes) -> None:
        """Write all of `data`; raises `LinkLost`."""
        line, link = self._opened()
        passed(looked_at(self._port, self.address), data, sent=True)
        try:
            await link.send(data)
        except LinkLost as exc:
            line.lose(self._times_opened, exc)
            raise

    async def receive(self) -> bytes:
        """At least one byte; raises `LinkLost`."""
        line, link = self._opened()
        try:
            data = await link.receive()
        except LinkLost as exc:
            line.lose(self._times_opened, exc)
            raise
        self._silent = False  # it says something: what else it is asked need not wait
        passed(looked_at(self._port, self.address), data, sent=False)
        return data

    async def close(self) -> None:
        """Leave the line."""
        if self._line is not None:
            await self._line.leave(self)

    async def acquire(self) -> None:
        """Wait for the turn to ask."""
        line, _ = self._opened()
        if not self._silent:
            await line.one.acquire()
            return
        await line.silent_one.acquire()
        try:
            loop = asyncio.get_running_loop()
            await asyncio.sleep(line.silent_at + SILENT_EVERY_S - loop.time())
            await line.one.acquire()
            self._in_silent_line = True
        finally:
            if not self._in_silent_line:
                line.silent_one.release()

    def release(self) -> None:
        """The question was answered, or is given up."""
        if self._line is None:
            raise RuntimeError(f"{self._port}: nobody has the turn")
        self._line.one.release()
        if self._in_silent_line:
            self._in_silent_line = False
            self._line.silent_at = asyncio.get_running_loop().time()
            self._line.silent_one.release()

    def _opened(self) -> tuple[SharedLine, Link]:
        if self._line is None:
            raise LinkLost("closed", f"{self._port}: not open")
        return self._line, self._line.link(self._times_opened, self._port)


def _line_of_the_loop(port: str) -> SharedLine:
    lines = _lines.setdefault(asyncio.get_running_loop(), {})
    if port not in lines:
        lines[port] = SharedLine(lambda settings: line_to(port, settings))
    return lines[port]
