"""Undoing at a device what a cancelled question began there."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

ResultT = TypeVar("ResultT")


async def in_a_task_of_its_own(work: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Do `work` where time can be kept.

    In a task that has been cancelled `asyncio.timeout` ends as cancelled instead of late before Python 3.11.4:
    each wait of an exchange would end the undoing.
    """
    return await asyncio.ensure_future(work)
