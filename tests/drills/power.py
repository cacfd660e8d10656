"""A mounted `disk` in its own process, as a drill uses it: mount, cut the power, mount what survived."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.drills.fuse import unmount
from tests.drills.ground import ROOT


@dataclass(slots=True)
class PowerDisk:
    """`mount` is where the gateway's state lies while the power is on; `card` holds what survives a cut."""

    mount: Path
    card: Path
    process: subprocess.Popen[bytes] | None = None

    def power_on(self) -> None:
        self.mount.mkdir(exist_ok=True)
        self.card.mkdir(exist_ok=True)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.drills.disk", str(self.mount), str(self.card)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
        )
        self._expect_ok()

    def cut(self, how: str, seed: object) -> None:
        """From here on nothing reaches the disk; call `power_off` when the gateway was killed."""
        self.tell(f"cut {how} {seed}")

    def tell(self, command: str) -> None:
        assert self.process is not None
        assert self.process.stdin is not None
        self.process.stdin.write(f"{command}\n".encode())
        self.process.stdin.flush()
        self._expect_ok()

    def power_off(self) -> None:
        process, self.process = self.process, None
        unmount(self.mount)
        if process is None:
            return
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        process.wait(10)
        process.stdout.close()

    def _expect_ok(self) -> None:
        assert self.process is not None
        assert self.process.stdout is not None
        answer = self.process.stdout.readline()
        assert answer == b"ok\n", f"the disk's process ended or answered {answer!r}"


@contextmanager
def power_disk(folder: Path) -> Iterator[PowerDisk]:
    """A disk that is switched on and ends with the drill."""
    disk = PowerDisk(folder / "mount", folder / "card")
    disk.power_on()
    try:
        yield disk
    finally:
        disk.power_off()
