"""What can happen to a simulated attendance terminal: somebody is recognised, its network cable is pulled."""

import asyncio

from drivers.simulators.script import LONGEST_WAIT_S, Act
from drivers.simulators.stage import Stage
from drivers.simulators.step import Step
from drivers.simulators.terminal import SimulatedTerminal
from firmware_protocols.zk_adms.records import VERIFY

DIGITS = "0123456789"


class _Outlet:
    """The terminal talks while it is plugged in; its memory outlives that."""

    def __init__(self, terminal: SimulatedTerminal) -> None:
        self._terminal = terminal
        self._plugged = asyncio.Event()
        self._plugged.set()
        self._talking: asyncio.Task[None] | None = None

    async def serve(self) -> None:
        """For ever."""
        while True:
            await self._plugged.wait()
            self._talking = asyncio.create_task(self._terminal.serve(), name="simulated terminal")
            try:
                await asyncio.wait([self._talking])
            finally:
                self._talking.cancel()
                await asyncio.wait([self._talking])
            if not self._talking.cancelled():
                self._talking.result()

    async def pull(self, for_s: float) -> None:
        """Pull the cable, and put it back."""
        self._plugged.clear()
        if self._talking is not None:
            self._talking.cancel()
        await asyncio.sleep(for_s)
        self._plugged.set()


def terminal_stage(terminal: SimulatedTerminal) -> Stage:
    """`punch`: of a PIN, `by` card, face, finger, palm or password. `unplug_s`: the network is gone for so long."""
    outlet = _Outlet(terminal)
    factors = {name: code for code, name in VERIFY.items()}

    def punch(step: Step) -> Act:
        pin = step.text("punch", DIGITS)
        verify = factors[step.word("by", factors, VERIFY[1])]

        async def recognise() -> None:
            terminal.punch(pin, verify)

        return recognise

    def unplug(step: Step) -> Act:
        for_s = step.number("unplug_s", least=0.0, most=LONGEST_WAIT_S)
        return lambda: outlet.pull(for_s)

    return Stage(
        "terminal.zk_adms",
        {"punch": punch, "unplug_s": unplug},
        outlet.serve,
        kept=lambda: len(terminal.memory) - terminal.taken,
    )
