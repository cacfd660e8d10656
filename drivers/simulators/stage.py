"""A simulated device at its port, and what can happen to it: the words that its scripts may use.

stage = tracker_stage("gt06", call)
script = read_script(path, stage.kind, stage.words)      # raises before anything happens
await play(stage, script, tell=print)
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from drivers.simulators.faults import Fault, FaultKind, FaultPlan
from drivers.simulators.script import LONGEST_WAIT_S, Act, Script, Words
from drivers.simulators.step import Step
from drivers.simulators.wire import FarEnd, Port

MENDED_S = 3.0  # a cable that a fault pulled is put back
SETTLE_S = 60.0  # what is kept at the end of a script has so long to be taken
MOST_FAULTS = 1000
ANY = "any"


@dataclass(frozen=True, slots=True)
class Stage:
    """One device, or several that belong together."""

    kind: str
    words: Words
    serve: Callable[[], Coroutine[Any, Any, None]]  # plays it, for ever
    kept: Callable[[], int] = lambda: 0  # records that nobody has taken yet


class Socket:
    """A device at a port. A fault that pulls it is mended by itself, a pull of the script when that says so."""

    def __init__(self, device: FarEnd, port: Port) -> None:
        self._device = device
        self._port = port
        self._pulled = False

    async def serve(self) -> None:
        """For ever."""
        while True:
            await self._port.until_plugged()
            await self._device.serve(self._port)
            if not self._port.plugged and not self._pulled:
                await asyncio.sleep(MENDED_S)
                if not self._pulled:
                    self._port.plug()

    async def pull(self, for_s: float) -> None:
        """Pull the cable, and put it back."""
        self._pulled = True
        try:
            self._port.unplug()
            await asyncio.sleep(for_s)
            self._port.plug()
        finally:
            self._pulled = False


def unplug_word(socket: Socket) -> Words:
    """`unplug_s`: pull the cable for so long."""

    def unplug(step: Step) -> Act:
        for_s = step.number("unplug_s", least=0.0, most=LONGEST_WAIT_S)
        return lambda: socket.pull(for_s)

    return {"unplug_s": unplug}


def fault_word(
    plan: FaultPlan, kinds: Sequence[FaultKind], on: Mapping[str, object], default: str = ANY
) -> Words:
    """`fault`: spoil what it says next, `times`; `on`: only answers to that question, or only that part."""

    def fault(step: Step) -> Act:
        kind = FaultKind(step.word("fault", [str(one) for one in kinds]))
        times = step.whole("times", least=1, most=MOST_FAULTS, default=1)
        planned = Fault(kind, on.get(step.word("on", [*on, ANY], default)), times)

        async def spoil() -> None:
            plan.add(planned)

        return spoil

    return {"fault": fault}


async def play(stage: Stage, script: Script | None, tell: Callable[[str], None]) -> int:
    """The script once, or the device for ever without one; how many records nobody took. Ends what it began."""
    serving = asyncio.create_task(stage.serve(), name=f"simulated {stage.kind}")
    playing = asyncio.create_task(_play(stage, script, tell), name="script")
    try:
        await asyncio.wait({serving, playing}, return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            serving.result()
        return await playing
    finally:
        for task in (serving, playing):
            task.cancel()
        await asyncio.wait({serving, playing})


async def _play(stage: Stage, script: Script | None, tell: Callable[[str], None]) -> int:
    if script is None:
        await asyncio.Event().wait()
        return 0
    await script.play(tell)
    try:
        async with asyncio.timeout(SETTLE_S):
            while stage.kept():  # noqa: ASYNC110 - a stage is many devices, and none tells
                await asyncio.sleep(0.05)
    except TimeoutError:
        tell(f"{stage.kept()} records were not taken")
    return stage.kept()
