"""Node and the locked npm packages of this folder, installed once for all tests that want them."""

import fcntl
import hashlib
import shutil
import subprocess
from pathlib import Path

from tests.broker import not_run

HERE = Path(__file__).parent
MODULES = HERE / "node_modules"
# `jose` 6 needs the Web Crypto of Node 20. Debian 12 has 18 and an npm of 400 packages: `make` does not ask for it.
OLDEST = 20
INSTALL_S = 300.0


def node() -> str:
    """The program, with the packages beside it. Without Node the test is skipped, on CI it fails."""
    found, npm = shutil.which("node"), shutil.which("npm")
    if found is None or npm is None:
        not_run(f"Node with npm is not installed: {OLDEST} or newer, from https://nodejs.org")
    version = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.lstrip("v").partition(".")[0]) < OLDEST:
        not_run(f"Node {version.strip()} is too old: {OLDEST} or newer, from https://nodejs.org")
    _install(npm)
    return found


def _install(npm: str) -> None:
    """`npm ci`, unless what is there is what the lock file says. One at a time, whoever asks."""
    wanted = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()
    stamp = MODULES / ".installed"
    with (HERE / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text() == wanted:
            return
        command = [npm, "ci", "--prefer-offline", "--no-progress", "--loglevel=error"]
        done = subprocess.run(
            command, cwd=HERE, capture_output=True, text=True, timeout=INSTALL_S, check=False
        )
        if done.returncode != 0:
            not_run(f"npm ci did not work, which needs a network the first time: {done.stderr[-300:]}")
        stamp.write_text(wanted)
