"""Driver of kind `idcard.sam`: a resident ID card reader (居民身份证阅读机具) on a serial port.

Opens the port, asks who the reader is, then looks for a card at an interval and makes one event for each
card presented (the rule: presentation.py). While no card lies there it says nothing.

Never asks for the fingerprint on a card: no setting leads there. The photo that comes with the text is dropped.
Leaves out: the bytes (firmware_protocols.idcard_sam), storing events and reconnecting (the gateway).
"""

import asyncio
import secrets
from dataclasses import dataclass
from typing import Self, TypeAlias

from drivers.driver import EventsRefused, Host, Settings
from drivers.errors import DeviceFault, DeviceMismatch, DriverError
from drivers.events import DeviceEvent, DeviceReady
from drivers.exchange_runner import ExchangeRunner
from drivers.idcard_events import broken_off, card_key, event_of
from drivers.links.lines import wired
from drivers.links.link import Link
from drivers.links.serial_port import SerialSettings
from drivers.presentation import UNREADABLE, Presentations
from drivers.settings import SettingsReader
from firmware_protocols.checksums import sum8
from firmware_protocols.errors import RemoteProtocolError, ReplyTimeout
from firmware_protocols.exchange import Exchange
from firmware_protocols.framing import Discarded
from firmware_protocols.idcard_sam.commands import BAUD_RATES, Command, identify
from firmware_protocols.idcard_sam.envelope import PREAMBLE
from firmware_protocols.idcard_sam.exchanges import (
    DEFAULT_BAUD,
    CardRefusedByReader,
    CardResult,
    Found,
    NoCard,
    ReaderFault,
    ReaderIdentity,
    find,
    probe,
    read_card,
)
from firmware_protocols.idcard_sam.frames import Reply, ReplyDecoder, Request
from firmware_protocols.idcard_sam.messages import CardFound, CardRecord
from firmware_protocols.idcard_sam.status import Action, Status

ATTEMPTS = 3  # questions in a row without a usable answer, then the reader is reported
DEFAULT_POLL_MS = 300  # the shortest interval that real readers bear

Runner: TypeAlias = ExchangeRunner[Request, Reply]
Look: TypeAlias = Exchange[Request, Reply, CardResult | Found]


@dataclass(frozen=True, slots=True, kw_only=True)
class IdCardSettings:
    """The table of one reader in the configuration."""

    port: str  # /dev/serial/by-id/...
    baud: int = DEFAULT_BAUD
    poll_interval_ms: int = DEFAULT_POLL_MS  # less than the default is for simulators
    gone_after_ms: int = DEFAULT_POLL_MS // 2  # "no card" for so long, from look to look, is lifted
    repeat_burst: int = 6  # events that one card may make in quick succession, then one in 10 s

    @classmethod
    def parse(cls, device_id: str, settings: Settings) -> Self:
        """Read and check; raises `SettingsError`."""
        read = SettingsReader(device_id, settings)
        poll_ms = read.number("poll_interval_ms", default=DEFAULT_POLL_MS, minimum=20, maximum=5_000)
        parsed = cls(
            port=read.text("port"),
            baud=read.choice("baud", default=DEFAULT_BAUD, allowed=BAUD_RATES.values()),
            poll_interval_ms=poll_ms,
            gone_after_ms=read.number("gone_after_ms", default=poll_ms // 2, minimum=1, maximum=10_000),
            repeat_burst=read.number("repeat_burst", default=6, minimum=1, maximum=1_000),
        )
        read.finish()
        return parsed


class IdCardReader:
    """One reader. `run` may be called again after it raised: what lay on the reader is remembered."""

    def __init__(self, settings: IdCardSettings, host: Host, link: Link) -> None:
        self._settings = settings
        self._host = host
        self._link = link
        self._presentations = Presentations(
            gone_after_s=settings.gone_after_ms / 1000, burst=settings.repeat_burst
        )
        self._secret = secrets.token_bytes(32)
        self._unusable = 0  # answers in a row to "is there a card?"
        self._dialect_frames = 0

    @classmethod
    def build(cls, device_id: str, settings: Settings, host: Host) -> Self:
        """From the configuration; raises `SettingsError`."""
        parsed = IdCardSettings.parse(device_id, settings)
        return cls(parsed, host, wired(device_id, parsed.port, SerialSettings(baud=parsed.baud)))

    async def run(self) -> None:
        """Open the link and serve the reader until it is lost; raises a `DriverError`. Closes the link."""
        await self._link.open()
        try:
            runner = Runner(self._link, ReplyDecoder(), noise=self._on_noise)
            self._host.ready(await self._identify(runner))
            self._presentations.reopened(_now())
            self._unusable = self._dialect_frames = 0
            while True:
                await self._look(runner)
                await asyncio.sleep(self._settings.poll_interval_ms / 1000)
        finally:
            await self._link.close()

    async def _identify(self, runner: Runner) -> DeviceReady:
        self._dialect_frames = 0
        garbage = 0
        for _ in range(ATTEMPTS):  # a reader that was just plugged in is deaf for a moment
            try:
                found = await runner.run(probe())
            except ReplyTimeout:
                garbage += runner.garbage.length
            except RemoteProtocolError as exc:
                raise self._unfit(exc) from exc
            else:
                if isinstance(found, ReaderFault):
                    raise self._fault(found.status)
                return _ready(found)
        raise self._no_answer(garbage)

    async def _look(self, runner: Runner) -> None:
        """Look once whether a card lies there, and read it where that is due."""
        exchange: Look = (
            read_card(baud=self._settings.baud) if self._presentations.reading_due(_now()) else find()
        )
        try:
            outcome = await runner.run(exchange)
        except (ReplyTimeout, RemoteProtocolError) as exc:
            if runner.asked is None or identify(runner.asked) is Command.FIND_CARD:
                self._count_unusable(self._why(runner, exc))
            else:
                await self._present(UNREADABLE, broken_off(exc, runner.garbage))
            return
        match outcome:
            case ReaderFault(status):
                raise self._fault(status)
            case CardRefusedByReader(status, Command.FIND_CARD) if status.action is not Action.REPRESENT:
                self._count_unusable(self._fault(status))  # not about a card: nobody presented one
                return
            case NoCard():
                self._presentations.absent(_now())
            case CardFound():
                self._presentations.noticed(_now())
            case CardRecord(text) if text.id_number:
                await self._present(card_key(text, self._secret), event_of(outcome))
            case _:
                await self._present(UNREADABLE, event_of(outcome))
        self._unusable = self._dialect_frames = 0

    async def _present(self, card: bytes, event: DeviceEvent) -> None:
        if not self._presentations.is_new(card, _now()):
            return
        try:
            await self._host.committed([event])
        except EventsRefused:  # the store is full: the gateway has told everybody who must know
            self._presentations.not_stored(_now())
        else:
            self._presentations.stored(card, _now())

    def _count_unusable(self, fault: DriverError) -> None:
        self._unusable += 1
        if self._unusable >= ATTEMPTS:
            raise fault

    def _on_noise(self, found: Discarded) -> None:
        self._dialect_frames += _is_dialect(found)
        self._host.noise(found.reason, found.length)

    def _why(self, runner: Runner, cause: ReplyTimeout | RemoteProtocolError) -> DriverError:
        return (
            self._no_answer(runner.garbage.length) if isinstance(cause, ReplyTimeout) else self._unfit(cause)
        )

    def _no_answer(self, garbage: int) -> DriverError:
        if self._dialect_frames > 1:  # one may be a damaged frame of the standard protocol
            return DeviceMismatch(
                "dialect",
                f"{self._link.name}: the reader speaks the CVR-100AU dialect (frames whose check byte is a sum); "
                "set it to the standard protocol, or use a reader that speaks it",
            )
        if garbage:
            return DeviceFault(
                "garbled",
                f"{self._link.name}: bytes come at {self._settings.baud} baud, but no answer of a card reader; "
                "check the baud rate, the model (HID and STX/ETX readers speak otherwise) and the cable",
            )
        return DeviceFault(
            "mute",
            f"{self._link.name}: no answer to {ATTEMPTS} questions at {self._settings.baud} baud; "
            "check cable and power, then the baud rate",
        )

    def _unfit(self, cause: RemoteProtocolError) -> DriverError:
        if cause.code in {"line_noise", "sam_status"}:
            return DeviceFault(cause.code, f"{self._link.name}: {cause}")
        return DeviceMismatch(
            cause.code,
            f"{self._link.name}: answers, but not like a card reader ({cause}); check that this port is the reader's",
        )

    def _fault(self, status: Status) -> DeviceFault:
        return DeviceFault(
            status.name, f"{self._link.name}: {status.meaning} (status {status.code:02X}); {status.advice}"
        )


def _now() -> float:
    return asyncio.get_running_loop().time()


def _ready(found: ReaderIdentity) -> DeviceReady:
    """The first part of a SAM id, such as 05.01, is the kind of module; nothing else tells the model."""
    if found.sam_id is None:
        return DeviceReady()
    kind, _, _ = found.sam_id.text.partition("-")
    return DeviceReady(model=f"SAM {kind}", serial=found.sam_id.text)


def _is_dialect(found: Discarded) -> bool:
    """A whole frame whose check byte is the two's complement of the byte sum.

    What readers of that dialect answer to a standard question is not documented; the check byte is.
    """
    if found.reason == "dialect":
        return True
    return (
        found.reason == "checksum"
        and found.data.startswith(PREAMBLE)
        and sum8(found.data[len(PREAMBLE) :]) == 0
    )
