"""Where to connect and how, and what arrives. Values only."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from gateway.tls import TellTime

MAX_IN_FLIGHT = 32  # messages without PUBACK (contract, 3); brokers often allow less
RECEIVE_MAXIMUM = 64  # ours; mosquitto may exceed it: what is too much waits on the line


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where and how to connect."""

    host: str
    port: int
    client_id: str
    version: str = "5"  # "5" | "3.1.1"
    keepalive_s: int = 30
    tls: bool = False
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    receive_maximum: int = RECEIVE_MAXIMUM  # messages the broker may send without our PUBACK
    window: int = MAX_IN_FLIGHT  # messages of ours without the broker's PUBACK
    certificate_time: TellTime = field(default=lambda: None, repr=False, compare=False)

    @property
    def where(self) -> str:
        """For people."""
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Message:
    """Something that arrived; `done` tells the broker that it was dealt with."""

    topic: str
    payload: bytes
    done: Callable[[], object]
    retained: bool = False  # kept by the broker from before we subscribed
