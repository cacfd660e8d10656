"""What is told to the person who wrote the configuration: file:line, key, what is wrong, what to do.

One text line per problem. Keys are named, values only where they cannot be a secret.
"""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing to correct."""

    code: str  # stable: syntax, unknown_key, missing_key, bad_value, duplicate, file_missing, file_mode, ...
    what: str  # what is wrong
    todo: str = ""  # what to do, a sentence without its full stop
    where: str = ""  # "[uplink] broker"
    line: int | None = None

    def text(self, path: Path) -> str:
        """`/etc/zhijiao/zhijiao.toml:12: [uplink] brokr: unknown key; did you mean "broker"?`."""
        place = f"{path}:{self.line}" if self.line is not None else str(path)
        parts = (place, self.where, f"{self.what}; {self.todo}" if self.todo else self.what)
        return ": ".join(part for part in parts if part)


class ConfigFileError(ConfigError):
    """Everything that is wrong with one file, in the order of its lines.

    `code` is the problem's own where there is one, `config_invalid` where there are several.
    """

    def __init__(self, path: Path, problems: Iterable[Problem]) -> None:
        self.path = path
        self.problems: Sequence[Problem] = tuple(
            sorted(problems, key=lambda problem: (problem.line is None, problem.line or 0))
        )
        codes = {problem.code for problem in self.problems}
        super().__init__(
            codes.pop() if len(codes) == 1 else "config_invalid",
            "\n".join(problem.text(path) for problem in self.problems),
        )


def nearest(given: str, known: Iterable[str]) -> str:
    """`did you mean "broker"?`, or the list of what is known where nothing comes near."""
    names = sorted(known)
    close = difflib.get_close_matches(given.lower(), names, n=1, cutoff=0.6)
    if close:
        return f'did you mean "{close[0]}"?'
    return f"known: {', '.join(names)}"
