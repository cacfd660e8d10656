"""Renames and new files are on disk only when their folder is."""

import os
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """What was renamed or made in it survives a power cut when this returns. Raises `OSError`."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
