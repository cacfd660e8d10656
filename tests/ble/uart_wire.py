"""The Nordic UART of a Bumble wearable as the wire of a simulated device."""

import asyncio

from drivers.errors import LinkLost
from tests.ble.wearable import Wearable

LOOK_S = 0.005
PACKET = 100  # bytes of one notification


class UartWire:
    def __init__(self, band: Wearable) -> None:
        self._band = band
        self._read = len(band.written)

    async def send(self, data: bytes) -> None:
        self._require()
        await self._band.say(data[at : at + PACKET] for at in range(0, len(data), PACKET))

    async def receive(self) -> bytes:
        while len(self._band.written) == self._read:
            self._require()
            await asyncio.sleep(LOOK_S)
        self._read += 1
        return self._band.written[self._read - 1]

    def unplug(self) -> None:
        self._band.walk_away()

    def _require(self) -> None:
        if not self._band.connected:
            raise LinkLost("disconnected", "nobody is connected")
