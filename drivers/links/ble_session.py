"""One connected device: read, write, and be notified, until the connection is lost or closed.

Notifications cannot be held back: BlueZ takes them from the air and puts them on the bus whoever reads, and a
device that is unsubscribed throws away what it wanted to say. So a queue that is full has a written answer, which
the subscriber chooses (`OnFull`).

Leaves out: pairing, indications as a thing of their own (BlueZ confirms them by itself).
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import AsyncExitStack
from enum import Enum, auto
from typing import Protocol

from drivers.errors import DeviceMismatch, LinkLost

MOST_BYTES = 65_536  # waiting for the driver, of one subscription: as much as a serial link holds
MOST_VALUES = 4096  # the same in values, for a value may be empty


class OnFull(Enum):
    """What becomes of a subscription whose reader is behind."""

    BREAK = auto()  # the connection: a stream with a hole is worse than one that begins anew
    DROP_OLDEST = auto()  # counted: of a measurement the newest matters


class Connection(Protocol):
    """A connected peripheral of the door to the Bluetooth library."""

    def properties(self, uuid: str) -> frozenset[str] | None:
        """What a characteristic can; None where there is none."""
        ...

    def write_limit(self, uuid: str) -> int:
        """Bytes that one write takes."""
        ...

    async def read(self, uuid: str) -> bytes:
        """Raises `LinkLost`, `DeviceFault`. Has a deadline of its own, as have the other two."""
        ...

    async def write(self, uuid: str, data: bytes, *, response: bool) -> None:
        """Raises `LinkLost`, `DeviceFault`."""
        ...

    async def notify(self, uuid: str, heard: Callable[[bytes], None]) -> None:
        """Raises `LinkLost`, `DeviceFault`."""
        ...


class Notifications:
    """The values of one characteristic, in order."""

    def __init__(self, on_full: OnFull, break_off: Callable[[], None]) -> None:
        self._on_full = on_full
        self._break_off = break_off
        self._values: deque[bytes] = deque()
        self._size = 0
        self._lost: LinkLost | None = None
        self._came = asyncio.Event()
        self.missed = 0  # values dropped

    @property
    def buffered(self) -> int:
        """Bytes received and not yet taken."""
        return self._size

    async def receive(self) -> bytes:
        """The next value; what came before the loss is handed out before `LinkLost` is raised."""
        await self._something()
        value = self._values.popleft()
        self._size -= len(value)
        return value

    async def receive_all(self) -> bytes:
        """All values that wait, joined, and at least one: for those to whom they are a stream of bytes."""
        await self._something()
        data = b"".join(self._values)
        self._values.clear()
        self._size = 0
        return data

    async def _something(self) -> None:
        # Nothing is awaited between waking up and taking the value: a cancelled caller leaves it here.
        while not self._values:
            if self._lost is not None:
                raise self._lost
            self._came.clear()
            await self._came.wait()

    def put(self, value: bytes) -> None:
        """By the session: the device told a value."""
        if self._lost is not None:
            return
        while self._values and self._full_with(value):
            if self._on_full is OnFull.BREAK:
                self._break_off()
                return
            self._size -= len(self._values.popleft())
            self.missed += 1
        self._values.append(value)
        self._size += len(value)
        self._came.set()

    def _full_with(self, value: bytes) -> bool:
        return self._size + len(value) > MOST_BYTES or len(self._values) >= MOST_VALUES

    def lose(self, error: LinkLost) -> None:
        """By the session: no more values will come."""
        self._lost = error
        self._came.set()

    def forget(self) -> None:
        """By the session: it was closed, and nobody wants what waits."""
        self._values.clear()
        self._size = 0


class Session:
    """One connection. The first cause of a loss stays the answer."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._connection: Connection | None = None
        self._closing = AsyncExitStack()
        self._lost: LinkLost | None = None
        self._notifications: dict[str, Notifications] = {}

    def begin(self, connection: Connection, closing: AsyncExitStack) -> None:
        """By the radio: it is connected. `closing` gives everything back, and raises nothing."""
        self._connection = connection
        self._closing = closing

    @property
    def name(self) -> str:
        """The address, as the configuration has it."""
        return self._name

    def properties(self, uuid: str) -> frozenset[str]:
        """What a characteristic can; raises `DeviceMismatch` where there is none, `LinkLost`."""
        found = self._connected().properties(uuid)
        if found is None:
            self._connected()  # the services are gone with the connection
            raise DeviceMismatch(
                "no_characteristic",
                f"{self._name}: has no characteristic {uuid}; is it the device of the configuration?",
            )
        return found

    def write_limit(self, uuid: str) -> int:
        """Bytes that one write takes."""
        return self._connected().write_limit(uuid)

    async def read(self, uuid: str) -> bytes:
        """A value; raises `LinkLost`, `DeviceMismatch`, `DeviceFault`. Read first, subscribe then: BlueZ tells
        subscribers what was read as if the device had notified it."""
        if uuid in self._notifications:
            raise RuntimeError(f"{self._name}: {uuid} is subscribed to and cannot be read as well")
        self.properties(uuid)
        try:
            return await self._connected().read(uuid)
        except LinkLost as exc:
            raise self.lose(exc) from exc

    async def write(self, uuid: str, data: bytes) -> None:
        """Write one value, acknowledged where the characteristic can; raises `LinkLost`, `DeviceMismatch`,
        `DeviceFault`."""
        response = "write" in self.properties(uuid)
        try:
            await self._connected().write(uuid, data, response=response)
        except LinkLost as exc:
            raise self.lose(exc) from exc

    async def subscribe(self, uuid: str, *, on_full: OnFull) -> Notifications:
        """Be notified; raises `LinkLost`, `DeviceMismatch`, `DeviceFault`."""
        if uuid in self._notifications:
            raise RuntimeError(f"{self._name}: {uuid} is subscribed to already")
        self.properties(uuid)
        notifications = self._notifications[uuid] = Notifications(on_full, self._overrun)
        try:
            await self._connected().notify(uuid, notifications.put)
        except LinkLost as exc:
            raise self.lose(exc) from exc
        return notifications

    @property
    def stands(self) -> bool:
        """Whether nothing has broken it yet."""
        return self._lost is None

    def lose(self, error: LinkLost) -> LinkLost:
        """The connection broke: keep the first cause and wake everybody who waits."""
        if self._lost is None:
            self._lost = error
            for notifications in self._notifications.values():
                notifications.lose(error)
        return self._lost

    async def close(self) -> None:
        """Disconnect and give the adapter's slot back. Harmless when closed already; never raises."""
        self.lose(LinkLost("closed", f"{self._name}: closed by the gateway"))
        for notifications in self._notifications.values():
            notifications.forget()
        closing, self._closing = self._closing, AsyncExitStack()
        await closing.aclose()

    def _overrun(self) -> None:
        self.lose(
            LinkLost(
                "overrun",
                f"{self._name}: sends faster than the gateway can store; the connection is begun anew, "
                "and what the device keeps it sends again",
            )
        )

    def _connected(self) -> Connection:
        if self._lost is not None:
            raise self._lost
        if self._connection is None:
            raise RuntimeError(f"{self._name}: not connected yet")
        return self._connection
