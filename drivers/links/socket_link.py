"""A port server that passes raw bytes, as a `Link`: how the line is set is the server's own affair."""

import asyncio

from drivers.errors import LinkLost
from drivers.links.looking_on import passed
from drivers.links.remote_address import BUFFER_LIMIT, address_of, no_server
from drivers.links.serial_port import SerialSettings
from drivers.links.tcp_server import CallerLink


class SocketLink:
    """Raw bytes of a port server."""

    def __init__(self, port: str, settings: SerialSettings | None = None) -> None:
        """Raises `ValueError` for an address that is none."""
        self._port, self._address = port, address_of(port)
        self._settings = settings or SerialSettings()
        self._stream: CallerLink | None = None

    @property
    def name(self) -> str:
        """The address as it was configured."""
        return self._port

    async def open(self) -> None:
        """Connect; raises `LinkUnavailable` (no_server)."""
        try:
            async with asyncio.timeout(self._settings.open_timeout_s):
                reader, writer = await asyncio.open_connection(*self._address, limit=BUFFER_LIMIT)
        except TimeoutError:
            raise no_server(self._port, "no answer") from None
        except OSError as exc:
            raise no_server(self._port, exc.strerror or "not reachable") from exc
        self._stream = CallerLink(reader, writer, self._port)

    async def send(self, data: bytes) -> None:
        """Write all of `data`; raises `LinkLost`."""
        passed(self._port, data, sent=True)
        await self._opened().send(data)

    async def receive(self) -> bytes:
        """At least one byte; raises `LinkLost`."""
        data = await self._opened().receive()
        passed(self._port, data, sent=False)
        return data

    async def close(self) -> None:
        """Disconnect at once."""
        stream, self._stream = self._stream, None
        if stream is not None:
            await stream.close()

    def _opened(self) -> CallerLink:
        if self._stream is None:
            raise LinkLost("closed", f"{self._port}: not open")
        return self._stream
