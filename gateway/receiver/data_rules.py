"""What the center itself reads out of the data of events and documents, as values. The rules: `gateway.contract`."""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.contract.forms import CLAIM, Sequence
from gateway.errors import ContractError
from gateway.evidence.canonical import Json

_SEQUENCE = Sequence()


@dataclass(frozen=True, slots=True)
class Claim:
    """What a gateway says, signed, of the end of an epoch."""

    epoch: str
    last_seq: int
    last_hash: bytes


@dataclass(frozen=True, slots=True)
class LostRange:
    """What a gateway says, signed, that it can never send."""

    epoch: str
    first: int
    last: int
    reason: str


def previous(data: Mapping[str, Json]) -> Claim | None:
    """The end of the epoch before, from the data of `system.epoch_opened`, which has been checked."""
    value = data["previous"]
    return claim(value, "data.previous") if isinstance(value, dict) else None


def claim(value: Json, where: str) -> Claim:
    """`{epoch, last_seq, last_hash}`, as in an event and in `info`; raises `ContractError` (code `data`)."""
    fault = CLAIM.fault(value, where)
    if fault is not None or not isinstance(value, dict):
        raise ContractError("data", fault or where)
    return Claim(str(value["epoch"]), seq(value["last_seq"], where), bytes.fromhex(str(value["last_hash"])))


def lost_range(data: Mapping[str, Json]) -> LostRange:
    """The data of `system.range_lost`, which has been checked."""
    first, last = seq(data["from"], "data.from"), seq(data["to"], "data.to")
    return LostRange(str(data["epoch"]), first, last, str(data["reason"]))


def seq(value: Json, where: str) -> int:
    """A sequence, or 0 for none: a number, or the 16 digits used on the wire."""
    fault = _SEQUENCE.fault(value, where)
    if fault is not None:
        raise ContractError("data", fault)
    return int(str(value))
