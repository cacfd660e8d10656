"""A serial face module that is not there: the far end of `face.efaa_xor16`.

    module = SimulatedFaceModule()
    serving = asyncio.create_task(module.serve(wire))
    slot = module.know(Face("anna"))        # enrolled beforehand
    module.stand(Face("anna"))              # steps in front of the camera
    module.leave()

Says READY when it starts, and four times a second what it sees while it works; refuses other commands meanwhile;
RESET ends what runs. What firmware differs in is a setting: the result of an unknown face, the shape of a failed
VERIFY, whether GETSTATUS is answered while it works, when the answer to an aborted command comes.
With `encryption` it takes nothing in clear but INIT_ENCRYPTION, and the cipher is handed in.
Leaves out: pictures, firmware update.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from drivers.errors import LinkLost
from drivers.simulators.face_answers import SPOILING, FirmwareHabits
from drivers.simulators.faces import NO_FACE, Face
from drivers.simulators.faults import FaultKind, FaultMix, FaultPlan
from drivers.simulators.wire import Wire, emit
from firmware_protocols.efaa_xor16.commands import (
    Command,
    DeleteUser,
    DemoMode,
    Enroll,
    EnrollItg,
    GetAllUserIds,
    InitEncryption,
    Plain,
    Verify,
    parse_command,
)
from firmware_protocols.efaa_xor16.encryption import Blocks, Cover, OpeningDecoder, derive_key
from firmware_protocols.efaa_xor16.frames import Frame, HostDecoder
from firmware_protocols.efaa_xor16.msg_ids import MsgId
from firmware_protocols.efaa_xor16.notes import READY, FaceNote, Note, to_frame
from firmware_protocols.efaa_xor16.replies import (
    BUSY,
    NOBODY,
    STANDBY,
    UNLOCKED,
    UNLOCKED_EYES_CLOSED,
    EncryptionBegun,
    EnrolledInfo,
    Info,
    Nothing,
    Reply,
    SerialNumber,
    StatusInfo,
    UserIds,
    Verified,
    Version,
)
from firmware_protocols.efaa_xor16.results import (
    ABORTED,
    ALREADY_ENROLLED,
    ENCRYPTION_REQUIRED,
    FULL,
    LIVENESS,
    REJECTED,
    SUCCESS,
    TIMEOUT,
    UNKNOWN_USER,
)
from firmware_protocols.efaa_xor16.states import COMPLETE
from firmware_protocols.errors import RemoteProtocolError
from firmware_protocols.framing import Discarded

SERIAL = "FM22SIM1"
VERSION = "FM22X-SIM-1.0"
NOTE_S = 0.25
NORMAL, WRONG_DIRECTION = 0, 11
PARAMETER = 6
LATE_S = 4.0  # later than any host waits for a short reply


@dataclass(frozen=True, slots=True)
class SimulatedEncryption:
    """What a module in encryption mode was given at the bench."""

    key_indexes: bytes
    aes: Callable[[bytes], tuple[Blocks, Blocks]]  # key -> functions that encrypt and decrypt whole blocks


class SimulatedFaceModule:
    """One module. The caller puts faces before it; the rest happens on the wire."""

    def __init__(
        self,
        *,
        serial: bytes = SERIAL.encode(),
        capacity: int = 50,
        look_notes: int = 3,
        habits: FirmwareHabits | None = None,
        baud: int | None = None,
        mix: FaultMix | None = None,
        encryption: SimulatedEncryption | None = None,
    ) -> None:
        self.faults = FaultPlan(mix)
        self.asked: Counter[int] = Counter()  # message numbers, in all
        self.commands: list[Command] = []
        self.users: dict[int, str] = {}  # slot -> label
        self.demo = False
        self.status = STANDBY  # what it says while it is idle
        self.results: dict[int, int] = {}  # message -> the result that it is refused with
        self._serial = serial.ljust(8, b"\0")[:8] + b"\xfe\x80" * 12  # padding is not always text
        self._capacity = capacity
        self._look_notes = look_notes  # notes with a face in place before it is recognised
        self._habits = habits or FirmwareHabits()
        self._baud = baud
        self._encryption = encryption
        self._cover: Cover | None = None  # of the session, from INIT_ENCRYPTION on
        self._sealed: OpeningDecoder | None = None
        self._face: Face | None = None
        self._taken = 0  # directions of the enrolment in progress
        self._work: asyncio.Task[None] | None = None
        self._working_on = 0
        self._speaking = asyncio.Lock()  # frames do not run into each other on a slow line

    def know(self, face: Face, slot: int | None = None) -> int:
        """Enrol somebody beforehand; the slot."""
        chosen = slot if slot is not None else self._free_slot()
        self.users[chosen] = face.label
        return chosen

    def stand(self, face: Face) -> None:
        """Somebody steps in front of the camera."""
        self._face = face

    def leave(self) -> None:
        """Nobody is there any more."""
        self._face = None

    @property
    def working(self) -> bool:
        """Whether a VERIFY or ENROLL runs."""
        return self._work is not None and not self._work.done()

    def occupy(self, wire: Wire, timeout_s: int) -> None:
        """Somebody else's VERIFY runs in the module."""
        self._begin(MsgId.VERIFY, partial(self._verify, Verify(timeout_s), wire))

    def factory_reset(self) -> None:
        """Whoever has the module in hand empties it."""
        self.users.clear()

    async def serve(self, wire: Wire) -> None:
        """Start up, then answer until the wire is pulled."""
        plain = HostDecoder()
        self._taken, self._cover, self._sealed = 0, None, None
        try:
            await self._note(READY, wire)
            while True:
                data = await wire.receive()
                sealed = self._opened(data)
                for found in plain.feed(data):
                    if isinstance(found, Frame):
                        await self._handle_plain(found, wire)
                for found in sealed:
                    if isinstance(found, Frame):
                        await self._handle(found, wire)
        except LinkLost:
            return
        finally:
            if self._work is not None:
                self._work.cancel()
                await asyncio.wait([self._work])

    def _opened(self, data: bytes) -> list[Frame | Discarded]:
        return [] if self._sealed is None else list(self._sealed.feed(data))

    async def _handle_plain(self, frame: Frame, wire: Wire) -> None:
        if self._encryption is None:
            await self._handle(frame, wire)
        elif frame.msg_id == MsgId.INIT_ENCRYPTION:
            await self._init(self._encryption, frame, wire)
        elif self._cover is None:
            await self._reply(Reply(frame.msg_id, ENCRYPTION_REQUIRED), wire)

    async def _init(self, encryption: SimulatedEncryption, frame: Frame, wire: Wire) -> None:
        self.asked[frame.msg_id] += 1
        command = parse_command(frame)
        if not isinstance(command, InitEncryption) or bool(command.reserved) != self._habits.wants_reserved:
            await self._reply(Reply(frame.msg_id, PARAMETER), wire)
            return
        cover = Cover(*encryption.aes(derive_key(command.seed, encryption.key_indexes)))
        self._cover = cover if self._habits.init_answered_sealed else None
        await self._reply(Reply(frame.msg_id, SUCCESS, EncryptionBegun(SERIAL)), wire)
        self._cover, self._sealed = cover, OpeningDecoder(cover)

    async def _handle(self, frame: Frame, wire: Wire) -> None:
        self.asked[frame.msg_id] += 1
        try:
            command = parse_command(frame)
        except RemoteProtocolError:
            await self._reply(Reply(frame.msg_id, PARAMETER), wire)
            return
        self.commands.append(command)
        if frame.msg_id == MsgId.RESET:
            await self._reset(wire)
        elif self.working:
            status = frame.msg_id == MsgId.GETSTATUS and self._habits.tells_busy
            await self._reply(
                Reply(frame.msg_id, SUCCESS, StatusInfo(BUSY)) if status else Reply(frame.msg_id, REJECTED),
                wire,
            )
        elif frame.msg_id in self.results:
            await self._reply(Reply(frame.msg_id, self.results[frame.msg_id]), wire)
        elif isinstance(command, Verify):
            self._begin(frame.msg_id, partial(self._verify, command, wire))
        elif isinstance(command, Enroll | EnrollItg):
            self._begin(frame.msg_id, partial(self._enrol, frame.msg_id, command, wire))
        else:
            await self._reply(self._answer(frame.msg_id, command), wire)

    def _answer(self, mid: int, command: Command) -> Reply:
        match command:
            case Plain(MsgId.GETSTATUS):
                return Reply(mid, SUCCESS, StatusInfo(self.status))
            case Plain(MsgId.GET_VERSION):
                return Reply(mid, SUCCESS, Version(VERSION))
            case Plain(MsgId.GET_SN):
                return Reply(mid, SUCCESS, SerialNumber(self._serial))
            case Plain(MsgId.FACERESET):
                self._taken = 0
                return Reply(mid, SUCCESS)
            case Plain(MsgId.DELALL):
                self.users.clear()
                return Reply(mid, SUCCESS)
            case DeleteUser(user_id):
                known = self.users.pop(user_id, None)
                return Reply(mid, SUCCESS if known else UNKNOWN_USER)
            case GetAllUserIds(format_byte):
                if (format_byte is not None) != self._habits.wants_format_byte:
                    return Reply(mid, PARAMETER)
                ids = tuple(sorted(self.users))
                return Reply(mid, SUCCESS, UserIds(ids, max(0, self._habits.pads_ids_to - 2 * len(ids))))
            case DemoMode(enable):
                self.demo = bool(enable)
                return Reply(mid, SUCCESS)
            case _:
                return Reply(mid, PARAMETER)

    # -- work that takes its time ---------------------------------------------------------------------

    def _begin(self, mid: int, work: Callable[[], Awaitable[None]]) -> None:
        self._working_on = mid
        self._work = asyncio.ensure_future(self._unless_pulled(work))

    async def _unless_pulled(self, work: Callable[[], Awaitable[None]]) -> None:
        with suppress(LinkLost):  # `serve` sees it, too
            await work()

    async def _reset(self, wire: Wire) -> None:
        ended = self.working
        if self._work is not None and ended:
            self._work.cancel()
            await asyncio.wait([self._work])
        aborted = Reply(self._working_on, ABORTED)
        if ended and self._habits.aborted_after_s is None:
            await self._reply(aborted, wire)
        await self._reply(Reply(MsgId.RESET, SUCCESS), wire)
        if ended and self._habits.aborted_after_s is not None:
            await asyncio.sleep(self._habits.aborted_after_s)
            await self._reply(aborted, wire)

    async def _verify(self, command: Verify, wire: Wire) -> None:
        face = await self._watch(command.timeout_s, 0, wire)
        if isinstance(face, int):
            await self._refuse_verify(face, wire)
            return
        slot = next((slot for slot, label in self.users.items() if label == face.label), None)
        if self.demo:
            info = Verified(NOBODY, "", 0, UNLOCKED)
        elif slot is None:
            await self._refuse_verify(self._habits.unknown_result, wire)
            return
        else:
            unlocked = self._habits.unlock_status if face.eyes_open else UNLOCKED_EYES_CLOSED
            info = Verified(slot, "", 0, unlocked)
        await self._reply(Reply(MsgId.VERIFY, SUCCESS, info), wire)

    async def _refuse_verify(self, result: int, wire: Wire) -> None:
        full = self._habits.full_refusals
        info: Info = Verified(NOBODY, "", 0, 0) if full else Nothing()
        await self._reply(Reply(MsgId.VERIFY, result, info), wire)

    async def _enrol(self, mid: int, command: Enroll | EnrollItg, wire: Wire) -> None:
        face = await self._watch(command.timeout_s, command.direction, wire)
        if isinstance(face, int):
            await self._reply(Reply(mid, face), wire)
            return
        known = next((slot for slot, label in self.users.items() if label == face.label), None)
        may_repeat = isinstance(command, EnrollItg) and command.allow_duplicate
        if known is not None and not may_repeat:
            info: Info = EnrolledInfo(known) if self._habits.names_enrolled else Nothing()
            await self._reply(Reply(mid, ALREADY_ENROLLED, info), wire)
            return
        if len(self.users) >= self._capacity:
            await self._reply(Reply(mid, FULL), wire)
            return
        self._taken |= command.direction
        if command.direction and self._taken != COMPLETE:
            await self._reply(Reply(mid, SUCCESS, EnrolledInfo(NOBODY, self._taken)), wire)
            return
        member = command.member_id if isinstance(command, Enroll) else None
        slot = self.know(face, member)
        taken, self._taken = self._taken or 1, 0
        await self._reply(Reply(mid, SUCCESS, EnrolledInfo(slot, taken)), wire)

    async def _watch(self, timeout_s: int, direction: int, wire: Wire) -> Face | int:
        """The face that is in place long enough, or the result that ends the work without one."""
        shown = steady = 0
        for _ in range(int(timeout_s / NOTE_S)):
            await asyncio.sleep(NOTE_S)
            face = self._face
            state = NO_FACE if face is None else face.states[shown] if shown < len(face.states) else NORMAL
            shown = 0 if face is None else shown + 1
            if face is not None and state == NORMAL and direction > 1 and not face.turns:
                state = WRONG_DIRECTION
            await self._note(FaceNote(state, 228, 156, 450, 442), wire)
            steady = steady + 1 if state == NORMAL else 0
            if face is not None and steady >= self._look_notes:
                return face if face.living else LIVENESS
        return TIMEOUT

    # -- the wire ---------------------------------------------------------------------------------------

    async def _reply(self, reply: Reply, wire: Wire) -> None:
        await self._send(reply.to_frame(), self.faults.next(MsgId(reply.mid)), wire)

    async def _note(self, note: Note, wire: Wire) -> None:
        await self._send(to_frame(note), self.faults.next(MsgId.NOTE), wire)

    async def _send(self, frame: Frame, kind: FaultKind | None, wire: Wire) -> None:
        if kind is FaultKind.LATE:
            await asyncio.sleep(LATE_S)
        async with self._speaking:
            raw = (frame if self._cover is None else self._cover.seal(frame)).to_bytes()
            await emit(wire, SPOILING.apply(raw, kind), self._baud)
        if kind is FaultKind.UNPLUG:
            wire.unplug()

    def _free_slot(self) -> int:
        return next(slot for slot in range(1, NOBODY) if slot not in self.users)
