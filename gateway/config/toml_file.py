"""A TOML file, read with errors that tell file, line and what to do."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from gateway.config.problems import ConfigFileError, Problem

MAX_BYTES = 1 << 20  # a larger file is not a configuration
_PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


def read_text(path: Path) -> str:
    """The whole file; raises `ConfigFileError`."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError as exc:
        todo = "copy deploy/zhijiao.example.toml there, or name another file with --config"
        raise _whole_file(path, "file_missing", "the configuration does not exist", todo) from exc
    except OSError as exc:
        todo = "correct the path or its permissions"
        raise _whole_file(path, "file_unreadable", f"cannot be read: {exc.strerror}", todo) from exc
    if len(data) > MAX_BYTES:
        raise _whole_file(path, "syntax", f"is larger than {MAX_BYTES} bytes", "name the configuration file")
    try:
        return data.decode("utf-8-sig")  # editors on Windows put a mark before the first line
    except UnicodeDecodeError as exc:
        line = data.count(b"\n", 0, exc.start) + 1
        raise _whole_file(path, "syntax", "is not UTF-8 text", "save it as UTF-8", line) from exc


def parse(path: Path, text: str) -> Mapping[str, object]:
    """What it holds; raises `ConfigFileError`."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        message = str(exc)
        match = _PLACE.search(message)
        line = int(match[1]) if match and match[1] else text.count("\n") + (not text.endswith("\n"))
        what = _PLACE.sub("", message)
        problem = _whole_file(
            path, "syntax", f"not TOML: {what[:1].lower()}{what[1:]}", _syntax_advice(text, line), line
        )
        raise problem from None  # the parser's own words are in the text
    except RecursionError:
        raise _whole_file(path, "syntax", "is nested too deeply", "write plain tables") from None


def _syntax_advice(text: str, line: int) -> str:
    lines: Sequence[str] = text.splitlines()
    words = lines[line - 1].split("=", 1) if line <= len(lines) else []
    if (
        len(words) == 2
        and words[1].strip()[:1] not in ("", '"', "'", "[", "{")
        and not words[1].strip()[0].isdigit()
    ):
        return "text must stand in quotes"
    return "look at this line and the one above"


def _whole_file(path: Path, code: str, what: str, todo: str, line: int | None = None) -> ConfigFileError:
    return ConfigFileError(path, [Problem(code=code, what=what, todo=todo, line=line)])
