"""The office: what people meet. Roster, accounts, kiosks, enrolment and terminals, put together.

Devices and uplink go on without it; it needs the devices, which are handed in once they are built.
"""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from drivers.driver import Driver
from gateway.access.keeper import AccessKeeper
from gateway.access.model import Role
from gateway.api.parts import Parts
from gateway.api.staff_desk import StaffDesk
from gateway.checkin.audit import Audit
from gateway.checkin.directory import DirectoryAt, DirectoryOfTerminals, RosterDirectory
from gateway.checkin.enroller import Enroller
from gateway.checkin.facts import Directory
from gateway.checkin.keeper import RosterKeeper
from gateway.checkin.kiosks import Kiosks
from gateway.checkin.modules import Modules
from gateway.checkin.persons import Desk
from gateway.checkin.reference_keeper import ReferenceKeeper
from gateway.checkin.releases import Releases
from gateway.checkin.rollcalls import RollCalls
from gateway.checkin.roster import Roster
from gateway.checkin.said import Said
from gateway.checkin.staff_day import StaffDay
from gateway.checkin.terminal_erasing import TerminalErasing
from gateway.checkin.terminals import TerminalDesk
from gateway.clock import Clock
from gateway.config import Config, KioskConfig
from gateway.devices.places import Places
from gateway.envelope import Draft
from gateway.ingest.alarms import Alarms
from gateway.ingest.ingest import Ingest
from gateway.keyring import Keys
from gateway.metrics import Metrics
from gateway.serving import serve_terminals
from gateway.setup.center_name import CENTER_NAME, CenterName
from gateway.setup.checklist import Known
from gateway.store.outbox import Row
from gateway.store.reading import STORE_FILE
from gateway.store.store import Store
from gateway.store.tail import Committed
from gateway.supervisor import ONLINE
from gateway.terminals import TerminalDoor
from gateway.uuid7 import uuid7
from gateway.view import DeviceView, HealthItem, Viewed

Work = Coroutine[Any, Any, None]


class Office:
    """Roster, references and accounts from the start; `furnish` adds what stands on devices."""

    def __init__(
        self, config: Config, *, keys: Keys, store: Store, ingest: Ingest, clock: Clock, metrics: Metrics
    ) -> None:
        self._config = config
        self._store = store
        self._ingest = ingest
        self._clock = clock
        self._metrics = metrics
        self.zone = ZoneInfo(config.checkin.timezone)
        self.references = ReferenceKeeper(store, ingest, keys.roster.seal, lambda: clock.now().wall_ms)
        folder = config.gateway.state_dir
        self.roster = RosterKeeper(
            folder=folder,
            keys=keys.roster,
            store=store,
            ingest=ingest,
            clock=clock,
            companion=self.references,
        )
        self.access = AccessKeeper(
            folder=folder,
            seal=keys.access,
            store=store,
            ingest=ingest,
            clock=clock,
            metrics=metrics,
            kiosks=frozenset(kiosk.id for kiosk in config.kiosks),
        )
        self.name = CenterName(
            records=ingest,
            noted=lambda: store.read(lambda box: box.noted(CENTER_NAME)),
            gateway=config.gateway.id,
        )
        self.said = Said()
        self.directory = RosterDirectory(self.roster, self.references, clock, self.zone, self.said)
        self.of_terminals = DirectoryOfTerminals(self.roster, self.references, clock, self.zone, self.said)
        self.places = Places(config.kiosks, {})  # until devices stand there
        self.desk = TerminalDesk(self._kiosks_now, directory=self.of_terminals, ingest=ingest, clock=clock)

    def furnish(
        self,
        drivers: Mapping[str, Driver],
        views: Callable[[], Sequence[DeviceView]],
        changed: Callable[[], None],
    ) -> None:
        """Add what stands on the devices; `changed`: something that a page shows did.

        All of them may come and go in `drivers`.
        """
        config, clock, metrics = self._config, self._clock, self._metrics
        places = self.places = Places(config.kiosks, drivers)
        self.modules = Modules(
            places.modules(),
            views,
            self.references,
            clock=clock,
            changed=changed,
            erase_unknown=config.checkin.erase_unknown_slots,
            counted=lambda reason, count: metrics.slots_erased.labels(reason=reason).inc(count),
        )
        terminals = places.terminals()
        self.terminal_erasing = TerminalErasing(
            terminals,
            lambda: frozenset(view.id for view in views() if view.state == ONLINE),
            self.references,
            clock=clock,
            changed=changed,
            counted=lambda reason, count: metrics.slots_erased.labels(reason=reason).inc(count),
        )
        self.door = TerminalDoor(drivers, ingest=self._ingest, clock=clock, metrics=metrics)
        self.kiosks = Kiosks(
            places,
            directory=self._directory_at,
            recorder=self._ingest,
            new_id=self._new_id,
            changed=changed,
            stamp=clock.now,
            zone=self.zone,
        )
        self.enroller = Enroller(
            {kiosk.id: (kiosk, places.at(kiosk.id)) for kiosk in self.kiosks.all},
            self.modules,
            self.references,
            self.directory,
            clock=clock,
            new_id=self._new_id,
            changed=changed,
            counted=lambda outcome: metrics.enrolments.labels(reason=outcome).inc(),
        )
        self.day = StaffDay(
            path=config.gateway.state_dir / STORE_FILE,
            store=self._store,
            ingest=self._ingest,
            keeper=self.roster,
            directory=self.directory,
            said=self.said,
            clock=clock,
            zone=self.zone,
            kiosks=places.kiosks,
            kinds=lambda: {view.id: view.kind for view in views()},
            online=lambda: {view.id for view in views() if view.state == ONLINE},
            lent=lambda: {kiosk.id for kiosk in self.kiosks.all if kiosk.view.lent},
        )
        self.releases = Releases(
            self.modules,
            self.references,
            clock=clock,
            zone=self.zone,
            changed=changed,
            enrolling=self.enroller.people,
            terminals=lambda: frozenset(one.serial for one in terminals.values()),
        )
        self.persons = Desk(
            self.references,
            self.modules,
            self.enroller,
            self.releases,
            ingest=self._ingest,
            clock=clock,
            zone=self.zone,
        )

        self.calls = RollCalls(
            self._store,
            self._ingest,
            clock,
            config.gateway.id,
            known=self._is_known,
            present=self._present,
            changed=changed,
        )

    async def load(self) -> None:
        """Take up what is kept."""
        await self.references.load()
        await self.roster.load()
        await self.access.load()
        await self.name.load()
        await self.day.load()
        await self.calls.load()

    def at_devices(self) -> dict[str, Work]:
        """By name: what ends with the devices."""
        found = {**self.kiosks.tasks(), **self.modules.tasks(), **self.terminal_erasing.tasks()}
        found |= {"releases": self.releases.run()}
        found["enrolments"] = self.enroller.until_broken()
        if self._config.terminals.listen is not None:
            found["terminals"] = serve_terminals(self.door, self._config.terminals.listen)
            found["terminals-store"] = self.door.until_damaged()
        return found

    def services(self) -> dict[str, Work]:
        """By name: what ends last."""
        return {
            "roster": self.roster.run(),
            "access": self.access.run(),
            "rollcalls": self.calls.run(),
            **self.day.tasks(),
        }

    def health(self) -> Sequence[HealthItem]:
        """Why not everything here is fine."""
        return self.releases.health()

    def stored(self, device: str, drafts: Sequence[Draft]) -> None:
        """What a device said is on disk."""
        self.kiosks.stored(device, drafts)

    def committed(self, events: Sequence[Committed], rows: Sequence[Row]) -> None:
        """These are on disk."""
        self.day.committed(events, rows)

    def parts(self, viewed: Viewed, alarms: Alarms) -> Parts:
        """What its pages are given."""
        desk = StaffDesk(
            book=self.day.days,
            kiosks=lambda: self.kiosks.all,
            alarms=lambda: alarms.standing,
            calls=self.calls,
            audit=Audit(self._ingest, self._config.gateway.id),
            roster=self._roster,
            store=self._config.gateway.state_dir / STORE_FILE,
            zone=self.zone,
            now_ms=lambda: self._clock.now().wall_ms,
            new_id=self._new_id,
        )
        return Parts(
            viewed=viewed,
            metrics=self._metrics.render,
            access=self.access,
            persons=self.persons,
            kiosks=self.kiosks,
            staff=desk,
            zone=self.zone,
            hosts=self._config.api.names,
            refused=lambda reason: self._metrics.http_refused.labels(reason=reason).inc(),
        )

    async def stop_enrolling(self) -> None:
        """Before the devices end."""
        await self.enroller.close()

    async def close(self) -> None:
        """After the devices have ended: what was begun is recorded."""
        await self.kiosks.close()
        await self.access.close()

    def _directory_at(self, kiosk: KioskConfig) -> Directory:
        if not kiosk.terminal:
            return DirectoryAt(self.directory, self.modules, self.places.at(kiosk.id))
        # A terminal compares itself: which template lies in it, its maker's program knows. Where devices of ours
        # stand at it as well, it may speak of a module in which we enrol.
        return self.directory if kiosk.devices else self.of_terminals

    def known(self, *, trusts: bool) -> Known:
        """What the first run asks. `trusts`: the center's acks would be believed."""
        book, kiosks = self.access.accounts.book, self.places.kiosks()
        return Known(
            staff=any(one.role == Role.STAFF and not one.disabled for one in book.accounts.values()),
            kiosks=len(kiosks),
            paired=sum(one.id in book.tokens or one.terminal for one in kiosks),
            readers=frozenset(device for one in kiosks for device in one.devices),
            trust=trusts,
            roster=self.roster.in_force is not None,
        )

    def _kiosks_now(self) -> Sequence[KioskConfig]:
        """With what stands at each; asked once devices speak."""
        return self.places.kiosks()

    def _roster(self) -> Roster | None:
        return None if self.roster.in_force is None else self.roster.in_force.roster

    def _is_known(self, ref: str) -> bool:
        roster = self._roster()
        return roster is not None and roster.of_ref(ref) is not None

    async def _present(self) -> Sequence[str]:
        today = await self.day.days.day(self.day.days.today())
        return [one.ref for one in today.here]

    def _new_id(self) -> str:
        return uuid7(self._clock.now().wall_ms)
