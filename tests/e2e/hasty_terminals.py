"""A gateway that answers a terminal before its records are on disk: the control, which must lose some."""

import asyncio
from collections.abc import Sequence

from drivers.terminals import Record
from gateway.checkin.terminals import TerminalDesk
from gateway.cli.main import main

_storing: set[asyncio.Task[int]] = set()
_take = TerminalDesk.take


async def _later(self: TerminalDesk, device: str, records: Sequence[Record]) -> int:
    await asyncio.sleep(0.2)
    return await _take(self, device, records)


async def _hasty(self: TerminalDesk, device: str, records: Sequence[Record]) -> int:
    task = asyncio.get_running_loop().create_task(_later(self, device, records))
    _storing.add(task)
    task.add_done_callback(_storing.discard)
    return len(records)


TerminalDesk.take = _hasty  # type: ignore[method-assign]

if __name__ == "__main__":
    main()
