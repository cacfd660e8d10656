"""What happens to a simulated device, one step in a line of JSON (JSON Lines); read whole before anything happens.

    # somebody comes twice, then the cable is pulled
    {"repeat": 2, "steps": [{"card": 3, "for_s": 1}, {"after_s": 4}]}
    {"after_s": 2, "unplug_s": 5}

A step has one word that says what happens, that word's options, and `after_s`, the seconds before it; `after_s` alone
is a pause. Which words there are, the device's stage says. Empty lines and lines that begin with # are left out.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from drivers.settings import nearest
from drivers.simulators.step import LONGEST_TEXT, ScriptError, Step, shown

AFTER, REPEAT, STEPS = "after_s", "repeat", "steps"
LONGEST_WAIT_S = 86_400.0
MOST_TIMES = 1_000_000
DEEPEST = 4  # repeats in repeats
MOST_BYTES = 1 << 20

Act: TypeAlias = Callable[[], Awaitable[None]]
Word: TypeAlias = Callable[[Step], Act]  # reads its value and options, and gives back what is done
Words: TypeAlias = Mapping[str, Word]


@dataclass(frozen=True, slots=True)
class Planned:
    """A step that was read."""

    where: str
    what: str
    after_s: float
    act: Act | None = None
    times: int = 1
    steps: "tuple[Planned, ...]" = ()

    async def play(self, tell: Callable[[str], None]) -> None:
        """Wait, and do it."""
        await asyncio.sleep(self.after_s)
        if self.act is not None:
            tell(f"{self.where}: {self.what}")
            await self.act()
        for _ in range(self.times if self.steps else 0):
            for step in self.steps:
                await step.play(tell)


@dataclass(frozen=True, slots=True)
class Script:
    """Steps in their order."""

    steps: tuple[Planned, ...]

    async def play(self, tell: Callable[[str], None]) -> None:
        """Once, from the beginning to the end; `tell` gets a line for each step."""
        for step in self.steps:
            await step.play(tell)


def read_script(path: Path, kind: str, words: Words) -> Script:
    """The script of a file. Raises `ScriptError`: which line, what is wrong, and the nearest known word."""
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as exc:
        raise ScriptError("unreadable", str(path), f"cannot be read ({exc.strerror})") from exc
    if len(data) > MOST_BYTES:
        raise ScriptError("too_long", str(path), f"a script has {MOST_BYTES} bytes at most")
    try:
        text = data.decode("utf-8-sig")  # editors on Windows begin a file with a mark
    except UnicodeDecodeError as exc:
        line = data[: exc.start].count(b"\n") + 1
        raise ScriptError("not_json", f"{path}, line {line}", "a script is UTF-8") from exc
    return parse_script(text, str(path), kind, words)


def parse_script(text: str, name: str, kind: str, words: Words) -> Script:
    """The same of a text; `name`: of the file, for errors."""
    planned: list[Planned] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        where = f"line {number}"
        planned.append(_planned(_object(line, f"{name}, {where}"), f"{name}, {where}", where, kind, words))
    if not planned:
        raise ScriptError("empty", name, "no step in it")
    return Script(tuple(planned))


def _object(line: str, at: str) -> object:
    def pairs(some: Sequence[tuple[str, object]]) -> dict[str, object]:
        told = dict(some)
        if len(told) < len(some):
            twice = next(key for key, _ in some if [one for one, _ in some].count(key) > 1)
            raise ScriptError("two_words", at, f"{shown(twice)} stands there twice")
        return told

    def constant(word: str) -> object:
        raise ScriptError("not_json", at, f"{word} is no number")

    try:
        return json.loads(line, object_pairs_hook=pairs, parse_constant=constant)
    except json.JSONDecodeError as exc:
        raise ScriptError("not_json", at, f"no JSON: {exc.msg}, character {exc.colno}") from None
    except RecursionError:
        raise ScriptError("not_json", at, "too many brackets in brackets") from None
    except ValueError:
        raise ScriptError("not_json", at, "a number of too many digits") from None


def _planned(told: object, at: str, where: str, kind: str, words: Words, depth: int = 0) -> Planned:
    if not isinstance(told, dict) or not told:
        raise ScriptError("not_a_step", at, 'a step is an object like {"after_s": 2}')
    step = Step(at, told)
    after_s = step.number(AFTER, default=0.0, least=0.0, most=LONGEST_WAIT_S)
    found = [key for key in told if key in words or key == REPEAT]
    if len(found) > 1:
        raise ScriptError("two_words", at, f"'{found[0]}' and '{found[1]}' are two steps; give each its line")
    if not found:
        step.finish(lambda key: _unknown(key, kind, words))
        return Planned(where, "", after_s)
    word = found[0]
    if word == REPEAT:
        planned = _repeated(step, at, where, kind, words, after_s, depth)
    else:
        planned = Planned(where, f"{word} {told[word]}", after_s, words[word](step))
    step.finish(
        lambda key: (
            "unknown_option",
            f"'{word}' has no option {shown(key)}{_near(key, step.known)}; known: {_listed(step.known)}",
        )
    )
    return planned


def _repeated(
    step: Step, at: str, where: str, kind: str, words: Words, after_s: float, depth: int
) -> Planned:
    if depth >= DEEPEST:
        raise ScriptError("too_long", at, f"{DEEPEST} repeats in each other at most")
    times = step.whole(REPEAT, least=1, most=MOST_TIMES)
    steps = tuple(
        _planned(told, f"{at}, step {number}", f"{where}.{number}", kind, words, depth + 1)
        for number, told in enumerate(step.items(STEPS), 1)
    )
    return Planned(where, "", after_s, times=times, steps=steps)


def _unknown(key: str, kind: str, words: Words) -> tuple[str, str]:
    known = [*words, REPEAT, AFTER]
    return (
        "unknown_word",
        f"{shown(key)} is nothing that can happen to {kind}{_near(key, known)}; known: {_listed(known)}",
    )


def _near(key: str, known: Sequence[str]) -> str:
    return nearest(key[:LONGEST_TEXT], known)


def _listed(words: Sequence[str]) -> str:
    return ", ".join(sorted(set(words)))
