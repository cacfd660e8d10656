"""Kind `terminal.zk_adms`: attendance terminals of ZKTeco that push over HTTP (ADMS).

The terminal asks how to behave, sends its records and asks for orders: only ever to forget a person. A record is
answered `OK` when it is on disk, and anything else makes the terminal send it again. Templates, photos, users
and operations are switched off; what comes all the same is counted, thrown away unseen, and answered `OK`, or
the terminal would send it for ever.
"""

import asyncio
import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Self
from zoneinfo import ZoneInfo

from drivers.driver import EventsRefused, Host, Settings
from drivers.errors import DeviceFault, DeviceMismatch, DriverError, LinkLost, LinkUnavailable, SettingsError
from drivers.events import DeviceReady
from drivers.factors import Factor
from drivers.settings import SettingsReader, time_zone
from drivers.terminals import Answer, Punch, Record, Source, Unreadable
from drivers.zk_orders import Orders
from firmware_protocols.errors import RemoteProtocolError
from firmware_protocols.zk_adms import answers, bodies, records
from firmware_protocols.zk_adms.requests import Request, Wish

DELAY_S, ERROR_DELAY_S = 10, 30  # how often it asks; how long it waits after a failure
SILENT_S = 90.0  # then it is away
FORGET_S = 60.0  # for an order to be fetched, done and answered
BATCH = 200  # records in one commit
MOST_ADDRESSES = 1 << 16  # more in an allow-list allow anybody
SINGLE_FACTORS = frozenset({0, 1, 4, 15, 25})  # what these say is no pair on any firmware

NOT_TAKEN = Answer(503, b"ERROR: not taken, send it again\n")
TOO_LONG = Answer(413, b"ERROR: too long\n")
DONE = Answer(200, answers.OK)


@dataclass(frozen=True, slots=True)
class ZkSettings:
    """The device's table."""

    serial: str
    address: IPv4Network | IPv6Network
    timezone: ZoneInfo
    pairs: dict[int, Factor]  # verify code -> the factor beside the card

    @classmethod
    def parse(cls, device_id: str, settings: Settings) -> Self:
        """From the configuration; raises `SettingsError`."""
        read = SettingsReader(device_id, settings)
        serial, address = read.text("serial"), _network(device_id, read.text("address"))
        zone = time_zone(device_id, read.text("timezone", default="Asia/Shanghai"))
        pairs: dict[int, Factor] = {}
        for key, factor in (("card_and_finger", Factor.FINGER), ("card_and_face", Factor.FACE)):
            code = read.number(key, default=0, minimum=0, maximum=255)
            if code in pairs or code in SINGLE_FACTORS - {0}:
                raise SettingsError(
                    "out_of_range",
                    f"device '{device_id}': '{key}' is {code}, which says something else; take the number from "
                    "a record of a card and a finger or face at this terminal",
                )
            if code:
                pairs[code] = factor
        read.finish()
        return cls(serial, address, zone, pairs)


def _network(device_id: str, text: str) -> IPv4Network | IPv6Network:
    try:
        network = ip_network(text)
    except ValueError:
        raise SettingsError(
            "wrong_type",
            f"device '{device_id}': 'address' must be an address like 10.1.2.3 or a network like 10.1.2.0/28",
        ) from None
    if network.num_addresses > MOST_ADDRESSES:
        raise SettingsError(
            "out_of_range",
            f"device '{device_id}': 'address' allows {network.num_addresses} addresses; name the terminal's own",
        )
    return network


class ZkTerminal:
    """One terminal. Implements `drivers.terminals.Terminal`."""

    def __init__(self, device_id: str, settings: ZkSettings, host: Host) -> None:
        self.serial = settings.serial
        self._device_id = device_id
        self._settings = settings
        self._host = host
        self._heard = asyncio.Event()
        self._trouble: DriverError | None = None  # until it sends attendance records
        self._facts: dict[str, str] = {}
        self._orders = Orders()
        self._storing = asyncio.Lock()  # one upload at a time: a repeat that overtakes has nothing new

    @classmethod
    def build(cls, device_id: str, settings: Settings, host: Host) -> Self:
        """From the configuration; raises `SettingsError`."""
        return cls(device_id, ZkSettings.parse(device_id, settings), host)

    # -- is it there? ---------------------------------------------------------------------------------

    async def run(self) -> None:
        """Watch that it comes; raises a `DriverError` when it does not."""
        self._heard.clear()
        if not await self._comes():
            raise LinkUnavailable(
                "not_heard",
                f"no request of terminal {self.serial} came; look at its network, at the server's address in "
                "its communication settings, and whether serial and address here are its own",
            )
        if self._trouble is not None:
            raise self._trouble
        self._host.ready(
            DeviceReady(
                model=self._facts.get("model"), firmware=self._facts.get("firmware"), serial=self.serial
            )
        )
        while await self._comes():
            if self._trouble is not None:
                raise self._trouble
        raise LinkLost("silent", f"terminal {self.serial} has not asked for {SILENT_S:.0f} s")

    async def _comes(self) -> bool:
        try:
            async with asyncio.timeout(SILENT_S):
                await self._heard.wait()
        except TimeoutError:
            return False
        self._heard.clear()
        return True

    # -- what it says ---------------------------------------------------------------------------------

    def allows(self, source: Source) -> bool:
        """Only from the addresses it was given."""
        return source in self._settings.address

    def body_limit(self, request: Request) -> int:
        """Records and what the terminal says of itself; nothing else is read."""
        if not request.reads_body:
            return 0
        return records.LONGEST_BODY if request.wish is Wish.RECORDS else bodies.LONGEST_BODY

    async def handle(self, request: Request, body: bytes, *, unread: int, now_ms: int | None) -> Answer:
        """One request of this terminal."""
        self._heard.set()
        try:
            return await self._answer(request, body, unread, now_ms)
        except RemoteProtocolError as exc:
            self._host.noise(exc.code, len(body))
            return TOO_LONG if exc.code == "too_long" else DONE  # it would send a strange body for ever
        except EventsRefused:
            return NOT_TAKEN

    async def _answer(self, request: Request, body: bytes, unread: int, now_ms: int | None) -> Answer:
        match request.wish:
            case Wish.RECORDS:
                return await self._records(body)
            case Wish.HELLO | Wish.SETTINGS:
                offset_min = self._offset_min(now_ms)
                return Answer(
                    200,
                    answers.options(
                        self.serial, offset_min=offset_min, delay_s=DELAY_S, error_delay_s=ERROR_DELAY_S
                    ),
                )
            case Wish.FACTS | Wish.REGISTRY:
                self._facts.update(bodies.parse_facts(body))
                return Answer(200, self._registry_code()) if request.wish is Wish.REGISTRY else DONE
            case Wish.RESULTS:
                strange = self._orders.answered(bodies.parse_results(body))
                if strange:
                    self._host.noise("strange_result", len(body))
            case Wish.COMMANDS:
                return Answer(200, answers.commands(self._orders.due()))
            case Wish.TIME if now_ms is not None:
                return Answer(200, answers.time_of_day(now_ms, self._offset_min(now_ms)))
            case Wish.BIOMETRIC | Wish.PERSONAL if unread:
                self._host.noise(f"refused_{request.wish}", unread)
            case Wish.FOREIGN:
                self._host.noise("refused_foreign", unread)
                self._trouble = DeviceMismatch(
                    "dialect",
                    f"terminal {self.serial} sends records of a door controller; set it to attendance "
                    "(T&A PUSH), or its records stay in it",
                )
                return NOT_TAKEN
        return DONE

    async def forget(self, pins: Collection[int]) -> frozenset[int]:
        """`drivers.terminals.Terminal`."""
        said = await self._orders.forget(pins, FORGET_S)
        gone = frozenset(pin for pin, code in said.items() if code is not None and code >= 0)
        if said and not gone:
            codes = sorted({code for code in said.values() if code is not None})
            told = f"it answered {', '.join(map(str, codes))}" if codes else "it did not answer"
            raise DeviceFault(
                "not_erased",
                f"terminal {self.serial} confirmed none of {len(said)} deletions: {told}; delete the people at the "
                "terminal itself, or look whether it takes orders",
            )
        return gone

    def _offset_min(self, now_ms: int | None) -> int:
        """East of Greenwich, now; where nobody knows the time, as the zone is without daylight saving."""
        at = (
            datetime.fromtimestamp((now_ms or 0) // 1000, UTC) if now_ms else datetime(2026, 1, 1, tzinfo=UTC)
        )
        offset = at.astimezone(self._settings.timezone).utcoffset()
        return 0 if offset is None else int(offset.total_seconds()) // 60

    def _registry_code(self) -> bytes:
        return b"RegistryCode=" + hashlib.sha256(self.serial.encode()).hexdigest()[:10].encode()

    async def _records(self, body: bytes) -> Answer:
        found = [self._record(one) for one in records.parse(body)]
        for one in found:
            if isinstance(one, Unreadable):
                self._host.noise(f"record_{one.reason}", len(one.record))
        async with self._storing:
            self._trouble = None
            for first in range(0, len(found), BATCH):
                await self._host.recorded(found[first : first + BATCH])
        return Answer(200, answers.ok(len(found)))

    def _record(self, line: records.Punch | records.BadLine) -> Record:
        if isinstance(line, records.BadLine):
            return Unreadable(terminal=self.serial, reason=line.code, record=line.content)
        local = line.time.replace(tzinfo=self._settings.timezone)
        return Punch(
            terminal=self.serial,
            pin=line.pin,
            claimed_ms=int(local.timestamp()) * 1000,
            status=line.status,
            verify=line.verify,
            second_factor=self._settings.pairs.get(line.verify),
            record_time=line.raw.split(b"\t")[1],
            record=line.raw,
        )
