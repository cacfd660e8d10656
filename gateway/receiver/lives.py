"""Whether two epochs of one gateway live at once: then two machines go by one name (contract, 3).

One machine leaves an epoch for good when it opens the next, so what is recorded in an older epoch after a
newer one has opened was recorded by a second machine. A late backlog, a resend, a reissue and a card that
was put back look like it and are not. So only such an event is asked as a machine makes while it goes on in
its epoch: new to us, no reissue, beyond every end that was stated of its epoch, hanging on all before it
without a fork or a loss. Two things prove it, and neither is the order of arrival alone:

same boot    its monotonic clock is beyond that of another epoch's opening in the same boot
live again   made within the last minute, by a clock whose error is bounded and which agrees with ours;
             its epoch was seen alive before another one was, and that is longer ago than any delay counts

Where both are lacking there is no alarm: a machine that goes on delivers one sooner or later, and a false
alarm would send somebody to a sound box.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from gateway.receiver.ledger import EpochState, Key
from gateway.receiver.notices import Notices
from gateway.receiver.sql import Connection, marks
from gateway.receiver.verdict import Outcome, Verdict
from gateway.receiver.verify import Event

ALARM = "duplicate_identity"
CODE = "epochs"  # a session that speaks again raises the same alarm without a code (`directory`)
RACE_MS = 1_000  # a stamp is read a moment before its event is placed
FRESH_MS = 60_000  # so old may be what shows that its epoch is alive
AHEAD_MS = 2_000  # and so far may its clock be ahead of ours
BOUND_MS = 10_000  # of its own error, at the most
APART_MS = 120_000  # between the first sign of life of the newer epoch and what the older one says then


@dataclass(frozen=True, slots=True)
class Life:
    """What is known of one epoch: where it opened, and when it was first seen alive."""

    cursor: int
    boot: str | None = None  # None: its opening is not here
    mono_ms: int = 0  # of the opening, in that boot
    turn: int = 0  # 1 for the first epoch of its gateway that was seen alive, then 2, …; 0: not seen alive
    live_ms: int = 0  # our time at that moment

    def may_follow(self, other: "Life") -> bool:
        """Whether it may have opened after `other`, seen from the boot in which `other` did."""
        if self.boot is None:
            return True
        return self.boot == other.boot and (self.mono_ms, self.cursor) > (other.mono_ms, other.cursor)


Lived: TypeAlias = Mapping[str, Mapping[str, Life]]  # gateway -> epoch -> life


class Lives:
    """The table `life` in one transaction."""

    def __init__(self, connection: Connection, known: Lived, notices: Notices, now_ms: int) -> None:
        self.changed: dict[Key, Life] = {}
        self._seen: list[Event] = []
        self._rivals: dict[tuple[str, str, str], list[Life]] = {}  # until a life changes
        self._connection = connection
        self._known = known
        self._notices = notices
        self._now_ms = now_ms

    def see(self, event: Event, verdict: Verdict) -> None:
        """Note an event that was stored just now; it is looked at when the transaction ends."""
        if verdict.outcome is Outcome.ACCEPTED:
            self._seen.append(event)

    def finish(self, epochs: Mapping[Key, EpochState]) -> None:
        """Judge and write, at the end of the transaction: `epochs` are as they are then."""
        for event in self._seen:
            state = epochs[event.gateway, event.epoch]
            if event.seq == 1:
                self._open(event, self._life(state))
            elif _goes_on(event, state):
                self._judge(event, state)
        self._connection.executemany(
            "INSERT INTO life (cursor, boot, mono_ms, turn, live_ms) VALUES (?, ?, ?, ?, ?) ON CONFLICT (cursor) DO "
            "UPDATE SET boot = excluded.boot, mono_ms = excluded.mono_ms, turn = excluded.turn, "
            "live_ms = excluded.live_ms",
            [
                (life.cursor, life.boot, life.mono_ms, life.turn, life.live_ms)
                for life in self.changed.values()
            ],
        )

    def _open(self, event: Event, life: Life) -> None:
        if life.boot is None:  # of two openings the first one counts
            opened = replace(life, boot=_boot(event), mono_ms=_mono_ms(event))
            self._keep(event, opened)

    def _judge(self, event: Event, state: EpochState) -> None:
        mine, fresh = self._life(state), self._is_fresh(event)
        rivals = self._rivals_of(event, mine)
        second = _outlives(event, mine, rivals) or (fresh and _lives_again(event, mine, rivals))
        begins = fresh and mine.turn == 0
        if not (second or begins) or self._is_torn(event):
            return
        if begins:
            turn = 1 + max((life.turn for life in self._others(event)), default=0)
            self._keep(event, replace(mine, turn=turn, live_ms=self._now_ms))
        if second and not self._notices.stands(event.gateway, ALARM, epoch=event.epoch, code=CODE):
            self._notices.alarm(event.gateway, ALARM, epoch=event.epoch, seq=event.seq, code=CODE)

    def _is_torn(self, event: Event) -> bool:
        """Two histories in one epoch, or a loss, have alarms of their own: a card that forgets all of a run
        goes on in an old epoch, and is one machine all the same."""
        return any(
            self._notices.stands(event.gateway, kind, epoch=event.epoch) for kind in ("fork", "range_lost")
        )

    def _is_fresh(self, event: Event) -> bool:
        error_ms = event.message.get("clockerrms")
        if event.time_ms is None or not isinstance(error_ms, int) or error_ms > BOUND_MS:
            return False
        return -AHEAD_MS <= self._now_ms - event.time_ms <= FRESH_MS

    def _life(self, state: EpochState) -> Life:
        known = self._known.get(state.gw, {}).get(state.epoch)
        return self.changed.get((state.gw, state.epoch)) or known or Life(state.id)

    def _keep(self, event: Event, life: Life) -> None:
        self.changed[event.gateway, event.epoch] = life
        self._rivals.clear()

    def _rivals_of(self, event: Event, mine: Life) -> list[Life]:
        """Epochs that could be the younger one; nearly always none, and not looked up for each event."""
        key = (event.gateway, event.epoch, _boot(event))
        if key not in self._rivals:
            self._rivals[key] = [
                life
                for life in self._others(event)
                if life.turn > mine.turn or (life.boot == key[2] and not mine.may_follow(life))
            ]
        return self._rivals[key]

    def _others(self, event: Event) -> list[Life]:
        lives = dict(self._known.get(event.gateway, {}))
        lives.update((epoch, life) for (gw, epoch), life in self.changed.items() if gw == event.gateway)
        lives.pop(event.epoch, None)
        return list(lives.values())


def _goes_on(event: Event, state: EpochState) -> bool:
    """Whether this is what a machine makes that goes on in its epoch; all before it is here and hangs together."""
    return event.message.get("reissueof") is None and state.end_seq < event.seq <= state.cursor.upto


def _outlives(event: Event, mine: Life, rivals: list[Life]) -> bool:
    """Same boot: recorded after another epoch had opened, which is not the older one."""
    boot, mono_ms = _boot(event), _mono_ms(event)
    return any(
        life.boot == boot and mono_ms > life.mono_ms + RACE_MS and not mine.may_follow(life)
        for life in rivals
    )


def _lives_again(event: Event, mine: Life, rivals: list[Life]) -> bool:
    """Another epoch has come to life since this one did, and it was not just now."""
    made_ms = event.time_ms or 0
    return mine.turn > 0 and any(
        life.turn > mine.turn and made_ms > life.live_ms + APART_MS for life in rivals
    )


def _boot(event: Event) -> str:
    return str(event.message["bootid"])  # an accepted event has it, in its form


def _mono_ms(event: Event) -> int:
    return int(str(event.message["monoms"]))


def load_lives(connection: Connection, gateways: Sequence[str]) -> dict[str, dict[str, Life]]:
    """Their epochs of which something is known."""
    found: dict[str, dict[str, Life]] = {}
    for gw, epoch, *life in connection.execute(
        "SELECT c.gw, c.epoch, l.cursor, l.boot, l.mono_ms, l.turn, l.live_ms "  # noqa: S608
        f"FROM life l JOIN cursor c ON c.id = l.cursor WHERE c.gw IN ({marks(len(gateways))})",
        gateways,
    ):
        found.setdefault(gw, {})[epoch] = Life(*life)
    return found
