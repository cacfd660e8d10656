"""What `zhijiao roster import` leaves for the gateway: one encrypted file beside the store (`store.inbox`)."""

from pathlib import Path

from gateway.store.inbox import Inbox, Incoming, remove

__all__ = ["MOST_WAITING", "Incoming", "leave", "oldest", "remove", "waiting"]

MOST_WAITING = 8  # files; whoever leaves more before the gateway looks is in a loop
SUFFIX = ".roster"


def leave(folder: Path, sealed: bytes, wall_ms: int) -> Path:
    """Durable when this returns; raises `StoreRefused` where the folder takes nothing."""
    return Inbox(folder, SUFFIX).leave(sealed, wall_ms)


def waiting(folder: Path) -> list[Path]:
    """Those that the gateway has not taken, oldest first. Raises `OSError`."""
    return Inbox(folder, SUFFIX).waiting()


def oldest(folder: Path, limit: int) -> Incoming | None:
    """The one to be taken next; of a file beyond `limit` bytes only so much is read. Raises `OSError`."""
    return Inbox(folder, SUFFIX).oldest(limit)
