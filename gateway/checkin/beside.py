"""Work that reads files or counts for long, beside the loop."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

ResultT = TypeVar("ResultT")


async def aside(work: Callable[[], ResultT]) -> ResultT:
    """Run it in a thread; what it raises rises here."""
    return await asyncio.get_running_loop().run_in_executor(None, work)
