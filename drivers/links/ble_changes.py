"""What may happen to Bluetooth on this machine while it is used, and who tells it. No Bluetooth library is needed
to listen to it."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from enum import Enum, auto
from typing import Protocol


class Change(Enum):
    """What happened."""

    GONE = auto()  # bluetoothd, or the bus itself
    CAME = auto()
    POWERED_OFF = auto()
    ADAPTER_REMOVED = auto()


class Watch(Protocol):
    """Whoever looks."""

    def held(self, tell: Callable[[Change], None]) -> AbstractAsyncContextManager[None]:
        """Be told each change in the meantime; raises `LinkUnavailable`."""
        ...

    async def ensure(self) -> None:
        """Look again where looking has ended; raises `LinkUnavailable`."""
        ...
