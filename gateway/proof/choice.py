"""Which events of a record speak of one person, or of a time: all of them, and what they rest on.

Of a person: every genuine event whose subject it is, and the events that those name (a card that was read, the
check-in that a review decides, the alarm that ended). Of a time: every genuine event of a gateway in it, by corrected
time, or by when the center received it where nothing tells the time. Beside both, as context, the clock
measurements from which their times follow.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from gateway.errors import ContractError
from gateway.evidence import canonical
from gateway.evidence.canonical import Json
from gateway.evidence.chain import prove
from gateway.evidence.corrected_time import CLOCK_SYNCED, Corrected, Pairing, Pairings, pairing_of
from gateway.proof.judging import KeysOf
from gateway.receiver.database import open_for_reading

NAMES_OTHERS = (
    "card_event",
    "review_of",
    "late_arrival_of",
    "raised",
)  # members of `data` that hold an event's id
_COLUMNS = "c.gw, c.epoch, e.seq, e.n, e.received_ms, r.code, e.wire"
_FROM = "FROM event e JOIN cursor c ON c.id = e.cursor LEFT JOIN rejected r ON r.n = e.n"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for. Times are half-open, in ms since 1970; `person` is the roster's reference."""

    person: str | None = None
    gateway: str | None = None
    from_ms: int | None = None
    to_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Chosen:
    """One genuine event of the record."""

    gw: str
    epoch: str
    seq: int
    n: int  # order of arrival at the center
    received_ms: int
    refused: str | None  # the rule by which the center refused its content
    wire: bytes = field(repr=False)
    message: dict[str, Json] = field(repr=False)
    corrected: Corrected
    context: bool = False  # here for the times of the others

    @property
    def place(self) -> tuple[str, str, int, int]:
        """By what events are put in order."""
        return self.gw, self.epoch, self.seq, self.n

    @property
    def data(self) -> dict[str, Json]:
        """`data`, where it is an object."""
        data = self.message.get("data")
        return data if isinstance(data, dict) else {}


@dataclass(slots=True)
class _Measurements:
    """Every genuine pairing, by gateway and boot."""

    pairings: dict[str, Pairings]
    events: dict[tuple[str, str], list[tuple[Pairing, Chosen]]]


def choose(
    database: Path | str, wanted: Wanted, keys_of: KeysOf, progress: Callable[[int, int], object]
) -> list[Chosen]:
    """In order of gateway, epoch and sequence. Raises `StoreRefused`, `StartError`."""
    connection = open_for_reading(database)
    try:

        def rows(where: str, *values: object) -> Iterator[Chosen]:
            query = f"SELECT {_COLUMNS} {_FROM} WHERE {where}"
            for row in connection.execute(query, values):
                found = _genuine(row, keys_of)
                if found is not None:
                    yield found

        measured = _measurements(rows("e.type = ?", CLOCK_SYNCED))
        if wanted.person is None:
            found = list(rows("c.gw = ?", wanted.gateway))
        else:
            subject = f"person/{wanted.person}"
            told = f'"subject":"{subject}"'.encode()
            found = [
                one for one in rows("instr(e.wire, ?) > 0", told) if one.message.get("subject") == subject
            ]
        chosen: dict[tuple[str, str, int, int], Chosen] = {}
        for done, one in enumerate(found, 1):
            progress(done, len(found))
            placed = _timed(one, measured)
            if _inside(placed, wanted):
                chosen[placed.place] = placed
        if wanted.person is not None:
            for other in _named(list(chosen.values()), rows):
                chosen.setdefault(other.place, _timed(other, measured))
    finally:
        connection.close()
    for one in list(chosen.values()):
        rests_on = _rests_on(one, measured)
        if rests_on is not None:
            chosen.setdefault(rests_on.place, rests_on)
    return [chosen[place] for place in sorted(chosen)]


def _genuine(row: tuple[object, ...], keys_of: KeysOf) -> Chosen | None:
    gw, epoch, seq, n, received_ms, code, wire = row
    if not isinstance(wire, bytes) or not isinstance(seq, int):
        return None
    try:
        link = prove(wire, keys_of(str(gw)))
    except ContractError:
        return None  # the judge of the record names it
    if (link.gateway, link.epoch, link.seq) != (gw, epoch, seq):
        return None
    return Chosen(
        gw=link.gateway,
        epoch=link.epoch,
        seq=seq,
        n=int(str(n)),
        received_ms=int(str(received_ms)),
        refused=None if code is None else str(code),
        wire=wire,
        message=canonical.parse(wire),
        corrected=Pairings().correct({}),
    )


def _named(chosen: list[Chosen], rows: Callable[..., Iterator[Chosen]]) -> Iterator[Chosen]:
    """Events that the chosen ones name, of the same gateway."""
    for one in chosen:
        for member in NAMES_OTHERS:
            event_id = one.data.get(member)
            if not isinstance(event_id, str):
                continue
            try:
                key = bytes.fromhex(event_id.replace("-", ""))
            except ValueError:
                continue  # a gateway signed something that is no id; it is shown as it is
            for other in rows("e.event_id = ? AND c.gw = ?", key, one.gw):
                if other.message.get("id") == event_id:
                    yield other


def _measurements(synced: Iterator[Chosen]) -> _Measurements:
    events: dict[tuple[str, str], list[tuple[Pairing, Chosen]]] = {}
    by_gateway: dict[str, list[Pairing]] = {}
    for one in synced:
        pairing = pairing_of(one.message)
        if pairing is not None and one.refused is None:
            events.setdefault((one.gw, pairing.boot_id), []).append((pairing, one))
            by_gateway.setdefault(one.gw, []).append(pairing)
    return _Measurements({gw: Pairings(some) for gw, some in by_gateway.items()}, events)


def _timed(one: Chosen, measured: _Measurements) -> Chosen:
    corrected = measured.pairings.get(one.gw, Pairings()).correct(one.message)
    return replace(one, corrected=corrected)


def _inside(one: Chosen, wanted: Wanted) -> bool:
    at_ms = one.received_ms if one.corrected.ms is None else one.corrected.ms
    after = wanted.from_ms is None or at_ms >= wanted.from_ms
    before = wanted.to_ms is None or at_ms < wanted.to_ms
    return after and before and wanted.gateway in (None, one.gw)


def _rests_on(one: Chosen, measured: _Measurements) -> Chosen | None:
    """The measurement from which its corrected time follows."""
    boot, mono = one.message.get("bootid"), one.message.get("monoms")
    if not isinstance(boot, str) or not isinstance(mono, str) or not mono.isdigit():
        return None
    for pairing, event in measured.events.get((one.gw, boot), ()):
        corrected = Pairings([pairing]).correct(one.message)
        if corrected == one.corrected:
            return replace(_timed(event, measured), context=True)
    return None
