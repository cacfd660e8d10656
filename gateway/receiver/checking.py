"""Signatures of a batch, checked on several threads, before its transaction begins.

Pure work: nothing is read or written. The check of a signature, which is two thirds of it, runs
outside of Python's lock.
"""

import asyncio
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from gateway.evidence.keys import TrustStore
from gateway.evidence.succession import KEY_ROTATED
from gateway.receiver import topics
from gateway.receiver.topics import Topic
from gateway.receiver.verify import Event, NoEvent, Standing, verify

MAX_THREADS = 4  # beyond, Python's lock is what they wait for
SLICE = 16  # messages that a thread takes at a time


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message, and what its signature says where it is an event."""

    text: str
    wire: bytes
    topic: Topic | None  # None: not a topic of the contract
    event: Event | NoEvent | None  # None: not an event


class Checker:
    """Some threads that check."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(min(MAX_THREADS, os.cpu_count() or 1), "receiver-check")

    async def check(self, batch: Sequence[tuple[str, bytes]], trust: TrustStore) -> list[Arrived]:
        """Look at every message, with the keys that are trusted now; in the order of the batch."""
        loop = asyncio.get_running_loop()
        slices = [batch[start : start + SLICE] for start in range(0, len(batch), SLICE)]
        checked = [loop.run_in_executor(self._threads, _check, some, trust) for some in slices]
        arrived = [one for some in await asyncio.gather(*checked) for one in some]
        if any(isinstance(one.event, Event) and one.event.type == KEY_ROTATED for one in arrived):
            # Beside it may stand what the new key signed, looked at a moment too early.
            return [check_one(one.text, one.wire, trust) if _waits(one) else one for one in arrived]
        return arrived

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown()


def _waits(one: Arrived) -> bool:
    return isinstance(one.event, NoEvent) and one.event.standing is Standing.PARKED


def _check(batch: Sequence[tuple[str, bytes]], trust: TrustStore) -> list[Arrived]:
    return [check_one(text, wire, trust) for text, wire in batch]


def check_one(text: str, wire: bytes, trust: TrustStore) -> Arrived:
    """Look at one message."""
    topic = topics.parse(text)
    is_event = topic is not None and topic.channel == "evt"
    return Arrived(text, wire, topic, verify(topic, wire, trust) if topic is not None and is_event else None)
