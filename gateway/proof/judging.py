"""From signed events in the order of a record to three verdicts. Pure: bytes and public keys in.

What counts is what the gateways signed. Where the record says of a row what it holds (a `Claim`), that is compared
and never believed: a row that is not what it claims is named by its claim. Losses count as declared where a
genuine `system.range_lost` says so; the ends of epochs come from `system.epoch_opened` (of the one before) and from
signed birth documents.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from gateway.errors import ContractError
from gateway.evidence import canonical, jws
from gateway.evidence.canonical import Json
from gateway.evidence.chain import EPOCH_OPENED, Link, lost_range, prove
from gateway.evidence.corrected_time import CLOCK_SYNCED, Pairing, Pairings, pairing_of
from gateway.evidence.jws import FindKey
from gateway.evidence.succession import KEY_ROTATED, Succession, rotation
from gateway.proof.flaws import Code, EpochProof, Flaw, Proof
from gateway.receiver.intervals import Ranges

_GENESIS = "0" * 64
_SYNCED, _ROTATED = CLOCK_SYNCED.encode(), KEY_ROTATED.encode()
_KEY_CODES = {
    "unknown_kid": Code.UNKNOWN_KEY,
    "wrong_role": Code.FOREIGN_KEY,
    "retired_kid": Code.FOREIGN_KEY,
    "early_kid": Code.FOREIGN_KEY,
}
KeysOf = Callable[[str], FindKey]  # by gateway


class Extent(Enum):
    """How much of a chain the events should be."""

    WHOLE = auto()  # from sequence 1 to where the gateway ended
    RANGE = auto()  # everything between their own ends
    CHOSEN = auto()  # any of them: nothing is missing


@dataclass(frozen=True, slots=True)
class Claim:
    """Where a record says that an event stands."""

    gw: str
    epoch: str
    seq: int
    hash: bytes | None = None


@dataclass(frozen=True, slots=True)
class _End:
    """What something signed says of an epoch's end."""

    last_seq: int
    last_hash: str
    said_by: str  # for the text
    at_least: bool  # a birth document: the epoch may have gone on


@dataclass(slots=True)
class _Epoch:
    proof: EpochProof
    hashes: dict[int, set[str]] = field(default_factory=dict)  # of the sequence looked at, and the one before
    highest: int = 0


class Judge:
    """Takes events, gives a `Proof`. `pairings` by gateway come from a first pass (`pairings_in`).

    `extent` says what can be missing; `succession` which keys have handed over (`rotations_in`).
    """

    def __init__(
        self,
        keys_of: KeysOf,
        pairings: Mapping[str, Pairings],
        *,
        extent: Extent = Extent.WHOLE,
        succession: Succession | None = None,
    ) -> None:
        self._extent = extent
        self._whole = extent is Extent.WHOLE
        self._succession = succession or Succession()
        self._keys_of = keys_among(keys_of, self._succession)
        self._pairings = pairings
        self._proof = Proof()
        self._epochs: dict[tuple[str, str], _Epoch] = {}
        self._lost: dict[tuple[str, str], Ranges] = {}
        self._ends: dict[tuple[str, str], list[_End]] = {}

    def event(self, wire: bytes, claim: Claim | None = None) -> Link | None:
        """The next event of the record; its link where it is genuine and stands where it should."""
        link, why = self._proven(wire)
        place = claim or (None if link is None else Claim(link.gateway, link.epoch, link.seq))
        if place is None:
            place = _last_place(self._epochs) or Claim("", "", 0)
        epoch = self._epoch(place.gw, place.epoch)
        epoch.proof.events += 1
        if link is None:
            self._flaw(place, *why)
            return None
        if claim is not None and (link.gateway, link.epoch, link.seq) != (claim.gw, claim.epoch, claim.seq):
            text = f"it is {link.gateway} {link.epoch} #{link.seq}"
            self._flaw(place, Code.MOVED, text)
            return None
        if claim is not None and claim.hash is not None and claim.hash.hex() != link.hash:
            self._flaw(place, Code.CHANGED, "the record's hash is not that of the event")
        self._chain(epoch, link, place)
        self._learn(link)
        when = self._pairings.get(link.gateway, Pairings()).correct(canonical.parse(wire))
        epoch.proof.times[when.quality.value] += 1
        return link

    def birth_document(self, wire: bytes, gateway: str) -> None:
        """What a gateway signed about the ends of its epochs; one that does not verify says nothing."""
        try:
            message, _, _ = jws.open_message(wire, self._keys_of(gateway))
        except ContractError:
            return
        epochs = message.get("epochs")
        if message.get("gw") != gateway or not isinstance(epochs, list):
            return
        for entry in epochs:
            if isinstance(entry, dict):
                self._end(gateway, entry, "its birth document", at_least=True)

    def finish(self) -> Proof:
        """The verdicts, when every event was given."""
        for gw, name in sorted(self._ends.keys() - self._epochs.keys()) if self._whole else ():
            last = max(end.last_seq for end in self._ends[gw, name])
            if last:
                text = f"the gateway signed that it had {last} events; none is here"
                self._proof.add(Flaw(gw, name, 0, 0, Code.EPOCH_MISSING, text))
        for key, epoch in self._epochs.items():
            if key[0] and self._extent is not Extent.CHOSEN:
                self._complete(key, epoch.proof)
        return self._proof

    # -- one event --------------------------------------------------------------------------------------

    def _proven(self, wire: bytes) -> tuple[Link | None, tuple[Code, str]]:
        try:
            read = prove(wire, None)
            link = prove(wire, self._keys_of(read.gateway))
            self._succession.check_place(link.gateway, link.kid, link.epoch, link.seq)
            return link, (Code.CHANGED, "")
        except ContractError as exc:
            return None, (_KEY_CODES.get(exc.code, Code.CHANGED), str(exc))

    def _chain(self, epoch: _Epoch, link: Link, place: Claim) -> None:
        seq, held = link.seq, epoch.proof.held
        if seq == epoch.highest:
            here = epoch.hashes[seq]
            if link.hash in here:
                self._flaw(place, Code.REPEATED, "the same event stands here already")
                return
            here.add(link.hash)
            self._flaw(place, Code.FORKED, "another genuine event has the same place")
        elif seq < epoch.highest:
            code = Code.REPEATED if seq in held else Code.REORDERED
            self._flaw(place, code, f"it stands behind #{epoch.highest}")
            held.add(seq, seq)
            return
        else:
            before = epoch.hashes.get(epoch.highest, set()) if epoch.highest == seq - 1 else set()
            epoch.hashes = {epoch.highest: before, seq: {link.hash}}
            epoch.highest = seq
            held.add(seq, seq)
        first = seq == 1
        if first != (link.previous == _GENESIS) or first != (link.type == EPOCH_OPENED):
            text = "an epoch opens with epoch_opened at sequence 1, and only there"
            self._flaw(place, Code.UNCHAINED, text)
            return
        before = epoch.hashes.get(seq - 1, set())
        if not first and before and link.previous not in before:
            self._flaw(place, Code.UNCHAINED, "it names another event before it than the one that is here")

    def _learn(self, link: Link) -> None:
        found = lost_range(link)
        if found is not None:
            name, first, last = found
            self._lost.setdefault((link.gateway, name), Ranges()).add(first, last)
        if link.type == EPOCH_OPENED and isinstance(link.data.get("previous"), dict):
            previous = link.data["previous"]
            if isinstance(previous, dict):
                self._end(link.gateway, previous, f"the opening of {link.epoch}", at_least=False)

    def _end(self, gateway: str, told: Mapping[str, Json], said_by: str, *, at_least: bool) -> None:
        name, last_seq, last_hash = told.get("epoch"), told.get("last_seq"), told.get("last_hash")
        if isinstance(last_seq, str) and last_seq.isascii() and last_seq.isdigit() and len(last_seq) <= 16:
            last_seq = int(last_seq)
        if not isinstance(name, str) or not isinstance(last_seq, int) or not isinstance(last_hash, str):
            return
        self._ends.setdefault((gateway, name), []).append(_End(last_seq, last_hash, said_by, at_least))

    # -- one epoch --------------------------------------------------------------------------------------

    def _complete(self, key: tuple[str, str], proof: EpochProof) -> None:
        gw, name = key
        ends = self._ends.get(key, []) if self._whole else []
        highest = proof.held.highest() or 0
        proof.end = max((end.last_seq for end in ends), default=None)
        lowest = 1 if self._whole else next(iter(proof.held), (1, 0))[0]
        last = max(highest, proof.end or 0)
        absent = Ranges([(lowest, last)] if last >= lowest else [])
        for first, end in proof.held:
            absent.discard(first, end)
        proof.missing = absent.copy()
        for first, end in self._lost.get(key, Ranges()):
            proof.missing.discard(first, end)
            for begin, finish in absent.overlapping(first, end):
                proof.declared.add(max(begin, first), min(finish, end))
        for first, end in proof.missing:
            self._proof.add(Flaw(gw, name, first, end, Code.MISSING, "no such event is here"))
        for first, end in proof.declared:
            self._proof.add(Flaw(gw, name, first, end, Code.DECLARED, "the gateway signed that it lost them"))
        if not ends and self._whole:
            text = "nothing signed says where it ends: events cut off behind the last one would not be seen"
            self._proof.add(Flaw(gw, name, highest, highest, Code.UNPROVEN_END, text))
        for told in ends:
            if not told.at_least and told.last_seq < highest:
                text = f"{told.said_by} knows it only up to #{told.last_seq}: the gateway's disk had forgotten the rest"
                self._proof.add(Flaw(gw, name, told.last_seq + 1, highest, Code.ROLLED_BACK, text))

    def _epoch(self, gw: str, name: str) -> _Epoch:
        key = (gw, name)
        if key not in self._epochs:
            self._epochs[key] = _Epoch(EpochProof(gw, name))
            self._proof.epochs.append(self._epochs[key].proof)
        return self._epochs[key]

    def _flaw(self, place: Claim, code: Code, what: str) -> None:
        self._proof.add(Flaw(place.gw, place.epoch, place.seq, place.seq, code, what))


def pairings_in(wires: Iterable[bytes], keys_of: KeysOf) -> dict[str, Pairings]:
    """The clock pairings of genuine `clock.synced` events, by gateway: a boot may span epochs."""
    found: dict[str, list[Pairing]] = {}
    for wire in wires:
        if _SYNCED not in wire:  # cheap, and a type has only one spelling in canonical bytes
            continue
        try:
            read = prove(wire, None)
            if read.type != CLOCK_SYNCED:
                continue
            prove(wire, keys_of(read.gateway))
        except ContractError:
            continue  # the judge names it
        pairing = pairing_of(canonical.parse(wire))
        if pairing is not None:
            found.setdefault(read.gateway, []).append(pairing)
    return {gateway: Pairings(some) for gateway, some in found.items()}


def rotations_in(wires: Iterable[bytes], keys_of: KeysOf) -> Succession:
    """What genuine `system.key_rotated` events say, in whatever order they stand."""
    succession, left = Succession(), [wire for wire in wires if _ROTATED in wire]
    progress = True
    while progress:
        progress = False
        for wire in list(left):
            try:
                read = prove(wire, None)
                link = prove(wire, keys_among(keys_of, succession)(read.gateway))
                if link.type == KEY_ROTATED:
                    found = rotation(
                        link.data, gateway=link.gateway, kid=link.kid, epoch=link.epoch, seq=link.seq
                    )
                    progress = succession.learn(found) or progress
            except ContractError:
                continue  # it may verify once another one was learned; else the judge names it
            left.remove(wire)
    return succession


def keys_among(keys_of: KeysOf, succession: Succession) -> KeysOf:
    """The same keys, and those they have handed over to."""
    return lambda gateway: succession.among(gateway, keys_of(gateway))


def _last_place(epochs: Mapping[tuple[str, str], "_Epoch"]) -> Claim | None:
    """Behind what an unreadable line of a file stands."""
    if not epochs:
        return None
    gw, name = next(reversed(list(epochs)))
    return Claim(gw, name, epochs[gw, name].highest + 1)
