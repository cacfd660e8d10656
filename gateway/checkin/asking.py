"""The devices of a kiosk that tell whose finger or face it is: asked while that is wanted, left alone after.

What a device answers goes back with the session it was asked for.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping

from drivers.errors import DriverError
from drivers.factors import Factor, FactorDevice, Guide, Identified, NotMatched
from gateway.checkin.session import STEP_S

log = logging.getLogger(__name__)

NOBODY_TRIED = frozenset({"nothing_presented", "cancelled"})
LOOK_AGAIN_S = 2.0  # a device that was away is asked again while its answer is wanted
PAUSE_S = 0.25  # and one that saw nobody

Answered = Callable[[str, Factor, Identified], Awaitable[None]]


class Asking:
    """Asks the devices of one kiosk."""

    def __init__(
        self,
        kiosk: str,
        devices: Mapping[str, FactorDevice],
        *,
        answered: Answered,
        guide: Guide,
        away: Callable[[], None],
    ) -> None:
        """`answered` is told what came, `guide` what a device asks of the person, `away` that one does not answer."""
        self._kiosk = kiosk
        self._devices = devices
        self._answered = answered
        self._guide = guide
        self._away = away
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._lights: set[asyncio.Task[None]] = set()

    @property
    def factors(self) -> frozenset[Factor]:
        """What is being asked for now."""
        return frozenset(device.factor for one, device in self._devices.items() if one in self._asking)

    def ask(self, session: str, factors: frozenset[Factor]) -> None:
        """Ask every device that has one of these."""
        for device_id, device in self._devices.items():
            if device.factor in factors and device_id not in self._asking:
                asking = asyncio.get_running_loop().create_task(
                    self._identify(session, device_id, device), name=f"ask-{device_id}"
                )
                self._asking[device_id] = asking

    def stop(self) -> None:
        """Nobody is to be recognised any more."""
        asked, self._asking = self._asking, {}
        for asking in asked.values():
            asking.cancel()

    def light(self, *, accepted: bool) -> None:
        """At the sensors, beside the screen, which waits for nobody."""
        for device in self._devices.values():
            light = asyncio.get_running_loop().create_task(
                _show(device, accepted=accepted), name=f"light-{self._kiosk}"
            )
            self._lights.add(light)
            light.add_done_callback(self._lights.discard)

    def end(self) -> None:
        """The kiosk stops working."""
        self.stop()
        for light in self._lights:
            light.cancel()

    async def _identify(self, session: str, device_id: str, device: FactorDevice) -> None:
        try:
            result = await self._answer(device_id, device)
        finally:
            if self._asking.get(device_id) is asyncio.current_task():
                del self._asking[device_id]
        await self._answered(session, device.factor, result)

    async def _answer(self, device_id: str, device: FactorDevice) -> Identified:
        """Until somebody tried: a device that is away, or saw nobody, is asked again for as long as it is wanted."""
        while True:
            try:
                result = await device.identify(timeout_s=STEP_S, guide=self._guide)
            except DriverError as exc:
                log.info("device cannot be asked", extra={"device": device_id, "code": exc.code})
                self._away()
                await asyncio.sleep(LOOK_AGAIN_S)
                continue
            if not (isinstance(result, NotMatched) and result.reason in NOBODY_TRIED):
                return result
            await asyncio.sleep(PAUSE_S)


async def _show(device: FactorDevice, *, accepted: bool) -> None:
    with contextlib.suppress(DriverError):  # a device that is away shows nothing
        await device.show(accepted=accepted)
