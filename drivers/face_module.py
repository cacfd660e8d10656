"""Driver of kind `face.efaa_xor16`: a serial face module (人脸识别模组) that is asked whose face it sees.

Opens the port, brings the module to standby, asks who it is, and then answers the gateway's questions one at a
time (factors.py). In between it looks now and then whether the module is still there.

A question that is given up is ended at the module, too: RESET, until it stands by, and what it still says is
dropped. A face that was taken in while nobody waited any more is erased.
User id FFFF is nobody; success with it is demo mode, in which anybody is recognised: switched off and reported.
No setting and no code path leads to the module's pictures. Enrolment writes no name.
Leaves out: the bytes (firmware_protocols.efaa_xor16), whose slot it is (the roster), the cipher (aes.py).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Self, TypeAlias, TypeVar

from drivers.driver import Host, Settings
from drivers.errors import DeviceFault, DriverError
from drivers.events import DeviceReady
from drivers.exchange_runner import ExchangeRunner
from drivers.face_encryption import FirstAnswerDecoder, new_cover
from drivers.face_faults import fault_of, no_answer, not_ready, sealed_and_silent, unfit
from drivers.face_guide import FaceGuide
from drivers.face_settings import FIVE_DIRECTIONS, FaceSettings
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
from drivers.undoing import in_a_task_of_its_own
from firmware_protocols.efaa_xor16.encryption import OpeningDecoder
from firmware_protocols.efaa_xor16.exchanges import (
    Anybody,
    EyesClosed,
    ModuleIdentity,
    NotReady,
    Recognised,
    Refused,
    TakenIn,
    abort,
    begin_encryption,
    delete,
    enrol_five,
    enrol_single,
    leave_demo,
    list_ids,
    look,
    probe,
    verify,
)
from firmware_protocols.efaa_xor16.frames import Frame, ModuleDecoder
from firmware_protocols.efaa_xor16.replies import BUSY, NOBODY, STANDBY
from firmware_protocols.efaa_xor16.results import (
    ABORTED,
    ALREADY_ENROLLED,
    FULL,
    LIVENESS,
    REJECTED,
    TIMEOUT,
    UNKNOWN_USER,
)
from firmware_protocols.efaa_xor16.states import FIVE
from firmware_protocols.errors import RemoteProtocolError, ReplyTimeout
from firmware_protocols.exchange import Exchange
from firmware_protocols.framing import Discarded

ATTEMPTS = 3  # questions in a row without a usable answer, then the module is reported
LOOK_S = 5.0  # between looks at a module that nobody asks anything
GAP_S = 0.1  # a pause inside a frame that ends it: the module's next note would be taken for the rest

REASONS = {
    REJECTED: "unknown",  # where the module was not busy: some firmware says so of a face it does not know
    ABORTED: "cancelled",
    UNKNOWN_USER: "unknown",
    LIVENESS: "liveness",
}
ENROL_REASONS = {
    ABORTED: "cancelled",
    FULL: "full",
    ALREADY_ENROLLED: "already_enrolled",
    LIVENESS: "liveness",
}

Runner: TypeAlias = ExchangeRunner[Frame, Frame]
ResultT = TypeVar("ResultT")


class FaceModule:
    """One module. `run` may be called again after it raised."""

    factor = Factor.FACE

    def __init__(self, device_id: str, settings: FaceSettings, host: Host, link: Link) -> None:
        self._settings = settings
        self._host = host
        self._link = link
        self._questions = Questions(device_id)
        self._runner = self._new_runner()
        self._serial = ""
        self._unanswered = 0
        self._unsettled = False  # something may still run in the module
        self._given: set[int] = set()  # slots that were told to the gateway since the driver was built

    @classmethod
    def build(cls, device_id: str, settings: Settings, host: Host) -> Self:
        """From the configuration; raises `SettingsError`."""
        parsed = FaceSettings.parse(device_id, settings)
        return cls(device_id, parsed, host, wired(device_id, parsed.port, SerialSettings(baud=parsed.baud)))

    async def run(self) -> None:
        """Open the link and serve the module until it is lost; raises a `DriverError`. Closes the link."""
        await self._link.open()
        try:
            self._runner = self._new_runner()
            self._unanswered, self._unsettled = 0, False
            if self._settings.key_indexes is not None:
                await self._encrypt(self._settings.key_indexes)
            identity = await self._probe()
            self._serial = identity.serial
            self._host.ready(DeviceReady(firmware=identity.version or None, serial=identity.serial))
            await self._questions.serve(self._look, every_s=LOOK_S)
        finally:
            await self._link.close()

    # -- what the gateway may ask -----------------------------------------------------------------------

    async def identify(self, *, timeout_s: float, guide: Guide) -> Identified:
        """Whose face is in front of the camera now."""
        return await self._questions.ask(lambda: self._settled(lambda: self._identify(timeout_s, guide)))

    async def enrol(self, *, slot: int | None, timeout_s: float, guide: Guide) -> Enrolment:
        """Take in a face. The module chooses the slot, whatever is wished; LK takes the one it is given."""
        return await self._questions.ask(lambda: self._settled(lambda: self._enrol(slot, timeout_s, guide)))

    async def erase(self, slots: Sequence[int]) -> None:
        """Delete these; returns when the module's own list holds none of them."""
        await self._questions.ask(lambda: self._settled(lambda: self._erase(slots)))

    async def slots(self) -> frozenset[int]:
        """The slots that are taken."""
        return await self._questions.ask(lambda: self._settled(self._list))

    async def show(self, *, accepted: bool) -> None:
        """Nothing: the protocol knows no light that says yes or no."""

    # -- answering, one at a time -----------------------------------------------------------------------

    async def _identify(self, timeout_s: float, guide: Guide) -> Identified:
        watch = FaceGuide(guide, _now)
        watch.tell(Step.PRESENT)
        until = _now() + timeout_s
        while True:
            seconds = self._settings.seconds(until - _now())
            try:
                outcome = await self._unless_busy(partial(verify, seconds, watch.heard))
            except ReplyTimeout:
                await self._settle()  # it answers that: only the verdict was lost, and nobody had a try
                return NotMatched("nothing_presented")
            match outcome:
                case Recognised(user_id):
                    return Matched(user_id, None, self._serial)
                case EyesClosed():
                    return NotMatched("eyes_closed")
                case Anybody():
                    raise await self._demo_mode()
                case Refused(result) if result.code == TIMEOUT:
                    if until - _now() < self._settings.verify_min_s:
                        return NotMatched(watch.why_in_vain)
                case Refused(result) if result.code in REASONS:
                    return NotMatched(REASONS[result.code])
                case Refused(result):
                    raise fault_of(self._link.name, result)

    async def _enrol(self, slot: int | None, timeout_s: float, guide: Guide) -> Enrolment:
        before = await self._list()
        watch = FaceGuide(guide, _now)
        wished = slot if slot is not None else _lowest_free(before)
        five = self._settings.direction == FIVE_DIRECTIONS
        seconds = self._settings.seconds(timeout_s / (len(FIVE) if five else 1))
        variant = self._settings.variant
        watch.tell(Step.STRAIGHT if five else Step.PRESENT)

        def exchange() -> Exchange[Frame, Frame, TakenIn | Refused]:
            if five:
                return enrol_five(
                    timeout_s=seconds, variant=variant, member_id=wished, heard=watch.heard, turn=watch.turn
                )
            return enrol_single(timeout_s=seconds, variant=variant, member_id=wished, heard=watch.heard)

        try:
            outcome = await self._unless_busy(exchange)
        except ReplyTimeout:
            await self._take_back(before)
            return NotEnrolled(watch.why_in_vain)
        except (asyncio.CancelledError, RemoteProtocolError):
            await in_a_task_of_its_own(self._take_back(before))
            raise
        match outcome:
            case TakenIn(user_id):
                self._given.add(user_id)
                return Enrolled(user_id, self._serial)
            case Refused(result, _, user_id) if result.code in ENROL_REASONS:
                return NotEnrolled(ENROL_REASONS[result.code], user_id)
            case Refused(result) if result.code == TIMEOUT:
                return NotEnrolled(watch.why_in_vain)
            case Refused(result):
                raise fault_of(self._link.name, result)

    async def _take_back(self, before: frozenset[int]) -> None:
        """End an enrolment whose outcome nobody heard; a face it left behind belongs to nobody.

        `before` may be a late answer to an earlier question; what the gateway was told is never taken back.
        """
        await self._settle()
        await self._erase(sorted(await self._list() - before - self._given))

    async def _erase(self, slots: Sequence[int]) -> None:
        if slots:
            refused = await self._repeated(lambda: delete(slots))
            if refused is not None:
                raise fault_of(self._link.name, refused.result)
            self._given.difference_update(slots)

    async def _list(self) -> frozenset[int]:
        ids = await self._repeated(list_ids)
        if isinstance(ids, Refused):
            raise fault_of(self._link.name, ids.result)
        return ids

    async def _settled(self, work: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """Do `work` on a module that stands by, and leave it so, whatever happens."""
        if self._unsettled:
            await self._settle()
        try:
            return await work()
        except asyncio.CancelledError:
            if self._unsettled:
                await in_a_task_of_its_own(self._settle())
            raise
        except RemoteProtocolError as exc:
            raise unfit(self._link.name, exc) from exc
        except ReplyTimeout as exc:
            raise self._why(exc) from exc

    async def _unless_busy(
        self, exchange: Callable[[], Exchange[Frame, Frame, ResultT | Refused]]
    ) -> ResultT | Refused:
        """The outcome of a long command. What else runs in the module is aborted, once."""
        outcome = await self._long(exchange())
        if isinstance(outcome, Refused) and outcome.busy:
            await self._settle()
            outcome = await self._long(exchange())
        if isinstance(outcome, Refused) and outcome.busy:
            raise not_ready(self._link.name, BUSY)
        return outcome

    async def _long(self, exchange: Exchange[Frame, Frame, ResultT]) -> ResultT:
        """An exchange that leaves the module at work when it is given up."""
        self._unsettled = True
        outcome = await self._runner.run(exchange)
        self._unsettled = False
        return outcome

    async def _settle(self) -> None:
        """Stop what runs, until the module stands by."""
        self._unsettled = True
        status = await self._repeated(abort)
        if status != STANDBY:
            raise not_ready(self._link.name, status)
        self._runner.distrust()  # the answer to what was stopped may still come
        self._unsettled = False

    async def _repeated(self, exchange: Callable[[], Exchange[Frame, Frame, ResultT]]) -> ResultT:
        """Ask again where no answer comes; each time anew. Raises a `DriverError` in the end."""
        garbage = 0
        for _ in range(ATTEMPTS):
            try:
                return await self._runner.run(exchange())
            except ReplyTimeout:
                garbage += self._runner.garbage.length
            except RemoteProtocolError as exc:
                raise unfit(self._link.name, exc) from exc
        raise no_answer(self._link.name, self._settings.baud, garbage)

    async def _encrypt(self, key_indexes: bytes) -> None:
        """Everything after this is sealed. A module that restarts speaks in clear again, and is lost by that."""
        seed, cover = new_cover(key_indexes)
        self._runner = Runner(self._link, FirstAnswerDecoder(cover), noise=self._on_noise, gap_s=GAP_S)
        refused = await self._repeated(lambda: begin_encryption(seed, int(time.time())))
        if refused is not None:
            raise fault_of(self._link.name, refused.result)
        self._runner = Runner(
            self._link,
            OpeningDecoder(cover),
            noise=self._on_noise,
            gap_s=GAP_S,
            encode=lambda frame: cover.seal(frame).to_bytes(),
        )
        try:
            await self._runner.run(look())
        except ReplyTimeout as exc:
            raise sealed_and_silent(self._link.name) from exc
        except RemoteProtocolError as exc:
            raise unfit(self._link.name, exc) from exc

    async def _probe(self) -> ModuleIdentity:
        found = await self._repeated(probe)
        if isinstance(found, NotReady):
            raise not_ready(self._link.name, found.status)
        if not found.serial:
            raise DeviceFault(
                "no_serial",
                f"{self._link.name}: the module tells no serial number, so nobody could say whose slots it holds; "
                "use a module that answers GET_SN",
            )
        return found

    async def _look(self) -> None:
        """Nobody asks: is it still there, and does nothing run in it?"""
        try:
            status = await self._runner.run(look())
        except (ReplyTimeout, RemoteProtocolError) as exc:
            self._unanswered += 1
            if self._unanswered >= ATTEMPTS:
                raise self._why(exc) from exc
            return
        self._unanswered = 0
        if status != STANDBY:
            await self._settle()

    async def _demo_mode(self) -> DeviceFault:
        """Switch it off, as well as that goes; the fault says what it was."""
        with suppress(ReplyTimeout, RemoteProtocolError):
            await self._runner.run(leave_demo())
        return DeviceFault(
            "demo_mode",
            f"{self._link.name}: the module was in demo mode and would recognise anybody; it was told to leave it. "
            "If this comes back, find out which program at the module's line switches it on",
        )

    def _why(self, cause: ReplyTimeout | RemoteProtocolError) -> DriverError:
        if isinstance(cause, RemoteProtocolError):
            return unfit(self._link.name, cause)
        return no_answer(self._link.name, self._settings.baud, self._runner.garbage.length)

    def _new_runner(self) -> Runner:
        return Runner(self._link, ModuleDecoder(), noise=self._on_noise, gap_s=GAP_S)

    def _on_noise(self, found: Discarded) -> None:
        self._host.noise(found.reason, found.length)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _lowest_free(taken: frozenset[int]) -> int:
    return next(slot for slot in range(1, NOBODY) if slot not in taken)
