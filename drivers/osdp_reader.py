"""Driver of kind `reader.osdp`: a card reader with or without keypad on an OSDP line, alone or with others.

Opens its place on the line, asks who the reader is, begins a secure channel, and polls for ever. A badge makes an
event, and the reader shows green once that is on disk, red where it is not; which report of it is a new presentation,
says reported_badges.py. A badge is nobody's here. Keys are dropped as they come (docs/decisions/0022). A reader whose
case is open is a fault, and nothing is read from it until it is closed.

A reply that is lost is asked for again with the same sequence number, and the reader repeats it: one event all the
same.
The panel's random numbers come from the system's source of secrets, never twice. No question leads to biometrics, and
no key is ever set from here.
Leaves out: the bytes (firmware_protocols.osdp), whose turn it is on the line (links/shared_line.py), storing and
reconnecting (the gateway), the cipher (aes.py).
"""

import asyncio
import secrets
from typing import Self, TypeAlias, TypeVar

from drivers.aes import aes
from drivers.driver import Host, Settings
from drivers.errors import DeviceFault, DeviceMismatch, DriverError
from drivers.events import BadgeForm, BadgeRead
from drivers.exchange_runner import ExchangeRunner
from drivers.links.serial_port import SerialSettings
from drivers.links.shared_line import Place, place_on
from drivers.osdp_probe import introduced
from drivers.osdp_settings import OsdpSettings
from drivers.reported_badges import Outcome, ReportedBadges, badge_of_bits
from firmware_protocols.errors import RemoteProtocolError, ReplyTimeout
from firmware_protocols.framing import Discarded
from firmware_protocols.osdp import exchanges
from firmware_protocols.osdp.codes import SEQUENCE, UNSECURED
from firmware_protocols.osdp.decoder import ReplyDecoder
from firmware_protocols.osdp.exchanges import Introduction, Talk
from firmware_protocols.osdp.frames import Frame
from firmware_protocols.osdp.layout import Message
from firmware_protocols.osdp.replies import CardBits, CardText, Identity, Keys, LocalStatus
from firmware_protocols.osdp.secure_keys import RANDOM_SIZE
from firmware_protocols.osdp.session import PanelSession, Refused

GONE_S = 8.0  # without a usable answer, then the reader counts as gone (standard)
STATUS_S = 5.0  # between questions whether somebody opened it; it should say so by itself
GAP_S = 0.1  # a pause inside a frame that ends it: a false length would swallow the next reply
BREAKING = frozenset({SEQUENCE, *UNSECURED})  # NAKs of a reader that knows nothing of the session
AT_ONCE = frozenset({"cryptogram", "key", "nak"})  # of the handshake: asking again does not help

Runner: TypeAlias = ExchangeRunner[Frame, Frame]
ResultT = TypeVar("ResultT")


class OsdpReader:
    """One reader. `run` may be called again after it raised: what was held to the reader is remembered."""

    def __init__(self, device_id: str, settings: OsdpSettings, host: Host, place: Place) -> None:
        self._device_id = device_id
        self._settings = settings
        self._host = host
        self._link = place
        self._badges = ReportedBadges(host, held_s=settings.held_ms / 1000)
        self._session = PanelSession(settings.address)
        self._runner: Runner | None = None
        self._identity: Identity | None = None
        self._broken = True  # the session must begin anew
        self._good_at = self._status_at = 0.0
        self.power_failing = False

    @classmethod
    def build(cls, device_id: str, settings: Settings, host: Host) -> Self:
        """From the configuration; raises `SettingsError`."""
        parsed = OsdpSettings.parse(device_id, settings)
        place = place_on(device_id, parsed.port, parsed.address, SerialSettings(baud=parsed.baud))
        return cls(device_id, parsed, host, place)

    async def run(self) -> None:
        """Open the line and serve the reader until it is lost; raises a `DriverError`. Leaves the line."""
        await self._link.open()
        try:
            self._runner = Runner(
                self._link, ReplyDecoder(), noise=self._on_noise, gap_s=GAP_S, turn=self._link
            )
            self._identity, self._broken = None, True
            self._good_at = _now()
            while True:
                await self._look()
                await asyncio.sleep(self._settings.poll_interval_ms / 1000)
        finally:
            self._runner = None
            await self._link.close()

    async def _look(self) -> None:
        """Poll once; begin the session anew where it is broken."""
        try:
            if self._broken:
                await self._meet()
            else:
                await self._take(await self._run(exchanges.poll(self._session)))
            if not self._broken and _now() - self._status_at >= STATUS_S:
                await self._take(await self._run(exchanges.local_status(self._session)))
                self._status_at = _now()
        except (ReplyTimeout, RemoteProtocolError) as exc:
            self._suspect(exc)
        else:
            self._link.answered()
            self._good_at = _now()

    async def _meet(self) -> None:
        attempts = 1 if self._link.silent else exchanges.ATTEMPTS
        found = await self._run(exchanges.introduce(self._session, attempts))
        if self._settings.scbk is not None:
            await self._secure(self._settings.scbk, found)
        await self._take(await self._run(exchanges.local_status(self._session)))
        self._status_at = _now()
        self._broken = False
        if self._identity is None:
            self._identity = found.identity
            self._host.ready(introduced(found.identity))
        elif self._identity != found.identity:
            raise DeviceMismatch(
                "unexpected", f"{self._link.name}: another reader answers than before; was it exchanged?"
            )

    async def _secure(self, scbk: bytes, found: Introduction) -> None:
        if not found.capabilities.secures:
            raise DeviceMismatch(
                "no_secure_channel",
                f'{self._link.name}: the reader cannot secure its channel; use another one, or set channel = "clear"',
            )
        try:
            await self._run(exchanges.secure(self._session, scbk, secrets.token_bytes(RANDOM_SIZE), aes))
        except RemoteProtocolError as exc:
            if exc.code not in AT_ONCE:
                raise
            raise DeviceMismatch(
                "wrong_key",
                f"{self._link.name}: no secure channel ({exc}); check that key_file holds the key of this reader",
            ) from exc

    async def _run(self, exchange: Talk[ResultT]) -> ResultT:
        if self._runner is None:
            raise RuntimeError(f"device '{self._device_id}' is asked while it is not open")
        return await self._runner.run(exchange)

    def _suspect(self, cause: ReplyTimeout | RemoteProtocolError) -> None:
        """The session is broken; after `GONE_S` so is the reader."""
        self._broken = True
        self._link.answered(silent=isinstance(cause, ReplyTimeout))
        if _now() - self._good_at >= GONE_S:
            raise self._gone(cause) from cause

    async def _take(self, message: Message) -> None:
        match message:
            case LocalStatus(tamper, power):
                self.power_failing = bool(power)
                if tamper:
                    raise DeviceFault(
                        "tampered", f"{self._link.name}: the reader's case is open; look at it and close it"
                    )
            case CardBits() | CardText():
                await self._present(_badge(message), message.reader)
            case Keys():
                self._host.noise("keys", 1)  # that some were pressed; not which, and not how many

    async def _present(self, badge: BadgeRead, reader: int) -> None:
        if not badge.number:
            self._host.noise("empty", 1)
            outcome = Outcome.REFUSED
        else:
            outcome = await self._badges.take(badge)
            self._good_at = _now()  # the time that the store took is not the reader's
        if outcome is not Outcome.HELD:
            await self._show(accepted=outcome is Outcome.STORED, reader=reader)

    async def _show(self, *, accepted: bool, reader: int) -> None:
        """Green and one tone, or red and three, where the reader has light and buzzer."""
        for exchange in (exchanges.light, exchanges.sound):
            try:
                await self._run(exchange(self._session, accepted=accepted, reader=reader))
            except Refused as exc:
                if exc.number in BREAKING:
                    raise  # any other: it has no such thing, and the session goes on

    def _on_noise(self, found: Discarded) -> None:
        self._host.noise(found.reason, found.length)

    def _gone(self, cause: ReplyTimeout | RemoteProtocolError) -> DriverError:
        if isinstance(cause, RemoteProtocolError):
            return DeviceMismatch(
                cause.code, f"{self._link.name}: answers, but not like a reader that can be served ({cause})"
            )
        if self._runner is not None and self._runner.garbage.length:
            return DeviceFault(
                "garbled",
                f"{self._link.name}: bytes come at {self._settings.baud} baud, but no answer of an OSDP reader; "
                "check the baud rate and the two wires",
            )
        return DeviceFault(
            "mute",
            f"{self._link.name}: no answer for {GONE_S:g} s at {self._settings.baud} baud from address "
            f"{self._settings.address}; check cable and power, then baud rate and address",
        )


def _now() -> float:
    return asyncio.get_running_loop().time()


def _badge(message: CardBits | CardText) -> BadgeRead:
    """Characters that are none are told as bits: two badges must never look like one."""
    content = message.content
    if isinstance(message, CardBits):
        return badge_of_bits(message.bits)
    if content.isascii() and content.decode("ascii").isprintable():
        return BadgeRead(form=BadgeForm.TEXT, number=content.decode("ascii"))
    return badge_of_bits("".join(f"{byte:08b}" for byte in content))
