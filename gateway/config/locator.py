"""On which line of a TOML text a key stands: the standard library's parser does not tell.

Only for texts that already parsed, and only to point: a key inside an inline table or array is found at
the line where that value begins.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

# Table names and keys; an array of tables adds the index: ("device", 0, "port").
KeyPath: TypeAlias = tuple[str | int, ...]

_KEY_PART = re.compile(r"""[ \t]*(?:([A-Za-z0-9_-]+)|"((?:[^"\\\n]|\\.)*)"|'([^'\n]*)')[ \t]*""")
_STRING = re.compile(
    r'''
      """(?:[^\\]|\\.)*?"{3,5} | \'{3}.*?\'{3,5}   # over many lines; up to two quotes may precede the end
    | "(?:[^"\\\n]|\\.)*"       | \'[^\'\n]*\'
    ''',
    re.DOTALL | re.VERBOSE,
)
_OPENING, _CLOSING = "[{", "]}"


class Lines:
    """The line of every key and table header of one text."""

    def __init__(self, text: str) -> None:
        self._lines = _scan(text.replace("\r\n", "\n"))

    def find(self, path: KeyPath) -> int | None:
        """Line of the key, else of the innermost table around it that has one."""
        for length in range(len(path), 0, -1):
            line = self._lines.get(path[:length])
            if line is not None:
                return line
        return None


def locate(path: Path, table_index: int, key: str) -> int | None:
    """Line of `key` in the `table_index`-th [[device]] (from 0), else of that table's header."""
    return Lines(path.read_text(encoding="utf-8-sig")).find(("device", table_index, key))


def _scan(text: str) -> Mapping[KeyPath, int]:
    lines: dict[KeyPath, int] = {}
    counts: dict[KeyPath, int] = {}  # tables seen so far of each array of tables
    table: KeyPath = ()
    at = 0
    while at < len(text):
        if text[at] in " \t\n":
            at += 1
        elif text[at] == "#":
            at = _end_of_line(text, at)
        elif text[at] == "[":
            depth = 2 if text.startswith("[[", at) else 1
            names, at_end = _dotted(text, at + depth)
            table = _resolve(names, counts, repeated=depth == 2)
            _record(lines, table, _line(text, at))
            at = _end_of_line(text, at_end)
        else:
            names, at_equals = _dotted(text, at)
            _record(lines, table + names, _line(text, at))
            at = _end_of_value(text, at_equals + 1)
    return lines


def _record(lines: dict[KeyPath, int], path: KeyPath, line: int) -> None:
    for length in range(1, len(path) + 1):
        lines.setdefault(path[:length], line)


def _resolve(names: KeyPath, counts: dict[KeyPath, int], *, repeated: bool) -> KeyPath:
    """A header's names with the indices of the arrays of tables on the way."""
    path: KeyPath = ()
    for name in names:
        path += (name,)
        if path in counts and not (repeated and len(path) == len(names)):
            path += (counts[path] - 1,)
    if repeated:
        counts[path] = counts.get(path, 0) + 1
        path += (counts[path] - 1,)
    return path


def _dotted(text: str, at: int) -> tuple[KeyPath, int]:
    """The parts of a key and where it ends."""
    parts: KeyPath = ()
    while match := _KEY_PART.match(text, at):
        parts += (next(group for group in match.groups() if group is not None),)
        at = match.end()
        if not text.startswith(".", at):
            break
        at += 1
    return parts, at


def _end_of_value(text: str, at: int) -> int:
    depth = 0
    while at < len(text):
        if match := _STRING.match(text, at):
            at = match.end()
            continue
        char = text[at]
        if char == "#":
            at = _end_of_line(text, at)
            continue
        if char == "\n" and depth == 0:
            return at
        depth += (char in _OPENING) - (char in _CLOSING)
        at += 1
    return at


def _end_of_line(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1
