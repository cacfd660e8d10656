"""Several simulated readers on one line that is not there.

bus = SimulatedOsdpBus([SimulatedOsdpReader(address=1), SimulatedOsdpReader(address=2)])
serving = asyncio.create_task(bus.serve(wire))

What one says late comes while another is asked, as on a real line; that two talk at once is left out.
"""

import asyncio
from collections.abc import Sequence

from drivers.errors import LinkLost
from drivers.simulators.osdp import SimulatedOsdpReader
from drivers.simulators.wire import Wire
from firmware_protocols.framing import Discarded
from firmware_protocols.osdp.decoder import CommandDecoder


class SimulatedOsdpBus:
    """The far end of a line."""

    def __init__(self, readers: Sequence[SimulatedOsdpReader]) -> None:
        self.readers = readers

    async def serve(self, wire: Wire) -> None:
        """Each answers what it is asked, until the wire is pulled."""
        decoder = CommandDecoder()
        answering: set[asyncio.Task[None]] = set()
        try:
            while True:
                for found in decoder.feed(await wire.receive()):
                    if isinstance(found, Discarded):
                        continue
                    for reader in self.readers:
                        answering.add(asyncio.create_task(reader.hear(found, wire)))
                done = {one for one in answering if one.done()}
                answering -= done
                for one in done:
                    one.result()
        except LinkLost:
            return
        finally:
            for one in answering:
                one.cancel()
            await asyncio.gather(*answering, return_exceptions=True)
