"""Orders to a terminal that asks for them: people whom it is to forget. One answer to each, by its number.

An order is repeated while its result does not come: to delete twice is to delete. Numbers begin at a place that
nobody can guess, so that a late result of another run confirms nothing of this one.
"""

import asyncio
import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from firmware_protocols.zk_adms.answers import Command
from firmware_protocols.zk_adms.bodies import Result

AT_ONCE = 20  # orders in one answer
AGAIN_S = 30.0
MOST = 1 << 29


@dataclass(slots=True)
class _Order:
    pin: int = field(repr=False)
    done: asyncio.Future[int]
    sent_s: float = -AGAIN_S


class Orders:
    """What one terminal has been told to do and has not answered."""

    def __init__(self, seconds: Callable[[], float] | None = None) -> None:
        """`seconds`: a clock that nobody can set; the loop's where none is given."""
        self._seconds = seconds or (lambda: asyncio.get_running_loop().time())
        self._open: dict[int, _Order] = {}
        self._next = secrets.randbelow(MOST)

    async def forget(self, pins: Collection[int], wait_s: float) -> dict[int, int | None]:
        """Have them deleted; what the terminal returned for each, None where it said nothing in time."""
        mine: dict[int, _Order] = {}
        for pin in pins:
            self._next += 1
            mine[self._next] = _Order(pin, asyncio.get_running_loop().create_future())
        self._open |= mine
        try:
            if mine:
                await asyncio.wait([one.done for one in mine.values()], timeout=wait_s)
        finally:
            for number in mine:
                self._open.pop(number, None)
        return {one.pin: one.done.result() if one.done.done() else None for one in mine.values()}

    def due(self) -> list[Command]:
        """What is to be said now, oldest first."""
        now_s = self._seconds()
        found: list[Command] = []
        for number, one in self._open.items():
            if len(found) < AT_ONCE and not one.done.done() and now_s - one.sent_s >= AGAIN_S:
                one.sent_s = now_s
                found.append(Command(number, f"DATA DELETE USERINFO PIN={one.pin}"))
        return found

    def answered(self, results: Sequence[Result]) -> int:
        """Take results in; how many belong to no order."""
        strange = 0
        for one in results:
            order = self._open.get(one.id)
            if order is None or not one.cmd.startswith("DATA"):
                strange += 1
            elif not order.done.done():
                order.done.set_result(one.code)
        return strange
