"""What a program asked of a kiosk and was answered: a repeat gets the same answer and does nothing.

The answer is noted in the transaction of the events it speaks of, under a keyed hash of the program's key:
there is never one without the other, whenever the power goes. Answers are kept for a day. When more come than
can be kept, new requests are refused, because to forget one early would be to do something twice.
"""

import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Protocol

from gateway.clock import ClockQuality, Stamp
from gateway.errors import ContractError, GatewayError
from gateway.evidence.canonical import Json

ANSWER = "answer:"  # notes: by kiosk and hash of the key
KEPT_MS = 24 * 3600 * 1000
MOST_KEPT = 4096  # of one kiosk


class Reader(Protocol):
    """Where answers were noted."""

    async def notes(self, prefix: str) -> Mapping[str, str]:
        """What was noted, by the rest of its key; raises `StoreRefused`."""
        ...

    def keyed_hash(self, content: bytes) -> str:
        """Equal for equal contents, useless without the gateway's key."""
        ...


class KeyInUse(ContractError):  # noqa: N818 - named for the condition
    """Code `in_flight`: the same request is being carried out; the answer to it comes in a moment."""


class KeyReused(ContractError):  # noqa: N818 - named for the condition
    """Code `key_reused`: the key was used for another request."""


class TooMany(GatewayError):  # noqa: N818 - named for the condition
    """Code `too_many`: more requests than a kiosk makes."""


@dataclass(frozen=True, slots=True)
class Key:
    """One request of a program: its key and what it asked, hashed."""

    key: str
    body: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a request."""

    session: str | None  # that runs, or has just begun or ended by it
    changed: bool  # False: it had nothing to say to this session, or came too late

    def as_json(self) -> dict[str, Json]:
        """For a note and for the program."""
        return {"session": self.session, "changed": self.changed}


@dataclass(frozen=True, slots=True)
class _Kept:
    body: str
    answer: Answer
    at: Stamp  # when it was given
    read: Stamp  # when this run came to know of it

    def is_old(self, now: Stamp) -> bool:
        """By a clock that nobody can set in one boot; over boots by the calendar, where it was set both times."""
        if now.boot_id == self.at.boot_id:
            return now.mono_ms - self.at.mono_ms > KEPT_MS
        if ClockQuality.UNSYNCED not in {now.quality, self.at.quality}:
            return now.wall_ms - self.at.wall_ms > KEPT_MS
        return now.mono_ms - self.read.mono_ms > KEPT_MS


class Answered:
    """The requests of one kiosk of the last day."""

    def __init__(self, kiosk: str, reader: Reader, stamp: Callable[[], Stamp]) -> None:
        self._prefix = f"{ANSWER}{kiosk}:"
        self._reader = reader
        self._stamp = stamp
        self._kept: dict[str, _Kept] | None = None  # None: not read yet
        self._running: dict[str, str] = {}  # key -> body

    def key(self, key: str, body: bytes) -> Key:
        """The request by which a repeat is known. `body` names route and content."""
        return Key(
            self._reader.keyed_hash(b"key\0" + key.encode()), self._reader.keyed_hash(b"body\0" + body)
        )

    async def begin(self, key: Key) -> Answer | None:
        """The answer to a repeat; None: it is new, and `end` must be called in the end.

        Raises `KeyInUse`, `KeyReused`, `TooMany`, and `StoreRefused` when the notes cannot be read.
        """
        kept = await self._load()
        known = kept.get(key.key)
        body = self._running.get(key.key) if known is None else known.body
        if body is not None and not hmac.compare_digest(body, key.body):
            raise KeyReused("key_reused", "this Idempotency-Key was used for another request; use a new one")
        if known is not None:
            return known.answer
        if body is not None:
            raise KeyInUse("in_flight", "this request is being carried out; ask again in a moment")
        if len(kept) - len(self._old(kept)) >= MOST_KEPT:
            raise TooMany("too_many", "too many requests of this kiosk in one day; see why it asks so often")
        self._running[key.key] = key.body
        return None

    def noted(self, key: Key, answer: Answer) -> dict[str, str | None]:
        """The notes for the transaction: the answer, and what is a day old goes."""
        now = self._stamp()
        kept = self._kept or {}
        text = json.dumps({"body": key.body, "at": asdict(now), **answer.as_json()})
        return {**{self._prefix + one: None for one in self._old(kept)}, self._prefix + key.key: text}

    def end(self, key: Key, answer: Answer | None) -> None:
        """It was carried out, or (None) refused: then the same key may come again."""
        del self._running[key.key]
        if answer is None or self._kept is None:
            return
        for one in self._old(self._kept):
            del self._kept[one]
        now = self._stamp()
        self._kept[key.key] = _Kept(key.body, answer, now, now)

    def _old(self, kept: Mapping[str, _Kept]) -> list[str]:
        now = self._stamp()
        return [one for one, what in kept.items() if what.is_old(now)]

    async def _load(self) -> dict[str, _Kept]:
        if self._kept is None:
            kept = {}
            for one, text in (await self._reader.notes(self._prefix)).items():
                told = json.loads(text)
                answer = Answer(told["session"], told["changed"])
                at = Stamp(**{**told["at"], "quality": ClockQuality(told["at"]["quality"])})
                kept[one] = _Kept(told["body"], answer, at, self._stamp())
            if self._kept is None:  # somebody else may have read them meanwhile, and added to them
                self._kept = kept
        return self._kept
