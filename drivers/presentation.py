"""Which look at the reader shows a new presentation of a card, and so is worth an event.

The law: at most one event per presentation; a card left lying makes no second one; and nobody's card is
passed over because another's lay there a moment ago. A reader only answers "card" or "no card" when asked,
and readers differ in what they say of a card that has been read and still lies there:

    latching      "no card", until it was lifted and laid down again
    re-finding    "card", each time
    alternating   now this, now that

Hence the rules:
  * **Gone** is "no card" from one look to a later one, at least `gone_after_s` apart, at every look between. A
    single such answer is the flicker of an alternating reader, or of a card at the edge of the field. The next
    card found after gone is a new presentation, the same card too: on any of the three it was lifted in between.
  * A card found without gone before belongs to the same presentation. Once that has had its event, the card
    is read again after 2 s, 4 s, 8 s ... 60 s, and at once after a flicker or a blind moment, but only
    compared: two persons can change cards between two looks, and the second must not take the success of the
    first for his. Another card makes its own event. The pause grows because some readers beep at each reading.
  * After a refusal nothing is read before gone: a reader wants the card lifted after a read error, and the
    person is being asked to do just that.
  * One card, or cards that cannot be read, may make `burst` events in quick succession, then one in 10 s:
    stored events cannot be purged before the center has them, so neither a loose contact nor a bored hand may
    make any number of them. A good card that lies there when its time has come is counted then.
  * An event that could not be stored is not counted: the card is read again after 10 s, or when laid down anew.
  * A card that lay there when the link was lost is known for 10 s.

Leaves out: the reader, the clock (each call is told the time), and whose card it is (a card is a key).
"""

from collections import OrderedDict
from enum import Enum, auto
from typing import TypeVar

REPEAT_S = 10.0  # pace of events that one card can cause by itself
RECHECK_S = 2.0  # first comparison of a card that lies on
RECHECK_LIMIT_S = 60.0
BLIND_S = 1.0  # without a look for so long, cards may have been changed unseen
CARDS_KNOWN = 16  # cards remembered at a time; more than anybody lays down in 10 s

UNREADABLE = b""  # stands for every card that could not be read


class _Stage(Enum):
    OPEN = auto()  # no event yet in this presentation; also: no card
    COUNTED = auto()
    REFUSED = auto()


class Paces:
    """How many events each card may make now: `burst` in quick succession, then one in `REPEAT_S`."""

    def __init__(self, burst: int) -> None:
        self._burst = float(burst)
        # card -> how many events it may make, and when that was so
        self._left: OrderedDict[bytes, tuple[float, float]] = OrderedDict()

    def allowed(self, card: bytes, now: float) -> float:
        """From 1 on it may make one."""
        left, as_of = self._left.get(card, (self._burst, now))
        return min(self._burst, left + (now - as_of) / REPEAT_S)

    def spend(self, card: bytes, now: float) -> None:
        """It made one."""
        remember(self._left, card, (self.allowed(card, now) - 1, now))


class Presentations:
    """The memory of one reader. Times are monotonic seconds."""

    def __init__(self, *, gone_after_s: float, burst: int) -> None:
        self._gone_after_s = gone_after_s
        self._paces = Paces(burst)
        self._looked_at: float | None = None
        self._begin()

    def _begin(self) -> None:
        self._stage = _Stage.OPEN
        self._counted: OrderedDict[bytes, None] = OrderedDict()  # the cards of this presentation
        self._read_at = 0.0
        self._hold_until = 0.0
        self._recheck_s = RECHECK_S
        self._absent_since: float | None = None

    def reopened(self, now: float) -> None:
        """The link was opened again."""
        if self._looked_at is not None and now - self._looked_at >= REPEAT_S:
            self._begin()

    def reading_due(self, now: float) -> bool:
        """Whether a card that lies there now is to be read, not only noticed."""
        if now < self._hold_until:
            return False
        match self._stage:
            case _Stage.OPEN:
                return True
            case _Stage.COUNTED:
                return now >= self._read_at or self._absent_since is not None or self._was_blind(now)
            case _Stage.REFUSED:
                return False

    def absent(self, now: float) -> None:
        """No card lay there."""
        self._looked_at = now
        if self._absent_since is None:
            self._absent_since = now
        elif now - self._absent_since >= self._gone_after_s:
            self._begin()

    def noticed(self, now: float) -> None:
        """A card lay there and was not read, or nobody knows what lay there."""
        self._looked_at = now
        self._absent_since = None

    def is_new(self, card: bytes, now: float) -> bool:
        """A card was read, or refused (`UNREADABLE`): whether it makes an event. Then tell what became of it."""
        self.noticed(now)
        if card in self._counted or (card == UNREADABLE and self._stage is _Stage.COUNTED):
            self._read_at = now + self._recheck_s
            self._recheck_s = min(2 * self._recheck_s, RECHECK_LIMIT_S)
            return False
        allowed = self._paces.allowed(card, now)
        if allowed >= 1:
            return True
        if card == UNREADABLE:
            self._stage = _Stage.REFUSED
        else:
            self._hold_until = now + (1 - allowed) * REPEAT_S
        return False

    def stored(self, card: bytes, now: float) -> None:
        """Its event is on disk."""
        self._paces.spend(card, now)
        if card == UNREADABLE:
            self._stage = _Stage.REFUSED
            return
        self._stage = _Stage.COUNTED
        remember(self._counted, card, None)
        self._read_at = now + RECHECK_S
        self._recheck_s = 2 * RECHECK_S

    def not_stored(self, now: float) -> None:
        """Its event was refused by the store: nothing was counted."""
        self._hold_until = now + REPEAT_S

    def _was_blind(self, now: float) -> bool:
        return self._looked_at is not None and now - self._looked_at > BLIND_S


ValueT = TypeVar("ValueT")


def remember(known: OrderedDict[bytes, ValueT], card: bytes, value: ValueT) -> None:
    """Keep it as the newest; of more than `CARDS_KNOWN` the oldest is forgotten."""
    known[card] = value
    known.move_to_end(card)
    while len(known) > CARDS_KNOWN:
        known.popitem(last=False)
