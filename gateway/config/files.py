"""The files that a configuration names: are they there, may we read them, may the wrong people?

Contents are read by those who use them. A path that does not look like one is never quoted back: people
do write a password where the path of its file belongs.
"""

import os
import shlex
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from gateway.config.key import FileRole
from gateway.config.problems import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedFile:
    """One file of the configuration."""

    path: Path
    role: FileRole
    where: str  # "[keys] event_key_file"
    line: int | None
    written: str | None  # as it stands in the file; None for a default


def file_problems(files: Iterable[NamedFile]) -> list[Problem]:
    """What is wrong with them."""
    return [problem for file in files if (problem := _problem(file)) is not None]


def _problem(file: NamedFile) -> Problem | None:
    try:
        status = file.path.stat()
    except OSError as exc:
        return _unreachable(file, exc)
    if not stat.S_ISREG(status.st_mode):
        return _tell(file, "file_missing", f"{file.path} is not a file", "write the path of the file itself")
    mode = stat.S_IMODE(status.st_mode)
    name = shlex.quote(str(file.path))
    if file.role is FileRole.SECRET and mode & 0o077:
        return _tell(
            file,
            "file_mode",
            f"{file.path} is secret and others may use it (mode {mode:04o})",
            f"run: chmod 600 {name}",
        )
    if file.role is FileRole.TRUSTED and mode & 0o022:
        return _tell(
            file,
            "file_mode",
            f"{file.path} decides whom the gateway believes and others may write it (mode {mode:04o})",
            f"run: chmod go-w {name}",
        )
    if not os.access(file.path, os.R_OK):
        return _tell(
            file,
            "file_unreadable",
            f"{file.path} may not be read by user id {os.geteuid()}",
            f"run: chown zhijiao {name}",
        )
    return None


def _unreachable(file: NamedFile, exc: OSError) -> Problem:
    if file.written is not None and "/" not in file.written:
        return _tell(
            file, "file_missing", "no file of this name beside the configuration", "write its path, from / on"
        )
    folder = file.path.parent
    if file.written is not None and not (folder != Path("/") and _is_folder(folder)):
        return _tell(file, "file_missing", "no such folder, or it is closed to us", "correct the path")
    if isinstance(exc, FileNotFoundError):
        # What nobody named comes by enrolment.
        todo = "enrol this box: zhijiao enroll" if file.written is None else "create it or name another file"
        return _tell(file, "file_missing", f"{file.path} does not exist", todo)
    return _tell(
        file, "file_unreadable", f"{file.path}: {exc.strerror}", "correct the path or its permissions"
    )


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False


def _tell(file: NamedFile, code: str, what: str, todo: str) -> Problem:
    return Problem(code=code, what=what, todo=todo, where=file.where, line=file.line)
