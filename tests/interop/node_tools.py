"""Node and the locked npm packages of this folder, installed once for all tests that want them."""

import fcntl
import hashlib
import shutil
import subprocess
from pathlib import Path

from tests.broker import skip_or_fail

HERE = Path(__file__).parent
MODULES = HERE / "node_modules"
OLDEST = 20  # `jose` 6 needs the Web Crypto of Node 20; Debian 12 itself has 18
INSTALL_S = 300.0


def node() -> str:
    """The program, with the packages beside it. Without Node the test is skipped, on CI it fails."""
    found, npm = shutil.which("node"), shutil.which("npm")
    if found is None or npm is None:
        skip_or_fail("node with npm (Node 20 or newer, https://nodejs.org)", "nodejs npm")
    version = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.lstrip("v").partition(".")[0]) < OLDEST:
        skip_or_fail(f"Node {OLDEST} (here is {version.strip()})", "nodejs npm")
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
        subprocess.run(command, cwd=HERE, check=True, timeout=INSTALL_S)
        stamp.write_text(wanted)
