"""How much one client may ask. Light: whoever only hands it on does not load the web framework."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from gateway.api.buckets import Rate

# A page with its files is ten requests, and several people may share an address.
_REQUESTS = Rate(burst=240, per_s=40)
_SIGN_INS = Rate(burst=6, per_s=1 / 12)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """For each client address."""

    sign_in: Rate = _SIGN_INS
    requests: Rate = _REQUESTS
    streams: int = 16
    body: int = 65_536  # bytes of one request
    mono_s: Callable[[], float] = time.monotonic


LIMITS = Limits()
