"""The trust file, read again when it changes: an enrolled or revoked gateway needs no restart of the center.

A file that cannot be read changes nothing: the keys of before stay in force, and it is said once.
"""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from gateway.errors import ConfigError, StoreRefused
from gateway.evidence.keys import TrustStore, load_trust, rotations_path
from gateway.receiver.receiver import Receiver
from gateway.receiver.verdict import Verdict

log = logging.getLogger(__name__)

LOOK_S = 2.0
Mark: TypeAlias = tuple[int, int, int] | None  # what tells one state of a file from another
Marks: TypeAlias = tuple[Mark, ...]  # of the file, and of the rotations beside it


class TrustFile:
    """One trust file and what it said last."""

    def __init__(self, path: Path, *, allow_demo: bool) -> None:
        self._path = path
        self._allow_demo = allow_demo
        self._mark: Marks = ()

    def load(self) -> TrustStore:
        """Read it; raises `ConfigError`."""
        # Before reading: a change while it is read is seen at the next look.
        self._mark = self._look()
        return load_trust(self._path, allow_demo=self._allow_demo)

    def changed(self) -> bool:
        """Whether it differs from what was loaded last: written to, or replaced by another file."""
        return self._look() != self._mark

    async def follow(
        self,
        receiver: Receiver,
        on_verdict: Callable[[Verdict], None],
        asked: asyncio.Event,
        *,
        every_s: float = LOOK_S,
    ) -> None:
        """Hand each change to the receiver, for ever; `asked` (SIGHUP) reads it whether it changed or not."""
        while True:
            try:
                async with asyncio.timeout(every_s):
                    await asked.wait()
            except TimeoutError:
                if not self.changed():
                    continue
            asked.clear()
            await self._reload(receiver, on_verdict)

    async def _reload(self, receiver: Receiver, on_verdict: Callable[[Verdict], None]) -> None:
        try:
            trust = self.load()
        except ConfigError as exc:
            log.error("the trust file cannot be used; the keys of before stay", extra={"cause": str(exc)})  # noqa: TRY400
            return
        try:
            verdicts = await receiver.retrust(trust)
        except StoreRefused as exc:
            # The keys are in force; what is parked stays parked until the disk takes it.
            log.error("parked messages stay parked", extra={"code": exc.code, "cause": str(exc)})  # noqa: TRY400
            self._mark = ()
            return
        log.info("trust file read", extra={"released": len(verdicts)})
        for verdict in verdicts:
            on_verdict(verdict)

    def _look(self) -> Marks:
        return _mark(self._path), _mark(rotations_path(self._path))


def _mark(path: Path) -> Mark:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
