"""Where a browser may be sent after signing in: to a page of this gateway and nowhere else."""

import re
from urllib.parse import urlsplit

MOST = 512  # characters
# A browser takes a backslash for a slash and drops tabs and line ends: none of them belongs in a path of ours.
_PATH = re.compile(r"/(?![/\\])[!-\[\]-~]*", re.ASCII)
_DOOR = ("/sign-in", "/sign-out", "/account")


def own_path(asked: str) -> str | None:
    """The path, with its query, if it is one of ours; None for everything else, the pages of the door included."""
    if len(asked) > MOST or _PATH.fullmatch(asked) is None:
        return None
    try:
        parts = urlsplit(asked)
    except ValueError:
        return None
    if parts.scheme or parts.netloc or parts.path in _DOOR:
        return None
    return asked
