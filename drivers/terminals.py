"""Devices that come to us over HTTP instead of waiting on a port: how the gateway's server hands them over.

The server owns the connection. It asks who is allowed in, keeps of a body no more than the driver wants
to read, and hands both over; the driver owns the conversation and answers when what was said is on disk.

A terminal keeps records in a memory of its own and repeats them until they are taken. So a record has an
identity of its own (`uuid8_record` of the gateway): storing it twice is one fact.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import Protocol, TypeAlias, runtime_checkable

from drivers.factors import Factor
from firmware_protocols.zk_adms.requests import Request

Source: TypeAlias = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Punch:
    """A terminal has recognised somebody, at a time by its own clock, which is a claim."""

    terminal: str  # serial number
    pin: str = field(repr=False)  # the number that it knows the person by
    claimed_ms: int = field(repr=False)  # UTC, by the terminal's clock and configured zone
    status: int  # 0 in, 1 out, 2 to 5 breaks and overtime
    verify: int  # how, in the terminal's own numbers
    second_factor: Factor | None  # of card and factor together, where `verify` says that both were there
    record_time: bytes = field(repr=False)  # raw
    record: bytes = field(repr=False)  # raw


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """A record that nobody can read. Somebody may have been there."""

    terminal: str
    reason: str
    record: bytes = field(repr=False)


Record: TypeAlias = Punch | Unreadable


@dataclass(frozen=True, slots=True)
class Answer:
    """What the terminal is told."""

    status: int
    text: bytes


@runtime_checkable
class Terminal(Protocol):
    """A driver whose device comes by HTTP."""

    serial: str

    def allows(self, source: Source) -> bool:
        """Whether the terminal may come from there."""
        ...

    def body_limit(self, request: Request) -> int:
        """How much of the body is read; 0: none of it, it is thrown away unseen."""
        ...

    async def handle(self, request: Request, body: bytes, *, unread: int, now_ms: int | None) -> Answer:
        """Serve one request. `unread`: bytes thrown away; `now_ms`: None while nobody vouches for our clock."""
        ...

    async def forget(self, pins: Collection[int]) -> frozenset[int]:
        """Have people deleted, with all that it holds of them; whom it says to have deleted.

        That is its word: there is no list to look into. Raises `DeviceFault` (not_erased) where it confirmed
        none of them.
        """
        ...
