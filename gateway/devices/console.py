"""What a technician does with devices on the page: look for them, add, move, replace, take away, test. Live.

A change is recorded as an event, and in the same transaction the store remembers all that was changed; then it holds:
after a power cut the box comes back as before, or as the page said. A device at which somebody is just being
recognised or enrolled is left alone.
"""

import asyncio
import logging
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Protocol

from drivers.errors import SettingsError
from drivers.forms import Field, form_of
from drivers.probing import Answer
from gateway.checkin.kiosk import Kiosk
from gateway.checkin.kiosks import Kiosks
from gateway.checkin.modules import Modules
from gateway.checkin.reference_keeper import EXPECTED, MODULE
from gateway.config import DeviceConfig
from gateway.config.added import (
    CHANGED_DEVICES,
    Added,
    told,
    write_added,
)
from gateway.config.lists import DEVICE_ID, OWN_DEVICE_ID
from gateway.devices.filled_in import (
    FieldRefused,
    check_line,
    fields_of,
    needs_key,
    refused,
    settings_from,
    with_key,
)
from gateway.devices.history import Change, history
from gateway.devices.live_test import LiveTest, TestView
from gateway.devices.places import Places
from gateway.devices.running import RunningDevices
from gateway.devices.search import Search, SearchView
from gateway.errors import ContractError, GatewayError
from gateway.evidence.canonical import Json
from gateway.ingest.alarms import Alarms
from gateway.ingest.facts import Fact
from gateway.view import DeviceView

log = logging.getLogger(__name__)

TERMINALS = "terminal."
MOST_DEVICES = 64
UNIQUE = {"listen": "in_use", "port": "in_use", "serial": "serial_taken"}  # no two devices have the same


class Records(Protocol):
    """Where facts go."""

    async def store(
        self, facts: Sequence[Fact], device: str, *, notes: Mapping[str, str | None] | None = None
    ) -> object:
        """On disk when it returns, facts and notes together. Raises `StoreRefused`."""
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
        terminals_come: bool = False,
    ) -> None:
        """`added`: what `file` holds at the start; `changed`: people should look again.

        `terminals_come`: the gateway listens for attendance terminals.
        """
        self.search = Search(self._served, now_ms, changed)
        self.test = LiveTest(now_ms, self._events_of, changed)
        self._running, self._places, self._kiosks, self._modules = running, places, kiosks, modules
        self._added = dict(added)
        self._file, self._store = file, store
        self._records, self._alarms = records, alarms
        self._subject = f"gateway/{gateway}"
        self._changed = changed
        self._one_at_a_time = asyncio.Lock()
        self._coming: str | None = None  # a port that is being added
        self._closed = False
        self._terminals_come = terminals_come

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
        return self.free_id(answer.question.kind)

    def form(self, device: str) -> Sequence[tuple[Field, str]]:
        """The fields of a device that was filled in, or could have been, with what stands in each; else none."""
        now = self._configured(device)
        fields = form_of(now.kind)
        if not {*now.settings} <= {one.key for one in fields}:
            return ()  # set in another way, as a dock is
        return [(one, str(now.settings.get(one.key, ""))) for one in fields]

    def free_id(self, kind: str) -> str:
        """A free name for a device of a kind."""
        stem = kind.partition(".")[0]
        taken = {view.id for view in self.views()} | set(self.kiosk_ids())
        return next(name for n in range(1, 1000) if (name := f"{stem}-{n}") not in taken)

    async def history(self, device: str) -> Sequence[Change]:
        """Raises `StoreRefused`."""
        return await asyncio.to_thread(history, self._store, device)

    # -- what is done -----------------------------------------------------------------------------------

    def look(self, port: str | None = None) -> None:
        """Search the free ports, or the one that is named. Codes: searching, in_use."""
        if port is not None:
            self._check_free(port)
        if not self.search.begin(port):
            raise ContractError("searching", "a search runs already; wait for its end")

    def begin_test(self, device: str) -> None:
        """Look on at a device for a minute. Codes: unknown_device, no_line."""
        if not self.test.begin(self._configured(device)):
            raise ContractError("no_line", "this device has no line of its own that could be looked at")

    async def add(self, by: str, *, device: str, port: str, kiosk: str | None) -> None:
        """Serve what was found at a port, under this name. Codes: not_found, name_taken, bad_name, unknown_kiosk,
        kiosk_busy, in_use, full, and those of `StoreTrouble`."""

        async def add() -> None:
            self._check_name(device)
            if len(self.views()) >= MOST_DEVICES:
                raise ContractError("full", f"a gateway serves {MOST_DEVICES} devices")
            asked = self._found(port).question
            settings = {"port": port, **asked.settings}
            await self._put(
                by, "device_added", Added(id=device, kind=asked.kind, settings=settings, kiosk=kiosk), port
            )

        await self._change(device, kiosk, add)

    async def add_filled(
        self, by: str, *, kind: str, device: str, kiosk: str | None, filled: Mapping[str, str]
    ) -> None:
        """Serve a device that no search finds, as somebody filled it in. Codes: those of `add` but not_found, no_form,
        no_listener, key_not_given, key_not_kept; and of `FieldRefused`, with the field."""

        async def add() -> None:
            self._check_name(device)
            if len(self.views()) >= MOST_DEVICES:
                raise ContractError("full", f"a gateway serves {MOST_DEVICES} devices")
            settings = await self._judged(device, kind, filled)
            await self._put(
                by, "device_added", Added(id=device, kind=kind, settings=settings, kiosk=kiosk), None
            )

        await self._change(device, kiosk, add)

    async def fill_in_anew(self, by: str, *, device: str, filled: Mapping[str, str]) -> None:
        """Serve it with other settings of the same form. Codes: unknown_device, kiosk_busy, and of `add_filled`."""

        async def change() -> None:
            now = self._configured(device)
            if not self.form(device):
                raise ContractError("no_form", "this device is set in another way")
            settings = await self._judged(device, now.kind, filled)
            kiosk = self._places.kiosk_of(device)
            await self._put(
                by, "device_replaced", Added(id=device, kind=now.kind, settings=settings, kiosk=kiosk), None
            )

        await self._change(device, None, change)

    async def move(self, by: str, *, device: str, kiosk: str | None) -> None:
        """Let it stand at another kiosk, or at none. Codes: unknown_device, unknown_kiosk, kiosk_busy."""

        async def move() -> None:
            now = self._configured(device)
            entry = Added(id=now.id, kind=now.kind, settings=now.settings, kiosk=kiosk)
            await self._record(by, "device_moved", entry)
            self._places.move(device, kiosk)

        await self._change(device, kiosk, move)

    async def replace(self, by: str, *, device: str, port: str) -> None:
        """Serve the device of the same kind that was found at a port in its place. Codes: unknown_device, not_found,
        other_kind, in_use, kiosk_busy. A module that is another one loses its references, as ever."""

        async def replace() -> None:
            now, asked = self._configured(device), self._found(port).question
            if asked.kind != now.kind:
                raise ContractError("other_kind", "what was found there is a device of another kind")
            settings = {**now.settings, "port": port, **asked.settings}
            entry = Added(id=device, kind=now.kind, settings=settings, kiosk=self._places.kiosk_of(device))
            await self._put(by, "device_replaced", entry, port)

        await self._change(device, None, replace)

    async def remove(self, by: str, *, device: str) -> None:
        """Serve it no longer. Codes: unknown_device, kiosk_busy."""

        async def remove() -> None:
            self._configured(device)
            # What comes to stand under this name later does not take the place of the module that stood here.
            await self._record(
                by,
                "device_removed",
                Added(id=device, removed=True),
                {MODULE + device: None, EXPECTED + device: None},
            )
            self.test.forget(device)
            await self._running.take_away(device)
            self._places.move(device, None)
            await self._alarms.clear("device_fault", device)

        await self._change(device, None, remove)

    async def close(self) -> None:
        """The gateway stops: what is being changed is changed."""
        async with self._one_at_a_time:
            self._closed = True
        self.test.end()
        await self.search.end()

    # -- how --------------------------------------------------------------------------------------------

    async def _change(self, device: str, kiosk: str | None, change: Callable[[], Awaitable[None]]) -> None:
        """One at a time, and to its end: whoever asked for it may be gone."""

        async def carry_out() -> None:
            async with self._one_at_a_time, self._held(device, kiosk):
                if self._closed:
                    raise ContractError("kiosk_busy", "the gateway stops")
                if kiosk is not None and kiosk not in self.kiosk_ids():
                    raise ContractError("unknown_kiosk", "there is no such kiosk")
                await change()
            self._changed()

        await asyncio.shield(asyncio.get_running_loop().create_task(carry_out(), name="change of devices"))

    async def _judged(self, device: str, kind: str, filled: Mapping[str, str]) -> Mapping[str, object]:
        """The settings that somebody filled in, as the driver takes them, with what the others have left free."""
        fields, settings = fields_of(kind), settings_from(kind, filled)
        if kind.startswith(TERMINALS) and not self._terminals_come:
            raise ContractError(
                "no_listener", "[terminals] listen is not set: a terminal comes to the gateway"
            )
        others = [one for one in self._running.all_configured() if one.id != device]
        for key, code in UNIQUE.items():
            same = [
                one
                for one in others
                if settings.get(key) is not None and one.settings.get(key) == settings[key]
            ]
            if same and key == "port" and kind == "reader.osdp":
                check_line(settings, same)
            elif same:
                raise FieldRefused(code, key, f"another device has this '{key}'")
        wants_key = needs_key(kind, settings)
        tried = {**settings, "channel": "clear"} if wants_key else settings
        try:
            self._running.check(DeviceConfig(id=device, kind=kind, settings=tried, source=self._file))
        except (GatewayError, SettingsError) as exc:
            raise refused(exc, fields) from exc
        return await with_key(device, settings, self._file.parent) if wants_key else settings

    async def _put(self, by: str, what: str, entry: Added, port: str | None) -> None:
        if port is not None:
            self._check_free(port)
        device = DeviceConfig(id=entry.id, kind=entry.kind, settings=entry.settings, source=self._file)
        try:  # before anything is written: what cannot be served is refused
            self._running.check(device)
        except GatewayError as exc:
            log.warning("device refused", extra={"device": entry.id, "code": exc.code, "cause": str(exc)})
            raise
        self._coming = port
        try:
            await self._record(by, what, entry)
            self.test.forget(entry.id)
            if self._running.configured(entry.id) is not None:
                await self._running.take_away(entry.id)
            self._running.put(device)
            self._places.move(entry.id, entry.kiosk)
            if port is not None:
                self.search.forget(port)
        finally:
            self._coming = None

    async def _record(
        self, by: str, what: str, entry: Added, notes: Mapping[str, str | None] | None = None
    ) -> None:
        """The change on disk: event and what the store remembers in one transaction; then the file, which follows."""
        after = {**self._added, entry.id: entry}
        data: dict[str, Json] = {
            "what": what, "name": entry.id, "role": None, "source": None, "by": by, "via": "page", "uid": None,
            "kind": entry.kind or None, "kiosk": entry.kiosk,
        }  # fmt: skip
        fact = Fact("audit.config_changed", self._subject, data, restricted=False)
        text = told(after.values())
        await self._records.store([fact], "gateway", notes={CHANGED_DEVICES: text, **(notes or {})})
        self._added = after
        log.info("device changed on the page", extra={"device": entry.id, "what": what})
        try:
            await asyncio.to_thread(write_added, self._file, text)
        except OSError as exc:  # the next start writes it
            log.warning("file of devices not written", extra={"cause": exc.strerror})

    @asynccontextmanager
    async def _held(self, device: str, kiosk: str | None) -> AsyncIterator[None]:
        """Nobody works at the device, nor is at the kiosks that it leaves and comes to, until the change holds.

        A card that is laid meanwhile begins its check-in right after.
        """
        async with AsyncExitStack() as held:
            for name in {self._places.kiosk_of(device), kiosk} - {None}:
                desk = self._kiosks.find(str(name))
                if desk is None:
                    continue
                kept: list[tuple[str, str]] = []
                if not desk.kiosk.lend(lambda *card, kept=kept: kept.append(card)):
                    raise ContractError("kiosk_busy", f"somebody is at '{name}'; wait for them")
                held.callback(_give_back, desk.kiosk, kept)
            if self._modules.hands[device].locked():
                raise ContractError(
                    "kiosk_busy", f"something is being done at '{device}'; try again in a moment"
                )
            await held.enter_async_context(self._modules.hands[device])
            yield

    def _check_free(self, port: str) -> None:
        if os.path.realpath(port) in map(os.path.realpath, self._served()):
            raise ContractError("in_use", "a device of this gateway has this port")

    def _check_name(self, device: str) -> None:
        if not re.fullmatch(DEVICE_ID, device) or device == OWN_DEVICE_ID:
            raise ContractError("bad_name", "1 to 32 small letters, digits or dashes, and not 'gateway'")
        if device in {view.id for view in self.views()} or device in self.kiosk_ids():
            raise ContractError("name_taken", "a device or kiosk has this name")

    def _configured(self, device: str) -> DeviceConfig:
        found = self._running.configured(device)
        if found is None:
            raise ContractError("unknown_device", "there is no such device")
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
        return [one for one in [*ports, self._coming] if isinstance(one, str)]


def _give_back(kiosk: Kiosk, kept: Sequence[tuple[str, str]]) -> None:
    kiosk.give_back()
    for number_hmac, event_id in kept:
        kiosk.card(number_hmac, event_id)
