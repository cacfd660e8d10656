"""Whether another machine uses this gateway's identity. Pure; seconds are handed in.

Some brokers say so when they hand a session over (DISCONNECT 0x8E), others just close the connection.
The other sign is our own `status` topic: a session there that is none of ours was written by someone
else. One may be left from the box that this one replaces; two within ten minutes are a second machine.
"""

import json
from collections import deque

WITHIN_S = 600.0
ENOUGH = 2
REMEMBERED = 16  # sessions, ours and foreign ones
_ALIVE = ("online", "lost")  # `offline` was said by one who left


class IdentityWatch:
    """Signs of another machine."""

    def __init__(self) -> None:
        self._ours: deque[str] = deque(maxlen=REMEMBERED)
        self._foreign: deque[str] = deque(maxlen=REMEMBERED)
        self._signs: deque[float] = deque(maxlen=ENOUGH)

    def ours(self, *sessions: str) -> None:
        """Sessions of this gateway, also from earlier runs."""
        self._ours.extend(sessions)

    @property
    def own_sessions(self) -> tuple[str, ...]:
        """Ours, oldest first."""
        return tuple(self._ours)

    def taken_over(self, now_s: float) -> None:
        """The broker said that another client took our session."""
        self._signs.append(now_s)

    def saw_status(self, payload: bytes, now_s: float, *, retained: bool) -> bool:
        """Something came on our own status topic; whether it was a sign of another machine."""
        session = _session_of(payload)
        if session is None or session in self._ours:
            return False
        if session in self._foreign and retained:
            return False  # the same one again, merely kept by the broker
        self._foreign.append(session)
        self._signs.append(now_s)
        return True

    def doubled(self, now_s: float) -> bool:
        """Whether there is another machine."""
        recent = [at for at in self._signs if now_s - at < WITHIN_S]
        return len(recent) >= ENOUGH

    def calm(self, now_s: float, since_s: float) -> bool:
        """Whether there was no sign for long enough, while connected since `since_s`."""
        return now_s - max(since_s, *self._signs, since_s) >= WITHIN_S


def _session_of(payload: bytes) -> str | None:
    """The session of a status that somebody alive wrote."""
    try:
        status = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    if not isinstance(status, dict) or status.get("state") not in _ALIVE:
        return None
    session = status.get("session")
    return session if isinstance(session, str) and len(session) <= 64 else None
