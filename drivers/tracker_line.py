"""Kinds `tracker.<family>`: wearables on a line of their own: a serial dock, Bluetooth, or a TCP port that they call.

    receive -> conversation -> reports on disk -> answer

Each connection has a conversation of its own: trackers that come over the network do not share a state. What a
tracker says while the disk takes nothing is not answered, so that it keeps it; its line is closed, for a device
that hears nothing would wait long.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Self

from drivers.driver import EventsRefused, Host, Settings
from drivers.errors import DriverError, LinkLost, SettingsError
from drivers.events import DeviceReady
from drivers.links.lines import line_name, line_to
from drivers.links.link import Link
from drivers.links.serial_port import SerialSettings
from drivers.links.tcp_server import Listener
from drivers.settings import SettingsReader, time_zone
from drivers.trackers import STANDARD, ConversationType, conversation_type, models_of
from firmware_protocols.framing import Discarded
from firmware_protocols.tracking import Conversation, Heard, TrackerReport

QUIET_S = 2.0  # nothing more comes of a frame that was begun
SILENT_S = 1800.0  # a network tracker that says nothing for so long is gone; its keep-alive is minutes
MOST_LINES = 256  # connections at a time; a center has tens of wearables
BAUDS = (9600, 19200, 38400, 57600, 115200)

Now = Callable[[], datetime]
Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackerSettings:
    """The table of one line in the configuration: `port` (a dock, or ble:address), or `listen` and `allow`."""

    family: str
    port: str | None = None
    baud: int = 115200
    listen: tuple[str, int] | None = None
    allow: tuple[Network, ...] = ()
    zone: tzinfo = UTC  # of the devices' clocks, where their protocol leaves it open
    model: str | None = None  # of a family whose makers differ

    @classmethod
    def parse(cls, family: str, device_id: str, settings: Settings) -> Self:
        """Read and check; raises `SettingsError`."""
        read = SettingsReader(device_id, settings)
        zone = time_zone(device_id, read.text("timezone", default="UTC"))
        models = models_of(family)
        model = read.word("model", allowed=models, default=STANDARD) if models else None
        if "listen" in settings:
            listen = _address(device_id, read.text("listen"))
            allow = tuple(_network(device_id, one) for one in read.text("allow").split(","))
            read.finish()
            return cls(family=family, listen=listen, allow=allow, zone=zone, model=model)
        parsed = cls(
            family=family,
            port=_port(device_id, read.text("port")),
            baud=read.choice("baud", default=115200, allowed=BAUDS),
            zone=zone,
            model=model,
        )
        read.finish()
        return parsed


def _port(device_id: str, text: str) -> str:
    try:
        return line_name(text)
    except ValueError as exc:
        raise SettingsError("wrong_type", f"device '{device_id}': 'port': {exc}") from None


def _address(device_id: str, text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or not 0 < int(port) < 1 << 16:
        raise SettingsError(
            "wrong_type", f"device '{device_id}': 'listen' must be an address and a port, like 10.1.2.3:7611"
        )
    return host.strip("[]"), int(port)


def _network(device_id: str, text: str) -> Network:
    try:
        return ip_network(text.strip())
    except ValueError:
        raise SettingsError(
            "wrong_type",
            f"device '{device_id}': 'allow' must be networks with commas between, like 10.1.2.0/24",
        ) from None


class TrackerLine:
    """One line of one family."""

    def __init__(
        self, settings: TrackerSettings, host: Host, *, converse: ConversationType, now: Now | None = None
    ) -> None:
        """`now`: aware, UTC."""
        self._settings = settings
        self._host = host
        self._converse = converse
        self._now = now or (lambda: datetime.now(UTC))

    async def run(self) -> None:
        """Serve the line until it is lost; raises a `DriverError`."""
        if self._settings.listen is not None:
            await self._serve(Listener(*self._settings.listen, most=MOST_LINES))
        else:
            port = self._settings.port or ""
            await self._dock(line_to(port, SerialSettings(baud=self._settings.baud)))

    async def _dock(self, link: Link) -> None:
        await link.open()
        try:
            self._host.ready(DeviceReady())
            await self.talk(link, self._converse(), silent_s=None)
        finally:
            await link.close()

    async def _serve(self, listener: Listener) -> None:
        await listener.open()
        try:
            self._host.ready(DeviceReady())
            await listener.serve(self._caller)
        finally:
            await listener.close()

    async def _caller(self, link: Link, source: str) -> None:
        if not allowed(source, self._settings.allow):
            self._host.noise("foreign_address", 0)
            return
        try:
            await self.talk(link, self._converse(), silent_s=SILENT_S)
        except DriverError as exc:
            self._host.noise(f"line_{exc.code}", 0)  # of one tracker: the listener goes on

    async def talk(self, link: Link, conversation: Conversation, *, silent_s: float | None) -> None:
        """One line until it ends; raises `LinkLost`. Also by tests and by links of other kinds."""
        quiet_s = 0.0
        while True:
            try:
                async with asyncio.timeout(QUIET_S):
                    data = await link.receive()
            except TimeoutError:
                quiet_s += QUIET_S
                await self._take(link, conversation.flush())
                if silent_s is not None and quiet_s >= silent_s:
                    raise LinkLost("silent", f"{link.name}: nothing came for {silent_s:.0f} s") from None
                continue
            quiet_s = 0.0
            await self._take(link, conversation.feed(data, self._now()))

    async def _take(self, link: Link, found: Iterable[Heard | Discarded]) -> None:
        """What was heard is on disk before it is answered."""
        for heard in found:
            if isinstance(heard, Discarded):
                self._host.noise(heard.reason, heard.length)
                continue
            try:
                await self._host.heard([self._zoned(one) for one in heard.reports])
            except EventsRefused as exc:
                raise LinkLost(
                    "not_stored",
                    f"{link.name}: what came could not be stored ({exc.code}); it is sent again",
                ) from exc
            if heard.answer:
                await link.send(heard.answer)

    def _zoned(self, report: TrackerReport) -> TrackerReport:
        """A time by the device's own clock gets the zone that the configuration gives it."""
        fix, time = report.fix, report.device_time
        if fix is not None and fix.time is not None and fix.time.tzinfo is None:
            fix = replace(fix, time=fix.time.replace(tzinfo=self._settings.zone))
        if time is not None and time.tzinfo is None:
            time = time.replace(tzinfo=self._settings.zone)
        return replace(report, fix=fix, device_time=time)


def allowed(source: str, networks: Collection[Network]) -> bool:
    """Whether a tracker may call from there."""
    try:
        address = ip_address(source.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in network for network in networks)


class TrackerFamily:
    """Builds the lines of one family for the registry."""

    def __init__(self, family: str) -> None:
        self.family = family

    def build(self, device_id: str, settings: Settings, host: Host) -> TrackerLine:
        """From the configuration; raises `SettingsError`."""
        parsed = TrackerSettings.parse(self.family, device_id, settings)
        return TrackerLine(parsed, host, converse=conversation_type(self.family, parsed.model))


GT06 = TrackerFamily("gt06")
H02 = TrackerFamily("h02")
JT808 = TrackerFamily("jt808")
MINIFINDER2 = TrackerFamily("minifinder2")
LAIPAC = TrackerFamily("laipac")
PT60 = TrackerFamily("pt60")
R16H = TrackerFamily("r16h")
TOPIN = TrackerFamily("topin")
TRV = TrackerFamily("trv")
WATCH = TrackerFamily("watch")
XEXUN2 = TrackerFamily("xexun2")
WRISTBAND_YX = TrackerFamily("wristband-yx")
