"""A damaged store mended on demand, with what the gateway's own start does when it meets damage.

The store is salvaged and left as a start would find it: the next start opens the new epoch, declares
what is lost and raises the alarm.
"""

import os

from gateway.clock import Stamp
from gateway.store.database import StoreDamaged
from gateway.store.new_file import give_to_owner_of
from gateway.store.opening import StoreSettings, note_suspect, open_files
from gateway.store.salvage import FOUND, Salvage


def repair(settings: StoreSettings, stamp: Stamp, cause: str) -> Salvage | None:
    """Salvage the store; what came of it. Raises `StoreRefused` and `StartError` (store_in_use)."""
    mask = os.umask(0o077)  # as the service: nobody else reads what is made here
    try:
        note_suspect(settings.path, StoreDamaged(cause))
        opened = open_files(settings, stamp)
        try:
            row = opened.database.execute_sql("SELECT value FROM state WHERE key = ?", (FOUND,)).fetchone()
        finally:
            opened.database.close()
            os.close(opened.lock)
    finally:
        os.umask(mask)
        for file in settings.path.parent.iterdir():
            give_to_owner_of(settings.path.parent, file)
    return None if row is None else Salvage.from_text(row[0])
