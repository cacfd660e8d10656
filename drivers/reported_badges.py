"""Which report of a badge is a new presentation, and so is worth an event.

Readers that tell a badge by themselves say it once, or over and over while it is held; "no badge" they never say.
Hence the rules, for each badge by itself:
  * A badge that is reported again within `held_s` of its last report is still being held. Nobody's badge is passed
    over because another's was there a moment ago.
  * What could not be stored was not counted: while it is held it is tried again after 10 s, presented anew at once.
  * One badge makes `BURST` events in quick succession, then one in 10 s (presentation.py says why).

Leaves out: the reader, and whose badge it is (a badge is a key). Times are those of the loop.
"""

import asyncio
import hashlib
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from enum import Enum, auto

from drivers.driver import EventsRefused, Host
from drivers.events import BadgeForm, BadgeRead
from drivers.presentation import REPEAT_S, Paces, remember
from firmware_protocols.errors import RemoteProtocolError
from firmware_protocols.wiegand.card import Card

DEFAULT_HELD_MS, LONGEST_HELD_MS = 2000, 60_000  # readers that repeat do so every 0.2 to 1 s, mostly
BURST = 6


def badge_of_bits(bits: str) -> BadgeRead:
    """A badge whose bits came whole; what they are divided into is known of 26 with right parity alone."""
    try:
        Card.from_bits(bits)
    except RemoteProtocolError:
        return BadgeRead(form=BadgeForm.BITS, number=bits)
    return BadgeRead(form=BadgeForm.WIEGAND_26, number=bits)


class Outcome(Enum):
    """What became of one report."""

    STORED = auto()  # its event is on disk
    HELD = auto()  # the same presentation as before
    TOO_OFTEN = auto()
    REFUSED = auto()  # the store takes nothing: nothing was counted


@dataclass(slots=True)
class _Presented:
    reported_at: float
    stored: bool
    not_before: float = 0.0  # a refused one is not tried again


class ReportedBadges:
    """The memory of one reader, across its reconnections."""

    def __init__(self, host: Host, *, held_s: float) -> None:
        self._host = host
        self._held_s = held_s
        self._secret = secrets.token_bytes(32)  # what is remembered tells nobody else a badge
        self._known: OrderedDict[bytes, _Presented] = OrderedDict()
        self._paces = Paces(BURST)

    async def take(self, badge: BadgeRead) -> Outcome:
        """A badge was reported. On disk when this returns `STORED`; what comes to nothing is counted."""
        key, now = self._key(badge), _now()
        last = self._known.get(key)
        if (
            last is not None
            and now - last.reported_at < self._held_s
            and (last.stored or now < last.not_before)
        ):
            last.reported_at = now
            remember(self._known, key, last)
            return Outcome.HELD
        if self._paces.allowed(key, now) < 1:
            # Told once: what is held on is the same presentation.
            remember(self._known, key, _Presented(now, stored=True))
            self._host.noise("too_often", badge.length)
            return Outcome.TOO_OFTEN
        shown = _Presented(now, stored=False, not_before=now + REPEAT_S)
        remember(self._known, key, shown)
        try:
            await self._host.committed([badge])
        except EventsRefused:  # counted by the gateway, by cause
            return Outcome.REFUSED
        finally:
            shown.reported_at = _now()  # nobody listened meanwhile
        shown.stored = True
        self._paces.spend(key, now)
        return Outcome.STORED

    def _key(self, badge: BadgeRead) -> bytes:
        told_apart_by = f"{badge.form}\0{badge.number}".encode()
        return hashlib.blake2b(told_apart_by, key=self._secret, digest_size=16).digest()


def _now() -> float:
    return asyncio.get_running_loop().time()
