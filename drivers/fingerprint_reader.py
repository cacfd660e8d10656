"""Driver of kind `finger.zfm`: a serial fingerprint module (指纹模块), asked whose finger is pressed.

Opens the port, asks who the module is, then answers questions (factors.py) one at a time; between them it looks
every few seconds whether the module is still there and still the same one.

`Matched.module` and `Enrolled.module` name the module, because slot 5 of another module is another person:
batch and serial number on grow, the number of the chip on synochip. A module that tells neither is named
`at:<device id>`. Nothing is made up from other data, since the rest (system id, capacity) is the same in every
module of a series: whoever changes such a module for another one must have everybody enrolled anew.

The module is asked who it is before each question, too: a module that was changed a second ago must not answer
under the name of the last one.

Never asks for a template or an image: no command here does. Leaves the security level alone.
Leaves out: the bytes (firmware_protocols.zfm), whose slot it is, storing events and reconnecting (the gateway).
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self, TypeAlias, TypeVar

from drivers.driver import Host, Settings
from drivers.errors import DeviceFault, DeviceMismatch, DriverError
from drivers.events import DeviceReady
from drivers.exchange_runner import ExchangeRunner
from drivers.factors import (
    Enrolled,
    Enrolment,
    Factor,
    Guide,
    Identified,
    Matched,
    NotEnrolled,
    NotMatched,
    Step,
)
from drivers.links.lines import wired
from drivers.links.link import Link
from drivers.links.serial_port import SerialSettings
from drivers.questions import Questions
from drivers.settings import SettingsReader
from drivers.undoing import in_a_task_of_its_own
from firmware_protocols.errors import RemoteProtocolError, ReplyTimeout
from firmware_protocols.framing import Discarded
from firmware_protocols.zfm.confirm import Action
from firmware_protocols.zfm.exchanges import (
    MOST_PRESSES,
    Introduction,
    Kept,
    Known,
    ModuleRefusal,
    Poor,
    Prompt,
    Recognised,
    Station,
    Talk,
    Unknown,
    erase,
    identify,
    introduce,
    keep,
    light,
    take,
    taken,
)
from firmware_protocols.zfm.family import Family
from firmware_protocols.zfm.packet import DEFAULT_ADDRESS, Packet, ReplyDecoder

LOOK_S = 3.0  # while nobody asks: is it there, and is it the same one
NAME_LOOKS = (
    20  # a module that told no serial number is asked for it so seldom: some are mute then, which takes 5 s
)
DEFAULT_BAUD = 57600
BAUDS = tuple(9600 * n for n in range(1, 13))

STEPS = {Prompt.PRESS: Step.PRESENT, Prompt.LIFT: Step.LIFT, Prompt.AGAIN: Step.AGAIN, Prompt.POOR: Step.LIFT}

Runner: TypeAlias = ExchangeRunner[Packet, Packet]
ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True, kw_only=True)
class FingerprintSettings:
    """The table of one module in the configuration."""

    port: str  # /dev/serial/by-id/...
    family: Family  # has no default: a wrong one enrols into wrong slots and says nothing
    baud: int = DEFAULT_BAUD
    address: int = DEFAULT_ADDRESS
    password: int | None = field(default=None, repr=False)  # None: the module has none
    presses: int = 2  # of one enrolment

    @classmethod
    def parse(cls, device_id: str, settings: Settings) -> Self:
        """Read and check; raises `SettingsError`."""
        read = SettingsReader(device_id, settings)
        parsed = cls(
            port=read.text("port"),
            family=Family(read.word("family", allowed=[str(family) for family in Family])),
            baud=read.choice("baud", default=DEFAULT_BAUD, allowed=BAUDS),
            address=read.number("address", default=DEFAULT_ADDRESS, minimum=0, maximum=0xFFFFFFFF),
            password=read.secret_number("password_file", maximum=0xFFFFFFFF),
            presses=read.number("presses", default=2, minimum=2, maximum=MOST_PRESSES),
        )
        read.finish()
        return parsed


class _Watcher:
    """Passes prompts on to the person, and remembers whether the last thing seen was a poor picture."""

    def __init__(self, guide: Guide) -> None:
        self._guide = guide
        self.poor = False

    def __call__(self, prompt: Prompt) -> None:
        self.poor = prompt is Prompt.POOR or (self.poor and prompt is Prompt.AGAIN)
        self._guide(STEPS[prompt])

    @property
    def reason(self) -> str:
        """Why nothing came of it in time."""
        return "poor" if self.poor else "nothing_presented"


class FingerprintReader:
    """One module. `run` may be called again after it raised. Implements `FactorDevice`."""

    factor = Factor.FINGER

    def __init__(self, device_id: str, settings: FingerprintSettings, host: Host, link: Link) -> None:
        self._device_id = device_id
        self._settings = settings
        self._host = host
        self._link = link
        self._station = Station(settings.family, settings.address)
        self._questions = Questions(device_id)
        self._runner: Runner | None = None
        self._known: Introduction | None = None
        self._looks = 0

    @classmethod
    def build(cls, device_id: str, settings: Settings, host: Host) -> Self:
        """From the configuration; raises `SettingsError`."""
        parsed = FingerprintSettings.parse(device_id, settings)
        return cls(device_id, parsed, host, wired(device_id, parsed.port, SerialSettings(baud=parsed.baud)))

    async def run(self) -> None:
        """Open the link and serve the module until it is lost; raises a `DriverError`. Closes the link."""
        await self._link.open()
        try:
            self._runner = Runner(self._link, ReplyDecoder(self._settings.address), noise=self._on_noise)
            self._known = None
            await self._meet()
            await self._questions.serve(self._look, every_s=LOOK_S)
        finally:
            self._runner = None
            await self._link.close()

    async def identify(self, *, timeout_s: float, guide: Guide) -> Identified:
        """Whose finger is pressed now."""
        return await self._questions.ask(lambda: self._identify(timeout_s, guide))

    async def enrol(self, *, slot: int | None, timeout_s: float, guide: Guide) -> Enrolment:
        """Take in a finger, into a free slot or a given one that is free."""
        return await self._questions.ask(lambda: self._enrol(slot, timeout_s, guide))

    async def erase(self, slots: Sequence[int]) -> None:
        """Delete these; returns when the index table shows none of them."""
        await self._questions.ask(lambda: self._erase(slots))

    async def slots(self) -> frozenset[int]:
        """The slots that are taken."""
        return await self._questions.ask(self._slots)

    async def show(self, *, accepted: bool) -> None:
        """Flash green or red, where the module has such a light."""
        await self._questions.ask(lambda: self._show(accepted=accepted))

    async def _look(self) -> None:
        self._looks += 1
        await self._meet(insist=self._looks % NAME_LOOKS == 0)

    async def _meet(self, *, insist: bool = False) -> Introduction:
        """Ask who the module is; the host is told when it is another one than before.

        One that has told a serial number must go on telling it, or the link is opened anew.
        """
        known = self._known
        with_serial = insist or known is None or known.serial is not None
        found = await self._play(introduce(self._station, self._settings.password, with_serial=with_serial))
        if known is not None and found.serial == known.serial:
            return known
        if known is not None and found.serial is None:
            raise DeviceMismatch(
                "unexpected", f"{self._link.name}: tells no serial number any more; was the module changed?"
            )
        self._host.ready(DeviceReady(model=found.model, serial=found.serial))
        self._known = found
        return found

    def _name(self, module: Introduction) -> str:
        return module.serial or f"at:{self._device_id}"

    async def _identify(self, timeout_s: float, guide: Guide) -> Identified:
        module = await self._meet()
        watcher = _Watcher(guide)
        try:
            async with asyncio.timeout(timeout_s):
                found = await self._play(identify(self._station, module.parameters.capacity, watcher))
        except TimeoutError:
            return NotMatched(watcher.reason)
        match found:
            case Recognised(slot, score):
                return Matched(slot, score, self._name(module))
            case Unknown():
                return NotMatched("unknown")
            case Poor():
                return NotMatched("poor")

    async def _enrol(self, slot: int | None, timeout_s: float, guide: Guide) -> Enrolment:
        module = await self._meet()
        capacity = module.parameters.capacity
        chosen = _choose(slot, capacity, await self._play(taken(self._station, capacity)))
        if isinstance(chosen, NotEnrolled):
            return chosen
        watcher = _Watcher(guide)
        try:
            async with asyncio.timeout(timeout_s):
                obstacle = await self._play(take(self._station, self._settings.presses, capacity, watcher))
        except TimeoutError:
            return NotEnrolled(watcher.reason)
        match obstacle:
            case Known(known):
                return NotEnrolled("already_enrolled", known)
            case Poor():
                return NotEnrolled("poor")
            case None:
                return await self._keep(chosen, module)

    async def _keep(self, slot: int, module: Introduction) -> Enrolment:
        """Store; once begun it goes to its end, and is undone when nobody wants it any more."""
        keeping = asyncio.ensure_future(self._play(keep(self._station, slot)))
        try:
            kept = await asyncio.shield(keeping)
        except asyncio.CancelledError:
            with suppress(DriverError):  # it was withdrawn: nobody is left to be told
                await keeping
                await in_a_task_of_its_own(self._delete([slot], module))
            raise
        if kept is not Kept.STORED:
            return NotEnrolled(str(kept))
        if slot not in await self._play(taken(self._station, module.parameters.capacity)):
            raise DeviceFault(
                "not_stored",
                f"{self._link.name}: said that a finger was stored, and its index table does not show it; "
                "switch the module off and on, replace it if it stays",
            )
        return Enrolled(slot, self._name(module))

    async def _erase(self, slots: Sequence[int]) -> None:
        await self._delete(slots, await self._meet())

    async def _delete(self, slots: Sequence[int], module: Introduction) -> None:
        left = await self._play(erase(self._station, slots, module.parameters.capacity))
        if left:
            raise DeviceFault(
                "not_erased",
                f"{self._link.name}: {len(left)} slots are still taken after deleting; "
                "switch the module off and on, replace it if it stays",
            )

    async def _slots(self) -> frozenset[int]:
        module = await self._meet()
        return await self._play(taken(self._station, module.parameters.capacity))

    async def _show(self, *, accepted: bool) -> None:
        await self._play(light(self._station, accepted=accepted))

    async def _play(self, exchange: Talk[ResultT]) -> ResultT:
        """Play one exchange; what goes wrong at the module or on the line becomes a `DriverError`."""
        runner = self._runner
        if runner is None:
            raise RuntimeError(f"device '{self._device_id}' is asked while it is not open")
        try:
            return await runner.run(exchange)
        except ReplyTimeout as exc:
            raise self._no_answer(runner.garbage.length) from exc
        except ModuleRefusal as exc:
            raise self._refused(exc) from exc
        except RemoteProtocolError as exc:
            raise self._unfit(exc) from exc

    def _on_noise(self, found: Discarded) -> None:
        self._host.noise(found.reason, found.length)

    def _no_answer(self, garbage: int) -> DriverError:
        if garbage:
            return DeviceFault(
                "garbled",
                f"{self._link.name}: bytes come at {self._settings.baud} baud, but no answer of a fingerprint "
                "module; check the baud rate, the address and the cable",
            )
        return DeviceFault(
            "mute",
            f"{self._link.name}: no answer at {self._settings.baud} baud from address "
            f"{self._settings.address:08X}; check cable and power, then baud rate and address",
        )

    def _refused(self, cause: ModuleRefusal) -> DeviceFault:
        confirm = cause.confirm
        by_name = confirm.action in {Action.FAULT, Action.ACCESS}
        return DeviceFault(
            confirm.name if by_name else "module_refused", f"{self._link.name}: {cause}; {confirm.advice}"
        )

    def _unfit(self, cause: RemoteProtocolError) -> DriverError:
        if cause.code == "line_noise":
            return DeviceFault("line_noise", f"{self._link.name}: {cause}")
        return DeviceMismatch(
            cause.code,
            f"{self._link.name}: answers, but not like a fingerprint module of family {self._settings.family} "
            f"({cause}); check family and model",
        )


def _choose(slot: int | None, capacity: int, present: frozenset[int]) -> int | NotEnrolled:
    """The slot to enrol into. A given one that is taken is not overwritten: it is somebody's."""
    if slot is None:
        free = next((number for number in range(capacity) if number not in present), None)
        return NotEnrolled("full") if free is None else free
    if not 0 <= slot < capacity:
        return NotEnrolled("no_such_slot", slot)
    return NotEnrolled("taken", slot) if slot in present else slot
