"""A center for tests of the box's enrolment: a home in a folder, and its registrar on a port of this machine."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway.config.values import Broker
from gateway.provisioning import Enrolled, EnrolmentRequest, Step, enroll
from gateway.registrar import web
from gateway.registrar.home import CERTIFICATE_LIFE, Home, Plan, make_home
from gateway.registrar.registrar import Registrar
from tests.broker import HOST, free_port

GATEWAY, NEIGHBOUR = "gw-370102-01", "gw-370102-02"
HOUR_MS, DAY_MS = 3_600_000, 86_400_000


@dataclass
class Center:
    """One center. `ahead_ms` is how far its clock is beyond this machine's."""

    folder: Path
    brokers: tuple[Broker, ...] = (Broker("localhost", 8883, tls=True),)
    life: timedelta = CERTIFICATE_LIFE
    port: int = field(default_factory=free_port)
    ahead_ms: int = 0

    def __post_init__(self) -> None:
        plan = Plan(
            name="Test center", host="localhost", port=self.port, brokers=self.brokers, life=self.life
        )
        make_home(self.folder, plan, datetime.now(UTC))
        self.home = Home.load(self.folder)
        self.registrar = Registrar(self.home, wall_ms=self.now_ms)

    def now_ms(self) -> int:
        """By its clock."""
        return int(datetime.now(UTC).timestamp() * 1000) + self.ahead_ms

    def code(self, gateway: str = GATEWAY) -> str:
        """A new one, as it is typed."""
        return str(self.registrar.issue_code(gateway))

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Boxes can be enrolled inside."""
        ready = asyncio.Event()
        serving = asyncio.create_task(
            web.serve(self.home, self.registrar, HOST, self.port, ready=lambda _port: ready.set())
        )
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            serving.result()
        try:
            yield
        finally:
            serving.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await serving


async def enrol_box(
    state_dir: Path,
    code: str,
    *,
    gateway: str | None = None,
    step: Callable[[Step], object] = lambda _step: None,
) -> Enrolled:
    """As command line and page do."""
    state_dir.mkdir(exist_ok=True)
    return await enroll(EnrolmentRequest(code=code, state_dir=state_dir, gateway=gateway), step=step)
