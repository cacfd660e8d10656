"""The negative control of the drill of many devices: a gateway whose devices are asked one after the other.

Not part of the product. A question waits until that of another device was answered, or given up.
"""

import asyncio
from typing import Any

from drivers.exchange_runner import ExchangeRunner
from gateway.cli.main import main

run = ExchangeRunner.run
turn = asyncio.Lock()


async def in_turn(self: Any, exchange: Any) -> Any:
    """As the runner does, and nobody beside it."""
    async with turn:
        return await run(self, exchange)


ExchangeRunner.run = in_turn  # type: ignore[method-assign]

if __name__ == "__main__":
    main()
