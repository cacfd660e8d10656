"""The gateway process: the durable path, the contract with the center, the interfaces for people."""

__version__ = "0.1.0"
RELEASED_MS = (
    1_795_305_600_000  # 2026-11-22: when this version was made, set with it; no clock is right before
)
