"""The pages of the running gateway: plain HTTP on this machine, HTTPS on the network, each tried until it works.

Check-ins count without a page: nothing that goes wrong here ends the gateway, and neither door waits for the other.
"""

import asyncio
import contextlib
import importlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from gateway.api.parts import Parts
from gateway.clock import Timekeeper
from gateway.config import Config
from gateway.config.values import Address
from gateway.errors import StartError
from gateway.terminals import TerminalDoor

log = logging.getLogger(__name__)

AGAIN_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Whom to tell once connections are accepted: the address, and for HTTPS the certificate's fingerprint."""

    http: Callable[[str], None] | None = None
    https: Callable[[str, str], None] | None = None


async def serve_pages(config: Config, parts: Parts, time: Timekeeper, told: Told) -> None:
    """Until cancelled."""
    # FastAPI costs 25 MB and most of a second: loaded when devices and uplink already run, and beside the loop.
    server = await _loaded("gateway.api.server")
    app, listen = server.create_app(parts), config.api.listen

    async def http() -> None:
        await server.serve(app, listen.host, listen.port, on_listening=told.http)

    async def https() -> None:
        await _serve_https(config, server, app, time, told)

    async with asyncio.TaskGroup() as group:
        group.create_task(_again_and_again(http, "page not served"), name="page-http")
        if config.api.https is not None:
            group.create_task(_again_and_again(https, "page not served on the network"), name="page-https")


async def serve_terminals(door: TerminalDoor, listen: Address) -> None:
    """For attendance terminals, until cancelled. Their network may come later: they keep what they have."""
    server = await _loaded("gateway.api.terminal_server")
    await _again_and_again(
        lambda: server.serve_terminals(door, listen.host, listen.port), "terminals not served"
    )


async def _serve_https(config: Config, server: Any, app: Any, time: Timekeeper, told: Told) -> None:
    api, loop = config.api, asyncio.get_running_loop()
    if api.https is None:
        raise TypeError("https without an address")
    given = (api.certificate_file, api.certificate_key_file)

    def now_ms() -> int:
        judged = time.certificate_time()
        return time.clock.now().wall_ms if judged is None else judged.at_ms

    module = await _loaded("gateway.api.https")
    plan = module.CertificatePlan(
        folder=config.gateway.state_dir,
        gateway=config.gateway.id,
        names=api.names if api.https.is_any else (*api.names, api.https.host),
        given=None if None in given else given,
    )
    https = await loop.run_in_executor(None, module.Https.load, plan, now_ms())

    def listening(url: str) -> None:
        if told.https is not None:
            told.https(url, https.fingerprint)

    watching = asyncio.create_task(https.watch(now_ms), name="certificate")
    try:
        await server.serve_https(app, api.https.host, api.https.port, https.context, on_listening=listening)
    finally:
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching


async def _again_and_again(serve: Callable[[], Awaitable[None]], trouble: str) -> None:
    """Until it works; each trouble is said once."""
    said = ""
    while True:
        try:
            await serve()
        except StartError as exc:
            if exc.code != said:
                log.error(trouble, extra={"code": exc.code, "remedy": str(exc)})  # noqa: TRY400
            said = exc.code
            await asyncio.sleep(AGAIN_S)


async def _loaded(name: str) -> Any:
    return await asyncio.get_running_loop().run_in_executor(None, importlib.import_module, name)
