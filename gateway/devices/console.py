"""What a technician does with devices on the page: look for them, add, move, replace, take away, test. Live.

A change is written to the gateway's own file first (`gateway.config.added`) and recorded as an event, then it holds:
after a power cut the box comes back as the page said. A device at which somebody is just being recognised or enrolled
is left alone.
"""

import asyncio
import logging
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from drivers.probing import Answer
from gateway.checkin.kiosks import Kiosks
from gateway.checkin.modules import Modules
from gateway.checkin.session import Stage
from gateway.config import DeviceConfig
from gateway.config.added import Added, write_added
from gateway.config.lists import DEVICE_ID, OWN_DEVICE_ID
from gateway.devices.history import Change, history
from gateway.devices.live_test import LiveTest, TestView
from gateway.devices.places import Places
from gateway.devices.running import RunningDevices
from gateway.devices.search import Search, SearchView
from gateway.errors import ContractError, GatewayError, StoreTrouble
from gateway.evidence.canonical import Json
from gateway.ingest.alarms import Alarms
from gateway.ingest.facts import Fact
from gateway.view import DeviceView

log = logging.getLogger(__name__)

NEEDS_RESTART = "terminal."  # their listener is made at the start
MOST_DEVICES = 64


class Records(Protocol):
    """Where facts go."""

    async def store(self, facts: Sequence[Fact], device: str) -> object:
        """On disk when it returns. Raises `StoreRefused`."""
        ...


class Console:
    """The devices of one gateway, for its technician. Refusals are `ContractError`s whose codes the page explains."""

    def __init__(
        self,
        running: RunningDevices,
        places: Places,
        kiosks: Kiosks,
        modules: Modules,
        *,
        added: Mapping[str, Added],
        file: Path,
        store: Path,
        records: Records,
        alarms: Alarms,
        gateway: str,
        now_ms: Callable[[], int],
        changed: Callable[[], None],
    ) -> None:
        """`added`: what `file` holds at the start; `changed`: people should look again."""
        self.search = Search(self._served, now_ms, changed)
        self.test = LiveTest(now_ms, self._events_of, changed)
        self._running, self._places, self._kiosks, self._modules = running, places, kiosks, modules
        self._added = dict(added)
        self._file, self._store = file, store
        self._records, self._alarms = records, alarms
        self._subject = f"gateway/{gateway}"
        self._changed = changed
        self._one_at_a_time = asyncio.Lock()

    # -- what is shown ----------------------------------------------------------------------------------

    def views(self) -> Sequence[DeviceView]:
        """All devices as they are now."""
        return self._running.views()

    def kiosk_of(self, device: str) -> str | None:
        """Where it stands."""
        return self._places.kiosk_of(device)

    def kiosk_ids(self) -> Sequence[str]:
        """Where it may stand."""
        return [one.id for one in self._places.kiosks()]

    def searched(self) -> SearchView:
        """How the search goes."""
        return self.search.view

    def tested(self, device: str) -> TestView | None:
        """How the test of a device goes."""
        return self.test.view(device)

    def changed_here(self, device: str) -> bool:
        """Whether this page, and not the configuration, says how the device is."""
        return device in self._added

    def suggested_id(self, answer: Answer) -> str:
        """A free name for what was found."""
        stem = answer.question.kind.partition(".")[0]
        taken = {view.id for view in self.views()} | set(self.kiosk_ids())
        return next(name for n in range(1, 1000) if (name := f"{stem}-{n}") not in taken)

    async def history(self, device: str) -> Sequence[Change]:
        """Raises `StoreRefused`."""
        return await asyncio.to_thread(history, self._store, device)

    # -- what is done -----------------------------------------------------------------------------------

    def look(self, port: str | None = None) -> None:
        """Search the free ports, or the one that is named. Codes: searching, in_use."""
        if port is not None and os.path.realpath(port) in map(os.path.realpath, self._served()):
            raise ContractError("in_use", "a device of this gateway has this port")
        if not self.search.begin(port):
            raise ContractError("searching", "a search runs already; wait for its end")

    def begin_test(self, device: str) -> None:
        """Look on at a device for a minute. Codes: unknown_device, no_line."""
        if not self.test.begin(self._configured(device)):
            raise ContractError("no_line", "this device has no line of its own that could be looked at")

    async def add(self, by: str, *, device: str, port: str, kiosk: str | None) -> None:
        """Serve what was found at a port, under this name. Codes: not_found, name_taken, bad_name, unknown_kiosk,
        kiosk_busy, full, and those of `StoreTrouble`."""
        answer = self._found(port)
        self._check_name(device)
        if len(self.views()) >= MOST_DEVICES:
            raise ContractError("full", f"a gateway serves {MOST_DEVICES} devices")
        entry = Added(
            id=device,
            kind=answer.question.kind,
            settings={"port": port, **answer.question.settings},
            kiosk=kiosk,
        )
        async with self._one_at_a_time:
            await self._put(by, "device_added", entry)
        self.search.forget(port)

    async def move(self, by: str, *, device: str, kiosk: str | None) -> None:
        """Let it stand at another kiosk, or at none. Codes: unknown_device, unknown_kiosk, kiosk_busy."""
        now = self._configured(device)
        async with self._one_at_a_time:
            entry = Added(id=now.id, kind=now.kind, settings=now.settings, kiosk=kiosk)
            await self._write(by, "device_moved", entry)
            self._places.move(device, kiosk)
        self._changed()

    async def replace(self, by: str, *, device: str, port: str) -> None:
        """Serve the device of the same kind that was found at a port in its place. Codes: unknown_device, not_found,
        other_kind, kiosk_busy. A fingerprint or face module that is another one loses its references, as ever."""
        now, answer = self._configured(device), self._found(port)
        if answer.question.kind != now.kind:
            raise ContractError("other_kind", "what was found there is a device of another kind")
        settings = {**now.settings, "port": port, **answer.question.settings}
        entry = Added(id=device, kind=now.kind, settings=settings, kiosk=self._places.kiosk_of(device))
        async with self._one_at_a_time:
            await self._put(by, "device_replaced", entry)
        self.search.forget(port)

    async def remove(self, by: str, *, device: str) -> None:
        """Serve it no longer. Codes: unknown_device, kiosk_busy."""
        self._configured(device)
        async with self._one_at_a_time:
            await self._write(by, "device_removed", Added(id=device, removed=True))
            await self._running.take_away(device)
            self._places.move(device, None)
            await self._alarms.clear("device_fault", device)
        self._changed()

    async def close(self) -> None:
        """The gateway stops."""
        self.test.end()
        await self.search.end()

    # -- how --------------------------------------------------------------------------------------------

    async def _put(self, by: str, what: str, entry: Added) -> None:
        device = DeviceConfig(id=entry.id, kind=entry.kind, settings=entry.settings, source=self._file)
        try:  # before anything is written: what cannot be served is refused
            prepared = self._running.prepare(device)
        except GatewayError as exc:
            log.warning("device refused", extra={"device": entry.id, "code": exc.code, "cause": str(exc)})
            raise
        await self._write(by, what, entry)
        if self._running.configured(entry.id) is not None:
            await self._running.take_away(entry.id)
        self._running.put(prepared)
        self._places.move(entry.id, entry.kiosk)
        self._changed()

    async def _write(self, by: str, what: str, entry: Added) -> None:
        """The change, on disk as a file and as an event; where the event is refused, the file is as before."""
        if entry.kiosk is not None and entry.kiosk not in self.kiosk_ids():
            raise ContractError("unknown_kiosk", "there is no such kiosk")
        self._check_idle(entry.id, entry.kiosk)
        before, after = dict(self._added), {**self._added, entry.id: entry}
        await self._keep(after)
        data: dict[str, Json] = {
            "what": what, "name": entry.id, "role": None, "source": None, "by": by, "via": "page", "uid": None,
            "kind": entry.kind or None, "kiosk": entry.kiosk,
        }  # fmt: skip
        try:
            await self._records.store(
                [Fact("audit.config_changed", self._subject, data, restricted=False)], "gateway"
            )
        except StoreTrouble:
            await self._keep(before)
            raise
        self._added = after
        log.info("device changed on the page", extra={"device": entry.id, "what": what})

    async def _keep(self, entries: Mapping[str, Added]) -> None:
        try:
            await asyncio.to_thread(write_added, self._file, list(entries.values()))
        except OSError as exc:
            raise StoreTrouble("store_io", f"{self._file}: {exc.strerror}; the change was not made") from exc

    def _check_idle(self, device: str, kiosk: str | None) -> None:
        """Nobody is at the kiosk that it leaves, nor at the one that it comes to."""
        for name in {self._places.kiosk_of(device), kiosk} - {None}:
            desk = self._kiosks.find(str(name))
            if desk is not None and (
                desk.kiosk.view.lent or desk.kiosk.view.stage not in {Stage.IDLE, Stage.SHOWN}
            ):
                raise ContractError("kiosk_busy", f"somebody is at '{name}'; wait for them")
        if self._modules.hands[device].locked():
            raise ContractError("kiosk_busy", f"something is being done at '{device}'; try again in a moment")

    def _check_name(self, device: str) -> None:
        if not re.fullmatch(DEVICE_ID, device) or device == OWN_DEVICE_ID:
            raise ContractError("bad_name", "1 to 32 small letters, digits or dashes, and not 'gateway'")
        if device in {view.id for view in self.views()} or device in self.kiosk_ids():
            raise ContractError("name_taken", "a device or kiosk has this name")

    def _configured(self, device: str) -> DeviceConfig:
        found = self._running.configured(device)
        if found is None:
            raise ContractError("unknown_device", "there is no such device")
        if found.kind.startswith(NEEDS_RESTART):
            raise ContractError("terminal", "terminals are changed in the configuration")
        return found

    def _found(self, port: str) -> Answer:
        answer = self.search.view.answer(port)
        if answer is None:
            raise ContractError("not_found", "nothing that was found stands at this port; search again")
        return answer

    def _events_of(self, device: str) -> int:
        return next((view.events_total for view in self.views() if view.id == device), 0)

    def _served(self) -> Sequence[str]:
        ports = [one.settings.get("port") for one in self._running.all_configured()]
        return [one for one in ports if isinstance(one, str)]
