"""What a kiosk brings to disk: the facts of a session, the note that it runs, and how it ended.

A note stands beside the facts in one transaction. That a session runs is noted until it has ended, so that a
start after a crash knows which one was cut off; how the last one ended stays noted, so that the start can tell.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from gateway.checkin.ended import Ended, Endings
from gateway.checkin.facts import Outcome, Reason, Shown, Store
from gateway.checkin.purposes import Purpose
from gateway.checkin.session import NewId
from gateway.clock import Stamp
from gateway.errors import StoreRefused
from gateway.ingest.facts import Fact
from gateway.store.salvage import ENDED

OPEN = "session:"  # notes: sessions that were opened and have not ended, by kiosk and session


class Recorder(Protocol):
    """Where facts go."""

    async def store(
        self, facts: Sequence[Fact], device: str, *, notes: Mapping[str, str | None] | None = None
    ) -> object:
        """Commit them together, the notes too (None forgets one); raises `StoreRefused`."""
        ...

    async def notes(self, prefix: str) -> Mapping[str, str]:
        """What was noted, by the rest of its key; raises `StoreRefused`."""
        ...


class Record:
    """The record of one kiosk."""

    def __init__(self, kiosk: str, recorder: Recorder, new_id: NewId, stamp: Callable[[], Stamp]) -> None:
        self.endings = Endings()
        self.owes_endings = True  # there may be a session that was begun and has no ending
        self._kiosk = kiosk
        self._recorder = recorder
        self._new_id = new_id
        self._stamp = stamp
        self._open_notes = f"{OPEN}{kiosk}:"

    async def keep(
        self, stores: Sequence[Store], facts: Sequence[Fact], notes: Mapping[str, str | None]
    ) -> None:
        """Commit in one transaction, `facts` first; raises `StoreRefused`: nothing was stored."""
        kept, noted, endings = [*facts], {**notes}, list[Ended]()
        for store in stores:
            of_session, note = list(store.facts), None
            if store.goes_on:
                first = of_session[0]
                note = json.dumps({"subject": first.subject, "purpose": first.data["purpose"]})
            elif store.ending is not None:
                of_session[-1] = replace(of_session[-1], id=self._new_id())
                endings.append(self._ended(store.session, store.ending, of_session[-1]))
                noted[ENDED + self._kiosk] = endings[-1].as_text()
            noted[self._open_notes + store.session] = note
            kept += of_session
        try:
            await self._recorder.store(kept, self._kiosk, notes=noted)
        except StoreRefused as exc:
            for store in stores:
                self.owes_endings = True  # it may have been opened
                not_stored = Shown(Outcome.NOT_STORED, exc.code)
                self.endings.add(self._ended(store.session, not_stored, store.facts[-1], recorded=False))
            raise
        for ended in endings:
            self.endings.add(ended)

    def _ended(self, session: str, shown: Shown, fact: Fact, *, recorded: bool = True) -> Ended:
        purpose = fact.data.get("purpose")
        known = None if purpose is None else Purpose(str(purpose))
        return Ended.of(session, known, shown, fact.id if recorded else None, self._stamp())

    async def end_cut_off(self) -> bool:
        """End what was begun and has no ending: it does not count. Whether there was any.

        The power went or the process was killed while somebody stood here, or the disk took no ending.
        """
        ended = False
        try:
            for session, note in (await self._recorder.notes(self._open_notes)).items():
                begun = json.loads(note)
                subject = str(begun["subject"])
                data = {
                    "session": session,
                    "kiosk": self._kiosk,
                    "purpose": begun["purpose"],
                    "reason": Reason.CUT_OFF,
                }
                fact = Fact("checkin.abandoned", subject, data, subject.startswith("person/"), self._new_id())
                await self._recorder.store([fact], self._kiosk, notes={self._open_notes + session: None})
                self.endings.add(self._ended(session, Shown(Outcome.ABANDONED, Reason.CUT_OFF), fact))
                ended = True
        except StoreRefused:
            return ended  # it is owed still
        self.owes_endings = False
        return ended

    async def last(self) -> Ended | None:
        """How the last session of the run before ended, as noted with it."""
        try:
            noted = (await self._recorder.notes(ENDED + self._kiosk)).get("")
        except StoreRefused:
            return None  # nothing can be read; the next session will be refused too, and says so
        if noted is None:
            return None
        ended = Ended.from_text(noted)
        if self.endings.find(ended.session) is None:
            self.endings.add(ended)
        return ended
