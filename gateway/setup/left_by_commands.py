"""Requests that `zhijiao setup` and `zhijiao network` left: each is carried out or refused once, and its outcome noted.

One about the network that waited for a start is not carried out: nobody is there any more to keep the address.
"""

import asyncio
import logging
from pathlib import Path
from typing import Final

from gateway.access.handover import OK, outcomes, with_outcome
from gateway.errors import ContractError, GatewayError, StoreRefused
from gateway.network.ipv4 import Ipv4
from gateway.network.trial import Network
from gateway.setup.center_name import CenterName
from gateway.setup.requests import MAX_BYTES, TAKEN, Request, What, inbox
from gateway.store.inbox import Incoming
from gateway.store.store import Store
from gateway.store.taking import Taker

log = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 1.0  # one listing of a small folder; a command waits for it
VIA = "command"


class LeftByCommands:
    """Takes what waits, oldest first."""

    def __init__(self, folder: Path, *, store: Store, name: CenterName, network: Network) -> None:
        self._store = store
        self._name = name
        self._network = network
        self._starting = True
        self._taken: dict[str, str] = {}
        self._taker = Taker(inbox(folder), MAX_BYTES, self._take, "request of the first run")

    async def run(self) -> None:
        """For as long as the gateway runs."""
        self._taken = outcomes(await self._store.read(lambda box: box.noted(TAKEN)))
        await self._taker.take_all()
        self._starting = False
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            await self._taker.take_all()

    async def _take(self, found: Incoming) -> None:
        try:
            request = Request.from_bytes(found.sealed)
        except ContractError as exc:
            log.error("request of the first run refused", extra={"code": exc.code})  # noqa: TRY400
            return
        if request.id in self._taken:
            return  # the power went after the commit
        try:
            await self._carry_out(request)
        except StoreRefused:
            raise  # it stays, and is tried again
        except GatewayError as exc:
            log.warning(
                "request of the first run refused", extra={"what": request.what.value, "code": exc.code}
            )
            await self._note(request.id, exc.code)
        else:
            if request.id not in self._taken:
                await self._note(request.id, OK)

    async def _carry_out(self, request: Request) -> None:
        values, by = request.values, request.by
        if request.what is What.NAME:
            notes = {TAKEN: with_outcome(self._taken, request.id, OK)}
            await self._name.give(by, values.get("name", ""), via=VIA, uid=request.uid, notes=notes)
            self._taken[request.id] = OK
            return
        if self._starting:
            raise ContractError("gateway_started", "the gateway was not running; give the command again")
        match request.what:
            case What.SET:
                fields = ("method", "address", "prefix", "gateway", "dns")
                wanted = Ipv4.given(**{one: values.get(one, "") for one in fields})
                interface = values.get("interface", "")
                await self._network.begin(by, interface=interface, wanted=wanted, via=VIA, uid=request.uid)
            case What.KEEP:
                await self._network.keep(by, reached_at=values.get("reached_at", ""))
            case _:
                await self._network.undo(by)

    async def _note(self, request: str, outcome: str) -> None:
        text = with_outcome(self._taken, request, outcome)
        await self._store.run(lambda box: box.note(TAKEN, text))
        self._taken[request] = outcome
