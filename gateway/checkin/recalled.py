"""What is remembered of a stretch of days, for `due`: out of the diary, placed in time. Reads, decides nothing.

Entries are chosen by the clock of their boot, never by what their stamp says: a stamp may be wrong by a day.
Of a boot whose clock nobody can be sure of, everything is taken.

When check-ins could be taken is believed only where nothing of that time can be missing. Where an epoch
opened, nobody can prove what the disk had kept of the last moments: the minutes after it do not count, so
that the gap around it is never one that a person waits out. Where a store was put back, salvaged, rolled
back or new, nothing before it counts at all.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, tzinfo

from gateway import RELEASED_MS
from gateway.checkin.due import MOST_GAP_MS, CheckIn, Reason, Record, State, Statement
from gateway.checkin.keeper import InForce
from gateway.checkin.purposes import Purpose
from gateway.checkin.schedule import midnight_ms
from gateway.checkin.timeline import Moment, Pairing, Placed, Span, Timeline, paired
from gateway.clock import Stamp
from gateway.store import diary_reading
from gateway.store.diary import BOOT, OPENING, time_of
from gateway.store.diary_reading import Entry, Tick
from gateway.store.reading import Reading

AROUND_MS = 2 * 3_600_000  # a crystal nobody disciplines is off by half an hour in half a year
GATEWAY, KIOSK = "gateway", "kiosk"  # kinds of `UpSpan`
_FORGETFUL = frozenset({"new_store", "restored", "salvaged", "store_rollback"})
_PROVEN = frozenset({"chain_mismatch"})  # opens an epoch, and the disk has nothing to do with it
_ANY = 1 << 62


@dataclass(frozen=True, slots=True, kw_only=True)
class Recalled:
    """A stretch of days."""

    timeline: Timeline
    entries: Sequence[Entry]  # endings, in the order of their commits
    statements: Sequence[Entry]
    late: Mapping[str, Entry]  # by the statement that they refer to
    decisions: Mapping[str, Entry]  # by the event that waited for review
    gateway_up: Sequence[Span]
    kiosk_up: Sequence[Span]
    newest_n: int
    begun: Moment | None  # of a duty that was over before, another store may have said something

    def placed(self, entry: Entry) -> Placed:
        """Where an entry lies."""
        if entry.claimed_ms is not None:
            return Placed(entry.claimed_ms, entry.claimed_ms)
        return self.timeline.place(moment(entry))

    def purpose(self, entry: Entry) -> Purpose | None:
        """What an entry was for; where a terminal could not say, what the decision about it says."""
        decision = self.decisions.get(entry.id)
        text = entry.data.get("purpose") or (None if decision is None else decision.data.get("purpose"))
        return Purpose(text) if text in set(Purpose) else None

    def record(self, in_force: InForce) -> Record:
        """For `due.assess`."""
        came, waiting = [], []
        for entry in self.entries:
            purpose = self.purpose(entry)
            if purpose not in (None, Purpose.REPORT):
                continue
            decision = self.decisions.get(entry.id)
            if entry.verb == "pending_review" and decision is None:
                waiting += _either(entry)
            elif entry.verb == "pending_review" and decision is not None and decision.verb == "completed":
                if purpose is None:  # nobody said what it was for: it may have been a report
                    waiting.append(_check_in(entry, decision.ref))
                else:
                    came.append(_check_in(entry, decision.ref))
            elif entry.verb == "completed":
                came.append(_check_in(entry, entry.ref))
        return Record(
            timeline=self.timeline,
            check_ins=[one for one in came if one.person],
            waiting=[one for one in waiting if one.person],
            gateway_up=self.gateway_up,
            kiosk_up=self.kiosk_up,
            applied=in_force.applied,
            known_since=in_force.known_since,
            said={
                (one.ref, date.fromisoformat(one.day)): Statement(
                    one.id, State(one.verb), _reason(one.data.get("reason"))
                )
                for one in self.statements
                if one.ref is not None and one.day is not None
            },
        )


def recall(reading: Reading, now: Stamp, zone: tzinfo, first: date, end: date) -> Recalled:
    """What is remembered from the day `first` up to, not including, the day `end`; raises `StoreRefused`."""
    ticks = diary_reading.ticks(reading)
    boots = list(dict.fromkeys([*diary_reading.boots(reading), now.boot_id]))
    known = [paired(now), *(_pairing(tick) for tick in ticks)]
    # Of the first boot only: what had passed at a later one says nothing of those before.
    passed = [time_of(one.says) for one in ticks if one.kind == BOOT and one.boot == boots[0]]
    floor_ms = min((one for one in passed if one is not None), default=RELEASED_MS)
    begin_ms, end_ms = midnight_ms(first, zone) - AROUND_MS, midnight_ms(end, zone) + AROUND_MS
    timeline = Timeline(boots, known, floor_ms=floor_ms)
    reach = diary_reading.reach(reading)
    found: dict[int, Entry] = {}
    spans: dict[str, list[Span]] = {GATEWAY: [], KIOSK: []}
    for boot in boots:
        lowest, highest = reach.get(boot, (0, 0))
        from_ms, to_ms = timeline.stretch(boot, begin_ms, end_ms, (lowest, highest)) or (-_ANY, _ANY)
        if boot in reach and from_ms <= highest and to_ms >= lowest:
            found |= {one.n: one for one in diary_reading.of_boot(reading, boot, from_ms, to_ms)}
        for one in diary_reading.up_spans(reading, boot, from_ms, to_ms):
            spans[one.kind].append(Span(boot, one.from_ms, one.to_ms))
    found |= {one.n: one for one in diary_reading.claiming(reading, begin_ms, end_ms)}
    entries = [found[n] for n in sorted(found) if found[n].day is None and found[n].review_of is None]
    openings = [tick for tick in ticks if tick.kind == OPENING]
    anew = [Moment(tick.boot, tick.mono_ms) for tick in openings if tick.says in _FORGETFUL]
    days = first.isoformat(), end.isoformat()
    return Recalled(
        timeline=Timeline(boots, [*known, *_stamps(entries)], floor_ms=floor_ms),
        entries=entries,
        statements=diary_reading.statements(reading, *days),
        late={one.late_of: one for one in diary_reading.late_for(reading, *days) if one.late_of},
        decisions={one.review_of: one for one in diary_reading.decisions(reading) if one.review_of},
        gateway_up=list(_believed(spans[GATEWAY], openings, boots)),
        kiosk_up=spans[KIOSK],
        newest_n=diary_reading.newest_n(reading),
        begun=anew[-1] if anew else None,
    )


def moment(entry: Entry) -> Moment:
    """When an entry was recorded."""
    return Moment(entry.boot, entry.mono_ms)


def _believed(spans: Sequence[Span], openings: Sequence[Tick], boots: Sequence[str]) -> Iterator[Span]:
    """What of them the openings of epochs leave."""
    order = {boot: index for index, boot in enumerate(boots)}
    doubted = [one for one in openings if one.says not in _PROVEN]
    forgot = [one for one in openings if one.says in _FORGETFUL]
    for span in spans:
        if forgot and order[span.boot_id] < order[forgot[-1].boot]:
            continue
        pieces = [span]
        if forgot and span.boot_id == forgot[-1].boot:
            pieces = _without(span, -_ANY, forgot[-1].mono_ms)
        for one in doubted:
            if one.boot == span.boot_id:
                until_ms = one.mono_ms + MOST_GAP_MS
                pieces = [rest for piece in pieces for rest in _without(piece, one.mono_ms, until_ms)]
        yield from pieces


def _without(span: Span, from_ms: int, to_ms: int) -> list[Span]:
    rests = (
        Span(span.boot_id, span.from_ms, min(span.to_ms, from_ms)),
        Span(span.boot_id, max(span.from_ms, to_ms), span.to_ms),
    )
    return [rest for rest in rests if rest.from_ms < rest.to_ms]


def _pairing(tick: Tick) -> Pairing:
    return Pairing(Moment(tick.boot, tick.mono_ms), tick.wall_ms or 0, tick.error_ms)


def _stamps(entries: Sequence[Entry]) -> Iterator[Pairing]:
    for one in entries:
        if not one.unsynced and one.error_ms is not None:
            yield Pairing(moment(one), one.wall_ms, one.error_ms)


def _check_in(entry: Entry, ref: str | None) -> CheckIn:
    return CheckIn(entry.id, ref or "", moment(entry), entry.unsynced, entry.claimed_ms)


def _either(entry: Entry) -> list[CheckIn]:
    """It may have been when it was recorded, or when a device of its own says."""
    recorded = CheckIn(entry.id, entry.ref or "", moment(entry), entry.unsynced)
    return [recorded, *([] if entry.claimed_ms is None else [_check_in(entry, entry.ref)])]


def _reason(text: str | None) -> Reason | None:
    return Reason(text) if text in set(Reason) else None
