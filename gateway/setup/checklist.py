"""What a center still lacks until its first check-in counts, in the order in which it is done. Pure.

Nothing here is a setting of its own: each line follows from what the gateway knows anyway.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.view import Level, Snapshot

CARD_READERS = "idcard."


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known beside the snapshot."""

    staff: bool  # somebody may confirm check-ins
    kiosks: int
    paired: int  # of them, with a token
    readers: frozenset[str]  # devices that stand at a kiosk, and terminals
    address: bool | None = None  # the box has a network address; None: nobody can tell
    trust: bool  # keys of the center are here
    roster: bool
    verified: bool | None = False  # the center has acknowledged a check-in; None: this one never does


@dataclass(frozen=True, slots=True)
class Step:
    """One line: texts stand in the catalogue under `setup_step.<code>`, what to do under `.do`."""

    code: str
    level: Level

    @property
    def done(self) -> bool:
        """Nothing is left of it."""
        return self.level is Level.OK


def steps(snapshot: Snapshot, known: Known) -> Sequence[Step]:
    """All of them."""
    reading = any(
        one.id in known.readers and one.kind.startswith((CARD_READERS, "terminal.")) and one.state == "online"
        for one in snapshot.devices
    )
    facts: Sequence[tuple[str, bool | None]] = (
        ("center_name", snapshot.center is not None),
        ("address", known.address),
        ("clock", snapshot.clock.quality == "synced"),
        ("kiosk", known.kiosks > 0),
        ("reader", reading),
        ("paired", known.kiosks > 0 and known.paired >= known.kiosks),
        ("staff", known.staff),
        ("trust", known.trust and not snapshot.demo),
        ("uplink", snapshot.uplink.state == "online"),
        ("roster", known.roster),
        ("verified", known.verified),
    )
    return [Step(code, _level(holds)) for code, holds in facts]


def _level(holds: bool | None) -> Level:  # noqa: FBT001 - a fact, not a switch
    return Level.UNKNOWN if holds is None else Level.OK if holds else Level.ATTENTION
