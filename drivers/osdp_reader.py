"""Driver of kind `reader.osdp`: a card reader with or without keypad on an OSDP line, alone on its port.

Opens the port, asks who the reader is, begins a secure channel, and polls for ever. What is presented counts only while
somebody has asked for it (`presented`): whose a card or a code is, is decided elsewhere. A reader whose case is open is
a fault, and nothing is read from it until it is closed.

The panel's random numbers come from the system's source of secrets, never twice. No question leads to biometrics, and
no key is ever set from here.
Leaves out: the bytes (firmware_protocols.osdp), storing and reconnecting (the gateway), the cipher (aes.py).
"""

import asyncio
import secrets
from dataclasses import dataclass, field
from typing import Self, TypeAlias, TypeVar

from drivers.aes import aes
from drivers.driver import Host, Settings
from drivers.errors import DeviceFault, DeviceMismatch, DriverError
from drivers.events import DeviceReady
from drivers.exchange_runner import ExchangeRunner
from drivers.links.lines import wired
from drivers.links.link import Link
from drivers.links.serial_port import SerialSettings
from drivers.osdp_settings import OsdpSettings
from drivers.questions import Questions
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
ENTER, CLEAR = 0x0D, 0x7F  # `#` and `*` of a keypad
LONGEST_ENTRY = 16
BREAKING = frozenset({SEQUENCE, *UNSECURED})  # NAKs of a reader that knows nothing of the session
AT_ONCE = frozenset({"cryptogram", "key", "nak"})  # of the handshake: asking again does not help

Runner: TypeAlias = ExchangeRunner[Frame, Frame]
ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class Badge:
    """A card that was held to the reader."""

    bits: str = field(repr=False)  # digits 0 and 1; empty where the reader tells characters
    text: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Entered:
    """A code that was keyed in and ended with `#`."""

    digits: str = field(repr=False)


Presented: TypeAlias = Badge | Entered


class OsdpReader:
    """One reader. `run` may be called again after it raised."""

    def __init__(self, device_id: str, settings: OsdpSettings, host: Host, link: Link) -> None:
        self._device_id = device_id
        self._settings = settings
        self._host = host
        self._link = link
        self._questions = Questions(device_id)
        self._session = PanelSession(settings.address)
        self._runner: Runner | None = None
        self._identity: Identity | None = None
        self._broken = True  # the session must begin anew
        self._good_at = self._status_at = 0.0
        self._found: list[Presented] | None = None  # None: nobody has asked
        self._entry = bytearray()
        self.power_failing = False

    @classmethod
    def build(cls, device_id: str, settings: Settings, host: Host) -> Self:
        """From the configuration; raises `SettingsError`."""
        parsed = OsdpSettings.parse(device_id, settings)
        return cls(device_id, parsed, host, wired(device_id, parsed.port, SerialSettings(baud=parsed.baud)))

    async def run(self) -> None:
        """Open the link and serve the reader until it is lost; raises a `DriverError`. Closes the link."""
        await self._link.open()
        try:
            self._runner = Runner(self._link, ReplyDecoder(), noise=self._on_noise, gap_s=GAP_S)
            self._identity, self._broken = None, True
            self._good_at = _now()
            self._entry.clear()
            await self._look()
            while self._broken:
                await self._pause()
                await self._look()
            await self._questions.serve(self._look, every_s=self._settings.poll_interval_ms / 1000)
        finally:
            self._runner = None
            await self._link.close()

    async def presented(self, *, timeout_s: float) -> Presented | None:
        """The next card or code; None where nobody comes in time. What came before was dropped."""
        return await self._questions.ask(lambda: self._await_presented(timeout_s))

    async def show(self, *, accepted: bool) -> None:
        """Green and one tone, or red and three, where the reader has light and buzzer."""
        await self._questions.ask(lambda: self._show(accepted=accepted))

    async def _await_presented(self, timeout_s: float) -> Presented | None:
        found = self._found = []
        self._entry.clear()
        until = _now() + timeout_s
        try:
            while not found and _now() < until:
                await self._look()
                await self._pause()
            return found[0] if found else None
        finally:
            self._found = None
            self._entry.clear()

    async def _show(self, *, accepted: bool) -> None:
        if self._broken:
            await self._look()
        for exchange in (exchanges.light, exchanges.sound):
            try:
                if not self._broken:
                    await self._run(exchange(self._session, accepted=accepted))
            except Refused as exc:
                if exc.number in BREAKING:
                    self._suspect(exc)  # any other: it has no such thing, and the session goes on
            except (ReplyTimeout, RemoteProtocolError) as exc:
                self._suspect(exc)

    async def _pause(self) -> None:
        await asyncio.sleep(self._settings.poll_interval_ms / 1000)

    async def _look(self) -> None:
        """Poll once; begin the session anew where it is broken."""
        try:
            if self._broken:
                await self._meet()
            else:
                self._take(await self._run(exchanges.poll(self._session)))
            if _now() - self._status_at >= STATUS_S:
                self._take(await self._run(exchanges.local_status(self._session)))
                self._status_at = _now()
        except (ReplyTimeout, RemoteProtocolError) as exc:
            self._suspect(exc)
        else:
            self._good_at = _now()

    async def _meet(self) -> None:
        found = await self._run(exchanges.introduce(self._session))
        if self._settings.scbk is not None:
            await self._secure(self._settings.scbk, found)
        self._take(await self._run(exchanges.local_status(self._session)))
        self._status_at = _now()
        self._broken = False
        if self._identity is None:
            self._identity = found.identity
            self._host.ready(_ready(found.identity))
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
        try:
            return await self._runner.run(exchange)
        except asyncio.CancelledError:
            self._broken = True  # a reply is still due, and nobody knows what it answers
            raise

    def _suspect(self, cause: ReplyTimeout | RemoteProtocolError) -> None:
        """The session is broken; after `GONE_S` so is the reader."""
        self._broken = True
        if _now() - self._good_at >= GONE_S:
            raise self._gone(cause) from cause

    def _take(self, message: Message) -> None:
        match message:
            case LocalStatus(tamper, power):
                self.power_failing = bool(power)
                if tamper:
                    raise DeviceFault(
                        "tampered", f"{self._link.name}: the reader's case is open; look at it and close it"
                    )
            case CardBits():
                self._offer(Badge(message.bits), len(message.content))
            case CardText(_, _, content):
                self._offer(Badge("", content.decode("ascii", "replace")), len(content))
            case Keys(_, content):
                self._key_in(content)

    def _key_in(self, keys: bytes) -> None:
        for key in keys:
            if key == ENTER:
                self._offer(Entered(self._entry.decode("ascii", "replace")), len(self._entry))
                self._entry.clear()
            elif key == CLEAR or len(self._entry) >= LONGEST_ENTRY:
                self._entry.clear()
            else:
                self._entry.append(key)

    def _offer(self, found: Presented, size: int) -> None:
        if self._found is not None and not self._found:
            self._found.append(found)
        else:
            self._host.noise("unasked", size)

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


def _ready(found: Identity) -> DeviceReady:
    return DeviceReady(
        model=f"{found.vendor.hex().upper()}-{found.model}.{found.version}",
        firmware=".".join(str(part) for part in found.firmware),
        serial=f"{found.serial:08X}",
    )
