"""Who is on an OSDP line: asked in clear, one question to all, and nothing is set.

A reader answers the address of everybody and does not say its own. So where anything answers that, or several talk at
once, each of the lowest addresses is asked. A session that a reader has with a panel ends by it; none is there.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from drivers.events import DeviceReady
from drivers.exchange_runner import ExchangeRunner
from drivers.links.link import Link
from firmware_protocols.errors import RemoteProtocolError, ReplyTimeout
from firmware_protocols.framing import Discarded
from firmware_protocols.osdp import exchanges
from firmware_protocols.osdp.decoder import ReplyDecoder
from firmware_protocols.osdp.exchanges import Introduction
from firmware_protocols.osdp.frames import EVERYBODY, Frame
from firmware_protocols.osdp.replies import Identity
from firmware_protocols.osdp.session import PanelSession

BAUDS = (9600, 115200, 38400)  # the commonest first
ADDRESSES = range(16)  # installers count from 0 or 1
REPLY_S = 0.25  # a reader begins within 200 ms


def introduced(found: Identity) -> DeviceReady:
    """Who a reader says that it is."""
    return DeviceReady(
        model=f"{found.vendor.hex().upper()}-{found.model}.{found.version}",
        firmware=".".join(str(part) for part in found.firmware),
        serial=f"{found.serial:08X}",
    )


async def readers_on(link: Link) -> list[tuple[int, Introduction]]:
    """Address and introduction of each reader; raises `LinkUnavailable` and `LinkLost`. Five seconds at most."""
    async with _opened(link) as runner:
        if not await _anybody(runner):
            return []
        found = []
        for address in ADDRESSES:
            try:
                session = PanelSession(address)
                told = await runner.run(exchanges.introduce(session, attempts=1, reply_s=REPLY_S))
            except (ReplyTimeout, RemoteProtocolError):
                continue
            found.append((address, told))
        return found


async def _anybody(runner: ExchangeRunner[Frame, Frame]) -> bool:
    try:
        await runner.run(exchanges.introduce(PanelSession(EVERYBODY), attempts=1, reply_s=REPLY_S))
    except RemoteProtocolError:
        return True
    except ReplyTimeout:
        return bool(runner.garbage.length or runner.unsolicited)
    return True


@asynccontextmanager
async def _opened(link: Link) -> AsyncIterator[ExchangeRunner[Frame, Frame]]:
    await link.open()
    try:
        yield ExchangeRunner[Frame, Frame](link, ReplyDecoder(), noise=_nothing, gap_s=0.1)
    finally:
        await link.close()


def _nothing(_found: Discarded) -> None:
    """Noise is looked at as a whole (`garbage`)."""
