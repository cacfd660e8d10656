"""At a start: what the store remembers of changes on the page counts, and the file beside it follows."""

import logging
from pathlib import Path

from gateway.config import Config
from gateway.config.added import CHANGED_DEVICES, added_path, entries_of, with_added, write_added
from gateway.store.reading import open_for_reading

log = logging.getLogger(__name__)


def as_changed(config: Config, store: Path) -> Config:
    """The configuration as the store remembers that it was changed on the page; the file is written where it differs.

    For a start, before the store serves. Raises `ConfigFileError` where that does not fit the configuration any more.
    """
    with open_for_reading(store) as reading:
        text = reading.state().get(CHANGED_DEVICES)
    path = added_path(config)
    if text is None:
        return config
    changed = with_added(config, entries_of(path, text))
    try:
        if not path.exists() or path.read_text("utf-8") != text:
            write_added(path, text)
            log.warning(
                "file of devices written anew", extra={"cause": "it differed from what the store remembers"}
            )
    except OSError as exc:
        log.warning("file of devices not written", extra={"cause": exc.strerror})
    return changed
