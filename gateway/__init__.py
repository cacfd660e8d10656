"""The gateway process: the durable path, the contract with the center, the interfaces for people."""

__version__ = "0.1.0"
# When this version was made (2026-11-22), set together with it: no clock that stands before is right.
RELEASED_MS = 1_795_305_600_000
