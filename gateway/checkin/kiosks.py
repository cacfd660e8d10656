"""All kiosks of a gateway: made from the configuration, told what their card readers have read."""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any, Protocol

from drivers.driver import Driver
from drivers.factors import FactorDevice
from gateway.checkin.facts import Directory
from gateway.checkin.kiosk import Kiosk
from gateway.checkin.purposes import Purpose
from gateway.checkin.record import Recorder
from gateway.checkin.requests import Ingests, Requests
from gateway.checkin.session import NewId
from gateway.clock import Stamp
from gateway.config import ANY_PURPOSE, KioskConfig
from gateway.envelope import Draft


class Ingest(Recorder, Ingests, Protocol):
    """Where facts go, and what hashes and seals."""


@dataclass(frozen=True, slots=True)
class Desk:
    """One kiosk as pages and programs reach it."""

    kiosk: Kiosk
    requests: Requests
    configured: KioskConfig
    stamp: Callable[[], Stamp]
    zone: tzinfo  # the center's: in it a person reads the time


class Kiosks:
    """The kiosks and which device stands at which."""

    def __init__(
        self,
        configured: Sequence[KioskConfig],
        drivers: Mapping[str, Driver],
        *,
        directory: Callable[[KioskConfig], Directory],
        recorder: Ingest,
        new_id: NewId,
        changed: Callable[[], None],
        stamp: Callable[[], Stamp],
        zone: tzinfo,
    ) -> None:
        """`drivers` by device id; `directory` as it is asked at a kiosk."""
        self._desks: dict[str, Desk] = {}
        self.all: list[Kiosk] = []
        self._at: dict[str, Kiosk] = {}  # by device
        for one in configured:
            bound = {device: drivers[device] for device in one.devices}
            kiosk = Kiosk(
                one.id,
                directory=directory(one),
                recorder=recorder,
                devices={name: driver for name, driver in bound.items() if isinstance(driver, FactorDevice)},
                new_id=new_id,
                changed=changed,
                stamp=stamp,
                terminal=one.terminal,
                only=None if one.purpose == ANY_PURPOSE else Purpose(one.purpose),
            )
            self.all.append(kiosk)
            self._desks[one.id] = Desk(kiosk, Requests(kiosk, recorder, stamp), one, stamp, zone)
            self._at.update(dict.fromkeys(one.devices, kiosk))

    def find(self, kiosk: str) -> Desk | None:
        """The kiosk of this name."""
        return self._desks.get(kiosk)

    def tasks(self) -> dict[str, Coroutine[Any, Any, None]]:
        """By name, to be run for as long as the gateway serves."""
        return {f"kiosk-{kiosk.id}": kiosk.run() for kiosk in self.all}

    async def close(self) -> None:
        """After the tasks have ended: what was begun is recorded as abandoned."""
        for kiosk in self.all:
            await kiosk.close()

    def stored(self, device: str, drafts: Sequence[Draft]) -> None:
        """What a device said is on disk: its kiosk goes on with it."""
        kiosk = self._at.get(device)
        if kiosk is None:
            return
        for draft in drafts:
            match draft.type:
                case "identity.card_read":
                    kiosk.card(str(draft.data["number_hmac"]), draft.id)
                case "identity.card_refused":
                    kiosk.unread(str(draft.data["reason"]))
