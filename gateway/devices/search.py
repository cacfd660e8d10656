"""Looking for devices at the serial ports that nobody serves: what `zhijiao probe` does, on the gateway's page."""

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from drivers.links.serial_ports import FoundPort, UsbDevice, no_ports, serial_ports
from drivers.probing import QUESTIONS, Answer, Finding, probe

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SearchView:
    """How a search goes, or what the last one has found."""

    running: bool = False
    began_ms: int | None = None
    asked: int = 0
    of: int = 0
    ports: Sequence[FoundPort] = ()
    findings: Sequence[Finding] = ()
    others: Sequence[UsbDevice] = field(default=())
    served: int = 0  # ports that the gateway's own devices have

    def answer(self, port: str) -> Answer | None:
        """What stands at a port for sure, and alone."""
        for finding in self.findings:
            if finding.port == port:
                return next((one for one in finding.answers if one.sure and not one.of_a_line), None)
        return None


class Search:
    """One search at a time."""

    def __init__(
        self,
        served: Callable[[], Collection[str]],
        now_ms: Callable[[], int],
        changed: Callable[[], None],
    ) -> None:
        """`served`: the ports of the gateway's own devices; `changed`: people should look again."""
        self.view = SearchView()
        self._served = served
        self._now_ms = now_ms
        self._changed = changed
        self._task: asyncio.Task[None] | None = None

    def begin(self, port: str | None = None) -> bool:
        """Look at every free port, or at the one that is named. False: a search runs already."""
        if self._task is not None and not self._task.done():
            return False
        self.view = SearchView(
            running=True, began_ms=self._now_ms()
        )  # what an older one found may be asked now
        self._task = asyncio.get_running_loop().create_task(self._run(port), name="search")
        return True

    async def end(self) -> None:
        """The gateway stops; or a port is wanted."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    def forget(self, port: str) -> None:
        """What stands there is served from now on."""
        kept = [one for one in self.view.findings if one.port != port]
        ports = [one for one in self.view.ports if one.name != port]
        self.view = replace(self.view, findings=kept, ports=ports)
        self._changed()

    async def _run(self, only: str | None) -> None:
        taken = {_real(port) for port in self._served()}
        known = [FoundPort(only, only)] if only is not None else await asyncio.to_thread(serial_ports)
        ports = [one for one in known if _real(one.name) not in taken]
        others = await asyncio.to_thread(no_ports)
        asked = [0] * len(ports)
        self.view = SearchView(
            running=True,
            began_ms=self._now_ms(),
            of=len(ports) * len(QUESTIONS),
            ports=ports,
            others=others,
            served=len(known) - len(ports),
        )
        self._changed()

        async def ask(index: int, port: FoundPort) -> None:
            def step(done: int, _of: int) -> None:
                asked[index] = done
                self.view = replace(self.view, asked=sum(asked))
                self._changed()

            if _real(port.name) in {_real(one) for one in self._served()}:
                return  # it was added meanwhile
            found = await probe(port.name, step=step)
            step(len(QUESTIONS), len(QUESTIONS))
            self.view = replace(self.view, findings=[*self.view.findings, found])

        try:
            async with asyncio.TaskGroup() as asking:
                for index, port in enumerate(ports):
                    asking.create_task(ask(index, port))
        finally:
            self.view = replace(self.view, running=False)
            self._changed()
        log.info("ports searched", extra={"count": len(ports), "found": len(self.view.findings)})


def _real(port: str) -> str:
    return str(Path(port).resolve())
