"""How much room is left, and what is taken when it runs out.

    NORMAL     everything
    THIN       positions of one wearable at most every 10 min (by `ingest`)
    ESSENTIAL  low classes are refused; the first part of the reserve is free for check-ins and alarms
    SETTLE     nothing is taken; the last part of the reserve lets acks settle and settled events go

The reserve is a file of real blocks beside the store (256 MiB or 5 % of the disk, at most 2 GiB):
cutting it gives the disk room that nobody else was given before. It is made whole again when there is
room. With a quota ([store] max_mib) the same levels are kept inside the quota; nothing needs to be
held by a file for that.
"""

import contextlib
import logging
import os
from enum import IntEnum
from pathlib import Path

log = logging.getLogger(__name__)

MIB = 1024 * 1024
RULE_BYTES = 256 * MIB  # the reserve is this, or 5 % of the disk where that is more
RULE_PART = 0.05
RULE_MOST = 2048 * MIB  # two million events: a larger disk needs no larger reserve
LAST_BYTES = 32 * MIB  # the part of it that only settling and purging may use
LOW_BYTES = 8 * MIB  # free space below which the next part of the reserve is given up
MOST_OF_FREE = 4  # a reserve takes at most one part in so many of what is free when it is made

BLOCK = 4096  # bytes; the reserve is whole blocks of the file system

LOW_CLASSES = frozenset({"tracker", "presence", "device"})


class Level(IntEnum):
    """What is taken, by how much room is left."""

    NORMAL = 0
    THIN = 1
    ESSENTIAL = 2
    SETTLE = 3


class Room:
    """The reserve beside one store. Used by the db thread alone; `level` may be read from anywhere."""

    def __init__(self, folder: Path, *, quota: int | None, reserve: int | None) -> None:
        """`quota` and `reserve` in bytes; None: the disk is the limit, the reserve is as the rule says."""
        self.level = Level.NORMAL
        self._file = folder / "reserve"
        self._folder = folder
        self._quota = quota
        self._wanted = reserve
        self._whole = 0
        self._held = 0

    def begin(self) -> None:
        """Take up the reserve of the run before, or make one. Never raises: a full disk is why it exists.

        A reserve that was given up in part keeps its length on disk without blocks behind it: how large
        it has to become again is not forgotten over a restart.
        """
        try:
            with contextlib.suppress(FileNotFoundError):
                stat = self._file.stat()
                self._held, self._whole = min(stat.st_blocks * 512, stat.st_size), stat.st_size
            if self._held >= self._whole:  # none yet, or nothing of it was ever needed
                self._hold(self._rule(), self._rule())
        except OSError as exc:
            log.warning("space left cannot be read", extra={"cause": exc.strerror})

    def look(self, used: int) -> Level:
        """Judge the room; `used` is what the store's pages take, in bytes."""
        try:
            disk = self._disk_level()
        except OSError:  # the disk is gone or refuses: whoever writes next is told why
            disk = self.level
        level = max(disk, self._quota_level(used))
        if level is not self.level:
            log.warning("room for events changed", extra={"level": level.name.lower()})
        self.level = level
        return level

    def squeeze(self) -> bool:
        """The disk refused a write: give up the next part of the reserve; whether that gave it room."""
        try:
            if self._free() > 2 * self._low:
                return False  # the quota refused, not the disk
        except OSError:
            return False
        before = self._held
        keep, level = (self._last, Level.ESSENTIAL) if before > self._last else (0, Level.SETTLE)
        self._hold(keep, self._whole)
        if self._held < before:
            self.level = max(self.level, level)
        return self._held < before

    @property
    def held(self) -> int:
        """Bytes held in reserve on the disk."""
        return self._held

    # -- inside ---------------------------------------------------------------------------------------

    @property
    def _last(self) -> int:
        return min(LAST_BYTES, self._whole // 8)

    @property
    def _low(self) -> int:
        return min(LOW_BYTES, self._whole // 8)

    def _rule(self) -> int:
        stat = os.statvfs(self._folder)
        free = stat.f_bavail * stat.f_frsize + self._held
        wanted = self._wanted
        if wanted is None:
            part = int(stat.f_blocks * stat.f_frsize * RULE_PART)
            wanted = min(RULE_MOST, max(RULE_BYTES, part))
        return min(wanted, free // MOST_OF_FREE) // BLOCK * BLOCK

    def _free(self) -> int:
        stat = os.statvfs(self._folder)
        return stat.f_bavail * stat.f_frsize

    def _disk_level(self) -> Level:
        free, missing = self._free(), self._whole - self._held
        # Only when all of it fits with as much to spare: what comes and goes must not move the level.
        if missing > 0 and free >= missing + self._whole:
            self._hold(self._whole, self._whole)
            free, missing = self._free(), self._whole - self._held
        if missing <= 0 and free < self._low:
            self._hold(self._last, self._whole)
            return Level.ESSENTIAL
        if missing > 0:
            return Level.ESSENTIAL if self._held >= self._last and free >= self._low else Level.SETTLE
        return Level.THIN if free < self._whole else Level.NORMAL

    def _quota_level(self, used: int) -> Level:
        if self._quota is None:
            return Level.NORMAL
        left = self._quota - used
        reserve = min(RULE_BYTES if self._wanted is None else self._wanted, self._quota // MOST_OF_FREE)
        if left < reserve // 8:
            return Level.SETTLE
        if left < reserve:
            return Level.ESSENTIAL
        return Level.THIN if left < 2 * reserve else Level.NORMAL

    def _hold(self, held: int, whole: int) -> None:
        """Blocks for the first `held` bytes of a file of `whole`. What cannot be had is not held."""
        try:
            handle = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                if held < self._held:
                    os.ftruncate(handle, held)
                elif held:
                    os.posix_fallocate(handle, 0, held)
                os.ftruncate(handle, whole)
                self._held, self._whole = held, whole
            finally:
                os.close(handle)
        except OSError as exc:
            log.warning("reserve not changed", extra={"cause": exc.strerror, "bytes": held})
            with contextlib.suppress(OSError):
                stat = self._file.stat()
                self._held = min(stat.st_blocks * 512, stat.st_size)
