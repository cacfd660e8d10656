"""The roll calls that are open: kept in the store, ended when their time is over.

An answer is on disk before it is shown. The end of a roll call and the event that says so are one transaction.
The center's command is `open`, with its id: a repeat of the id opens nothing twice.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence

from gateway.checkin import rollcall
from gateway.checkin.rollcall import Answer, Ended, Note, RollCall
from gateway.clock import Clock, parse_iso_ms
from gateway.envelope import GATEWAY_DEVICE
from gateway.errors import ContractError, StoreRefused
from gateway.evidence.canonical import Json
from gateway.ingest.facts import Fact
from gateway.ingest.ingest import Ingest
from gateway.store.store import Store

log = logging.getLogger(__name__)

KEPT = "rollcall:"  # notes, by id
CENTER = "center"
LOOK_EVERY_S = 1.0
Present = Callable[[], Awaitable[Sequence[str]]]


class RollCalls:
    """Open, answer, end."""

    def __init__(
        self,
        store: Store,
        ingest: Ingest,
        clock: Clock,
        gateway: str,
        *,
        known: Callable[[str], bool],
        present: Present,
        changed: Callable[[], None],
    ) -> None:
        """`known`: whether the roster has a reference; `present`: who is here now."""
        self._store = store
        self._ingest = ingest
        self._clock = clock
        self._subject = f"gateway/{gateway}"
        self._known = known
        self._present = present
        self._changed = changed
        self._calls: dict[str, RollCall] = {}
        self._one_at_a_time = asyncio.Lock()
        self.unreadable = 0  # notes that a start could not understand; they stay in the store

    @property
    def open_now(self) -> Sequence[RollCall]:
        """Oldest first."""
        return sorted(self._calls.values(), key=lambda call: (call.opened_ms, call.id))

    async def load(self) -> None:
        """Take up what was open before the restart."""
        for call, text in (await self._store.read(lambda box: box.notes(KEPT))).items():
            try:
                self._calls[call] = rollcall.from_text(call, text)
            except ContractError as exc:
                self.unreadable += 1
                log.error("roll call not taken up", extra={"code": exc.code, "rollcall": call})  # noqa: TRY400

    async def run(self) -> None:
        """End what is over, for ever."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            await self.end_overdue()

    async def end_overdue(self) -> None:
        """What the store does not take now is ended at the next look."""
        now_ms = self._clock.now().wall_ms
        for call in self.open_now:
            if call.deadline_ms <= now_ms:
                try:
                    await self.end(call.id, by=call.by, how=Ended.DEADLINE)
                except StoreRefused as exc:
                    log.warning("roll call not ended", extra={"code": exc.code, "rollcall": call.id})
                except ContractError:
                    continue  # somebody ended it meanwhile

    async def open(self, cmdid: str, args: Mapping[str, Json]) -> str:
        """The center's command: `{"persons": [ref…] | "present", "deadline": time}`. The id of the roll call.

        Raises `ContractError` (args, nobody, too_many, bad_time, unknown_person) and `StoreRefused`.
        """
        persons, deadline = args.get("persons"), args.get("deadline")
        if not isinstance(deadline, str):
            raise ContractError("args", "rollcall: `deadline` must be a time")
        try:
            deadline_ms = parse_iso_ms(deadline)
        except ValueError as exc:
            raise ContractError(
                "args", "rollcall: `deadline` must be a time such as 2026-11-20T08:00:00.000Z"
            ) from exc
        named: Sequence[str] | None
        if persons == "present":
            named = None
        elif isinstance(persons, list) and all(isinstance(ref, str) for ref in persons):
            named = [str(ref) for ref in persons]
        else:
            raise ContractError("args", 'rollcall: `persons` must be a list of references, or "present"')
        return await self.begin(cmdid, named, deadline_ms=deadline_ms, by=CENTER)

    async def begin(self, call: str, persons: Sequence[str] | None, *, deadline_ms: int, by: str) -> str:
        """Open one under an id of the caller; None: for all who are present. Durable when it returns."""
        async with self._one_at_a_time:
            if call in self._calls:
                return call
            named = await self._present() if persons is None else persons
            if persons is not None and not all(self._known(ref) for ref in named):
                raise ContractError(
                    "unknown_person", "roll call: it names somebody whom the roster does not know"
                )
            fresh = rollcall.opened(
                call, named, now_ms=self._clock.now().wall_ms, deadline_ms=deadline_ms, by=by
            )
            await self._keep(fresh)
        return call

    async def answer(self, call: str, ref: str, answer: Answer, note: Note | None, by: str) -> None:
        """Durable when it returns. Raises `ContractError` (no_rollcall, unknown_person) and `StoreRefused`."""
        async with self._one_at_a_time:
            await self._keep(rollcall.answered(self._of(call), ref, answer, note, by))

    async def end(self, call: str, *, by: str, how: Ended = Ended.CLOSED) -> str:
        """End it; the id of the event. Raises `ContractError` (no_rollcall) and `StoreRefused`."""
        async with self._one_at_a_time:
            ending = self._of(call)
            data = rollcall.event_data(ending, how, by)
            fact = Fact("system.rollcall_answered", self._subject, data, restricted=True)
            (committed,) = await self._ingest.store([fact], GATEWAY_DEVICE, note=(KEPT + call, None))
            del self._calls[call]
        self._changed()
        return committed.id

    async def _keep(self, call: RollCall) -> None:
        await self._store.run(lambda box: box.note(KEPT + call.id, rollcall.to_text(call)))
        self._calls[call.id] = call
        self._changed()

    def _of(self, call: str) -> RollCall:
        found = self._calls.get(call)
        if found is None:
            raise ContractError("no_rollcall", "roll call: it is over, or there was none")
        return found
