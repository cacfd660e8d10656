"""Argon2id of passwords, one at a time and beside the loop.

Parameters for a board of 512 MB: 19 MiB, two passes, one lane, the least that OWASP's password storage sheet
names for Argon2id. More memory would be better against whoever steals the store, but it is taken from the
check-ins: so one hash runs at a time, and who has to wait too long is told `busy`. It takes 18 to 37 ms on one
shared core of a server and some 0.1 to 0.2 s on a small board. A hash with other parameters is made anew when
its owner next signs in.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Final, TypeVar

from argon2 import PasswordHasher, Type, extract_parameters
from argon2.exceptions import InvalidHash, VerificationError

from gateway.access.model import AccessRefused

MEMORY_KIB: Final = 19 * 1024
PASSES: Final = 2
LANES: Final = 1
PATIENCE_S = 5.0  # then `busy`
MOST_WAITING = 16
BUSY_AGAIN_S = 5

ResultT = TypeVar("ResultT")
_HASHER = PasswordHasher(
    time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES, hash_len=32, salt_len=16, type=Type.ID
)
# What a hash that another process made may cost here, at most: four times ours.
_MOST_MEMORY_KIB, _MOST_PASSES, _MOST_LANES = 4 * MEMORY_KIB, 4 * PASSES, 4


def make_hash(password: str) -> str:
    """The hash of a password in its normal form. Blocks for as long as it takes."""
    return _HASHER.hash(password.encode(errors="replace"))


def is_hash(text: str) -> bool:
    """Whether this is an Argon2id hash that this machine can afford to check."""
    try:
        found = extract_parameters(text)
    except InvalidHash:
        return False
    return (
        found.type is Type.ID
        and 0 < found.memory_cost <= _MOST_MEMORY_KIB
        and 0 < found.time_cost <= _MOST_PASSES
        and 0 < found.parallelism <= _MOST_LANES
    )


def needs_anew(text: str) -> bool:
    """Whether it was made with other parameters than today's."""
    return _HASHER.check_needs_rehash(text)


def _verify(text: str, password: str) -> bool:
    try:
        return _HASHER.verify(text, password.encode(errors="replace"))
    except (VerificationError, InvalidHash):
        return False


class Hasher:
    """Gives turns: whoever has one may decide, compute and count, and nobody else is between."""

    def __init__(self, *, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._turn = asyncio.Lock()
        self._waiting = 0
        # A thread of its own: where a caller is cancelled, its hash is finished before the next begins.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="zhijiao-password")

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a turn; raises `AccessRefused` (busy)."""
        if self._waiting >= MOST_WAITING:
            raise _busy()
        self._waiting += 1
        try:
            async with asyncio.timeout(self._patience_s):
                await self._turn.acquire()
        except TimeoutError as exc:
            raise _busy() from exc
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._turn.release()

    async def verify(self, text: str, password: str) -> bool:
        """Whether this is the password; inside a turn."""
        return await self._aside(lambda: _verify(text, password))

    async def make(self, password: str) -> str:
        """The hash of a password; inside a turn."""
        return await self._aside(lambda: make_hash(password))

    async def _aside(self, work: Callable[[], ResultT]) -> ResultT:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def _busy() -> AccessRefused:
    return AccessRefused(
        "busy", "other passwords are being checked; try again in a moment", retry_after_s=BUSY_AGAIN_S
    )
