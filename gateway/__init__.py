"""The gateway process: the durable path, the contract with the center, the interfaces for people."""

__version__ = "0.1.0"
