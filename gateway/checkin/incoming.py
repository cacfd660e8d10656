"""What `zhijiao roster import` leaves for the gateway: one encrypted file beside the store."""

from pathlib import Path

from gateway.store.inbox import Inbox

MOST_WAITING = 8  # files; whoever leaves more before the gateway looks is in a loop
SUFFIX = ".roster"


def inbox(folder: Path) -> Inbox:
    """Of the store in this folder."""
    return Inbox(folder, SUFFIX)
