"""JSON objects read member by member: each has its form, none is ignored in silence.

An error names the path of the member and what is expected there, never what stands there: a value may
identify a person. A member that nobody asked for is an error, except in a file of a newer minor version,
where it is left out and counted.
"""

import re
from collections.abc import Iterator
from datetime import date

from gateway.clock import parse_iso_ms
from gateway.errors import ContractError
from gateway.evidence.canonical import MAX_SAFE_INTEGER, Json

_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_NAME = re.compile(r"[a-z][a-z_]{0,31}", re.ASCII)  # of a member, as far as it may be repeated in a text


class RosterError(ContractError):
    """A roster that cannot be taken. `code` begins with `roster_`; the text names place and remedy, no value."""


class Tally:
    """What was left out of one file because a newer minor version has it."""

    def __init__(self, *, newer: bool) -> None:
        self.newer = newer
        self.left_out = 0


class Members:
    """One JSON object that is being read. `end` when everything known was asked for."""

    def __init__(self, value: Json, path: str, tally: Tally) -> None:
        if not isinstance(value, dict):
            raise wrong(path, "an object")
        self.path = path
        self._left = dict(value)
        self._tally = tally

    def at(self, name: str) -> str:
        """The path of a member."""
        return f"{self.path}.{name}" if self.path else name

    def take(self, name: str) -> Json:
        """A member of any form; raises `RosterError` (roster_missing)."""
        try:
            return self._left.pop(name)
        except KeyError:
            raise RosterError(
                "roster_missing", f"{self.at(name)} is missing; have the center issue it anew"
            ) from None

    def text(self, name: str, pattern: re.Pattern[str], form: str) -> str:
        """A text that matches as a whole; `form` says how in words."""
        return as_text(self.take(name), self.at(name), pattern, form)

    def word(self, name: str, words: frozenset[str]) -> str:
        """One of a few words."""
        value = self.take(name)
        if not isinstance(value, str) or value not in words:
            raise wrong(self.at(name), "one of " + ", ".join(sorted(words)))
        return value

    def flag(self, name: str) -> bool:
        """True or false."""
        value = self.take(name)
        if not isinstance(value, bool):
            raise wrong(self.at(name), "true or false")
        return value

    def whole(self, name: str, low: int, high: int = MAX_SAFE_INTEGER) -> int:
        """A whole number within bounds."""
        return as_whole(self.take(name), self.at(name), low, high)

    def day(self, name: str) -> date:
        """A date."""
        return as_day(self.take(name), self.at(name))

    def time_ms(self, name: str) -> int:
        """A time in the contract's one form: milliseconds since 1970."""
        value = self.take(name)
        try:
            return parse_iso_ms(value if isinstance(value, str) else "")
        except ValueError as exc:
            raise wrong(self.at(name), "a time of the form 2026-11-22T01:02:02.004Z") from exc

    def items(self, name: str, most: int, *, least: int = 0) -> Iterator[tuple[Json, str]]:
        """The items of a list, each with its path."""
        value = self.take(name)
        if not isinstance(value, list) or not least <= len(value) <= most:
            raise wrong(self.at(name), f"a list of {least} to {most} items")
        for index, item in enumerate(value):
            yield item, f"{self.at(name)}[{index}]"

    def objects(self, name: str, most: int, *, least: int = 0) -> "Iterator[Members]":
        """The objects of a list."""
        for item, path in self.items(name, most, least=least):
            yield Members(item, path, self._tally)

    def inner(self, name: str) -> "Members":
        """An object."""
        return Members(self.take(name), self.at(name), self._tally)

    def end(self) -> None:
        """Nothing else may stand here; raises `RosterError` (roster_unknown)."""
        if self._tally.newer:
            self._tally.left_out += len(self._left)
            return
        for name in self._left:
            shown = f"member {name}" if _NAME.fullmatch(name) else "a member with a strange name"
            raise RosterError(
                "roster_unknown",
                f"{self.path or 'the head'}: {shown} is not known in this minor version; "
                "correct it, or raise `minor`",
            )


def wrong(path: str, form: str) -> RosterError:
    """What stands at `path` is not of the form it must have."""
    return RosterError("roster_value", f"{path} must be {form}; have the center issue it anew")


def as_text(value: Json, path: str, pattern: re.Pattern[str], form: str) -> str:
    """A text that matches as a whole."""
    if not isinstance(value, str) or pattern.fullmatch(value) is None:
        raise wrong(path, form)
    return value


def as_whole(value: Json, path: str, low: int, high: int) -> int:
    """A whole number within bounds."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise wrong(path, f"a whole number from {low} to {high}")
    return value


def as_day(value: Json, path: str) -> date:
    """A date `2026-11-22`, and no other spelling of it."""
    if isinstance(value, str) and _DATE.fullmatch(value) is not None:
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise wrong(path, "a date of the form 2026-11-22")
