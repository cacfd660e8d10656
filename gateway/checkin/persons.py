"""What staff see and do about a person's finger and face: values, the protocol of the page, and what is behind it.

Names here are masked; they go to a signed-in member of staff and nowhere else.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, tzinfo
from typing import Protocol

from drivers.factors import Factor
from gateway.checkin.enroller import Enroller, EnrolView
from gateway.checkin.facts import METHOD_OF
from gateway.checkin.modules import Modules
from gateway.checkin.reference_keeper import ReferenceKeeper
from gateway.checkin.references import Reference, State
from gateway.checkin.releases import Releases
from gateway.checkin.roster import Method, Person
from gateway.checkin.schedule import local_day
from gateway.clock import Clock
from gateway.errors import ContractError
from gateway.ingest.facts import Fact
from gateway.ingest.ingest import Ingest

CONSENT = "2026-1"  # version of the text that a person agrees to; `persons.consent_text` of the catalogue
VIEWED_S = 600.0  # one look of one member of staff at one person is one event in this time
MOST_TEXT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """One enrolment, as far as it is still of interest."""

    method: Method
    module: str
    device: str | None  # where the module stands now
    state: State
    reason: str | None
    label: str | None
    made_ms: int | None
    counts: bool  # a match in its slot is this person


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A module at which the person could be enrolled."""

    device: str
    kiosk: str
    factor: Factor
    online: bool
    allowed: bool  # by the roster
    enrolled: bool  # it knows the person already


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonView:
    """One person."""

    ref: str
    name: str = field(repr=False)
    protected: bool
    unit: str
    until: date
    ended: bool
    methods: frozenset[Method]
    templates: tuple[Template, ...]
    offers: tuple[Offer, ...]
    reenrol: bool
    releasing: bool  # something waits to be deleted
    listed: bool = True  # False: no roster names the person any more


class Persons(Protocol):
    """What the routes ask."""

    def all(self) -> Sequence[PersonView]:
        """Whom the roster names, and who still has something in a module."""
        ...

    def refs(self) -> Sequence[str]:
        """Their references."""
        ...

    def of(self, ref: str) -> PersonView | None:
        """One of them."""
        ...

    def enrolment(self, ref: str) -> EnrolView | None:
        """The one that runs, or the last one."""
        ...

    async def viewed(self, staff: str, ref: str) -> None:
        """A member of staff looks at a person; recorded. Raises `StoreRefused`."""
        ...

    def begin(self, ref: str, *, device: str, staff: str, consent: bool, label: str | None) -> str:
        """Start an enrolment; its id. Raises `ContractError`."""
        ...

    def vouch(self, ref: str, reason: str) -> None:
        """The member of staff says that it is the person; raises `ContractError` (not_waiting, no_reason)."""
        ...

    def cancel(self, ref: str) -> None:
        """Give up what runs."""
        ...

    async def release(self, ref: str, *, staff: str, reason: str) -> None:
        """Delete everything of somebody; raises `ContractError` (no_reason, busy), `StoreRefused`."""
        ...


class Desk:
    """`Persons` of the running gateway."""

    def __init__(
        self,
        references: ReferenceKeeper,
        modules: Modules,
        enroller: Enroller,
        releases: Releases,
        *,
        ingest: Ingest,
        clock: Clock,
        zone: tzinfo,
    ) -> None:
        self._references = references
        self._modules = modules
        self._enroller = enroller
        self._releases = releases
        self._ingest = ingest
        self._clock = clock
        self._zone = zone
        self._looked: dict[tuple[str, str], float] = {}

    def all(self) -> Sequence[PersonView]:
        """Those who need something first."""
        places = self._places()
        found = [one for one in (self._one(ref, places) for ref in self.refs()) if one is not None]
        return sorted(found, key=lambda one: (not one.releasing, not one.reenrol, one.unit, one.ref))

    def refs(self) -> Sequence[str]:
        """Whom the roster names, then who is left."""
        roster = self._references.roster
        named = {one.ref: None for one in (() if roster is None else roster.persons)}
        left = {one.person for one in self._references.book if one.state is not State.ERASED}
        return [*named, *sorted(left - named.keys())]

    def of(self, ref: str) -> PersonView | None:
        """One person."""
        return self._one(ref, self._places())

    def _one(self, ref: str, places: Mapping[str, str]) -> PersonView | None:
        roster = self._references.roster
        person = None if roster is None else roster.of_ref(ref)
        if person is not None:
            return self._view(person, places)
        return self._unlisted(ref, places) if self._references.book.of_person(ref) else None

    def enrolment(self, ref: str) -> EnrolView | None:
        """The newest of this person's."""
        mine = [one for one in self._enroller.views.values() if one.person == ref]
        return max(mine, key=lambda one: one.id, default=None)

    async def viewed(self, staff: str, ref: str) -> None:
        """Recorded once in ten minutes: rows that cannot be purged must not be producible at will."""
        now_s = time.monotonic()
        self._looked = {key: at for key, at in self._looked.items() if now_s - at < VIEWED_S}
        if (staff, ref) not in self._looked:
            fact = Fact("audit.viewed", f"person/{ref}", {"by": staff, "what": "person"}, restricted=True)
            await self._ingest.store([fact], "gateway")
            self._looked[staff, ref] = now_s

    def begin(self, ref: str, *, device: str, staff: str, consent: bool, label: str | None) -> str:
        """Start an enrolment."""
        if self.enrolment(ref) is not None and self._running(ref) is not None:
            raise ContractError("kiosk_busy", "this person is being enrolled already")
        return self._enroller.begin(
            person=ref, device=device, staff=staff, consent=CONSENT if consent else None, label=label
        )

    def vouch(self, ref: str, reason: str) -> None:
        """Instead of the card."""
        running = self._running(ref)
        if running is None or not self._enroller.vouch(running, _reason(reason)):
            raise ContractError("not_waiting", "nothing waits for the word of staff")

    def cancel(self, ref: str) -> None:
        """Nothing where nothing runs."""
        running = self._running(ref)
        if running is not None:
            self._enroller.cancel(running)

    async def release(self, ref: str, *, staff: str, reason: str) -> None:
        """From here on nothing of theirs counts."""
        said = _reason(reason)
        if self._running(ref) is not None:
            raise ContractError("kiosk_busy", "this person is being enrolled; cancel that first")
        await self._releases.release(ref, by=staff, reason=said)

    def _running(self, ref: str) -> str | None:
        view = self.enrolment(ref)
        return None if view is None or view.ending is not None else view.id

    def _places(self) -> Mapping[str, str]:
        """Module -> device."""
        named = ((self._modules.name(device), device) for device in self._modules.devices)
        return {module: device for module, device in named if module is not None}

    def _view(self, person: Person, places: Mapping[str, str]) -> PersonView:
        book = self._references.book
        mine = book.of_person(person.ref)
        return PersonView(
            ref=person.ref,
            name=person.name,
            protected=person.protected,
            unit=person.unit,
            until=person.until,
            ended=local_day(self._clock.now().wall_ms, self._zone) > person.until,
            methods=person.methods,
            templates=self._templates(mine, places),
            offers=self._offers(person),
            reenrol=book.doubtful(person.ref),
            releasing=_releasing(mine),
        )

    def _unlisted(self, ref: str, places: Mapping[str, str]) -> PersonView:
        mine = self._references.book.of_person(ref)
        return PersonView(
            ref=ref,
            name="*",
            protected=True,
            unit="",
            until=date.min,
            ended=True,
            methods=frozenset(),
            templates=self._templates(mine, places),
            offers=(),
            reenrol=False,
            releasing=_releasing(mine),
            listed=False,
        )

    def _templates(self, mine: Sequence[Reference], places: Mapping[str, str]) -> tuple[Template, ...]:
        keeper = self._references
        return tuple(
            Template(
                method=one.method,
                module=one.module,
                device=places.get(one.module),
                state=one.state,
                reason=one.reason,
                label=one.label,
                made_ms=one.made_ms,
                counts=one.slot is not None
                and one.state is State.ACTIVE
                and keeper.book.owner(one.module, one.slot, keeper.roster) == one.person,
            )
            for one in mine
            if one.reason != "not_kept"
        )

    def _offers(self, person: Person) -> tuple[Offer, ...]:
        keeper, found = self._references, []
        for kiosk, (_, devices) in self._enroller.kiosks.items():
            for device in devices:
                driver = self._modules.devices.get(device)
                if driver is None:
                    continue
                method, module = METHOD_OF[driver.factor], self._modules.name(device)
                found.append(
                    Offer(
                        device=device,
                        kiosk=kiosk,
                        factor=driver.factor,
                        online=module is not None,
                        allowed=method in person.methods,
                        enrolled=module is not None
                        and keeper.book.usable(person.ref, method, [module], keeper.roster),
                    )
                )
        return tuple(found)


def _releasing(mine: Sequence[Reference]) -> bool:
    return any(one.state is State.ERASING for one in mine)


def _reason(text: str) -> str:
    said = " ".join(text.split())
    if not 2 <= len(said) <= MOST_TEXT:
        raise ContractError("no_reason", f"a reason of 2 to {MOST_TEXT} characters is wanted")
    return said
