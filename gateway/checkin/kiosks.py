"""All kiosks of a gateway: made from the configuration, told what their card readers have read.

Which device stands where is asked each time (`Places`): a technician may change it while people check in.
"""

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo
from typing import Any, Protocol

from gateway.checkin.facts import Directory
from gateway.checkin.kiosk import Kiosk
from gateway.checkin.purposes import Purpose
from gateway.checkin.record import Recorder
from gateway.checkin.requests import Ingests, Requests
from gateway.checkin.session import NewId
from gateway.clock import Stamp
from gateway.config import ANY_PURPOSE, KioskConfig
from gateway.devices.places import Places
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
        places: Places,
        *,
        directory: Callable[[KioskConfig], Directory],
        recorder: Ingest,
        new_id: NewId,
        changed: Callable[[], None],
        stamp: Callable[[], Stamp],
        zone: tzinfo,
    ) -> None:
        """`directory` as it is asked at a kiosk."""
        self._places = places
        self._desks: dict[str, Desk] = {}
        self.all: list[Kiosk] = []
        for one in places.kiosks():
            kiosk = Kiosk(
                one.id,
                directory=directory(one),
                recorder=recorder,
                devices=places.modules_at(one.id),
                new_id=new_id,
                changed=changed,
                stamp=stamp,
                terminal=one.terminal,
                only=None if one.purpose == ANY_PURPOSE else Purpose(one.purpose),
            )
            self.all.append(kiosk)
            self._desks[one.id] = Desk(kiosk, Requests(kiosk, recorder, stamp), one, stamp, zone)

    def find(self, kiosk: str) -> Desk | None:
        """The kiosk of this name."""
        desk = self._desks.get(kiosk)
        return None if desk is None else replace(desk, configured=self._places.kiosk(kiosk))

    def tasks(self) -> dict[str, Coroutine[Any, Any, None]]:
        """By name, to be run for as long as the gateway serves."""
        return {f"kiosk-{kiosk.id}": kiosk.run() for kiosk in self.all}

    async def close(self) -> None:
        """After the tasks have ended: what was begun is recorded as abandoned."""
        for kiosk in self.all:
            await kiosk.close()

    def stored(self, device: str, drafts: Sequence[Draft]) -> None:
        """What a device said is on disk: its kiosk goes on with it."""
        desk = self._desks.get(self._places.kiosk_of(device) or "")
        if desk is None:
            return
        kiosk = desk.kiosk
        for draft in drafts:
            match draft.type:
                case "identity.card_read":
                    kiosk.card(str(draft.data["number_hmac"]), draft.id)
                case "identity.card_refused":
                    kiosk.unread(str(draft.data["reason"]))
