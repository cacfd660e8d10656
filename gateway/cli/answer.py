"""How a command answers: lines with a verdict each for a person, one JSON object for a program."""

import argparse
import io
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from gateway.cli.text_table import printable, table
from gateway.clock import iso_ms
from gateway.errors import ConfigError
from gateway.store.new_file import is_private


class Mark(StrEnum):
    """How a line stands."""

    OK = "ok"
    NOTE = "--"  # good to know, nothing to do
    ATTENTION = "!!"


@dataclass(frozen=True, slots=True)
class Line:
    """One fact, and what to do where it is not fine."""

    mark: Mark
    name: str
    value: str
    todo: str = ""

    def as_dict(self) -> dict[str, str]:
        """For JSON."""
        state = {"ok": "ok", "--": "note", "!!": "attention"}[self.mark.value]
        return {"name": self.name, "state": state, "value": self.value, "todo": self.todo}


def print_lines(lines: Sequence[Line]) -> None:
    """One under another; what to do stands below its line."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without Chinese still shows the rest
    rows = table([(line.mark.value, line.name, printable(line.value)) for line in lines])
    for text, line in zip(rows, lines, strict=True):
        print(text)
        if line.todo:
            print(f"    -> {line.todo}")


def print_json(answer: Mapping[str, object]) -> None:
    """One object on one line."""
    print(json.dumps(answer, ensure_ascii=True), flush=True)


def epilog(codes: Mapping[int, str]) -> str:
    """The exit codes, as the help shows them."""
    return "Exit codes: " + "; ".join(f"{code} {what}" for code, what in codes.items()) + "."


def describe(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    *,
    summary: str,
    text: str | None,
    codes: Mapping[int, str],
) -> argparse.ArgumentParser:
    """A parser of the common look."""
    return commands.add_parser(
        name,
        help=summary,
        description=text,
        epilog=epilog(codes),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def restricted_line(todo: str) -> Line:
    """What every file with events must say of itself."""
    return Line(Mark.NOTE, "restricted", "it speaks of persons (含个人信息,仅限有权人员)", todo)


def confirmed(question: str, *, yes: bool, json: bool) -> bool:
    """True when the person agrees, or agreed beforehand; raises `ConfigError` where nobody can be asked."""
    if yes:
        return True
    if json or not sys.stdin.isatty():
        raise ConfigError("usage", "nobody can be asked here; look first, then add --yes")
    return input(f"{question} [y/N] ").strip().lower() in {"y", "yes", "是"}


def file_line(path: Path, todo: str) -> Line:
    """A new file with personal data, and whether the medium keeps it from others."""
    if is_private(path):
        return Line(Mark.OK, "file", f"{path}, readable by its owner only (0600)", todo)
    warning = "this medium knows no owners: whoever holds it can read the file; lock it away"
    return Line(Mark.ATTENTION, "file", str(path), f"{warning}; {todo}")


def mib(size: int) -> str:
    """`1,234.5 MiB`."""
    return f"{size / (1 << 20):,.1f} MiB"


def when(wall_ms: int) -> str:
    """A time of the store; damage or an unset clock may have left one that no calendar has."""
    try:
        return iso_ms(wall_ms)
    except OverflowError:
        return "at no possible time"


def age(seconds: float) -> str:
    """`3 days 4 h`, `12 min`, `5 s`; the two largest units say enough."""
    whole = int(seconds)
    if whole < 0:
        return "in the future (the clock was set back)"
    for size, name, lower_size, lower in (
        (86400, "d", 3600, "h"),
        (3600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if whole >= size:
            rest = whole % size // lower_size
            return f"{whole // size} {name} {rest} {lower}" if rest else f"{whole // size} {name}"
    return f"{whole} s"
