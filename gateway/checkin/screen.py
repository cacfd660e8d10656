"""What a kiosk shows, and everybody who watches it: each change reaches them at once, none is queued.

A view gets a rising number. Who is slow misses views, never the last one.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

from drivers.factors import Factor, Step
from gateway.checkin.facts import Shown
from gateway.checkin.purposes import Purpose
from gateway.checkin.session import TRIES, Stage

BEAT_S = 2.0  # a watcher that hears nothing for twice as long knows that the gateway is gone


@dataclass(frozen=True, slots=True)
class KioskView:
    """What the kiosk's page shows now. Nothing of a session that is over."""

    stage: Stage = Stage.IDLE
    session: str | None = None  # what staff vouch for names it
    purpose: Purpose | None = None
    name: str | None = field(default=None, repr=False)  # masked; None for a protected person
    wanted: frozenset[Factor] = frozenset()  # second factors that a device is being asked for
    step: Step | None = None  # what the device asks of the person
    hint: str | None = None  # code: why the last card or finger was not taken
    shown: Shown | None = None
    lent: bool = False  # somebody is being enrolled here: no check-in now
    number: int = field(default=0, compare=False)  # rises with each change, in one run
    due_s: float | None = field(default=None, compare=False)  # when patience ends, by the kiosk's clock
    tries_left: int = field(default=TRIES, compare=False)


class Screen:
    """The view now, for whoever watches."""

    def __init__(self) -> None:
        self.view = KioskView()
        self._changed = asyncio.Event()

    def show(self, view: KioskView) -> bool:
        """Show this; whether it differs from what was shown."""
        if view == self.view:
            self.view = replace(view, number=self.view.number)
            return False
        self.view = replace(view, number=self.view.number + 1)
        self._changed.set()
        self._changed = asyncio.Event()
        return True

    async def changes(self, beat_s: float = BEAT_S) -> AsyncIterator[KioskView]:
        """The view at once, then after each change, and again after `beat_s` without one."""
        while True:
            changed = self._changed
            yield self.view
            try:
                async with asyncio.timeout(beat_s):
                    await changed.wait()
            except TimeoutError:
                continue
