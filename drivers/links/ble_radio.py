"""Bluetooth of this process: one scanner, one line of those who want to connect, one watch on bluetoothd.

    hear it -> wait for a slot of the adapter -> wait for the turn -> still fresh? -> connect
       ^                                                                               |
       +------------------------- pause, longer each time <----------------------------+ failed

A device is heard before it stands in line: one that is away would hold up the others for 20 s each time.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from drivers.errors import LinkLost, LinkUnavailable
from drivers.links.ble_advert import Advert, AdvertFilter, Wanted
from drivers.links.ble_changes import Change, Watch
from drivers.links.ble_daemon import DaemonWatch
from drivers.links.ble_door import AirScanner, Peripheral
from drivers.links.ble_queue import MOST_CONNECTED, ConnectQueue
from drivers.links.ble_scanner import Listener, Scanner, ScannerSettings
from drivers.links.ble_session import Session
from drivers.links.ble_troubles import OF_THE_MACHINE, lost


@dataclass(frozen=True, slots=True, kw_only=True)
class RadioSettings:
    """How long things may last."""

    scanner: ScannerSettings = field(default_factory=ScannerSettings)
    connect_s: float = 60.0  # from asking to connected, all waiting and attempts together
    attempt_s: float = 20.0  # one attempt; BlueZ itself gives up after 20 to 40 s
    fresh_s: float = 20.0  # BlueZ forgets a device 30 s after it was heard
    most_connected: int = MOST_CONNECTED


class Radio:
    """The adapter, shared by all who use it."""

    def __init__(self, settings: RadioSettings | None = None) -> None:
        self._settings = settings or RadioSettings()
        self._watch = DaemonWatch()
        self._scanner = Scanner(self._watch, AirScanner, self._settings.scanner)
        self._queue = ConnectQueue(most_connected=self._settings.most_connected)
        self._sessions: dict[str, Session] = {}  # the last one of each address that is connected to

    @property
    def scans(self) -> int:
        """Scans begun since the process started."""
        return self._scanner.scans

    @property
    def hearing_since(self) -> float | None:
        """When the scan began that runs now, by the loop's clock; None: nobody can hear anything."""
        return self._scanner.since

    @property
    def waiting(self) -> int:
        """Devices in line to be connected."""
        return self._queue.waiting

    @property
    def connected(self) -> Iterator[str]:
        """Addresses of the devices that are connected now: they do not advertise meanwhile."""
        return (address for address, one in self._sessions.items() if one.stands)

    @asynccontextmanager
    async def listen(self, wanted: Wanted, name: str = "Bluetooth") -> AsyncIterator[Listener]:
        """Hear advertisements; raises `LinkUnavailable`."""
        async with self._scanner.listen(wanted, name) as listener:
            yield listener

    async def connect(self, address: str, name: str) -> Session:
        """Connect to the device of this address; raises `LinkUnavailable`.

        Codes: those of `TROUBLES`, not_near, no_slot, in_line, connect_failed, scan_failed.
        """
        attempts = _Attempts(self._settings, self._scanner, self._queue, self._watch, address, name)
        try:
            async with asyncio.timeout(self._settings.connect_s):
                session = self._sessions[address] = await attempts.until_connected()
                return session
        except TimeoutError:
            raise attempts.given_up() from None


class _Attempts:
    """The attempts to connect to one device, and what they wait for just now."""

    def __init__(
        self,
        settings: RadioSettings,
        scanner: Scanner,
        queue: ConnectQueue,
        watch: Watch,
        address: str,
        name: str,
    ) -> None:
        self._settings = settings
        self._scanner = scanner
        self._queue = queue
        self._watch = watch
        self._address = address
        self._name = name
        self._failed: LinkUnavailable | None = None
        self._waits_for = LinkUnavailable("not_near", f"{name}: the scan did not begin")

    async def until_connected(self) -> Session:
        """Try, again and again."""
        async with self._scanner.listen(
            AdvertFilter(addresses=frozenset({self._address})), self._name
        ) as near:
            while True:
                self._wait_for("not_near", "not heard; bring it near, charge it, and check the address")
                await self._queue.pause(self._address)
                await self._hear(near)
                try:
                    session = await self._in_line(near)
                except LinkUnavailable as exc:
                    if exc.code in OF_THE_MACHINE or exc.code == "in_line":
                        raise
                    self._failed = exc
                    self._queue.failed(self._address)
                    continue
                if session is not None:
                    self._queue.worked(self._address)
                    return session

    def given_up(self) -> LinkUnavailable:
        """The deadline passed: what the last attempt said, or what was waited for."""
        return self._failed or self._waits_for

    def _wait_for(self, code: str, text: str) -> None:
        self._waits_for = LinkUnavailable(code, f"{self._name}: {text}")

    async def _hear(self, near: Listener) -> Advert:
        """A fresh advertisement, heard already or to come."""
        while True:
            newest = near.newest
            if newest is not None and self._fresh(newest):
                return newest
            try:
                await near.next()
            except LinkLost as exc:  # the scan could not be had any more
                raise LinkUnavailable(exc.code, str(exc)) from exc

    def _fresh(self, advert: Advert) -> bool:
        return asyncio.get_running_loop().time() - advert.heard_at < self._settings.fresh_s

    async def _in_line(self, near: Listener) -> Session | None:
        """Stand in line and make one attempt. None: the device was not heard any more when its turn came."""
        async with AsyncExitStack() as held:
            self._wait_for(
                "no_slot",
                f"the adapter holds {self._settings.most_connected} connections and all are in use; "
                "use fewer devices, or one more box",
            )
            await held.enter_async_context(self._queue.slot(self._name))
            self._wait_for(
                "in_line", "its turn to be connected did not come; others near it are slow to connect"
            )
            async with self._queue.turn(self._name):
                advert = near.newest
                if advert is None or not self._fresh(advert):
                    return None
                self._wait_for("connect_failed", "heard, but did not connect in time; bring it nearer")
                return await self._attempt(advert, held)

    async def _attempt(self, advert: Advert, held: AsyncExitStack) -> Session:
        session = Session(self._name)

        def changed(change: Change) -> None:
            if change in {Change.GONE, Change.CAME}:  # bleak would say for ever that it is connected
                session.lose(lost(self._name, "no_bluetoothd"))

        def hung_up() -> None:
            session.lose(
                LinkLost(
                    "disconnected",
                    f"{self._name}: hung up or out of range; bring it near, it is picked up by itself",
                )
            )

        await held.enter_async_context(self._watch.held(changed))
        peripheral = Peripheral(advert, self._name, hung_up)
        await peripheral.connect(self._settings.attempt_s)
        held.push_async_callback(peripheral.disconnect)
        session.begin(peripheral, held.pop_all())
        return session


_RADIOS: WeakKeyDictionary[asyncio.AbstractEventLoop, Radio] = WeakKeyDictionary()


def radio() -> Radio:
    """The radio of the running loop: drivers are built apart from each other and must share the adapter."""
    loop = asyncio.get_running_loop()
    found = _RADIOS.get(loop)
    if found is None:
        found = _RADIOS[loop] = Radio()
    return found
