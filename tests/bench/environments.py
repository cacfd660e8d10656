"""Environments of their own under the user's cache, for peers whose packages must not meet ours."""

import os
import subprocess
import venv
from pathlib import Path

INSTALL_S = 600


def cached(name: str) -> Path:
    """Where the environment of this name lies."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "zhijiao-bench" / name


def install(folder: Path, *packages: str) -> str | None:
    """Make the environment once, from PyPI; why it is not there, None when it is."""
    if (folder / "done").exists():
        return None
    try:
        venv.create(folder, with_pip=True, clear=True)
        command: list[str | Path] = [
            folder / "bin/python",
            "-m",
            "pip",
            "install",
            "-q",
            "--disable-pip-version-check",
            *packages,
        ]
        told = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_S, check=False)
    except (OSError, subprocess.SubprocessError) as exc:
        return f"cannot be installed: {exc}"
    if told.returncode:
        return f"pip: {(told.stderr.strip().splitlines() or ['failed'])[-1][:200]}"
    (folder / "done").touch()
    return None
