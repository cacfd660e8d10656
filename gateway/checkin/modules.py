"""The modules that stand at this gateway: what each holds is compared when it comes, and put right.

Told apart by serial number. A module is looked at when it comes and now and then after that; what is to be deleted
in it is deleted then, and confirmed by its own list, before that is said (`identity.erased`).
"""

import asyncio
import json
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any

from drivers.errors import DeviceFault, DriverError
from drivers.factors import FactorDevice
from gateway.checkin.erasure import erasure, lost, proof
from gateway.checkin.facts import METHOD_OF
from gateway.checkin.reconciling import CUT_OFF, Findings, compared, replaced
from gateway.checkin.reference_keeper import EXPECTED, MODULE, ReferenceKeeper
from gateway.checkin.references import Reference, State
from gateway.checkin.release import erased, to_erase
from gateway.checkin.roster import Method
from gateway.clock import Clock
from gateway.errors import StoreRefused
from gateway.evidence.canonical import Json
from gateway.ingest.facts import Fact
from gateway.view import DeviceView

log = logging.getLogger(__name__)

LOOK_S = 1.0
AGAIN_S = 600.0  # a module that stays is compared again
BACKOFF_S = (2.0, 5.0, 15.0, 60.0, 300.0, 600.0)
ONLINE = "online"
UNKNOWN_SLOTS = "unknown_slots"


class Modules:
    """All fingerprint and face modules, by device id."""

    def __init__(
        self,
        devices: Mapping[str, FactorDevice],
        views: Callable[[], Sequence[DeviceView]],
        references: ReferenceKeeper,
        *,
        clock: Clock,
        changed: Callable[[], None],
        erase_unknown: bool = False,
        counted: Callable[[str, int], None] = lambda _reason, _count: None,
    ) -> None:
        """`views`: what is known of each device now. `erase_unknown`: delete what nobody here enrolled.

        `counted`: why slots were deleted, and how many.
        """
        self.devices = devices
        self.hands = defaultdict[str, asyncio.Lock](asyncio.Lock)  # one piece of work at a module at a time
        self.unknown: dict[str, int] = {}  # device -> slots that nobody here enrolled
        self.trouble: dict[str, str] = {}  # device -> why the last work at it failed
        self._views = views
        self._references = references
        self._clock = clock
        self._changed = changed
        self._erase_unknown = erase_unknown
        self._counted = counted
        self._met: dict[str, tuple[tuple[str, int], float]] = {}  # device -> module and when; compared

    # -- what others ask --------------------------------------------------------------------------------

    def name(self, device: str) -> str | None:
        """The module that stands there and answers now; None: none does."""
        seen = self._seen(device)
        return None if seen is None else seen[0]

    def ready(self, device: str) -> str | None:
        """The same, once it was compared, and holds nothing that an enrolment left behind."""
        seen = self._seen(device)
        met = self._met.get(device)
        if seen is None or met is None or met[0] != seen:
            return None
        pending = any(one.state is State.PENDING for one in self._references.book.of_module(seen[0]))
        return None if pending else seen[0]

    def usable(self, person: str, devices: Sequence[str]) -> frozenset[Method]:
        """Second factors by which one of these devices may recognise somebody. One that is away may."""
        keeper = self._references
        found: set[Method] = set()
        for device in devices:
            if device not in self.devices:
                continue
            method, module = METHOD_OF[self.devices[device].factor], self.name(device)
            if module is None or keeper.book.usable(person, method, [module], keeper.roster):
                found.add(method)
        return frozenset(found)

    def _seen(self, device: str) -> tuple[str, int] | None:
        for view in self._views():
            if view.id == device and view.state == ONLINE:
                return view.serial or f"at:{device}", view.since_ms
        return None

    # -- at work ----------------------------------------------------------------------------------------

    def tasks(self) -> dict[str, Coroutine[Any, Any, None]]:
        """By name, for as long as the gateway runs."""
        return {"modules": self._mind_all()}

    def look_again(self) -> None:
        """Compare every module anew."""
        self._met.clear()

    async def _mind_all(self) -> None:
        """Those that stand here now, and those that come."""
        minded: dict[str, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as tasks:
            while True:
                for device in self.devices:
                    if device not in minded or minded[device].done():
                        minded[device] = tasks.create_task(self._mind(device), name=f"module-{device}")
                await asyncio.sleep(LOOK_S)

    async def _mind(self, device: str) -> None:
        failures, not_before_s, after = 0, 0.0, None
        while device in self.devices:
            await asyncio.sleep(LOOK_S)
            seen = self._seen(device)
            if seen != after:
                failures, not_before_s, after = 0, 0.0, seen  # it came anew: at once
                self._met.pop(device, None)
            if seen is None or self.hands[device].locked() or time.monotonic() < not_before_s:
                continue
            try:
                async with self.hands[device]:
                    await self.look(device)
            except (DriverError, StoreRefused) as exc:
                if self.trouble.get(device) != exc.code:
                    log.warning("module not put right", extra={"device": device, "code": exc.code})
                self.trouble[device] = exc.code
                not_before_s = time.monotonic() + BACKOFF_S[min(failures, len(BACKOFF_S) - 1)]
                failures += 1
                self._changed()
            else:
                failures = 0
                if self.trouble.pop(device, None) is not None:
                    self._changed()
        self.unknown.pop(device, None)
        self.trouble.pop(device, None)
        self._met.pop(device, None)

    async def look(self, device: str) -> None:
        """Compare a module that came or was not looked at for long, and delete what is to be deleted.

        Nobody else may be at work there (`hands`).
        Raises `DriverError` and `StoreRefused`: it is tried again.
        """
        seen = self._seen(device)
        if seen is None:
            return
        met = self._met.get(device)
        if met is None or met[0] != seen or time.monotonic() - met[1] > AGAIN_S:
            if not await self._meet(device, seen):
                return
            self._met[device] = (seen, time.monotonic())
            self._changed()
        for person, rows in to_erase(self._references.book, seen[0]).items():
            await self._delete(device, seen, person, rows)

    async def _meet(self, device: str, seen: tuple[str, int]) -> bool:
        keeper, module = self._references, seen[0]
        slots = await self.devices[device].slots()
        if self._seen(device) != seen:
            return False  # it was changed meanwhile
        before, expected = await keeper.module_at(device), await keeper.expected_at(device)
        if before != module or expected:
            await self._note_module(device, before, expected, module)
        found = compared(keeper.book, keeper.roster, module, slots)
        if found.changed:
            # Said to the center, too: it must not go on to name what is not there.
            people = {
                one.person: [two for two in found.changed if two.person == one.person]
                for one in found.changed
            }
            facts = [lost(module, person, rows) for person, rows in people.items()]
            await keeper.commit(facts, found.changed, device)
            log.warning("references changed", extra={"device": device, "count": len(found.changed)})
        await self._clear(device, seen, found)
        await self._mind_unknown(device, seen, found.unknown)
        return True

    async def _note_module(
        self, device: str, before: str | None, expected: Sequence[str], module: str
    ) -> None:
        """Another module stands here, or one that was expected here. Nobody vouches for what is gone.

        Two that are exchanged do not come at the same moment. The one that left is not gone while a place is away
        that may have it: its own, or the one from which the module came that stands here now.
        """
        keeper, facts, rows = self._references, list[Fact](), list[Reference]()
        away = {one: await keeper.module_at(one) for one in self.devices if self._seen(one) is None}
        here = {seen[0] for one in self.devices if one != device and (seen := self._seen(one))}
        left = {one for one in (before, *expected) if one not in (None, module)}
        missing = sorted(str(one) for one in left - here - {*away.values()})
        half = next((one for one, last in away.items() if last == module), None)
        notes = {MODULE + device: module, EXPECTED + device: None}
        if half is not None and missing:
            notes[EXPECTED + half] = json.dumps(sorted({*missing, *await keeper.expected_at(half)}))
            missing = []
        told = [before] if before not in (None, module) and before not in missing else []
        for one in (*told, *missing):
            lost_now = replaced(keeper.book, one, self._clock.now().wall_ms) if one in missing else []
            facts.append(_replaced(device, one, module, lost_now))
            rows += lost_now
            log.warning("module replaced", extra={"device": device, "voided": len(lost_now)})
        await keeper.commit(facts, rows, device, notes=notes)

    async def _clear(self, device: str, seen: tuple[str, int], found: Findings) -> None:
        """What an enrolment that was cut off left behind is nobody's."""
        if not found.pending:
            return
        if found.orphans:
            await self._erase(device, seen, found.orphans)
        now_ms = self._clock.now().wall_ms
        rows = [replace(one, reason=CUT_OFF) for one in erased(found.pending, now_ms)]
        facts: list[Fact] = []
        if found.orphans:
            data = erasure(seen[0], found.orphans, rows, CUT_OFF)
            people = {one.person for one in rows}
            subject = f"person/{people.pop()}" if len(people) == 1 else f"device/{device}"
            facts = [Fact("identity.erased", subject, data, restricted=subject.startswith("person/"))]
        await self._references.commit(facts, rows, device)
        self._counted(CUT_OFF, len(found.orphans))

    async def _mind_unknown(self, device: str, seen: tuple[str, int], unknown: frozenset[int]) -> None:
        told, self.unknown[device] = self.unknown.get(device, 0), len(unknown)
        if not unknown:
            return
        if self._erase_unknown and self._references.roster is not None:
            await self._erase(device, seen, unknown)
            data = erasure(seen[0], unknown, [], UNKNOWN_SLOTS)
            fact = Fact("identity.erased", f"device/{device}", data, restricted=False)
            await self._references.commit([fact], [], device)
            self.unknown[device] = 0
            self._counted(UNKNOWN_SLOTS, len(unknown))
        elif told != len(unknown):
            fault: dict[str, Json] = {"code": UNKNOWN_SLOTS, "count": len(unknown), "module": seen[0]}
            fact = Fact("device.fault", f"device/{device}", fault, restricted=False)
            await self._references.commit([fact], [], device)

    async def _delete(
        self, device: str, seen: tuple[str, int], person: str, rows: Sequence[Reference]
    ) -> None:
        """One person out of one module, with proof."""
        book, module = self._references.book, seen[0]
        slots = frozenset(one.slot for one in rows if one.slot is not None)
        await self._erase(device, seen, slots)
        # Where two people had a claim on a slot it counted for neither; now nobody is in it.
        others = [
            one.lost() if one.state is State.ACTIVE else replace(one, held=False)
            for slot in slots
            for one in book.at(module, slot)
            if one.person != person and one.state is not State.ERASING
        ]
        now_ms = self._clock.now().wall_ms
        fact = proof(module, person, rows, now_ms)
        await self._references.commit([fact], [*erased(rows, now_ms), *others], device)
        self._counted("release", len(slots))
        self._changed()

    async def _erase(self, device: str, seen: tuple[str, int], slots: frozenset[int]) -> None:
        """Delete, and look; raises `DriverError` where any is left, or where it is another module now."""
        if self._seen(device) != seen:
            raise DeviceFault("changed", f"device '{device}' was changed; it is looked at again")
        module = self.devices.get(device)
        if module is None:
            raise DeviceFault("changed", f"device '{device}' was taken away")
        await module.erase(sorted(slots))
        left = slots & await module.slots()
        if left:
            raise DeviceFault("not_erased", f"device '{device}': {len(left)} slots are taken after deleting")
        if self._seen(device) != seen:
            raise DeviceFault("changed", f"device '{device}' was changed; it is looked at again")


def _replaced(device: str, was: str, now: str, voided: Sequence[Reference]) -> Fact:
    people = len({one.person for one in voided})
    data: dict[str, Json] = {"was": was, "now": now, "voided": len(voided), "persons": people}
    return Fact("device.replaced", f"device/{device}", data, restricted=False)
