"""The composition root: builds the parts, starts them in order, ends them in order.

Start: configuration and keys, store (salvaged if damaged), epoch, devices, uplink, page. Devices and
store come first and the page last: a check-in must count before anybody can look at it.
End on SIGTERM or SIGINT: devices, `system.stopping`, a goodbye to the center, clean-stop mark, exit 0.
"""

import asyncio
import logging
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from gateway import __version__, rotating
from gateway.activity import Activity, Listener
from gateway.care import Caretaker
from gateway.clock import (
    ClockNotice,
    ClockStepped,
    Stamp,
    Timekeeper,
    iso_ms,
)
from gateway.config import Config, DeviceConfig
from gateway.config.added import added_path, read_added
from gateway.config.enrolled import EnrolledFacts, read_enrolled
from gateway.devices.building import build_driver
from gateway.devices.console import Console
from gateway.devices.remembered import as_changed
from gateway.devices.running import RunningDevices, where_of
from gateway.envelope import Draft, recorded
from gateway.evidence.canonical import Json
from gateway.evidence.keys import Role as KeyRole
from gateway.identity_care import CertificateCare, take_up_keys
from gateway.ingest.alarms import Alarms
from gateway.ingest.ingest import Ingest
from gateway.keyring import Keys
from gateway.live import Live, endpoint_of, places_of
from gateway.metrics import Metrics
from gateway.network.trial import TRIAL, Network, network_manager
from gateway.office import Office
from gateway.orders.from_center import NOTE, FromCenter, laid_over
from gateway.orders.identity import identity_orders
from gateway.orders.orders import Orders
from gateway.orders.settings import Settings, kept_in
from gateway.serving import Told, serve_pages
from gateway.setup.first_run import FirstRun
from gateway.setup.left_by_commands import LeftByCommands
from gateway.snapshot import Viewer
from gateway.starting_time import worked_through
from gateway.store.opening import StoreSettings
from gateway.store.outbox import URGENT_LANE, Levels, Row
from gateway.store.store import Store, open_store
from gateway.store.tail import Committed
from gateway.supervisor import DeviceTask
from gateway.systemd import Notifier, watchdog
from gateway.tracking.tracking import Tracking
from gateway.uplink.documents import PROFILE
from gateway.uplink.requests import RequestFailed
from gateway.uplink.sender import Sender
from gateway.uplink.topics import Topics
from gateway.uplink.uplink import Uplink
from gateway.view import DeviceView

log = logging.getLogger(__name__)

STORE_FILE = "events.db"
CLOCK_FILE = "clock.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What the command line adds to the configuration."""

    receipts_fd: int | None = None
    listener: Listener | None = None
    on_page: Callable[[str], None] | None = None
    on_https: Callable[[str, str], None] | None = None  # address, fingerprint of the certificate


async def run(config: Config, options: RunOptions) -> None:
    """Run the gateway until it is asked to stop; raises `GatewayError` when it cannot start."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    notifier = Notifier()
    async with worked_through(notifier):
        gateway = await _Gateway.build(config, options, notifier)
    await gateway.serve(stop)


class _Gateway:
    """The parts of one running gateway."""

    def __init__(
        self,
        config: Config,
        options: RunOptions,
        time: Timekeeper,
        store: Store,
        keys: Keys,
        metrics: Metrics,
        notifier: Notifier,
        set_by_center: FromCenter,
    ) -> None:
        of_file = config
        self.config = config = laid_over(config, set_by_center.at_a_start)
        self.options = options
        self.time = time
        self.clock = clock = time.clock
        self.store = store
        self.metrics = metrics
        self.notifier = notifier
        self.ingest = Ingest(store, clock, keys.sealer, metrics, config.gateway.id)
        self.alarms = Alarms(self.ingest, store)
        self.office = Office(config, keys=keys, store=store, ingest=self.ingest, clock=clock, metrics=metrics)
        self.tracking = Tracking(
            self.office.roster,
            ingest=self.ingest,
            alarms=self.alarms,
            clock=clock,
            zone=self.office.zone,
            metrics=metrics,
        )
        self.activity = Activity(self._mono_ms)
        self.devices = RunningDevices(
            self._device_task, partial(build_driver, config), ended=metrics.drop_device
        )
        topics = Topics(config.gateway.org, config.gateway.id)
        self.sender = Sender(
            store,
            topics,
            metrics,
            drain_cap_per_s=config.uplink.drain_cap_per_s,
            settle_on_puback=config.uplink.ack_mode == "broker",
            clock=clock,
            on_sent=self.activity.sent,
            on_settled=self._settled,
        )
        orders = Orders(
            gateway=config.gateway.id,
            clock=clock,
            operations_key=keys.trust.find(KeyRole.OPERATIONS),
            ask=lambda: self.uplink.requests.ask_roster_part,
            rollcalls=lambda: self.office.calls,
            roster=self.office.roster,
            restart=self.devices.restart,
        )
        self.live = live = Live(store=store, sender=self.sender, time=time, uplink=lambda: self.uplink)
        self.settings = Settings(
            of_file,
            set_by_center,
            records=self.ingest,
            apply=live.apply,
            answers=live.center_answers,
            keep=lambda text: self.store.run(lambda box: box.note(NOTE, text)),
        )
        self.certificate = CertificateCare(
            config.gateway.state_dir,
            config.uplink.cert_file,
            clock=clock,
            time=time.certificate_time,
            alarms=self.alarms,
            metrics=metrics,
            renewed=self._renewed,
        )
        self.uplink = Uplink(
            endpoint=endpoint_of(config, time.certificate_time),
            places=places_of(config, read_enrolled(config.gateway.state_dir)),
            auto_version=config.uplink.mqtt_version == "auto",
            ack_mode=config.uplink.ack_mode,
            topics=topics,
            store=store,
            sender=self.sender,
            clock=clock,
            signer=keys.signer,
            find_key=keys.trust.find,
            seals=keys.trust.seal_key() is not None,
            alarms=self.alarms,
            metrics=metrics,
            devices=self.devices.views,
            on_settled=self._settled,
            on_rejected=self.activity.rejected,
            opening=self._opening,
            orders={
                **orders.by_name(),
                **self.settings.by_name(),
                **identity_orders(config.gateway.state_dir, keys.signer.kid, self.certificate.renew_now),
            },
        )
        self.viewer = Viewer(
            config,
            clock=clock,
            store=store,
            ingest=self.ingest,
            alarms=self.alarms,
            uplink=self.uplink,
            sender=self.sender,
            activity=self.activity,
            devices=self.devices.views,
        )
        self.care = Caretaker(
            store=store,
            path=config.gateway.state_dir / STORE_FILE,
            signer=keys.signer,
            clock=clock,
            ingest=self.ingest,
            alarms=self.alarms,
            metrics=metrics,
            show=self._show_levels,
            touch=self.viewer.touch,
        )
        if options.listener is not None:
            self.activity.listen(options.listener)
        for device in config.devices:
            self.devices.put(device)
        self.office.furnish(self.devices.drivers, self.devices.views, self.viewer.touch)
        self.viewer.more_health = self.office.health
        added = added_path(config)  # written by `as_changed` where the store remembers another one
        self.network = Network(
            network_manager,
            records=self.ingest,
            noted=lambda: store.read(lambda box: box.noted(TRIAL)),
            forget=lambda: store.run(lambda box: box.note(TRIAL, None)),
            gateway=config.gateway.id,
            boot=clock.now().boot_id,
            changed=self.viewer.touch,
        )
        self.first_run = FirstRun(
            self.office.name,
            self.network,
            known=partial(self.office.known, trusts=keys.trusts_center(demo=config.gateway.demo)),
            store=config.gateway.state_dir / STORE_FILE,
            https=config.api.https,
            provable=config.uplink.ack_mode == "center",
        )
        self.office.name.changed = self.viewer.touch
        self.viewer.center = lambda: self.office.name.now
        self.console = Console(
            self.devices,
            self.office.places,
            self.office.kiosks,
            self.office.modules,
            added={one.id: one for one in read_added(added)},
            file=added,
            store=config.gateway.state_dir / STORE_FILE,
            records=self.ingest,
            alarms=self.alarms,
            gateway=config.gateway.id,
            now_ms=lambda: clock.now().wall_ms,
            changed=self.viewer.touch,
            terminals_come=config.terminals.listen is not None,
        )

    @classmethod
    async def build(cls, config: Config, options: RunOptions, notifier: Notifier) -> "_Gateway":
        """Open keys and store and settle which epoch runs."""
        time, metrics = Timekeeper.load(config.gateway.state_dir / CLOCK_FILE), Metrics()
        settings = StoreSettings(
            path=config.gateway.state_dir / STORE_FILE,
            org=config.gateway.org,
            gateway=config.gateway.id,
            max_mib=config.store.max_mib or None,
            reserve_mib=config.store.reserve_mib or None,
            retention_days=config.store.retention_days,
            retention_fix_days=config.store.retention_fix_days,
            receipts_fd=options.receipts_fd,
        )
        config = await rotating.take_up(config, settings, time.clock.now())
        keys = Keys.load(config)
        store = await open_store(settings, keys.signer, time.clock.now())
        try:
            config = as_changed(config, settings.path)
            kept = kept_in(settings.path, config)
            gateway = cls(config, options, time, store, keys, metrics, notifier, kept)
            await gateway._open()
        except BaseException:
            await store.close(clean=False)
            raise
        return gateway

    async def _open(self) -> None:
        self.store.on_commit(self._committed)
        stamp = self.clock.now()
        started = await self.store.start(stamp, partial(self._first_events, stamp))
        await take_up_keys(self.config, self.store, self.metrics, stamp, partial(self._first_events, stamp))
        self.sender.begin()
        if started.reason is not None:
            self.metrics.epochs_opened.labels(reason=started.reason).inc()
            log.info("epoch opened", extra={"epoch": self.store.tail.epoch, "reason": started.reason})
        await self.alarms.load()
        await self.alarms.forget("device_fault", but={view.id for view in self.devices.views()})
        newest = await self.store.read(lambda box: box.recent(50))
        self.activity.remember(newest)
        self.time.saw_events(recorded(wire) for _, wire, _ in newest)
        await self.care.tell(started)
        await self.ingest.record(
            "system.started", {"software": __version__, "passed": iso_ms(self.time.floor_ms)}
        )
        await self.office.load()
        if self.settings.any:
            await self.live.apply(self.config)
            await self.settings.started()

    def _first_events(self, stamp: Stamp, kind: str, data: dict[str, Json]) -> Draft:
        """What a start itself has to say; an opening also says with what it is written."""
        if kind == "system.epoch_opened":
            return self._opening(stamp, data)
        return self.ingest.draft(kind, data, stamp)

    def _opening(self, stamp: Stamp, data: dict[str, Json]) -> Draft:
        return self.ingest.draft(
            "system.epoch_opened", {**data, "profile": PROFILE, "software": __version__}, stamp
        )

    # -- running --------------------------------------------------------------------------------------

    async def serve(self, stop: asyncio.Event) -> None:
        """Everything at once, until `stop`."""
        try:
            async with asyncio.TaskGroup() as core:
                at_devices, services = self._start(core)
                self.notifier.ready(f"{self.config.gateway.id} runs")
                log.info(
                    "gateway runs",
                    extra={"gateway": self.config.gateway.id, "devices": len(self.devices.drivers)},
                )
                await stop.wait()
                self.notifier.stopping("stopping")
                await self.console.close()
                await self.network.close()
                await self.office.stop_enrolling()
                await self.devices.stop()
                await _cancel(at_devices)
                await self.office.close()
                await self.ingest.record("system.stopping", {})
                await self.uplink.say_goodbye()
                await _cancel(services)
            await self.time.keep()
            await self.store.close(clean=True)
            log.info("gateway stopped")
        except BaseException:
            await self.store.close(clean=False)
            raise

    def _start(self, core: asyncio.TaskGroup) -> tuple[list[asyncio.Task[None]], list[asyncio.Task[None]]]:
        self.devices.start(core)
        at_devices = [core.create_task(work, name=name) for name, work in self.office.at_devices().items()]
        services = {
            "uplink": self.uplink.run(),
            **self.care.tasks(),
            "certificate": self.certificate.run(),
            **self.office.services(),
            **self.tracking.services(),
            "network": self.network.run(),
            "setup": LeftByCommands(
                self.config.gateway.state_dir, store=self.store, name=self.office.name, network=self.network
            ).run(),
            "clock": self.time.run(self._clock_notice, self._ask_time),
            "watchdog": watchdog(self.notifier, {"store": self.store.ping}),
        }
        if self.config.api.enabled:
            services["page"] = self._serve_page()
        return at_devices, [core.create_task(work, name=name) for name, work in services.items()]

    def _device_task(self, device: DeviceConfig) -> DeviceTask:
        view = DeviceView(
            id=device.id,
            kind=device.kind,
            state="unknown",
            since_ms=self.clock.now().wall_ms,
            port=where_of(device),
        )
        return DeviceTask(
            view,
            ingest=self.ingest,
            alarms=self.alarms,
            clock=self.clock,
            metrics=self.metrics,
            changed=self.viewer.touch,
            stored=self._device_stored,
            take_records=self.office.desk.take,
            take_reports=self.tracking.desk.take,
            presence=self.tracking.presence,
        )

    def _device_stored(self, device: str, drafts: Sequence[Draft]) -> None:
        self.office.stored(device, drafts)

    async def _serve_page(self) -> None:
        told = Told(http=self.options.on_page, https=self.options.on_https)
        parts = replace(
            self.office.parts(self.viewer, self.alarms), console=self.console, first_run=self.first_run
        )
        await serve_pages(self.config, parts, self.time, told)

    async def _clock_notice(self, notice: ClockNotice) -> bool:
        """Record it; False when the store takes nothing now."""
        if isinstance(notice, ClockStepped):
            recorded_step = await self.ingest.record("clock.stepped", {"step_ms": notice.step_ms})
            self.metrics.clock_steps.inc(recorded_step is not None)
            return recorded_step is not None
        data: dict[str, Json] = {
            "source": notice.source.value,
            "wall_ms": notice.wall_ms,
            "mono_ms": str(notice.mono_ms),
            "step_ms": notice.step_ms,
            "error_ms": notice.error_ms,
        }
        return await self.ingest.record("clock.synced", data) is not None

    async def _ask_time(self) -> tuple[int, int, int]:
        """The center's time, as the clock asks for it; raises `OSError` in its forms."""
        try:
            return await self.uplink.requests.ask_time()
        except RequestFailed as exc:
            raise (ConnectionError if exc.code == "offline" else TimeoutError)(str(exc)) from exc

    # -- what the parts tell each other ---------------------------------------------------------------

    def _committed(self, seconds: float, events: Sequence[Committed], rows: Sequence[Row]) -> None:
        self.metrics.commit_seconds.observe(seconds)
        self.metrics.commit_batch_events.observe(len(events))
        self.activity.committed(events)
        self.office.committed(events, rows)
        self.sender.committed(rows, [(e.n, e.mono_ms) for e in events if e.lane == URGENT_LANE])
        self.viewer.touch()

    def _settled(self, ranges: Sequence[tuple[int, int]]) -> None:
        self.activity.settled(ranges)
        self.viewer.touch()

    def _renewed(self, facts: EnrolledFacts) -> None:
        self.uplink.reconnect(places_of(self.config, facts))
        self.viewer.touch()

    def _show_levels(self, levels: Levels) -> None:
        self.viewer.levels = levels
        self.viewer.touch()

    def _mono_ms(self) -> int:
        return self.clock.now().mono_ms


async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks) if tasks else None
