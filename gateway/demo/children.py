"""Child processes of the demo and the lines they print. They end with the demo, also when it is killed."""

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from gateway.errors import StartError

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
LINE_LIMIT = 256 * 1024  # bytes
END_S = 6.0


class Child:
    """One process; its standard output is read line by line, its errors go to a file."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, errors: Path) -> None:
        self.name = name
        self._process = process
        self._errors = errors

    @classmethod
    async def start(cls, name: str, command: Sequence[str], folder: Path) -> "Child":
        """Start it in its own session: Ctrl-C reaches the demo, which ends its children in order."""
        errors = folder / f"{name}.log"
        with errors.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                start_new_session=True,
                preexec_fn=_end_with_parent,
                limit=LINE_LIMIT,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        return cls(name, process, errors)

    async def lines(self) -> AsyncIterator[str]:
        """What it prints, until it ends."""
        if self._process.stdout is None:
            raise RuntimeError("started without a pipe")
        while line := await self._process.stdout.readline():
            yield line.decode(errors="replace").rstrip("\n")

    async def ended(self) -> None:
        """Wait for its end, which nobody asked for; raises `StartError` with its last words."""
        code = await self._process.wait()
        words = self._errors.read_text(errors="replace").strip().splitlines()
        last = words[-1] if words else "it said nothing"
        raise StartError("child_ended", f"{self.name} ended with code {code}: {last} (log: {self._errors})")

    async def end(self) -> int:
        """Ask it to end; kill it when it does not. Its exit code."""
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(END_S):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
        return await self._process.wait()


def _end_with_parent() -> None:
    """In the child, before exec: the kernel sends SIGTERM when the demo is gone, however it went."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def zhijiao(*words: str) -> tuple[str, ...]:
    """The command line of one of our own commands."""
    return (sys.executable, "-m", "gateway", *words)
