"""What a gateway asks on `req/{name}`, and the answers on `res/{name}`. Pure; signed by whoever sends them.

    req/ack        {"v":1}                                    -> the ack, on its own topic
    req/rejected   {"v":1,"reqid","epoch","from":16 digits}   -> at most 64 refusals from there on
    req/time       {"v":1,"reqid","mono":ms as text}          -> the center's time, answered at once

A malformed request is counted and answered with nothing. So many a second, per gateway: the rest is
counted and dropped, so that asking can never keep events waiting.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.clock import iso_ms
from gateway.envelope import sequence
from gateway.errors import ContractError
from gateway.evidence import canonical
from gateway.evidence.canonical import Json
from gateway.receiver import data_rules
from gateway.receiver.acks import MAX_REASON

LISTED = 64  # refusals in one answer
BURST = 20  # requests of one gateway that are answered at once
PER_S = 2.0  # and then so many a second
MAX_REQID = 128  # characters
_MONO = re.compile("0|[1-9][0-9]{0,15}", re.ASCII)


@dataclass(frozen=True, slots=True)
class RejectedRequest:
    """Which refusals of an epoch, from where on."""

    reqid: str
    epoch: str
    first: int


@dataclass(frozen=True, slots=True)
class TimeRequest:
    """What time is it; `mono` comes back as it was sent."""

    reqid: str
    mono: str


def read_rejected(payload: bytes) -> RejectedRequest:
    """Parse; raises `ContractError`."""
    message = _request(payload)
    first = message.get("from")
    if not isinstance(first, str):
        raise ContractError("data", "from is not 16 digits")
    return RejectedRequest(
        _reqid(message), data_rules.epoch(message.get("epoch"), "epoch"), data_rules.seq(first, "from")
    )


def read_time(payload: bytes) -> TimeRequest:
    """Parse; raises `ContractError`."""
    message = _request(payload)
    mono = message.get("mono")
    if not (isinstance(mono, str) and _MONO.fullmatch(mono)):
        raise ContractError("data", "mono is not milliseconds as text")
    return TimeRequest(_reqid(message), mono)


def rejected_answer(
    gateway: str, request: RejectedRequest, found: Sequence[tuple[int, str, str]], now_ms: int
) -> dict[str, Json]:
    """`found`: (sequence, code, message), ascending, one more than `LISTED` where there are more."""
    listed: list[Json] = [
        {"seq": sequence(seq), "code": code, "msg": text[:MAX_REASON]} for seq, code, text in found[:LISTED]
    ]
    return {
        "v": 1,
        "gw": gateway,
        "name": "rejected",
        "reqid": request.reqid,
        "epoch": request.epoch,
        "rejected": listed,
        "more": len(found) > LISTED,
        "ts": iso_ms(now_ms),
    }


def time_answer(gateway: str, request: TimeRequest, now_ms: int) -> dict[str, Json]:
    """The time at which this was called."""
    return {
        "v": 1,
        "gw": gateway,
        "name": "time",
        "reqid": request.reqid,
        "mono": request.mono,
        "ts": iso_ms(now_ms),
    }


class Allowance:
    """How many requests of each gateway are still answered. Ask only for gateways that are known."""

    def __init__(self) -> None:
        self._left: dict[str, tuple[float, float]] = {}  # gateway -> (requests, as of)

    def take(self, gateway: str, now_s: float) -> bool:
        """One more request; False when it must be dropped."""
        left, since = self._left.get(gateway, (float(BURST), now_s))
        left = min(BURST, left + (now_s - since) * PER_S)
        self._left[gateway] = (left - 1 if left >= 1 else left, now_s)
        return left >= 1


def _request(payload: bytes) -> Mapping[str, Json]:
    message = canonical.parse(payload)
    if message.get("v") != 1 or isinstance(message.get("v"), bool):
        raise ContractError("data", "not a request of version 1")
    return message


def _reqid(message: Mapping[str, Json]) -> str:
    reqid = message.get("reqid")
    if isinstance(reqid, str) and 0 < len(reqid) <= MAX_REQID and reqid.isprintable():
        return reqid
    raise ContractError("data", "reqid is not a name")
