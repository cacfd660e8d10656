"""Programs of the operating system that these tests run, and what happens where one is missing.

A missing program skips the test and names its Debian package; with CI=true it fails, so that a check
cannot go quiet unnoticed.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.broker import skip_or_fail

DEPLOY = Path(__file__).parents[2] / "deploy"
SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
TIMEOUT_S = 300.0  # a build of a release on a busy machine


def tool(name: str, package: str) -> str:
    """Path of a program, also of those in /usr/sbin; skips or fails when it is not there."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}")
    if found is None:
        skip_or_fail(name, package)
    return found


def need_root(why: str) -> None:
    """Skip (on CI: fail) unless the tests run as root, who alone may give files away."""
    if os.geteuid() != 0:
        reason = f"needs root: {why}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)


def run(
    *command: str | Path, env: dict[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run to the end and return outcome and output; never raises on a bad exit."""
    return subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        env={**os.environ, "LC_ALL": "C.UTF-8", **(env or {})},
        cwd=cwd,
        timeout=TIMEOUT_S,
        check=False,
    )
